"""What the distances under test are shown: masses on a common support, and atoms in a metric space."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import divergences as dv
import transport as tp
from divergences.hierarchy._pair import Pair

TESTED = ("kl", "kl_reverse", "js", "tv", "w")
"""The functionals a verification exercises; ``kl_reverse`` is ``kl`` with its arguments swapped."""


@dataclass(frozen=True)
class Instance:
    """Two laws in floats: cells for the f-divergences, atoms for W.

    Attributes
    ----------
    p, q : (k,) array
        Masses of the cells of a partition on which the likelihood ratio is constant, so that every
        f-divergence of (p, q) is that of (P, Q).
    x, y : (n,), (m,) array
        Atoms of P and Q on the line.
    a, b : (n,), (m,) array
        Their masses.
    cost : (n, m) array, optional
        Distances between the atoms when they do not lie on a line; ``x`` and ``y`` are then ignored.
    """

    p: np.ndarray
    q: np.ndarray
    x: np.ndarray
    y: np.ndarray
    a: np.ndarray
    b: np.ndarray
    cost: np.ndarray | None = None

    @classmethod
    def of(cls, p: Any, q: Any, points: Any = None) -> Instance:
        """Laws on one common support, on the line (at 0, 1, 2, ... unless told)."""
        p, q = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
        x = np.arange(float(p.size)) if points is None else np.asarray(points, dtype=float)
        return cls(p, q, x, x, p, q)

    @classmethod
    def of_pair(cls, pair: Pair) -> Instance:
        """A `Pair` in floats."""
        p, q = np.array(pair.p, dtype=float), np.array(pair.q, dtype=float)
        if pair.points is not None or not pair.distance:
            return cls.of(p, q, None if pair.points is None else [float(x) for x in pair.points])
        index = np.arange(float(p.size))
        return cls(p, q, index, index, p, q, np.array(pair.distance, dtype=float))

    def swapped(self) -> Instance:
        """(Q, P)."""
        cost = None if self.cost is None else self.cost.T
        return Instance(self.q, self.p, self.y, self.x, self.b, self.a, cost)


@dataclass(frozen=True)
class Functionals:
    """The distances under test.

    Attributes
    ----------
    kl, js, tv : callable
        ``f(p, q) -> float`` on probability vectors; JS is the sum KL(P|M) + KL(Q|M), without a half.
    w : callable
        ``w(x, y, a, b) -> float``: W_1 between atoms on the line, in SciPy's order of arguments.
    transport_cost : callable, optional
        ``f(cost, a, b) -> float`` for other metric spaces; such cases are skipped without it.
    """

    kl: Callable[[Any, Any], float]
    js: Callable[[Any, Any], float]
    tv: Callable[[Any, Any], float]
    w: Callable[[Any, Any, Any, Any], float]
    transport_cost: Callable[[Any, Any, Any], float] | None = None

    @classmethod
    def ours(cls) -> Functionals:
        """The distances of this library."""
        return cls(
            dv.kl,
            dv.js,
            dv.tv,
            lambda x, y, a, b: tp.wasserstein_1d(x, y, a=a, b=b),
            lambda cost, a, b: tp.solve(cost, a, b).value,
        )

    def __call__(self, name: str, case: Instance) -> float | None:
        """The named functional of a case: a float, NaN if it raised, None if it does not apply."""
        try:
            if name in ("kl", "js", "tv"):
                return float(getattr(self, name)(case.p.copy(), case.q.copy()))
            if name == "kl_reverse":
                return float(self.kl(case.q.copy(), case.p.copy()))
            if case.cost is None:
                return float(self.w(case.x.copy(), case.y.copy(), case.a.copy(), case.b.copy()))
            if self.transport_cost is None:
                return None
            return float(self.transport_cost(case.cost.copy(), case.a.copy(), case.b.copy()))
        except Exception:
            # Somebody else's code: whatever it raises on a valid case is a failed check, not ours to pass on.
            return math.nan
