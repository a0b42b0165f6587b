"""Two metrics of weak convergence on finite spaces: Prokhorov's and the bounded-Lipschitz one.

Both are a handful of transport problems with a modified cost, so the same few lines serve floats (with
`transport.solve`) and fractions (with `exact_transport`): the arithmetic is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

import transport
from divergences.hierarchy._exact_transport import exact_transport
from transport.internal import as_float64, as_weights, require_finite

Solve: TypeAlias = Callable[[Any, Any, Any], tuple[Any, Any]]
"""(cost, a, b) -> (value, plan), all object or float64 NumPy arrays."""


def solve_exactly(cost: Any, a: Any, b: Any) -> tuple[Fraction, np.ndarray]:
    """`exact_transport` on object arrays."""
    value, plan = exact_transport(cost.tolist(), a.tolist(), b.tolist())
    return value, np.array(plan, dtype=object)


def _solve_in_floats(cost: Any, a: Any, b: Any) -> tuple[float, np.ndarray]:
    if not cost.any():  # every plan is free
        return 0.0, np.outer(a, b)
    solution = transport.solve(cost, a, b)
    return solution.value, solution.plan.toarray()


def prokhorov_by(solve: Solve, distance: Any, p: Any, q: Any) -> Any:
    """inf{e : some coupling puts mass at most e on d > e} (Strassen 1965), by bisection over distances.

    g(e) = least mass any coupling leaves on d > e is a decreasing step function that jumps at distances
    only, so the answer is min(d_k, g(d_{k-1})) at the first distance d_k >= g(d_k).
    """
    levels = np.unique(np.append(distance.ravel(), distance.ravel()[0] * 0))
    escaping = {}

    def g(k: int) -> Any:
        if k not in escaping:
            over = (distance > levels[k]) * (p[0] * 0 + 1)  # 0/1 in the arithmetic of p
            escaping[k] = solve(over, p, q)[0]
        return escaping[k]

    low, high = 0, len(levels) - 1  # g(last) = 0, so the last level always qualifies
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if levels[middle] >= g(middle) else (middle + 1, high)
    return levels[0] * 0 if low == 0 else min(levels[low], g(low - 1))


def bounded_lipschitz_by(solve: Solve, distance: Any, p: Any, q: Any) -> Any:
    """sup of integral f d(P-Q) over sup|f| + Lip(f) <= 1, by cutting planes in L = Lip(f).

    For fixed L the supremum is the transport value for the cost min(L d, 2(1 - L)), a minimum of linear
    functions of L, hence concave; a plan optimal at L gives a line above it that touches it there. Two
    such lines meet at an upper bound, and finitely many pieces make the search finite.
    """
    one = p[0] * 0 + 1
    total_variation = np.sum(np.abs(p - q)) / (2 * one)
    # Lines intercept + slope * L: near L = 0 the cost is L d, near 1 it is 2 (1 - L) off the diagonal.
    left = (0 * one, solve(distance, p, q)[0])
    right = (2 * total_variation, -2 * total_variation)
    if right[0] == 0 or left[1] == 0:
        return 0 * one
    for _ in range(200):
        at = (right[0] - left[0]) / (left[1] - right[1])
        ceiling = left[0] + left[1] * at
        steep = distance * at <= 2 * (one - at)
        value, plan = solve(np.where(steep, distance * at, 2 * (one - at)), p, q)
        flat_mass = np.sum(np.where(steep, 0 * one, plan))
        slope = np.sum(np.where(steep, distance * plan, 0 * one)) - 2 * flat_mass
        tolerance = 0 if isinstance(value, Fraction) else 1e-12
        if slope == 0 or value >= ceiling * (1 - tolerance):
            return min(value, ceiling)
        line = (value - slope * at, slope)
        left, right = (line, right) if slope > 0 else (left, line)
    raise ArithmeticError(f"cutting planes did not meet: {value} < {ceiling}")


def _as_finite_space(p: Any, q: Any, distance: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    p, q = as_weights(p, "p", xp=np), as_weights(q, "q", xp=np)
    d, _ = as_float64(distance, "distance", xp=np)
    if q.shape != p.shape or d.shape != (p.size, p.size):
        raise ValueError(
            f"p, q and distance have shapes {p.shape}, {q.shape} and {d.shape}; "
            "on a space of n points they must be (n,), (n,) and (n, n)"
        )
    require_finite(d, "distance", xp=np)
    if (d < 0).any() or (np.diag(d) != 0).any() or (d != d.T).any():
        raise ValueError(
            "distance is not a distance: it must be symmetric, non-negative, with a zero diagonal"
        )
    return p, q, d


def prokhorov(p: Any, q: Any, distance: Any) -> float:
    """Prokhorov distance between two laws on one finite metric space.

    inf{e > 0 : P(A) <= Q(A^e) + e for every set A}, A^e the points within e of A. It metrises weak
    convergence on every separable metric space, with pi^2 <= W_1 <= (1 + diameter) pi.

    Parameters
    ----------
    p, q : (n,) array
        Probabilities.
    distance : (n, n) array
        Pairwise distances.

    Returns
    -------
    float in [0, 1]

    Raises
    ------
    ValueError
        Weights that are no probabilities, shapes that do not match, a matrix that is no distance.

    Notes
    -----
    About 2 log2(n) transport problems with a 0/1 cost (Strassen 1965; Garcia-Palomares and Gine 1977).
    Exact up to rounding in `transport.solve`; exactly rational through `Pair.enclose`.

    Examples
    --------
    >>> prokhorov([1, 0], [0.75, 0.25], [[0, 3], [3, 0]])
    0.25
    """
    p, q, d = _as_finite_space(p, q, distance)
    return float(prokhorov_by(_solve_in_floats, d, p, q))


def bounded_lipschitz(p: Any, q: Any, distance: Any) -> float:
    """Bounded-Lipschitz (Dudley) distance between two laws on one finite metric space.

    sup of the integral of f d(P - Q) over functions with sup|f| + Lip(f) <= 1. It metrises weak
    convergence, with beta <= W_1 <= (1 + diameter/2) beta; two Diracs at distance d are 2d/(2+d) apart.

    Parameters
    ----------
    p, q : (n,) array
        Probabilities.
    distance : (n, n) array
        Pairwise distances.

    Returns
    -------
    float in [0, 2]

    Raises
    ------
    ValueError
        As `prokhorov`.

    Examples
    --------
    >>> round(bounded_lipschitz([1, 0], [0, 1], [[0, 3], [3, 0]]), 12)  # 6/5
    1.2
    """
    p, q, d = _as_finite_space(p, q, distance)
    return float(bounded_lipschitz_by(_solve_in_floats, d, p, q))
