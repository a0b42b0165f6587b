"""How far a solve is: the certified interval after every pricing round, and when it will have closed.

Computed only for those who watch (`Exact.watch`); a solve without a callback pays nothing. `closing_seconds`
is for solves with a time limit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from transport._solver.assignment import Matching
from transport._solver.column_generation import Priced, Simplex
from transport.internal import clock

TRIAL = 512  # searches that show how long all of them will take
SEARCHES = 1.5  # times as long: from the clusters to the points, and between the points
CLOSING_NODE = 1e-6  # seconds a source and its sink: costs of the plan, sums
_EPS = 2.0**-52


def bounds(core: Simplex | Matching, priced: Priced) -> tuple[float, float]:
    """(lower, upper) around the optimum, in the oracle's units of cost and integer units of mass.

    The oracle returns the worst arcs of every row: lowering f_i by the violation of the worst one makes
    (f, g) feasible, so <a, f> + <b, g> less the sum of a_i times these violations is a lower bound, and it
    costs nothing. The violations that oracles pass over as rounding, 8 eps (|c| + |f| + |g|) with
    |c| <= |f| + |g| + rounding, and the roundings of these sums are taken off as well.
    """
    f, g, rows, cols, costs = priced
    worst = np.zeros(len(f))
    np.maximum.at(worst, rows, (f[rows] - costs) + g[cols])
    a, b = core.a.astype(float), core.b.astype(float)
    size = float(a @ (np.abs(f) + worst) + b @ np.abs(g))
    slack = 32 * _EPS * (size + float(a.sum()) * float(np.abs(g).max()))
    rows, cols, flow = core.flows()
    costs, mass = core.oracle.costs(rows, cols), flow.astype(float)
    upper = float(costs @ mass) + 32 * _EPS * float(np.abs(costs) @ mass)
    return float(a @ (f - worst) + b @ g) - slack, upper


@dataclass(eq=False)
class Pace:
    """The certified interval, and how fast it closes round by round."""

    tol: float
    lower: float = -math.inf
    upper: float = math.inf
    priced: Priced | None = None
    history: list[tuple[float, float]] = field(default_factory=list)

    def look(self, core: Simplex | Matching | None, unit: float) -> dict[str, Any]:
        """{} before the first round, then lower_bound, upper_bound, gap and eta (seconds or None).

        ``unit``: what one unit of the core's cost times one of its mass is worth.
        """
        if core is not None and core.priced is not None and core.priced is not self.priced:
            self.priced = core.priced
            lower, upper = bounds(core, core.priced)
            self.lower, self.upper = max(self.lower, lower * unit), min(self.upper, upper * unit)
            gap = (self.upper - self.lower) / max(abs(self.upper), 1e-300)
            self.history.append((clock(), gap))
        if not self.history:
            return {}
        gap = self.upper - self.lower
        return {"lower_bound": self.lower, "upper_bound": self.upper, "gap": gap, "eta": self.eta()}

    def eta(self) -> float | None:
        """Seconds until the gap is within tol at the pace of the last two rounds; None: no telling."""
        if len(self.history) < 2:
            return None
        (before, wide), (after, gap) = self.history[-2:]
        if not self.tol < gap < 0.9 * wide:
            return None
        left = (after - before) * math.log(gap / self.tol) / math.log(wide / gap)
        left -= clock() - after
        return left if 0.5 < left < 1e6 else None


def closing_seconds(search: Callable[[np.ndarray], object], y: np.ndarray, sources: int) -> float:
    """What proving potentials on all points will take, by a sample of the searches from ``y``."""
    few = y[:: -(-len(y) // TRIAL)].copy()
    began = clock()
    search(few[:: TRIAL // 8].copy())  # fits as well, and compiles
    search(few[:: TRIAL // 8].copy())
    fit, began = clock() - began, clock()
    search(few)
    return SEARCHES * (fit + (clock() - began) / len(few) * len(y)) + CLOSING_NODE * (sources + len(y))


def in_words(facts: dict[str, Any]) -> str:
    """The part of a progress line about the gap."""
    if not facts:
        return ""
    size, eta = abs(facts["upper_bound"]), facts["eta"]
    text = f", gap {facts['gap'] / size:.1e}" if size > 0 else f", gap {facts['gap']:.1e} absolute"
    if eta is not None:
        text += f", about {eta:.0f} s left" if eta < 120 else f", about {eta / 60:.0f} min left"
    return text
