"""Gromov-Wasserstein: conditional gradient on exact inner solves, between bounds from invariants."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from transport._small import solve_small
from transport._solve import solve
from transport._univariate import wasserstein_1d
from transport.internal import (
    Array,
    CtrlC,
    as_float64,
    as_weights,
    check_count,
    check_positive,
    namespace,
    on_device_of,
    require_finite,
    to_numpy,
)


@dataclass(frozen=True, eq=False, repr=False)
class GromovWasserstein:
    """A coupling of two spaces and what is known of the least distortion.

    Attributes
    ----------
    value : float
        The objective of ``plan``, an upper bound of the least one.
    plan : array, shape (n, m)
    lower_bound, upper_bound : float
        lower_bound <= least objective of any coupling <= upper_bound = ``value``. The problem is a
        non-convex quadratic programme: ``plan`` is a local optimum, and is never said to be more unless the
        interval closes.
    starts : tuple of float
        Where the descent from each start ended, in the order tried.
    n_iter : int
        Exact inner solves.
    elapsed : float
        Seconds.
    """

    value: float
    plan: Array
    lower_bound: float
    upper_bound: float
    starts: tuple[float, ...]
    n_iter: int
    elapsed: float
    stats: Mapping[str, Any] = field(default_factory=dict)

    @property
    def gap(self) -> float:
        """upper_bound - lower_bound."""
        return self.upper_bound - self.lower_bound

    def __float__(self) -> float:
        return self.value

    def __repr__(self) -> str:
        return (
            f"GromovWasserstein(value={self.value:.10g}, least in [{self.lower_bound:.10g}, "
            f"{self.upper_bound:.10g}], {len(self.starts)} starts, {self.elapsed:.3g} s)"
        )


@CtrlC()
def gromov_wasserstein(
    C1: Any,
    C2: Any,
    a: Any = None,
    b: Any = None,
    *,
    M: Any = None,
    alpha: float | None = None,
    n_starts: int = 4,
    tol: float = 1e-9,
    max_iter: int = 1000,
    rng: Any = 0,
    normalize: bool = False,
) -> GromovWasserstein:
    r"""A coupling of two spaces known by their inner distances only, of small distortion, with an interval.

    Minimises :math:`\sum_{ijkl} (C1_{ik} - C2_{jl})^2 P_{ij} P_{kl}` over couplings P of a and b; with ``M``
    (fused) :math:`(1 - \alpha) \langle M, P\rangle + \alpha` times that.

    Parameters
    ----------
    C1, C2 : array, shape (n, n) and (m, m)
        Distances, or any symmetric matrices.
    a, b : array, shape (n,) and (m,), optional
        Weights, each summing to 1; equal weights by default.
    M : array, shape (n, m), optional
        Costs between the features of the points of both spaces.
    alpha : float, optional
        In [0, 1], with ``M`` only; 0.5 by default.
    n_starts : int
        Descents: the first from the plan of the third lower bound (Mémoli's TLB), the others from vertices
        of the polytope of couplings drawn at random.
    tol : float
        A descent ends where a step lowers the objective by less than ``tol`` times it.
    max_iter : int
        Steps of one descent, at most; it may end there: the interval holds all the same.
    rng : seed or Generator
    normalize : bool
        Divide the weights by their total instead of insisting on 1.

    Returns
    -------
    GromovWasserstein

    Raises
    ------
    ValueError
        Matrices that are not square or not symmetric, shapes that do not match, weights that are not those of
        a probability, alpha without M or outside [0, 1].
    TypeError
        Masked, complex or object arrays.

    Notes
    -----
    Above: conditional gradient (Vayer et al. 2019) with exact line search, each direction an exact transport
    problem. Below: the largest of three bounds of Mémoli (2011) that compare invariants: the second moments
    of the eccentricities (FLB), the distributions of all distances (SLB), and the local distributions of
    distances, coupled optimally (TLB). POT's ``gromov_wasserstein2`` has the same objective.

    Examples
    --------
    >>> import numpy as np, transport as tp
    >>> line = np.abs(np.subtract.outer([0.0, 1.0, 5.0], [0.0, 1.0, 5.0]))
    >>> found = tp.gromov_wasserstein(line, line[::-1, ::-1])
    >>> found.value, np.argmax(found.plan, axis=1).tolist()
    (0.0, [2, 1, 0])
    """
    start = time.perf_counter()
    xp = namespace(*(z for z in (C1, C2, M, a, b) if z is not None))
    first, second = _inner(C1, "C1", xp), _inner(C2, "C2", xp)
    n, m = len(first), len(second)
    p = to_numpy(as_weights(a, "a", xp=xp, size=n, normalize=normalize))
    q = to_numpy(as_weights(b, "b", xp=xp, size=m, normalize=normalize))
    q = q * (math.fsum(p) / math.fsum(q))
    features, share = _features(M, alpha, (n, m), xp)
    tol, max_iter = check_positive(tol, "tol"), check_count(max_iter, "max_iter")
    count = check_count(n_starts, "n_starts")
    unit = max(float(np.abs(first).max()), float(np.abs(second).max()))
    unit = 2.0 ** math.frexp(unit)[1] if unit > 0 else 1.0
    descent = _Descent(first / unit, second / unit, p, q, features / unit**2, share, tol, max_iter)
    generator = np.random.default_rng(rng)
    lower, plans = descent.lower_bound()
    plans += [descent.vertex(generator.standard_normal((n, m))) for _ in range(count - 1)]
    ends = [descent.descend(plan) for plan in plans]
    best = min(range(len(ends)), key=lambda k: ends[k][0])
    value = max(ends[best][0], 0.0) * unit**2
    return GromovWasserstein(
        value=value,
        plan=on_device_of(ends[best][1], C1),
        lower_bound=min(max(lower, 0.0) * unit**2, value),
        upper_bound=value,
        starts=tuple(float(end[0] * unit**2) for end in ends),
        n_iter=descent.solves,
        elapsed=time.perf_counter() - start,
        stats={name: bound * unit**2 for name, bound in descent.bounds.items()},
    )


def _inner(C: Any, name: str, xp: Any) -> np.ndarray:
    values, _ = as_float64(C, name, xp=xp)
    require_finite(values, name, xp=xp)
    matrix = np.ascontiguousarray(to_numpy(values))
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise ValueError(f"{name} has shape {matrix.shape}; it must be square, shape (n, n), n >= 1")
    off = np.abs(matrix - matrix.T)
    if float(off.max()) > 1e-12 * float(np.abs(matrix).max()):
        i, j = np.unravel_index(int(np.argmax(off)), off.shape)
        raise ValueError(
            f"{name} is not symmetric: [{i}, {j}] is {matrix[i, j]} and [{j}, {i}] is {matrix[j, i]}; "
            f"pass ({name} + {name}.T) / 2 if the difference means nothing"
        )
    return (matrix + matrix.T) / 2


def _features(M: Any, alpha: float | None, shape: tuple[int, int], xp: Any) -> tuple[np.ndarray, float]:
    """(M, alpha); no M is alpha = 1."""
    if M is None:
        if alpha is not None:
            raise ValueError("alpha weighs M against the inner distances; give M, or leave alpha out")
        return np.zeros(shape), 1.0
    values, _ = as_float64(M, "M", xp=xp)
    require_finite(values, "M", xp=xp)
    if tuple(values.shape) != shape:
        raise ValueError(f"M has shape {tuple(values.shape)}; it must be {shape}")
    share = 0.5 if alpha is None else float(alpha)
    if not 0 <= share <= 1:
        raise ValueError(f"alpha = {share}; it must lie in [0, 1]")
    return to_numpy(values), share


class _Descent:
    """The objective (1 - alpha) <M, P> + alpha (const - 2 <C1 P C2, P>), entries of order 1."""

    def __init__(
        self,
        first: np.ndarray,
        second: np.ndarray,
        p: np.ndarray,
        q: np.ndarray,
        features: np.ndarray,
        alpha: float,
        tol: float,
        max_iter: int,
    ) -> None:
        self.first, self.second, self.p, self.q = first, second, p, q
        self.alpha, self.tol, self.max_iter = alpha, tol, max_iter
        self.linear = (1 - alpha) * features
        self.square = (first**2 @ p)[:, None] + (second**2 @ q)[None, :]
        self.solves = 0
        self.bounds: dict[str, float] = {}

    def solve(self, cost: np.ndarray) -> tuple[np.ndarray, float]:
        """An optimal plan, dense, and a lower bound of the optimum."""
        self.solves += 1
        cost = np.ascontiguousarray(cost)
        found = solve_small(cost, self.p, self.q, tol=1e-9, start=time.perf_counter())
        if found is None:
            found = solve(cost, self.p, self.q)
        plan = np.zeros(cost.shape)
        plan[found.arcs.rows, found.arcs.cols] = found.arcs.mass
        return plan, found.lower_bound

    def vertex(self, cost: np.ndarray) -> np.ndarray:
        """A vertex of the polytope of couplings."""
        return self.solve(cost)[0]

    def descend(self, plan: np.ndarray) -> tuple[float, np.ndarray]:
        """Conditional gradient with exact line search from ``plan``: (objective, plan)."""
        product = self.first @ plan @ self.second
        value = self.value(plan, product)
        for _ in range(self.max_iter):
            gradient = self.linear + 2 * self.alpha * (self.square - 2 * product)
            step = self.vertex(gradient) - plan
            slope = float(np.sum(gradient * step))
            if slope >= -1e-15:
                break
            moved = self.first @ step @ self.second
            bend = -2 * self.alpha * float(np.sum(moved * step))
            t = min(1.0, -slope / (2 * bend)) if bend > 0 else 1.0
            plan, product = plan + t * step, product + t * moved
            before, value = value, value + t * (slope + t * bend)
            if before - value <= self.tol * abs(before):
                break
        plan = np.maximum(plan, 0.0)
        return self.distortion(plan), plan

    def value(self, plan: np.ndarray, product: np.ndarray) -> float:
        """The objective, with cancellation."""
        return float(np.sum(plan * (self.linear + self.alpha * (self.square - 2 * product))))

    def distortion(self, plan: np.ndarray) -> float:
        """The objective by differences where the plan is sparse enough: it is 0 for isometric spaces."""
        rows, cols = np.nonzero(plan)
        if len(rows) > 4 * (len(self.p) + len(self.q)):
            return self.value(plan, self.first @ plan @ self.second)
        mass = plan[rows, cols]
        total = math.fsum(self.linear[rows, cols] * mass)
        for s in range(0, len(rows), 256):
            gap = self.first[np.ix_(rows[s : s + 256], rows)] - self.second[np.ix_(cols[s : s + 256], cols)]
            total += self.alpha * float(mass[s : s + 256] @ (gap**2 @ mass))
        return total

    def lower_bound(self) -> tuple[float, list[np.ndarray]]:
        """The largest of FLB, SLB and TLB, and the plan of the last as a start."""
        local = self.local_costs()
        plan, third = self.solve(self.linear + self.alpha * local)
        moments = (np.sqrt(self.first**2 @ self.p)[:, None] - np.sqrt(self.second**2 @ self.q)) ** 2
        first = self.solve(self.linear + self.alpha * moments)[1]
        second = self.alpha * self.all_distances() + (
            self.solve(self.linear)[1] if self.linear.any() else 0.0
        )
        # C1 and C2 are known to eps of their size, and so is each difference of invariants.
        slack = (
            (64 + 2 * (len(self.p) + len(self.q)))
            * 2.0**-52
            * (float(self.square.max()) + float(np.abs(self.linear).max()))
        )
        self.bounds = {"FLB": first, "SLB": second, "TLB": third}
        return max(first, second, third) - slack, [plan]

    def local_costs(self) -> np.ndarray:
        """W_2^2 between the distances from i in C1 and those from j in C2, for all pairs."""
        one, mass_one = _sorted_rows(self.first, self.p)
        two, mass_two = _sorted_rows(self.second, self.q)
        if mass_one is None and mass_two is None and len(self.p) == len(self.q):
            return self._from_product(one, two, np.full(len(self.p), 1.0 / len(self.p)))
        from transport._kernels.gromov import local_costs

        m1 = np.broadcast_to(self.p, one.shape).copy() if mass_one is None else mass_one
        m2 = np.broadcast_to(self.q, two.shape).copy() if mass_two is None else mass_two
        return np.asarray(local_costs(one, m1, two, m2))

    def _from_product(self, one: np.ndarray, two: np.ndarray, mass: np.ndarray) -> np.ndarray:
        """Sorted rows against sorted rows; by one matrix product, from below where it cancels."""
        squares = (one**2 @ mass)[:, None] + (two**2 @ mass)[None, :]
        return np.asarray(np.maximum(squares - 2 * (one * mass) @ two.T, 0.0))

    def all_distances(self) -> float:
        """W_2^2 between the distributions of all distances."""
        found = wasserstein_1d(
            self.first.ravel(),
            self.second.ravel(),
            a=np.outer(self.p, self.p).ravel(),
            b=np.outer(self.q, self.q).ravel(),
            p=2,
            normalize=True,
        )
        return found**2 * (1 - 2.0**-40)


def _sorted_rows(C: np.ndarray, mass: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Every row in order, with its masses; None for equal ones."""
    if np.all(mass == mass[0]):
        return np.sort(C, axis=1), None
    order = np.argsort(C, axis=1, kind="stable")
    return np.take_along_axis(C, order, 1), mass[order]
