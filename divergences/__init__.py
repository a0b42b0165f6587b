"""How far apart are P and Q: KL, JS, TV, Wasserstein and their kin, as numbers."""

from divergences._closed_forms import register
from divergences._densities import estimate
from divergences._estimate import Estimate
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
from divergences._laws import Density
from divergences._many import jensen_shannon
from divergences._mixtures import GaussianMixture
from divergences._orders import alpha, chi2, renyi
from divergences._pairwise import pairwise
from divergences._samples import energy, mmd
from divergences._wasserstein import wasserstein
from transport.internal import VERSION as __version__

__all__ = [
    "Density",
    "Estimate",
    "GaussianMixture",
    "Generator",
    "alpha",
    "chi2",
    "cross_entropy",
    "energy",
    "entropy",
    "estimate",
    "f_divergence",
    "hellinger",
    "jeffreys",
    "jensen_shannon",
    "js",
    "js_distance",
    "kl",
    "mmd",
    "pairwise",
    "register",
    "renyi",
    "squared_hellinger",
    "tv",
    "wasserstein",
]
