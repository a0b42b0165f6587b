"""Validation with remedies: every refusal names the argument, the value and what to do.

Contract (all packages): integers, booleans and float16/32 are computed in float64; masked, complex,
object and string arrays are refused (``TypeError``); NaN and infinities are refused (``ValueError``);
weights are renormalised only when their total differs from 1 by rounding in their own dtype,
``|sum - 1| <= 4 n eps(dtype)``. Inputs are never written to.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import array_api_compat as aac
import numpy as np

from transport.internal import _recognise as recognise
from transport.internal import _times as times
from transport.internal._namespace import Array, is_numpy, refuse_graph, to_numpy

_EPS64 = float(np.finfo(np.float64).eps)


def _refuse_kind(x: Any, name: str) -> None:
    refuse_graph(x, name)
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(
            f"{name} is a masked array; a mask must not be dropped silently. "
            f"Pass {name}.compressed(), or {name}.filled(0) if masked entries carry no mass"
        )
    if hasattr(x, "tocoo") and hasattr(x, "nnz"):
        raise TypeError(f"{name} is a sparse matrix; pass {name}.toarray()")
    recognise.refuse_foreign(x, name)


def as_float64(x: Any, name: str, *, xp: ModuleType) -> tuple[Array, float]:
    """``x`` as a float64 array of ``xp``, and the machine epsilon of the dtype it came in.

    Raises
    ------
    TypeError
        For masked, sparse, complex, object, string or datetime input.
    """
    if type(x) is np.ndarray and x.dtype == np.float64 and x.dtype.isnative and is_numpy(xp):
        return x, _EPS64
    _refuse_kind(x, name)
    if not aac.is_array_api_obj(x):
        x = _as_array(recognise.plain(x, name), name)
        if not is_numpy(xp):
            x = xp.asarray(x)
    if is_numpy(xp):
        x = to_numpy(x)
        kind = x.dtype.kind
        if kind not in "biuf":
            recognise.refuse_objects(x, name)
        if kind in "iu" and x.dtype.itemsize == 8:
            return times.exact_float64(x, name), _EPS64
        eps = max(float(np.finfo(x.dtype).eps), _EPS64) if kind == "f" else _EPS64
        return x.astype(np.float64, copy=False), eps
    if not xp.isdtype(x.dtype, ("bool", "integral", "real floating")):
        raise TypeError(f"{name} has dtype {x.dtype}; it must hold real numbers")
    if xp.isdtype(x.dtype, "integral") and x.dtype in (xp.int64, xp.uint64) and math.prod(x.shape):
        if max(float(xp.max(x)), -float(xp.min(x))) > 2.0**53:
            times.exact_float64(to_numpy(x), name)
    eps = max(float(xp.finfo(x.dtype).eps), _EPS64) if xp.isdtype(x.dtype, "real floating") else _EPS64
    return xp.astype(x, xp.float64, copy=False), eps


def _as_array(x: Any, name: str) -> np.ndarray:
    try:
        values = np.asarray(x)
    except ValueError as error:
        raise ValueError(f"{name} is ragged: its rows have different lengths") from error
    if values.dtype.kind in "OUSVMm":
        recognise.refuse_objects(values, name)
    if values.dtype.kind == "f":
        times.refuse_rounded(x, values, name)
    return values


def require_finite(x: Array, name: str, *, xp: ModuleType) -> None:
    """Refuse NaN and infinities, naming the first offender."""
    if is_numpy(xp) and x.size:
        # One pass without a temporary: a sum is finite unless an entry is not, or it overflows.
        with np.errstate(all="ignore"):
            if math.isfinite(float(np.sum(x))):
                return
    finite = xp.isfinite(x)
    if not bool(xp.all(finite)):
        bad = to_numpy(finite)
        where = np.argwhere(~bad)[0]
        index = ", ".join(str(int(i)) for i in where)
        value = float(x[tuple(int(i) for i in where)])
        raise ValueError(
            f"{name}[{index}] is {value}; {name} must be finite. "
            f"Remove or impute {int(np.sum(~bad))} such entries before the call"
        )


def as_weights(
    w: Any,
    name: str,
    *,
    xp: ModuleType,
    size: int | None = None,
    normalize: bool = False,
    total: float | None = 1.0,
    like: Array = None,
) -> Array:
    """A weight vector, shape (n,), float64, non-negative, summing to ``total`` (None: any positive).

    Parameters
    ----------
    w : array or None
        None means uniform weights 1/size.
    normalize : bool
        Divide by the sum instead of insisting on it.
    like : array, optional
        Where uniform weights are created (its device).

    Raises
    ------
    ValueError
        Empty, not one-dimensional, wrong length, negative, non-finite, zero total, or a total other
        than 1 beyond rounding in the dtype of ``w``.
    TypeError
        As `as_float64`.
    """
    if w is None:
        if not size:
            raise ValueError(f"{name} is empty; a measure needs at least one atom")
        kwargs = {} if like is None else {"device": aac.device(like)}
        return xp.full(size, 1.0 / size, dtype=xp.float64, **kwargs)
    w, eps = as_float64(w, name, xp=xp)
    if w.ndim != 1:
        raise ValueError(f"{name} has shape {tuple(w.shape)}; weights must be one-dimensional")
    n = w.shape[0]
    if n == 0:
        raise ValueError(f"{name} is empty; a measure needs at least one atom")
    if size is not None and n != size:
        raise ValueError(f"{name} has {n} weights for {size} atoms; their numbers must match")
    require_finite(w, name, xp=xp)
    smallest = float(xp.min(w))
    if smallest < 0:
        raise ValueError(f"{name} has a negative weight ({smallest}); weights are masses and must be >= 0")
    mass = math.fsum(w.tolist()) if is_numpy(xp) and n < 4096 else float(xp.sum(w))
    if not mass > 0:
        raise ValueError(f"{name} has total mass 0; at least one weight must be positive")
    if total is None or (mass == total and not normalize):
        return w
    if not math.isfinite(mass):
        raise ValueError(f"the total of {name} overflows; divide {name} by its largest entry first")
    if not normalize and abs(mass - total) > 4 * n * eps * total:
        raise ValueError(
            f"{name} sums to {mass!r}, not {total:g}; pass normalize=True "
            f"(or divide {name} by its sum) if you mean proportions"
        )
    return w * (total / mass) if mass >= 1e-290 else (w / mass) * total


def as_points(x: Any, name: str, *, xp: ModuleType) -> Array:
    """Positions as a float64 array of shape (n, d), n >= 1, d >= 1; (n,) is read as d = 1."""
    x, _ = as_float64(x, name, xp=xp)
    require_finite(x, name, xp=xp)
    if x.ndim == 1:
        x = xp.reshape(x, (x.shape[0], 1))
    if x.ndim != 2:
        raise ValueError(f"{name} has shape {tuple(x.shape)}; points must have shape (n,) or (n, d)")
    if x.shape[0] == 0:
        raise ValueError(f"{name} is empty; a measure needs at least one atom")
    if x.shape[1] == 0:
        raise ValueError(f"{name} has shape {tuple(x.shape)}: points of dimension 0")
    return x


def check_exponent(p: Any, name: str = "p") -> float:
    """A Wasserstein exponent in [1, inf]."""
    p = float(p)
    if not p >= 1:
        raise ValueError(f"{name} = {p}; a Wasserstein distance needs 1 <= {name} <= inf")
    return p


def check_positive(value: Any, name: str) -> float:
    """A finite number > 0."""
    value = float(value)
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} = {value}; it must be positive and finite")
    return value


def check_count(value: Any, name: str, minimum: int = 1) -> int:
    """An integer >= ``minimum``."""
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} = {value!r}; it must be an integer") from None
    if count < minimum:
        raise ValueError(f"{name} = {count}; it must be at least {minimum}")
    return count


def check_choice(value: Any, name: str, choices: Sequence[str]) -> str:
    """One of ``choices``."""
    if value not in choices:
        raise ValueError(f"{name} = {value!r}; choose one of {', '.join(map(repr, choices))}")
    return str(value)
