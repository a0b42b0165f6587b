"""The Sinkhorn divergence: entropic transport cost, debiased, so that equal measures are at distance 0."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from transport._points import PointCloud
from transport._sinkhorn.solver import Sinkhorn
from transport._solution import Solution
from transport._solve import as_problem, solve
from transport.internal import Array, as_points, check_positive, namespace, on_device_of, to_numpy


@dataclass(frozen=True, eq=False)
class SinkhornDivergence:
    """The value of a Sinkhorn divergence, its interval and its derivatives.

    Attributes
    ----------
    value : float
        S(a, b) = OT(a, b) - OT(a, a) / 2 - OT(b, b) / 2 >= 0, OT the regularised cost.
    lower_bound, upper_bound : float
        From the primal and dual values of the three problems; lower_bound >= 0.
    x, y : array, shape (n, d) and (m, d)
        dS/dx and dS/dy.
    a, b : array, shape (n,) and (m,)
        dS/da and dS/db, up to a constant each.
    between, within : Solution, pair of Solution
        The three problems.
    """

    value: float
    lower_bound: float
    upper_bound: float
    between: Solution
    within: tuple[Solution, Solution]

    @property
    def a(self) -> Array:
        """dS/da: the potential of the cross problem less that of its own."""
        return self._masses(0)

    @property
    def b(self) -> Array:
        """dS/db."""
        return self._masses(1)

    def _masses(self, side: int) -> Array:
        own = self.within[side].stats["entropic_potentials"]
        out = self.between.stats["entropic_potentials"][side] - 0.5 * (own[0] + own[1])
        return on_device_of(out, self.between.arcs.like)

    @property
    def x(self) -> Array:
        """dS/dx, by the envelope theorem: plans times the derivatives of the costs."""
        own = self.within[0].gradient()
        return self.between.gradient().x - 0.5 * (own.x + own.y)

    @property
    def y(self) -> Array:
        """dS/dy."""
        own = self.within[1].gradient()
        return self.between.gradient().y - 0.5 * (own.x + own.y)

    def __float__(self) -> float:
        return self.value


def sinkhorn_divergence(
    x: Any,
    y: Any,
    a: Any = None,
    *,
    b: Any = None,
    reg: float,
    cost: str = "sqeuclidean",
    power: float = 1.0,
    tol: float = 1e-9,
    full: bool = False,
) -> Any:
    """The Sinkhorn divergence between two weighted clouds of points, >= 0, and 0 if they are equal.

    S = OT(a, b) - OT(a, a) / 2 - OT(b, b) / 2, where OT(a, b) is the minimum of <C, P> + reg KL(P | a ⊗ b).
    A kernel norm for large ``reg``, the transport cost for small ``reg``.

    Parameters
    ----------
    x : array, shape (n, d) or (n,)
    y : array, shape (m, d) or (m,)
    a : array, shape (n,), optional
        Weights of x, uniform by default.
    b : array, shape (m,), optional
        Weights of y, of the same total.
    reg : float
        Regularisation > 0, in units of the cost.
    cost, power
        As for `PointCloud`: "sqeuclidean", "euclidean", "cityblock" or "chebyshev", to a power. S >= 0 is a
        theorem where exp(-C / reg) is a positive kernel: squared Euclidean distances, and Euclidean and
        cityblock ones to a power of at most 1 (2 for Euclidean).
    tol : float
        Relative error of the marginals of the three plans.
    full : bool
        Return a `SinkhornDivergence` with interval and derivatives instead of the number.

    Returns
    -------
    float or SinkhornDivergence

    Raises
    ------
    ValueError
        As `PointCloud`, `transport.solve` and `Sinkhorn`.
    ConvergenceError
        One of the problems could not be solved to ``tol``.

    Notes
    -----
    Source: J. Feydy, T. Sejourne, F.-X. Vialard, S. Amari, A. Trouve, G. Peyre (2019). GeomLoss's
    ``SamplesLoss("sinkhorn", p=2, blur=s)`` takes half the squared distance and reg = s^2: half of this S at
    reg = 2 s^2.

    Examples
    --------
    >>> import transport as tp
    >>> tp.sinkhorn_divergence([[0.0, 1.0]], [[0.0, 1.0]], reg=0.05)
    0.0
    >>> tp.sinkhorn_divergence([0.0], [2.0], reg=0.05)
    4.0
    """
    check_positive(reg, "reg")
    xp = namespace(*(z for z in (x, y, a, b) if z is not None))
    u, v = (to_numpy(as_points(z, name, xp=xp)) for z, name in ((x, "x"), (y, "y")))
    problem, _ = as_problem(PointCloud(x, y, cost, power=power), a, b)
    masses = problem.a, problem.b
    solver = Sinkhorn(reg)

    def solved(p: np.ndarray, q: np.ndarray, s: np.ndarray, t: np.ndarray) -> Solution:
        return solve(PointCloud(p, q, cost, power=power), s, t, solver=solver, tol=tol)

    between = solved(u, v, masses[0], masses[1])
    if _equal((u, masses[0]), (v, masses[1])):
        within = between, between
        value, lower, upper = 0.0, 0.0, 0.0
    else:
        within = solved(u, u, masses[0], masses[0]), solved(v, v, masses[1], masses[1])
        value, lower, upper = _debiased(between, within)
    answer = SinkhornDivergence(value, lower, upper, between, within)
    return answer if full else value


def _equal(first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]) -> bool:
    """Whether the measures are the same, atoms in any order, whole or in parts."""
    sums = []
    for points, mass in (first, second):
        atoms, place = np.unique(points[mass > 0], axis=0, return_inverse=True)
        sums.append((atoms, np.bincount(place.ravel(), mass[mass > 0])))
    (p, s), (q, t) = sums
    rounding = 4 * max(len(first[1]), len(second[1])) * 2.0**-53
    return p.shape == q.shape and bool((p == q).all()) and bool((abs(s - t) <= rounding * s).all())


def _debiased(between: Solution, within: tuple[Solution, Solution]) -> tuple[float, float, float]:
    """(value, lower, upper); the theorem says that the value is not negative."""
    parts = [s.stats for s in (between, *within)]
    middle, low, high = (
        math.fsum((p["regularised" + k], -0.5 * q["regularised" + m], -0.5 * r["regularised" + m]))
        for k, m in (("", ""), ("_lower", "_upper"), ("_upper", "_lower"))
        for p, q, r in (parts,)
    )
    return max(middle, 0.0), max(low, 0.0), max(high, 0.0)
