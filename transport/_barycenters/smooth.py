"""The entropic barycentre: its dual by Newton's method, one level of regularisation at a time.

For measures a_k with weights l_k and costs C between the support x and their atoms y, the dual is

    max over g of  sum_k l_k <g_k, a_k> - eps sum_x exp(sum_k l_k L_k(x)),
    L_k(x) = log sum_y exp((g_k(y) - C(x, y)) / eps),

concave and free of constraints; q(x) = exp(sum_k l_k L_k(x)) is the barycentre and
P_k(x, y) = q(x) S_k(x, y), S_k(x, y) = exp((g_k(y) - C(x, y)) / eps - L_k(x)), its plans. The rows of S_k sum
to 1; on a grid S_k is a product of one factor an axis. Iterative Bregman projections are the fixed point that
matches the plans' other marginals; Newton's equation is solved by conjugate gradients, preconditioned by its
diagonal (which would be one more such projection).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from transport.internal import run_chunks

_SWEEPS = 8
_NEWTON = 20
_PRODUCTS = 150  # in one Newton step
_BUDGET = 500  # at one level: the bounds hold for any potentials, and the next level may do more for them
_FAR = 20.0  # a step changes no entry of S by more than a factor e^20: beyond, exp has no quadratic model
_EMPTY = -np.inf


class Factor(NamedTuple):
    """One axis of S_k: rows of weights over a window of columns, for every line along the axis."""

    low: np.ndarray
    start: np.ndarray
    weights: np.ndarray


class Kernel:
    """S_k, one factor an axis; ``costs[d]`` (m_d, n_d) between support and atoms along axis d, over eps."""

    def __init__(self, values: np.ndarray, costs: Sequence[np.ndarray]) -> None:
        self.factors: list[Factor] = []
        for axis, cost in enumerate(costs):
            values = self._factor(np.moveaxis(values, axis, -1), cost)
            values = np.moveaxis(values, -1, axis)
        self.log_sum = values

    def _factor(self, values: np.ndarray, cost: np.ndarray) -> np.ndarray:
        from transport._kernels.windows import fill, measure

        rows = np.ascontiguousarray(values).reshape(-1, values.shape[-1])
        shape = (len(rows), len(cost))
        low, size = np.empty(shape, np.int32), np.empty(shape, np.int32)
        log_sum = np.empty(shape)
        measure(rows, cost, low, size, log_sum)
        start = np.zeros(size.size + 1, np.int64)
        np.cumsum(size.ravel(), out=start[1:])
        weights = np.empty(int(start[-1]))
        fill(rows, cost, low, start, log_sum, weights)
        self.factors.append(Factor(low, start, weights))
        return log_sum.reshape(*values.shape[:-1], len(cost))

    def forth(self, v: np.ndarray) -> np.ndarray:
        """(S v)(x), from the atoms to the support."""
        from transport._kernels.windows import forth

        for axis, factor in enumerate(self.factors):
            v = _along(forth, factor, v, axis, factor.low.shape[1])
        return v

    def back(self, w: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """(S^T w)(y), from the support to the atoms of shape ``shape``."""
        from transport._kernels.windows import back

        for axis in reversed(range(len(self.factors))):
            w = _along(back, self.factors[axis], w, axis, shape[axis])
        return w


def _along(product: Callable, factor: Factor, v: np.ndarray, axis: int, size: int) -> np.ndarray:
    moved = np.moveaxis(v, axis, -1)
    rows = np.ascontiguousarray(moved).reshape(-1, moved.shape[-1])
    out = np.empty((len(rows), size))
    product(*factor, rows, out)
    return np.moveaxis(out.reshape(*moved.shape[:-1], size), -1, axis)


@dataclass
class Level:
    """The dual at one eps: potentials g (k, *atoms), what they make, and how far it is from stationary."""

    g: np.ndarray
    kernels: list[Kernel]
    log_q: np.ndarray
    value: float
    settled: bool = False

    @property
    def q(self) -> np.ndarray:
        """The barycentre, unnormalised."""
        return np.asarray(np.exp(self.log_q))

    def f(self, eps: float) -> np.ndarray:
        """Potentials on the support; their weighted sum is 0."""
        logs = np.array([kernel.log_sum for kernel in self.kernels])
        return np.asarray(eps * (self.log_q - logs))


class Smooth:
    """The problem: masses (k, *atoms), weights (k,), one cost matrix an axis."""

    def __init__(self, masses: np.ndarray, weights: np.ndarray, costs: Sequence[np.ndarray]) -> None:
        self.a, self.weights, self.costs = masses, weights, list(costs)
        self.count = len(masses)
        self.axes = masses.shape[1:]
        self.side = weights.reshape(-1, *(1,) * len(self.axes))
        self.filled = masses > 0
        self.log_a = np.log(np.where(self.filled, masses, 1.0))
        self.products = 0

    def each(self, work: Callable[[int], np.ndarray]) -> np.ndarray:
        """``work(k)`` for every measure, on all cores."""
        out: list[np.ndarray] = [np.empty(0)] * self.count

        def task(first: int, last: int) -> None:
            for k in range(first, last):
                out[k] = work(k)

        run_chunks(task, self.count, slice_size=1)
        return np.array(out)

    def level(self, g: np.ndarray, eps: float) -> Level:
        """The dual at g."""
        kernels: list[Kernel | None] = [None] * self.count
        scaled = [cost / eps for cost in self.costs]

        def build(k: int) -> np.ndarray:
            made = Kernel(np.where(self.filled[k], g[k] / eps, _EMPTY), scaled)
            kernels[k] = made
            return made.log_sum

        log_q = np.tensordot(self.weights, self.each(build), 1)
        value = float(np.sum(self.side * g * self.a)) - eps * float(np.exp(np.minimum(log_q, 700.0)).sum())
        return Level(g, [k for k in kernels if k is not None], log_q, value)

    def columns(self, level: Level, w: np.ndarray) -> np.ndarray:
        """S_k^T w_k for every k."""
        self.products += 1
        return self.each(lambda k: level.kernels[k].back(w[k], self.axes))

    def sweep(self, level: Level, eps: float) -> np.ndarray:
        """One Bregman projection: g such that the plans' marginals on the atoms are a."""
        q = level.q
        sums = self.columns(level, np.broadcast_to(q, (self.count, *q.shape)))
        ratio = self.log_a - np.log(np.where(self.filled & (sums > 0), sums, 1.0))
        return np.where(self.filled, level.g + eps * ratio, 0.0)

    def solve(self, g: np.ndarray, eps: float, tol: float) -> Level:
        """Sweeps, then Newton steps, until the marginals are off by ``tol`` of the mass in sum."""
        level = self.level(g, eps)
        for _ in range(_SWEEPS):
            level = self.level(self.sweep(level, eps), eps)
        before, budget = math.inf, self.products + _BUDGET
        for _ in range(_NEWTON):
            q = level.q
            columns = self.columns(level, np.broadcast_to(q, (self.count, *q.shape)))
            rest = np.where(self.filled, self.a - columns, 0.0)
            error = float(np.sum(self.side * np.abs(rest)))
            level.settled = error <= tol
            if error <= tol or not math.isfinite(error) or self.products >= budget:
                break
            step = self.newton(level, columns, self.side * rest, eps, min(0.1, error))
            found = self.search(level, step, eps)
            if found is None or (found.value - level.value <= 1e-15 * abs(level.value) and error >= before):
                break
            # Where there is next to no mass the step means little; a projection sets those entries right.
            level, before = self.level(self.sweep(found, eps), eps), error
        return level

    def newton(
        self, level: Level, columns: np.ndarray, rest: np.ndarray, eps: float, accuracy: float
    ) -> np.ndarray:
        """Conjugate gradients on minus the Hessian, to ``accuracy`` in the norm of the preconditioner."""
        q = level.q
        diagonal = self.side * np.where(self.filled & (columns > 0), columns, 1.0) / eps

        def times(v: np.ndarray) -> np.ndarray:
            w = self.each(lambda k: level.kernels[k].forth(v[k]))
            w = q * (w - np.tensordot(self.weights, w, 1))
            return np.asarray(
                np.where(self.filled, diagonal * v - self.side / eps * self.columns(level, w), 0.0)
            )

        x = np.zeros_like(rest)
        z = rest / diagonal
        p, size = z.copy(), float(np.sum(rest * z))
        target = accuracy**2 * size
        for _ in range(_PRODUCTS):
            hp = times(p)
            curvature = float(np.sum(p * hp))
            if not curvature > 0:
                break
            length = size / curvature
            x += length * p
            rest = rest - length * hp
            z = rest / diagonal
            new = float(np.sum(rest * z))
            if new <= target:
                break
            p, size = z + new / size * p, new
        return x

    def search(self, level: Level, step: np.ndarray, eps: float) -> Level | None:
        """The first point along the step that does not lower the dual; long steps are cut, then scaled."""
        far = float(np.abs(step).max()) / eps
        tries = [(np.clip(step, -_FAR * eps, _FAR * eps), t) for t in (1.0, 0.5, 0.25, 0.0625)]
        if far > _FAR:  # cut entry by entry, it need not go up: the same direction at another length does
            tries += [(step * (_FAR / far), t) for t in (1.0, 0.25, 0.0625)]
        for direction, t in tries:
            found = self.level(level.g + t * direction, eps)
            if found.value >= level.value - 1e-15 * abs(level.value):
                return found
        return None
