"""The two sides of a dual problem: masses, base potentials, and what pulls the marginal to the mass."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

Penalty: TypeAlias = tuple[float, float, float, float]

BALANCED: Penalty = (0.0, 0.0, -math.inf, math.inf)


@dataclass(eq=False)
class Side:
    """Masses w > 0 of one side, its base potential (units of the cost) and its penalty.

    The penalty (slope, damping, low, high) is that of `transport._kernels.entropic`: the marginal should be
    w exp(-slope f), with f kept in [low, high]; damping = slope * reg.
    """

    mass: np.ndarray
    base: np.ndarray
    penalty: Penalty = BALANCED
    log: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.log = np.log(self.mass)

    @property
    def is_fixed(self) -> bool:
        """The marginal must be the mass itself."""
        return self.penalty == BALANCED

    def potential(self, p: np.ndarray, reg: float) -> np.ndarray:
        """f in units of the cost, from p = (f - base) / reg + log w."""
        return self.base + reg * (p - self.log)

    def correction(self, p: np.ndarray, reg: float) -> np.ndarray:
        """f - base, without the cancellation."""
        out: np.ndarray = reg * (p - self.log)
        return out

    def wanted(self, p: np.ndarray, reg: float) -> np.ndarray:
        """The marginal that the penalty asks for at the potential ``p``."""
        if self.penalty[0] == 0.0:
            return self.mass
        return np.exp(self.log - self.penalty[0] * self.potential(p, reg))

    def limits(self, reg: float) -> tuple[np.ndarray, np.ndarray] | None:
        """Bounds of p, where the penalty has any."""
        low, high = self.penalty[2:]
        if low == -math.inf and high == math.inf:
            return None
        return self.log + (low - self.base) / reg, self.log + (high - self.base) / reg

    def pulled(self, log_sum: np.ndarray, reg: float) -> np.ndarray:
        """The optimal p where log sum_i exp(p_i' - S / reg) = ``log_sum`` over the other side."""
        slope, damping = self.penalty[:2]
        p = self.log - (log_sum + slope * self.base) / (1.0 + damping)
        bounds = self.limits(reg)
        return p if bounds is None else np.clip(p, *bounds)
