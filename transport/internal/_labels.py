"""Labelled tables (pandas, polars, xarray): masses, points and weights are matched by label, or refused.

Tables that carry the same labels in another order are matched by label. Where the labels differ, a missing
one may mean mass 0, another bin, or another table altogether: refused, with the lines for both readings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transport.internal._recognise import from_table, library


def labels_of(x: Any) -> list[list[Any] | None] | None:
    """Labels along each axis of a labelled table (None for an axis without), or None."""
    kind = library(x)
    if kind == "pandas" and hasattr(x, "axes"):
        return [axis.tolist() for axis in x.axes]
    if kind == "xarray" and hasattr(x, "dims") and hasattr(x, "coords"):
        return [x.coords[d].values.tolist() if d in x.coords else None for d in x.dims]
    if kind == "polars" and hasattr(x, "columns"):
        return [None, list(x.columns)]
    return None


def matching(theirs: Sequence[Any], ours: Sequence[Any]) -> np.ndarray | None:
    """Where to find each of ``ours`` among ``theirs``; None if they are not the same labels, each once."""
    try:
        place = {label: k for k, label in enumerate(theirs)}
    except TypeError:  # labels that have no hash
        return None
    if len(place) < len(theirs) or len(theirs) != len(ours) or len(set(ours)) < len(ours):
        return None
    if any(label not in place for label in ours):
        return None
    return np.array([place[label] for label in ours], dtype=np.intp)


def odd_one(a: Sequence[Any], b: Sequence[Any], names: tuple[str, str]) -> str:
    for own, other, name in ((a, b, names[0]), (b, a, names[1])):
        odd = [label for label in own if label not in other]
        if odd:
            return f"{str(odd[0])[:40]!r} is in {name} only"
    return "a label occurs twice"


def measures(p: Any, q: Any) -> tuple[Any, Any]:
    """Two measures on the same atoms: matched by label where both carry labels.

    Raises
    ------
    ValueError
        Different labels, or labels that occur twice, in different order; a table of values and counts.
    """
    if type(p) is np.ndarray and type(q) is np.ndarray:
        return p, q
    for x, name in ((p, "p"), (q, "q")):
        _refuse_counts(x, name)
    if library(p) == library(q) == "xarray" and getattr(p, "dims", None) != getattr(q, "dims", None):
        if set(p.dims) != set(q.dims):
            raise ValueError(f"p has dimensions {p.dims} and q {q.dims}; give them the same names")
        q = q.transpose(*p.dims)
    ours, theirs = labels_of(p), labels_of(q)
    if ours is None or theirs is None:
        return p, q
    values = None
    for back in range(1, min(len(ours), len(theirs)) + 1):  # shapes broadcast from the last axis
        a, b = ours[-back], theirs[-back]
        if a is None or b is None or a == b or 1 in (len(a), len(b)):
            continue
        order = matching(b, a)
        if order is None:
            raise ValueError(_different(p, a, b))
        values = from_table(q, "q", library(q)) if values is None else values
        values = np.take(values, order, axis=-back)
    return p, q if values is None else values


def _different(p: Any, a: Sequence[Any], b: Sequence[Any]) -> str:
    line = {
        "pandas": "p, q = p.align(q, fill_value=0)",
        "xarray": "p, q = xarray.align(p, q, join='outer', fill_value=0)",
    }.get(library(p), "rename or reorder the columns of q")
    return (
        f"p and q carry different labels ({odd_one(a, b, ('p', 'q'))}); where a missing label means mass 0, "
        f"pass {line}; to compare by position, pass p.to_numpy(), q.to_numpy()"
    )


_COUNTS = {"count", "counts", "proportion", "len", "freq", "frequency", "probability", "mass", "weight"}


def _refuse_counts(x: Any, name: str) -> None:
    """A table of two columns, values and how often: its rows are atoms, not measures."""
    kind = library(x)
    if kind not in ("pandas", "polars") or not hasattr(x, "columns") or not hasattr(x, "shape"):
        return
    columns = [str(c) for c in x.columns]
    types = [str(t).lower() for t in (x.dtypes if kind == "polars" else x.dtypes.tolist())]
    keyed = any(t.startswith(("str", "obj", "utf", "cat", "enum", "date")) for t in types)
    if not keyed and not (len(columns) == 2 and columns[1].lower() in _COUNTS):
        return
    key, mass = columns[0], columns[-1]
    if kind == "polars":
        line = (
            f"t = p.join(q, on={key!r}, how='full', coalesce=True).fill_null(0), "
            f"then t[{mass!r}], t[{mass + '_right'!r}]"
        )
    else:
        line = f"p, q = (t.set_index({key!r})[{mass!r}] for t in (p, q)); p, q = p.align(q, fill_value=0)"
    raise TypeError(
        f"{name} is a table of keys and masses ({', '.join(columns)}); match the keys first: {line}"
    )


def columns_like(x: Any, y: Any) -> Any:
    """``y`` with the columns of the table ``x`` in x's order."""
    ours, theirs = labels_of(x), labels_of(y)
    if ours is None or theirs is None or len(ours) != 2 or len(theirs) != 2:
        return y
    a, b = ours[1], theirs[1]
    if a is None or b is None or a == b:
        return y
    order = matching(b, a)
    if order is not None:
        return np.take(from_table(y, "y", library(y)), order, axis=1)
    shared = [label for label in a if label in b]
    if shared:
        raise ValueError(
            f"x and y share the column {str(shared[0])[:40]!r} but not all ({odd_one(a, b, ('x', 'y'))}); "
            "pass the same columns of both: x[columns], y[columns]"
        )
    return y  # other names altogether: by position


def weights_like(w: Any, labels: Sequence[Any] | None, name: str, of: str) -> Any:
    """Weights in the order of the atoms' labels, where both have labels.

    Raises
    ------
    ValueError
        Different labels.
    """
    if labels is None or w is None or type(w) is np.ndarray:
        return w
    own = labels_of(w)
    if own is None or len(own) != 1 or own[0] is None or own[0] == list(labels):
        return w
    order = matching(own[0], labels)
    if order is None:
        raise ValueError(
            f"{name} and {of} carry different labels ({odd_one(own[0], labels, (name, of))}); pass "
            f"{name}.reindex(...) in the order of {of}, or {name}.to_numpy() to go by position"
        )
    return np.take(from_table(w, name, library(w)), order)


def column_labels(x: Any) -> list[Any] | None:
    """Labels of the columns of a labelled table; None for arrays."""
    found = None if type(x) is np.ndarray else labels_of(x)
    return found[1] if found and len(found) == 2 else None


def row_labels(x: Any) -> list[Any] | None:
    """Labels of the rows of a labelled table; None for arrays."""
    found = None if type(x) is np.ndarray else labels_of(x)
    return found[0] if found else None
