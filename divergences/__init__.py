"""How far apart are P and Q: KL, JS, TV, Wasserstein and their kin, as numbers."""

from divergences._closed_forms import register
from divergences._densities import estimate
from divergences._estimate import Estimate
from divergences._laws import Density

__all__ = [
    "Density",
    "Estimate",
    "estimate",
    "register",
]
