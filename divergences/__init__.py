"""How far apart are P and Q: KL, JS, TV, Wasserstein and their kin, as numbers.

A name is loaded with its module when it is first asked for (PEP 562).
"""

import typing

from transport.internal import VERSION as __version__
from transport.internal import door as _door

if typing.TYPE_CHECKING:
    from divergences._discriminator import optimal_discriminator
    from divergences._estimate import Estimate
    from divergences._families import register
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
    from divergences._pipe import estimate
    from divergences._samples import energy, mmd
    from divergences._wasserstein import wasserstein

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
    "optimal_discriminator",
    "pairwise",
    "register",
    "renyi",
    "squared_hellinger",
    "tv",
    "wasserstein",
]

_HOMES = {
    "divergences._pipe": "estimate",
    "divergences._discriminator": "optimal_discriminator",
    "divergences._estimate": "Estimate",
    "divergences._families": "register",
    "divergences._fdiv": "cross_entropy entropy hellinger jeffreys js js_distance kl squared_hellinger tv",
    "divergences._generators": "Generator f_divergence",
    "divergences._laws": "Density",
    "divergences._many": "jensen_shannon",
    "divergences._mixtures": "GaussianMixture",
    "divergences._orders": "alpha chi2 renyi",
    "divergences._pairwise": "pairwise",
    "divergences._samples": "energy mmd",
    "divergences._wasserstein": "wasserstein",
}
__getattr__, __dir__ = _door(__name__, _HOMES)
