"""One-dimensional expectations under an unnormalised log density, by the trapezoid rule.

For an analytic integrand that decays at both ends the trapezoid rule converges exponentially in the number
of nodes (Trefethen & Weideman, SIAM Review 56 (2014)), so the work is in finding the window.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from transport.internal import ConvergenceError

_DROP = 46.0  # exp(-46) = 1e-20: mass below it cannot change a float64 result


class Nodes(NamedTuple):
    """``sum(weights * g(x))`` is the expectation of g; ``log_total`` the log of the integral."""

    x: np.ndarray
    weights: np.ndarray
    log_total: float
    mean: float
    var: float


def _evaluate(log_f: Callable[[np.ndarray], np.ndarray], lo: float, hi: float, n: int) -> Nodes:
    x = np.linspace(lo, hi, n)
    logs = np.asarray(log_f(x), dtype=np.float64)
    if bool(np.any(np.isnan(logs) | (logs == np.inf))):
        where = x[np.isnan(logs) | (logs == np.inf)][0]
        raise ValueError(f"a log factor is not a number or infinite at {where!r}; it must be < inf")
    top = float(np.max(logs))
    if top == -np.inf:
        raise ValueError(f"the log factor is -inf at all {n} points of [{lo:.6g}, {hi:.6g}]: no mass there")
    mass = np.exp(logs - top)
    total = float(np.sum(mass))
    weights = mass / total
    mean = float(weights @ x)
    var = float(weights @ np.square(x - mean))
    return Nodes(x, weights, top + float(np.log(total * (hi - lo) / (n - 1))), mean, var)


def _window(log_f: Callable[[np.ndarray], np.ndarray], lo: float, hi: float) -> tuple[float, float]:
    """Shrink or stretch [lo, hi] until the mass fills a third of it and vanishes at both ends."""
    n = 513
    for _ in range(200):
        nodes = _evaluate(log_f, lo, hi, n)
        with np.errstate(divide="ignore"):
            logs = np.log(nodes.weights)
        alive = np.flatnonzero(logs > np.max(logs) - _DROP)
        first, last, step = int(alive[0]), int(alive[-1]), (hi - lo) / (n - 1)
        grow_lo, grow_hi = first == 0, last == n - 1
        if not (grow_lo or grow_hi) and last - first > n // 3:
            return lo, hi
        width = hi - lo
        lo, hi = (
            lo - width if grow_lo else lo + (first - 1) * step,
            hi + width if grow_hi else hi - (n - 2 - last) * step,
        )
        if not (np.isfinite(lo) and np.isfinite(hi)):
            break
        if hi - lo <= 16 * np.spacing(max(abs(lo), abs(hi))):
            raise ValueError(f"the log factor concentrates on the single point {lo!r}; it has no density")
    raise ValueError("the product of the factors has no finite integral: it does not decay")


def expect(log_f: Callable[[np.ndarray], np.ndarray], lo: float, hi: float, *, tol: float = 1e-9) -> Nodes:
    """Nodes and normalised weights for the density proportional to ``exp(log_f)``, elementwise on an array.

    ``[lo, hi]`` is a first guess of where the mass lies: the window follows it. Peaks that are both
    narrower than ``(hi - lo) / 512`` and apart from each other can be missed. ``tol`` bounds the change
    over a doubling of the nodes, which for analytic densities overstates the error by far.

    Raises
    ------
    ValueError
        ``log_f`` is NaN or +inf somewhere, or does not decay.
    ConvergenceError
        524,289 nodes do not settle log total, mean and variance to ``tol`` (a jump in the density).
    """
    lo, hi = _window(log_f, lo, hi)
    nodes = _evaluate(log_f, lo, hi, 513)
    for level in range(10, 20):
        finer = _evaluate(log_f, lo, hi, 2**level + 1)
        change = max(
            abs(finer.log_total - nodes.log_total),
            abs(finer.mean - nodes.mean) / np.sqrt(finer.var),
            abs(finer.var - nodes.var) / finer.var,
        )
        if change <= tol:
            return finer
        nodes = finer
    raise ConvergenceError(
        f"quadrature over [{lo:.6g}, {hi:.6g}] still moves by {change:.3g} at {nodes.x.size} nodes; the "
        "factor jumps or is noisy. Give a site with a method tilted(mean, var) that has the moments exactly"
    )
