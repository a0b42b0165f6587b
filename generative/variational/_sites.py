"""Sites of expectation propagation: factors that can be multiplied by a Gaussian and integrated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import special

from generative.variational._quadrature import expect
from transport.internal import check_positive


class Site(Protocol):
    """A factor t(s) of one real variable."""

    def tilted(self, mean: float, var: float) -> tuple[float, float, float]:
        """``log Z``, mean and variance of ``N(s; mean, var) t(s) / Z``."""


@dataclass(frozen=True)
class GaussianSite:
    """The factor N(value; s, var): an observation of s with Gaussian noise."""

    value: float
    var: float

    def __post_init__(self) -> None:
        check_positive(self.var, "var")

    def tilted(self, mean: float, var: float) -> tuple[float, float, float]:
        total = var + self.var
        gap = self.value - mean
        log_z = -0.5 * (np.log(2 * np.pi * total) + gap * gap / total)
        return float(log_z), mean + var * gap / total, var * self.var / total


@dataclass(frozen=True)
class ProbitSite:
    """The factor Phi(sign * s / scale), Phi the normal distribution function.

    Source: Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), eq. 3.82-3.85.
    """

    sign: int
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.sign not in (-1, 1):
            raise ValueError(f"sign = {self.sign}; it must be -1 or 1")
        check_positive(self.scale, "scale")

    def tilted(self, mean: float, var: float) -> tuple[float, float, float]:
        spread = float(np.sqrt(self.scale**2 + var))
        z = self.sign * mean / spread
        log_z = float(special.log_ndtr(z))
        hazard = float(np.exp(-0.5 * z * z - 0.5 * np.log(2 * np.pi) - log_z))
        shrink = hazard * (z + hazard) * var / spread**2
        return log_z, mean + self.sign * var * hazard / spread, var * (1 - shrink)


@dataclass(frozen=True)
class QuadratureSite:
    """Any factor, given by its log: ``log_factor(s)`` elementwise on an array."""

    log_factor: Callable[[np.ndarray], np.ndarray]

    def tilted(self, mean: float, var: float) -> tuple[float, float, float]:
        def log_density(s: np.ndarray) -> np.ndarray:
            logs = np.asarray(self.log_factor(s), dtype=np.float64)
            if logs.shape != s.shape:
                raise ValueError(
                    f"a site returned shape {logs.shape} for shape {s.shape}; it must be elementwise"
                )
            return logs - 0.5 * np.square(s - mean) / var

        reach = 10 * np.sqrt(var)
        nodes = expect(log_density, mean - reach, mean + reach)
        return nodes.log_total - 0.5 * float(np.log(2 * np.pi * var)), nodes.mean, nodes.var
