"""Derivatives of a transport cost in masses, costs and points, read off the optimal plan and potentials."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from transport._answer import Answer
from transport._points import PointCloud
from transport.internal import Array, cached_property, on_device_of, to_numpy


class Gradient:
    """Derivatives of the optimal value V(a, b, C) of a `Solution`.

    By the envelope theorem (Danskin): the optimal potentials are the derivative in the masses, the optimal
    plan that in the costs, and the chain rule goes on to the points. Where plan or potentials are not unique
    V has a kink, and these are one of its supergradients (in C) and subgradients (in a, b). For an entropic
    solution V is the regularised objective, which has no kinks.

    Attributes
    ----------
    a, b : array, shape (n,) and (m,)
        dV/da and dV/db. Totals must stay equal, so only changes with sum(da) = sum(db) mean something: a
        constant may move from one to the other, and is such that <a, dV/da> = <b, dV/db>. With soft marginals
        a and b are free of each other, and so are their derivatives.
    cost : sparse COO array, shape (n, m)
        dV/dC: the plan.
    x, y : array, shape (n, d) and (m, d)
        dV/dx and dV/dy of a `PointCloud`, from pairs that carry mass; a pair at distance 0 contributes 0.

    Raises
    ------
    ValueError
        On reading ``x`` or ``y`` where the derivative of the cost is not known (a stored matrix, a function,
        a tree), and ``a`` or ``b`` where the solver's plan need not have these marginals.
    """

    def __init__(self, solution: Answer) -> None:
        if solution.problem is None:
            raise ValueError(
                "this solution keeps no problem to differentiate; sol.plan is the derivative in the costs, "
                "and the chain rule goes on from there"
            )
        self._solution = solution
        self._problem = solution.problem
        self._like = solution.arcs.like

    @cached_property
    def _masses(self) -> tuple[np.ndarray, np.ndarray]:
        a, b = self._problem.a, self._problem.b
        known: tuple[np.ndarray, np.ndarray] | None = self._solution.stats.get("mass_gradient")
        if known is not None:
            return known
        total = math.fsum(a)
        if not self._solution.marginal_error <= 1e-6 * total:
            raise ValueError(
                f"the plan's marginals are off by {self._solution.marginal_error:.3g}: its potentials are "
                "not the derivative in the masses (a solve that was stopped, or a blur); "
                "gradient().cost, .x and .y hold"
            )
        pair = self._solution.stats.get("entropic_potentials")
        f, g = (to_numpy(z) for z in (self._solution.potentials if pair is None else pair))
        shift = (math.fsum(a * f) - math.fsum(b * g)) / (2 * total)
        return f - shift, g + shift

    @property
    def a(self) -> Array:
        """dV/da, shape (n,)."""
        return on_device_of(self._masses[0], self._like)

    @property
    def b(self) -> Array:
        """dV/db, shape (m,)."""
        return on_device_of(self._masses[1], self._like)

    @property
    def cost(self) -> Any:
        """dV/dC, the plan."""
        return self._solution.plan

    @cached_property
    def _points(self) -> tuple[np.ndarray, np.ndarray]:
        cost, arcs = self._problem.cost, self._solution.arcs
        if not isinstance(cost, PointCloud):
            raise ValueError(
                f"the cost is a {type(cost).__name__}, whose derivative in the points is not known here; "
                "apply the chain rule to gradient().cost, which holds P_ij at (row, col)"
            )
        rows, cols, mass = arcs.rows, arcs.cols, arcs.mass
        move = mass[:, None] * cost.slopes(rows, cols)
        n, m = cost.shape
        by_x = np.stack([np.bincount(rows, weights=part, minlength=n) for part in move.T], axis=1)
        by_y = np.stack([np.bincount(cols, weights=part, minlength=m) for part in move.T], axis=1)
        return by_x, -by_y

    @property
    def x(self) -> Array:
        """dV/dx, shape (n, d)."""
        return on_device_of(self._points[0], self._like)

    @property
    def y(self) -> Array:
        """dV/dy, shape (m, d)."""
        return on_device_of(self._points[1], self._like)

    def __repr__(self) -> str:
        n, m = self._problem.shape
        return f"Gradient(of {self._solution.value:.12g}; a: ({n},), b: ({m},), cost: the plan, x, y)"
