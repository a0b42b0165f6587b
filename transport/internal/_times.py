"""Positions that float64 would round: big integers and times, counted from a common origin, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

import numpy as np

from transport.internal._labels import columns_like
from transport.internal._recognise import library

_EXACT = 2.0**53  # every integer up to here is a float64


def exact_float64(x: np.ndarray, name: str) -> np.ndarray:
    """``x`` in float64; integers that float64 would round are refused.

    Raises
    ------
    ValueError
        An integer beyond 2^53 that is not a float64.
    """
    values = np.asarray(x).astype(np.float64)
    if x.dtype.kind not in "iu" or x.dtype.itemsize < 8 or not x.size:
        return values
    if max(float(values.max()), -float(values.min())) <= _EXACT:
        return values
    top = 2.0**63 if x.dtype.kind == "i" else 2.0**64
    wrong = (values >= top) | (np.where(values >= top, 0.0, values).astype(x.dtype) != x)
    if wrong.any():
        raise ValueError(
            f"{name} holds the integer {x[wrong].ravel()[0]}, which float64 rounds; subtract a common origin "
            f"first (in integers, the same for both), or pass {name}.astype(float) if rounding is meant"
        )
    return values


def refuse_rounded(x: Any, values: np.ndarray, name: str) -> None:
    """ValueError if a list of integers became rounded floats in NumPy's hands."""
    if not values.size or not np.abs(values).max() > _EXACT or not isinstance(x, (list, tuple)):
        return
    flat = [v for row in x for v in (row if isinstance(row, (list, tuple)) else [row])]
    bad = next((v for v in flat if type(v) is int and int(float(v)) != v), None)
    if bad is not None:
        raise ValueError(
            f"{name} holds the integer {bad}, which float64 rounds; subtract a common origin first"
        )


def _as_integers(x: Any, name: str) -> np.ndarray | None:
    """Times and wide integers as an array of them; None for everything else."""
    if type(x) is np.ndarray and x.dtype.kind not in "iuMmO":
        return None
    kind = library(x)
    if isinstance(x, (str, bytes, Mapping)) or not (
        isinstance(x, (np.ndarray, list, tuple)) or kind in ("pandas", "polars", "xarray")
    ):
        return None
    try:
        values = np.asarray(x)
    except ValueError:
        return None
    if values.dtype.kind == "O" and values.size and _is_time(values.ravel()[0]):
        times = values.ravel().tolist()
        aware = [getattr(t, "tzinfo", None) is not None for t in times]
        if any(aware) and not all(aware):
            raise TypeError(f"{name} mixes times with and without a time zone; give all of them one")
        if all(aware):
            times = [np.datetime64(_utc(t)) for t in times]
        values = np.array(times, dtype="timedelta64" if hasattr(times[0], "total_seconds") else "datetime64")
        values = values.reshape(np.shape(x))
    return values if values.dtype.kind in "iuMm" else None


def _is_time(value: Any) -> bool:
    return hasattr(value, "isoformat") or hasattr(value, "total_seconds")


def _utc(time: Any) -> Any:
    return (
        time.astimezone(UTC).replace(tzinfo=None)
        if not hasattr(time, "tz_convert")
        else (time.tz_convert("UTC").tz_localize(None).to_datetime64())
    )


def positions(x: Any, y: Any) -> tuple[Any, Any]:
    """Two sets of points, ready for `as_points`: one unit, one origin, one order of the columns.

    Times (datetime64, timedelta64, datetime objects, columns of them) become whole numbers of the finer of
    the two units, counted from the earliest; integers beyond 2^53 are counted from the smallest. Exactly, or
    refused. Columns of two tables that have the same names in another order are put in that of ``x``.

    Raises
    ------
    TypeError
        Times on one side only, or dates beside durations.
    ValueError
        NaT; differences that float64 does not hold; tables whose columns are the same in part.
    """
    if type(x) is np.ndarray and type(y) is np.ndarray and x.dtype == y.dtype == np.float64:
        return x, y
    y = columns_like(x, y)
    whole = [_as_integers(x, "x"), _as_integers(y, "y")]
    kinds = ["" if w is None else w.dtype.kind for w in whole]
    if not any(kind in ("M", "m") for kind in kinds):
        wide = [w for w in whole if w is not None and w.dtype.itemsize == 8 and w.size]
        if not wide or len([w for w in whole if w is not None]) < 2:
            return x, y
        if max(max(abs(int(w.max())), abs(int(w.min()))) for w in wide) <= _EXACT:
            return x, y
        return _from_common_origin(whole[0], whole[1], "")
    if kinds[0] != kinds[1]:
        words = [str(getattr(w, "dtype", "other numbers")) for w in whole]
        raise TypeError(
            f"x holds {words[0]} and y {words[1]}; give both as dates, or both as durations in one unit: "
            "(x - origin) / numpy.timedelta64(1, 's')"
        )
    dates: list[np.ndarray] = [w for w in whole if w is not None]
    for w, name in zip(dates, "xy"):
        if np.isnat(w).any():
            raise ValueError(f"{name}[{int(np.argwhere(np.isnat(w))[0][0])}] is NaT; remove such entries")
    unit = np.result_type(*dates)
    fine = [w.astype(unit) for w in dates]
    if any(not np.array_equal(f.astype(w.dtype), w) for f, w in zip(fine, dates)):
        raise ValueError(f"the times do not fit into {unit}; give both in one coarser unit: x.astype(...)")
    return _from_common_origin(fine[0].view(np.int64), fine[1].view(np.int64), str(unit))


def _from_common_origin(x: Any, y: Any, unit: str) -> tuple[np.ndarray, np.ndarray]:
    filled = [w for w in (x, y) if w.size]
    if not filled:
        return x, y
    low = min(int(w.min()) for w in filled)
    high = max(int(w.max()) for w in filled)
    origin = np.uint64(low % 2**64)  # modulo 2^64 no difference overflows
    with np.errstate(over="ignore"):
        steps = [w.astype(np.uint64) - origin for w in (x, y)]
    found = tuple(w.astype(np.float64) for w in steps)
    kept = high - low < 2**63 and all(np.array_equal(p.astype(np.uint64), w) for p, w in zip(found, steps))
    if not kept:
        what = f"times ({unit})" if unit else "integers"
        raise ValueError(
            f"the {what} of x and y span {high - low}, more than the 2^53 steps of float64; "
            + (
                "give a coarser unit: x.astype('datetime64[s]')"
                if unit
                else "pass x.astype(float), y.astype(float)"
            )
        )
    return found  # type: ignore[return-value]
