"""How far apart are P and Q: KL, JS, TV, Wasserstein and their kin, as numbers."""

from divergences._fdiv import (
    cross_entropy,
    entropy,
    hellinger,
    jeffreys,
    js,
    js_distance,
    kl,
    squared_hellinger,
    tv,
)
from divergences._generators import Generator, f_divergence
from divergences._orders import alpha, chi2, renyi

__all__ = [
    "Generator",
    "alpha",
    "chi2",
    "cross_entropy",
    "entropy",
    "f_divergence",
    "hellinger",
    "jeffreys",
    "js",
    "js_distance",
    "kl",
    "renyi",
    "squared_hellinger",
    "tv",
]
