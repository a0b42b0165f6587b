"""What a sequence of numbers does, with a rate and a constant: 0, away from 0, infinity, or no verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

import numpy as np


class Kind(Enum):
    """How a sequence behaves; the text is for people."""

    ZERO = "→ 0"
    AWAY = "bounded away from 0"
    INFINITE = "→ ∞"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Limit:
    """value(n) ~ constant * n**(-rate) (ZERO), -> constant (AWAY), ~ constant * n**rate (INFINITE).

    ``rate`` is None where there is no clean power; ``constant`` is None then, and inf where the value is
    infinite at every n.
    """

    kind: Kind
    rate: float | None = None
    constant: float | None = None

    def agrees(self, expected: Limit, *, slope: float = 0.02, relative: float = 0.01) -> bool:
        """Same kind, and rate and constant within tolerance wherever ``expected`` states them."""
        if self.kind is not expected.kind:
            return False
        if expected.rate is not None and (self.rate is None or abs(self.rate - expected.rate) > slope):
            return False
        if expected.constant is None:
            return True
        if self.constant is None or math.isinf(expected.constant) or math.isinf(self.constant):
            return self.constant == expected.constant
        return abs(self.constant - expected.constant) <= relative * abs(expected.constant)

    def __str__(self) -> str:
        if self.kind is Kind.AWAY and self.constant is not None:
            return f"→ {self.constant:.4g}"
        if self.kind is Kind.INFINITE and self.constant == math.inf:
            return "∞"
        if self.rate is None or self.constant is None:
            return self.kind.value
        power = {1.0: "", 2.0: "²", 0.5: "^½"}.get(round(self.rate, 2), f"^{self.rate:.3g}")
        if self.kind is Kind.ZERO:
            return f"→ 0 as {self.constant:.4g}/n{power}"
        factor = "" if abs(self.constant - 1) < 5e-4 else f"{self.constant:.4g} "
        return f"→ ∞ as {factor}n{power}"


@dataclass(frozen=True)
class Classification:
    """A `Limit` and the evidence for it."""

    limit: Limit
    ns: tuple[int, ...]
    values: tuple[float, ...]
    reason: str


def _accelerated(x: np.ndarray) -> float:
    """Aitken's extrapolation of the last three terms, where it is trustworthy; else the last."""
    if x.size < 3:
        return float(x[-1])
    first, second = x[-2] - x[-3], x[-1] - x[-2]
    if abs(second) <= 1e-9 * abs(x[-1]) or abs(first) == 0 or not 0 < second / first < 0.8:
        return float(x[-1])
    return float(x[-1] + second * second / (first - second))


def classify_values(values: Mapping[int, float]) -> Classification:
    """Classify numbers given at n, 2n, 4n, ... (at least five of them).

    A verdict needs slopes on log-log axes that settle, or differences that shrink geometrically; anything
    slower than every power (1/log n, say) is inconclusive, for finitely many numbers cannot tell.

    Examples
    --------
    >>> str(classify_values({2**k: 3 / 2**k for k in range(8)}).limit)
    '→ 0 as 3/n'
    >>> classify_values({2**k: 1 + 1 / (k + 9) for k in range(8)}).limit.kind.name
    'INCONCLUSIVE'
    """
    ns = tuple(sorted(values))
    v = np.array([values[n] for n in ns], dtype=float)
    if len(ns) < 5 or any(2 * m != n for m, n in pairwise(ns)):
        raise ValueError(f"values at n = {list(ns)}; give at least five, each n twice the one before")
    limit, reason = _decide(np.array(ns, dtype=float), v)
    return Classification(limit, ns, tuple(map(float, v)), reason)


def _decide(n: np.ndarray, v: np.ndarray) -> tuple[Limit, str]:
    inconclusive = Limit(Kind.INCONCLUSIVE)
    if np.isnan(v).any() or (v < 0).any():
        return inconclusive, "not a non-negative number at every n"
    if np.isinf(v).any():
        if np.isinf(v).all():
            return Limit(Kind.INFINITE, None, math.inf), "infinite at every n"
        return inconclusive, "infinite at some n, finite at others"
    if (v[-3:] == 0).all():
        return Limit(Kind.ZERO, None, 0.0), "exactly 0 from some n on"
    if (v == 0).any():
        return inconclusive, "0 at some n, positive at others"
    slopes = np.diff(np.log2(v))
    turn = np.abs(np.diff(slopes))
    settled = turn[-1] <= max(0.75 * turn[-2], 5e-3)
    if settled and abs(slopes[-1]) >= 0.15 and (slopes[-3:] * slopes[-1] > 0).all():
        rate = abs(_accelerated(slopes))
        clean = turn[-1] < 0.06
        kind = Kind.ZERO if slopes[-1] < 0 else Kind.INFINITE
        if not clean:
            return Limit(kind), f"slope {slopes[-1]:+.3f} on log-log axes, still bending"
        nearest = round(4 * rate) / 4
        power = nearest if abs(nearest - rate) <= 0.02 else rate
        constant = _accelerated(v * n ** (power if kind is Kind.ZERO else -power))
        return Limit(kind, rate, constant), f"slope {slopes[-1]:+.4f} on log-log axes, settled"
    if slopes[-4:].max() < -0.3 and np.ptp(slopes[-4:]) <= 0.25 * abs(slopes[-1]):
        return Limit(Kind.ZERO), f"slope {slopes[-1]:+.3f} on log-log axes, a power up to slow factors"
    steps = np.abs(np.diff(v))
    still = (steps[-3:] <= 1e-6 * v[-1]).all()
    shrinking = (steps[-2:] <= 0.75 * steps[-3:-1]).all()
    level = float(v[-1]) if still else _accelerated(v)
    if (still or shrinking) and level > 10 * steps[-1] and abs(slopes[-1]) < 0.15:
        return Limit(Kind.AWAY, None, level), "constant" if still else "differences shrink geometrically"
    return inconclusive, f"slope {slopes[-1]:+.3f} on log-log axes, neither settled nor level"
