"""Many Wasserstein distances on the line at once: sort every row, then one kernel call a chunk."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from transport.internal import (
    MagnitudeError,
    as_float64,
    as_weights,
    namespace,
    on_device_of,
    require_finite,
    run_chunks,
    to_numpy,
)

_CHUNK = 1 << 15  # atoms
_HUGE = 2.0**900  # differences of two such positions overflow
_SHRINK = 2.0**-140


def distances(x: Any, y: Any, a: Any, b: Any, p: float, *, axis: int, normalize: bool) -> Any:
    """`wasserstein_1d` along ``axis``; on the host whatever library the arrays come from."""
    like = next((z for z in (x, y, a, b) if hasattr(z, "__array_namespace__") or hasattr(z, "device")), None)
    axis = operator.index(axis)
    (x, lead_x, u), (y, lead_y, v) = (
        _measures(z, w, name, weights, axis, normalize)
        for z, w, name, weights in ((x, a, "x", "a"), (y, b, "y", "b"))
    )
    try:
        lead = np.broadcast_shapes(lead_x, lead_y)
    except ValueError:
        raise ValueError(
            f"x holds measures of shape {lead_x} and y of shape {lead_y}; they do not broadcast"
        ) from None
    at_x, at_y = (
        np.ascontiguousarray(np.broadcast_to(np.arange(math.prod(s)).reshape(s), lead)).reshape(-1)
        for s in (lead_x, lead_y)
    )
    equal = u is None and v is None
    if equal:  # whole numbers: every step is exact
        u, v = np.full((1, x.shape[1]), float(y.shape[1])), np.full((1, y.shape[1]), float(x.shape[1]))
    u, v = (np.ones((1, z.shape[1])) if w is None else w for z, w in ((x, u), (y, v)))
    (x, u), (y, v) = _in_order(x, u), _in_order(y, v)
    value = np.empty(len(at_x))
    _fill(value, (at_x, at_y), (x, y), (u, v), equal, p)
    if not np.isfinite(value).all():
        raise MagnitudeError("a distance is larger than any float64; divide x and y by their largest entry")
    shaped = value.reshape(lead)
    return shaped if like is None else on_device_of(shaped, like)


def _fill(value: np.ndarray, at: Any, points: Any, weights: Any, equal: bool, p: float) -> None:
    from transport._kernels.line_rows import rows_range

    (at_x, at_y), (x, y), (u, v) = at, points, weights
    size_x, size_y = (np.abs(z).max(axis=1) for z in (x, y))
    if max(size_x.max(), size_y.max()) > _HUGE:
        huge = np.maximum(size_x[at_x], size_y[at_y]) > _HUGE
        for k in np.flatnonzero(huge):
            one = np.empty(1)
            row = np.zeros(1, np.int64)
            pair = x[at_x[k]][None] * _SHRINK, y[at_y[k]][None] * _SHRINK
            masses = u[at_x[k] if len(u) > 1 else 0][None], v[at_y[k] if len(v) > 1 else 0][None]
            rows_range(0, 1, row, row, *pair, *masses, equal, p, one)
            with np.errstate(over="ignore"):
                value[k] = one[0] / _SHRINK
        rest = np.flatnonzero(~huge)
        part = np.empty(len(rest))
        at_x, at_y = at_x[rest], at_y[rest]
    else:
        rest, part = None, value
    step = max(1, _CHUNK // (x.shape[1] + y.shape[1]))

    def task(first: int, last: int) -> None:
        rows_range(first * step, min(len(part), last * step), at_x, at_y, x, y, u, v, equal, p, part)

    run_chunks(task, -(-len(part) // step), slice_size=4)
    if rest is not None:
        value[rest] = part


def _measures(
    x: Any, w: Any, name: str, weights: str, axis: int, normalize: bool
) -> tuple[np.ndarray, tuple[int, ...], np.ndarray | None]:
    """(atoms (k, n), shape of the k, weights (k, n) or (1, n) or None)."""
    values = to_numpy(as_float64(x, name, xp=namespace(x))[0])
    if not -values.ndim <= axis < values.ndim:
        raise ValueError(f"axis = {axis}, but {name} has shape {values.shape}")
    if values.size == 0:
        raise ValueError(f"{name} is empty, shape {values.shape}; a measure needs at least one atom")
    require_finite(values, name, xp=namespace(values))
    values = np.moveaxis(values, axis, -1)
    lead, n = values.shape[:-1], values.shape[-1]
    rows = np.ascontiguousarray(values).reshape(-1, n)
    if w is None:
        return rows, lead, None
    masses, eps = as_float64(w, weights, xp=namespace(w))
    masses = to_numpy(masses)
    if masses.ndim > 1:
        masses = np.moveaxis(masses, axis, -1)
    if masses.ndim == 0 or masses.shape[-1] != n:
        raise ValueError(f"{weights} has shape {masses.shape} for {n} atoms a measure; give one weight each")
    if masses.ndim > 1:
        try:
            masses = np.broadcast_to(masses, (*lead, n))
        except ValueError:
            raise ValueError(
                f"{weights} holds measures of shape {masses.shape[:-1]} and {name} of {lead}; "
                "they do not broadcast"
            ) from None
    masses = np.ascontiguousarray(masses).reshape(-1, n)
    with np.errstate(over="ignore", invalid="ignore"):
        sums = masses.sum(axis=1)
        allowed = np.isfinite(sums) & (sums > 0 if normalize else np.abs(sums - 1.0) <= 4 * n * eps)
        bad = np.flatnonzero(~(allowed & (masses.min(axis=1) >= 0)))
    for k in bad:  # says what is wrong, or that another order of summation is within the bound
        where = weights if len(masses) == 1 else f"{weights} (measure {k})"
        as_weights(masses[k], where, xp=namespace(masses), size=n, normalize=normalize)
    return rows, lead, masses


def _in_order(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every row sorted, with its weights."""
    from transport._kernels.line_rows import gather_rows

    k, n = x.shape
    step = max(1, _CHUNK // n)
    alike = len(w) == 1 and bool(np.all(w == w[0, 0]))
    points = np.empty_like(x)
    masses = w if alike else np.empty_like(x)

    def task(first: int, last: int) -> None:
        first, last = first * step, min(k, last * step)
        if alike:
            points[first:last] = np.sort(x[first:last], axis=1)
        else:
            gather_rows(first, last, x, w, np.argsort(x[first:last], axis=1), points, masses)

    run_chunks(task, -(-k // step), slice_size=1)
    return points, masses
