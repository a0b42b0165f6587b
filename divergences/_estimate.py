"""The result every estimator returns."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A number and the interval the true value lies in.

    Attributes
    ----------
    value, lower, upper : float
        ``lower <= value <= upper``. Infinities only where the mathematics says so.
    method : str
        How it was found: ``"closed form"``, ``"quadrature"``, ``"summation"``, ``"qmc"``, ...
    n_evaluations : int
        Points at which densities were evaluated, or samples used.
    confidence : float
        1 for an interval that is meant to hold always; otherwise its probability.
    standard_error : float
        0 for deterministic methods.
    p_value : float or None
        Permutation p-value of P = Q, where one was asked for.
    """

    value: float
    lower: float
    upper: float
    method: str
    n_evaluations: int
    confidence: float = 1.0
    standard_error: float = 0.0
    p_value: float | None = None

    def __post_init__(self) -> None:
        if any(map(math.isnan, (self.value, self.lower, self.upper))):
            raise ArithmeticError(f"an estimate came out as NaN: {self.value}, [{self.lower}, {self.upper}]")

    def __repr__(self) -> str:
        parts = [f"{name}={getattr(self, name):.12g}" for name in ("value", "lower", "upper")]
        parts.append(f"method={self.method!r}")
        if self.confidence < 1:
            parts.append(f"confidence={self.confidence:g}")
        if self.p_value is not None:
            parts.append(f"p_value={self.p_value:.3g}")
        return f"Estimate({', '.join(parts)})"

    @property
    def error(self) -> float:
        """Half-width of the interval."""
        return math.inf if math.isinf(self.upper) > math.isinf(self.lower) else (self.upper - self.lower) / 2

    def __float__(self) -> float:
        return self.value
