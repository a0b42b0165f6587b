"""Newton's method on the dual with the rows eliminated: sweeps first, then conjugate gradients.

The dual of entropic transport as a function of the column potentials alone is concave and smooth, with
gradient ``wanted - col`` and Hessian ``-(diag(col + damping * wanted) - P^T diag(share / row) P)``, in units
where q is divided by reg. The Hessian of the balanced problem is singular along the constants.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import numpy as np

from transport._sinkhorn.system import System

SWEEPS = 12  # on the kept rows, before the first Newton step
NEAR = 0.05  # relative error from which Newton takes over from sweeps
LONGEST = 20.0  # of a step: further, the exponentials have nothing to do with their tangents
SHORTER, OVERSHOT = 0.5, 0.5
FURTHER, STEEP = 3.0, 0.2
STEPS = 200
SINGLE = 1e-5  # relative error down to which single precision does
ENOUGH = 1e-14  # relative error: rounding
CG_STEPS = 400
CAUTION = 0.1  # times the relative error and the diagonal: the model is so much steeper than its tangent
RIDGE = (
    2.0**-50
)  # of the diagonal: parts that hardly exchange mass move far, but not out of the range of floats
HALVED, MEANS, STILL = 0.5, 30, 1e-4  # of `symmetric`: error kept at most, steps and last step of a round
PATIENCE = 60  # products with the diagonal as preconditioner before a factor is made


@dataclass
class Trace:
    """What it took; ``error`` is sum |col - wanted| over the mass, ``errors`` its history."""

    evaluations: int = 0
    sweeps: int = 0
    cg: int = 0
    error: float = np.inf
    hard: bool = False

    @property
    def n_iter(self) -> int:
        """Passes that move the potentials or solve for their move."""
        return self.evaluations + self.sweeps + self.cg


def residual(system: System) -> np.ndarray:
    """The dual gradient in q, 0 where a bound holds a potential back."""
    side = system.side_b
    r = side.wanted(system.q, system.reg) - system.col
    bounds = side.limits(system.reg)
    if bounds is not None:
        r[(system.q <= bounds[0]) & (r < 0)] = 0.0
        r[(system.q >= bounds[1]) & (r > 0)] = 0.0
    return r


def newton(system: System, q: np.ndarray, tol: float, trace: Trace, *, extra: float = 0.0) -> Iterator[None]:
    """Drive ``sum |residual|`` below ``tol`` times the mass; yields between passes.

    ``extra``: go on while steps are shorter than that and still bring something (what rounding allows).
    Longer ones chase the exponential tails that join parts of the plan which hardly exchange mass.
    """
    size = float(system.side_b.mass.sum())

    def evaluate(at: np.ndarray) -> np.ndarray:
        system.evaluate(at)
        trace.evaluations += 1
        return residual(system)

    r = evaluate(q)
    trace.error = _norm(r) / size
    yield
    for _ in range(STEPS):
        if trace.error <= tol and not (extra > 0 and trace.error > ENOUGH):
            return
        if trace.error > NEAR:
            q = _swept(system, trace)
            r = evaluate(q)
            trace.error = _norm(r) / size
            yield
        before = trace.error
        step = yield from solve(system, r, min(0.05, max(trace.error, 1e-6)), trace)
        if before <= tol and not float(np.abs(step).max(initial=0.0)) <= extra:
            return
        r = yield from _line(system, q, step, r, evaluate)
        if not _norm(r) / size < before and before <= tol and extra < np.inf:  # rounding
            if _norm(r) / size > before:
                evaluate(q)
            return
        q, trace.error = system.q.copy(), _norm(r) / size


def symmetric(system: System, q: np.ndarray, tol: float, trace: Trace) -> Generator[None, None, np.ndarray]:
    """q = p by taking their mean, again and again, where both sides are the same; where it ended.

    For a positive kernel the map from q to the optimal p has a derivative with eigenvalues in [-1, 0], so
    that a mean leaves at most half of the error. Between evaluations, on the kept rows.
    """
    size = float(system.side_b.mass.sum())
    last = np.inf
    while True:
        system.evaluate(q)
        trace.evaluations += 1
        trace.error = _norm(residual(system)) / size
        yield
        q, p = system.q.copy(), system.p.copy()
        if trace.error <= tol or not trace.error <= HALVED * last:
            return q
        last = trace.error
        sums = np.log(system.average(np.ones_like(q)))  # 0, but for the rounding of the kept rows
        u = 0.5 * (p - q)
        first = float(np.abs(u).max())
        for _ in range(MEANS):
            v = np.exp(u)
            new = 0.5 * (u + (p - q) - (np.log(system.average(v)) - sums))
            trace.sweeps += 1
            moved, u = float(np.abs(new - u).max()), new
            if not np.isfinite(moved) or moved <= STILL * first:
                break
            if trace.sweeps % 8 == 0:
                yield
        if not np.isfinite(u).all():
            return q
        q = q + u


def _norm(r: np.ndarray) -> float:
    return float(np.abs(r).sum())


def _swept(system: System, trace: Trace) -> np.ndarray:
    """Sinkhorn's iteration on the rows as they were kept, column potentials by their closed form."""
    side = system.side_b
    start = system.q.copy()
    v = np.ones(len(start))
    q = start
    for _ in range(SWEEPS):
        with np.errstate(divide="ignore", over="ignore"):
            col = system.sweep(v)
            new = side.pulled(np.log(col) - start, system.reg)
            v = np.exp(new - start)
        trace.sweeps += 1
        if not (np.isfinite(new).all() and v.max() < 1e30):
            break
        q = new
    return q


