"""What a file means: points, one a row, or masses on cells. Said in words, and asked for where it is open.

`readings` judges the file alone, so that it means the same to every command; a command that can do one thing
only may settle what the file leaves open (`decide`), but never reads points as masses or masses as points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from transport.internal._files import Contents, load
from transport.internal._labels import matching, odd_one

KINDS = ("auto", "points", "grid")


@dataclass(frozen=True, eq=False)
class Measure:
    """Atoms (n, d) with weights (n,) summing to 1; ``shape`` if they are the cells of a grid.

    ``reading`` says in words what the file was understood to hold; ``contents`` holds it.
    """

    points: np.ndarray
    weights: np.ndarray
    shape: tuple[int, ...] | None = None
    reading: str = ""
    contents: Contents | None = None

    @property
    def values(self) -> np.ndarray:
        """The masses on all cells, as in the file."""
        assert self.contents is not None
        values = self.contents.values
        return values[0] if values.ndim == 2 and values.shape[0] == 1 else values


def readings(contents: Contents) -> tuple[str, ...]:
    """The plausible kinds, from the file alone."""
    values = contents.values
    if contents.source == "image" or values.ndim > 2:
        return ("grid",)
    if contents.weights is not None:
        return ("points",)
    with np.errstate(over="ignore"):
        total = float(values.sum())
    sums_to_one = values.size > 1 and abs(total - 1.0) <= 1e-9 * values.size
    if values.min() < 0 or total <= 0:
        return ("points", "grid") if sums_to_one else ("points",)
    if values.ndim == 1:
        return ("grid",) if sums_to_one else ("points", "grid")
    n, d = values.shape
    tall = n > d and d <= 3
    return ("points",) if tall and not sums_to_one and not contents.suspect else ("points", "grid")


def _in_words(contents: Contents, kind: str) -> str:
    values = contents.values
    if kind == "points":
        n, d = (len(values), 1) if values.ndim == 1 else values.shape
        weighted = "weighted " if contents.weights is not None else ""
        return f"{n} {weighted}{'point' if n == 1 else 'points'} in dimension {d}"
    if values.ndim == 1 or values.shape[0] == 1:
        named = ", labelled" if contents.labels is not None else ""
        return f"masses on {values.size} {'bin' if values.size == 1 else 'bins'}{named}"
    cells = "pixels" if contents.source == "image" else "cells"
    return f"masses on {' x '.join(map(str, values.shape))} {cells}"


def decide(contents: Contents, kind: str, *, only: str | None = None) -> str:
    """ "points" or "grid".

    Parameters
    ----------
    only : {"points", "grid"}, optional
        The one kind that the command can do without being told; it settles what the file leaves open, unless
        the file looks like a table of something else.

    Raises
    ------
    ValueError
        Two plausible readings: with both spellings.
    """
    possible = readings(contents)
    if kind != "auto":
        return kind
    if len(possible) == 1:
        return possible[0]
    flat = contents.values.ndim == 1 or contents.values.shape[0] == 1
    if only in possible and not contents.suspect and (flat or min(contents.values.shape) > 3):
        return str(only)
    points, grid = _in_words(contents, "points"), _in_words(contents, "grid")
    also = f"; {contents.suspect}" if contents.suspect else ""
    raise ValueError(f"{contents.path} may hold {points} or {grid}: say --kind points or --kind grid{also}")


def as_measure(contents: Contents, kind: str) -> Measure:
    """``contents`` as points or as masses on cells ("points" or "grid")."""
    words = _in_words(contents, kind)
    if kind == "grid":
        if contents.weights is not None:
            raise ValueError(f"{contents.path} holds weighted points; leave --kind grid out")
        values = contents.values
        if values.ndim == 2 and values.shape[0] == 1:
            values = values[0]
        return replace(grid_measure(values, str(contents.path)), reading=words, contents=contents)
    return _points(contents, words)


def load_measure(path: str | Path, *, kind: str = "auto", only: str | None = None, **options: Any) -> Measure:
    """A file as a measure; ``kind`` and ``only`` as in `decide`, other options as in `load`."""
    contents = load(path, **options)
    return as_measure(contents, decide(contents, kind, only=only))


def matched(first: Measure, second: Measure) -> tuple[Measure, Measure]:
    """Two histograms whose rows carry labels, the second in the order of the first.

    Raises
    ------
    ValueError
        Other labels.
    """
    a, b = (m.contents for m in (first, second))
    if a is None or b is None or a.labels is None or b.labels is None or a.labels == b.labels:
        return first, second
    if first.shape is None or second.shape is None:
        return first, second  # labels of points are names of samples
    order = matching(b.labels, a.labels)
    if order is None:
        raise ValueError(
            f"{a.path} and {b.path} label their rows differently "
            f"({odd_one(a.labels, b.labels, (str(a.path), str(b.path)))}); give both the same rows, "
            "with 0 for what is missing"
        )
    return first, as_measure(replace(b, values=b.values[order], labels=a.labels), "grid")


def grid_measure(values: np.ndarray, name: str = "") -> Measure:
    """A non-negative array as a measure on its cell indices (unit: one cell); empty cells are dropped."""
    values = np.asarray(values, dtype=np.float64)
    if values.size == 0 or not np.isfinite(values).all() or values.min() < 0 or not values.max() > 0:
        where = ""
        if name and values.size and values.min() < 0:
            index = ", ".join(map(str, np.argwhere(values < 0)[0].tolist()))
            where = f"{name}: entry [{index}] is {values[values < 0][0]:g}; "
        elif name:
            where = f"{name}: "
        raise ValueError(f"{where}a histogram or image needs finite entries >= 0, not all of them 0")
    points = np.argwhere(values > 0).astype(np.float64)
    return Measure(points, _proportions(values[values > 0]), values.shape)


def _points(contents: Contents, words: str) -> Measure:
    points, weights, path = contents.values, contents.weights, contents.path
    if points.ndim == 1:
        points = points[:, None]
    if points.ndim != 2:
        raise ValueError(f"{path} has shape {points.shape}; points come one a row, shape (n, d)")
    if weights is None:  # as a call without them: 1 / n is not divided by its rounded total
        return Measure(points, np.full(len(points), 1.0 / len(points)), reading=words, contents=contents)
    if weights.shape != (len(points),):
        raise ValueError(f"{path} has {weights.size} weights for {len(points)} points")
    if weights.min() < 0 or not weights.max() > 0:
        raise ValueError(f"{path}: weights must be >= 0, not all of them 0; the least is {weights.min():g}")
    return Measure(points, _proportions(weights), reading=words, contents=contents)


def _proportions(masses: np.ndarray) -> np.ndarray:
    try:
        total = math.fsum(masses)
    except OverflowError:
        total = math.inf
    return masses / total if np.isfinite(total) else _proportions(masses / masses.max())