def _line(
    system: System,
    q: np.ndarray,
    step: np.ndarray,
    r: np.ndarray,
    evaluate: Callable[[np.ndarray], np.ndarray],
) -> Generator[None, None, np.ndarray]:
    """Evaluate at q + t step, t <= 1, where the dual still rises or has not fallen off steeply since."""
    slope = float(r @ step)
    longest = float(np.abs(step).max(initial=0.0))
    t = min(1.0, LONGEST / longest) if longest > 0 else 1.0
    bounds = system.side_b.limits(system.reg)

    def place(t: float) -> np.ndarray:
        return q + t * step if bounds is None else np.clip(q + t * step, *bounds)

    if not slope > 0:  # no ascent: conjugate gradients met nothing but rounding
        new = evaluate(q)
        yield
        return new
    for _ in range(40):
        new = evaluate(place(t))
        yield
        here = float(new @ step)
        if np.isfinite(here) and here >= -OVERSHOT * slope:
            break
        t *= max(0.1, min(SHORTER, slope / (slope - here))) if np.isfinite(here) else 0.1
    while system.is_cheap and here > STEEP * slope and FURTHER * t * longest < 10 * LONGEST:
        beyond = evaluate(place(FURTHER * t))  # tails of exponentials shrink by e a step only
        yield
        if not abs(float(beyond @ step)) < here:
            new = evaluate(place(t))
            yield
            break
        new, t, here = beyond, FURTHER * t, float(beyond @ step)
    return new


def solve(system: System, r: np.ndarray, rtol: float, trace: Trace) -> Generator[None, None, np.ndarray]:
    """The Newton step by conjugate gradients: with the diagonal, and if that is slow, a sparse factor."""
    side = system.side_b
    excess = (
        side.penalty[1] * side.wanted(system.q, system.reg) + max(RIDGE, CAUTION * trace.error) * system.col
    )
    diagonal = system.col + excess
    free = diagonal > 0
    bounds = side.limits(system.reg)
    if bounds is not None:
        free &= ~(((system.q <= bounds[0]) | (system.q >= bounds[1])) & (r == 0.0))
    inverse = np.divide(1.0, diagonal, out=np.zeros_like(diagonal), where=free)
    factor = None

    def precondition(left: np.ndarray) -> np.ndarray:
        return inverse * left if factor is None else np.where(free, factor(left), 0.0)

    if trace.hard and free.all():
        factor = system.preconditioner(excess)
    x = np.zeros_like(r)
    left = np.where(free, r, 0.0)
    singular = side.is_fixed and system.side_a.is_fixed
    if singular:  # along the constants there is nothing but rounding
        left -= diagonal * (left.sum() / diagonal.sum())
    goal = rtol * float(np.sqrt(left @ (inverse * left)))
    d, rho = np.zeros_like(r), np.inf
    for k in range(CG_STEPS):
        if k == PATIENCE and factor is None and free.all():
            factor = system.preconditioner(excess)
            trace.hard = factor is not None
            rho = np.inf
        z = precondition(left)
        new = float(left @ z)
        if not (new > 0 and float(np.sqrt(left @ (inverse * left))) > goal):
            break
        d = z + (new / rho) * d
        rho = new
        curved = np.where(free, system.curvature(d) + excess * d, 0.0)
        bend = float(d @ curved)
        trace.cg += 1
        if not bend > 0:
            break
        x += (rho / bend) * d
        left -= (rho / bend) * curved
        if k % 8 == 7:
            yield
    return x - float(diagonal @ x) / float(diagonal.sum()) if singular else x


def scaling(system: System, q: np.ndarray, tol: float, trace: Trace) -> Iterator[None]:
    """Sinkhorn's iteration alone: on the kept rows, absorbed now and then, while these are exact enough."""
    side = system.side_b
    size = float(side.mass.sum())
    while True:
        system.evaluate(q)
        trace.evaluations += 1
        trace.error = _norm(residual(system)) / size
        yield
        if trace.error <= tol:
            return
        if trace.error > SINGLE:
            q = _swept(system, trace)
        else:
            q = side.pulled(np.log(system.col) - q, system.reg)
