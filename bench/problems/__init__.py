"""Problems: named, seeded, of any size; the only place where a cost of the benchmark is defined.

A file of this folder, or a module that an installed package names in the entry-point group
``bench.problems``, defines functions ``family(n, *, option=..., seed=0)`` to a `Problem` and marks them with
`family`. Instances are named family:n[:option=value ...], as in ``uniform:1000:d=8``. See docs/bench.md.

Masses are whole multiples of 2^-30 (2^-50 where they span decades) with total exactly 1: integer codes get
the masses everybody else gets, and optima are exact binary fractions.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from bench import plugins

KINDS = ("transport", "assignment", "entropic", "partial", "unbalanced")
PAIRS = 1 << 24  # a problem with more pairs is given as points or stored arcs alone
GROUP = "bench.problems"


class Unavailable(Exception):
    """A problem needs data of a package that is not installed; the text says how to get it."""


@dataclass(frozen=True)
class Problem:
    """Masses and a cost, given as a matrix, as points with a metric, or by its allowed arcs.

    Parameters
    ----------
    a, b : arrays, shapes (n,) and (m,)
    given : array (n, m), optional
        The cost; inf forbids an arc.
    x, y : arrays (n, d) and (m, d), optional
        Points; then the cost is ``metric`` to the ``power``.
    grid : tuple of int, optional
        The points are the cells of this grid, on both sides.
    arcs : (rows, cols, costs), optional
        The allowed arcs, if most are forbidden.
    kind : str
        One of `KINDS`. An "assignment" has n = m and equal masses.
    reg, rho, mass : float
        Entropic regularisation, weight of the KL divergences of the marginals, mass moved; 0 where unused.
    """

    a: np.ndarray
    b: np.ndarray
    given: np.ndarray | None = None
    x: np.ndarray | None = None
    y: np.ndarray | None = None
    metric: str = ""
    power: float = 1.0
    grid: tuple[int, ...] | None = None
    arcs: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    kind: str = "transport"
    reg: float = 0.0
    rho: float = 0.0
    mass: float = 0.0
    name: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        return len(self.a), len(self.b)

    @property
    def size(self) -> int:
        """The larger of n and m."""
        return max(self.shape)

    @property
    def dim(self) -> int:
        """Dimension of the points, 0 without."""
        return 0 if self.x is None else self.x.shape[1]

    @property
    def series(self) -> str:
        """The name without its size: instances that differ in size alone."""
        head, _, *rest = self.name.split(":")
        return ":".join([head, *rest])

    @property
    def takes(self) -> frozenset[str]:
        """The forms it can be handed over in: "matrix", "points", "line", "sparse"."""
        forms = {"matrix"} if len(self.a) * len(self.b) <= PAIRS else set()
        if self.x is not None:
            forms |= {"points", "line"} if self.dim == 1 else {"points"}
        return frozenset(forms | ({"sparse"} if self.arcs is not None else set()))

    @property
    def allows_all(self) -> bool:
        """Whether no arc is forbidden."""
        return self.arcs is None and (self.given is None or bool(np.isfinite(self.given).all()))

    @cached_property
    def matrix(self) -> np.ndarray:
        """The costs, shape (n, m): the numbers that everybody's answer is scored on."""
        if self.given is not None:
            return np.ascontiguousarray(self.given, dtype=float)
        if self.arcs is not None:
            dense = np.full(self.shape, np.inf)
            dense[self.arcs[0], self.arcs[1]] = self.arcs[2]
            return dense
        return np.ascontiguousarray(self.points.block(0, len(self.a)))

    @cached_property
    def points(self) -> Any:
        """The cost as `transport.PointCloud` or `transport.Grid`."""
        import transport as tp

        if self.x is None:
            raise ValueError(f"{self.name} is not a problem between points")
        if self.grid is not None:
            return tp.Grid(self.grid, self.metric, power=self.power)
        return tp.PointCloud(self.x, self.y, self.metric, power=self.power)

    @property
    def cost(self) -> Any:
        """What `transport.certify` is given: the matrix, or the points where there are too many pairs."""
        if "matrix" in self.takes:
            return self.matrix
        return self.points

    def fingerprint(self) -> str:
        """A hash of masses and costs: equal fingerprints, equal problems to the bit."""
        digest = hashlib.sha256(f"{self.kind} {self.reg!r} {self.rho!r} {self.mass!r}".encode())
        data = [self.matrix] if "matrix" in self.takes else [self.x, self.y]
        for array in (self.a, self.b, *data):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Family:
    """A function that builds problems, and the instances of it that belong to the suites."""

    name: str
    build: Callable[..., Problem]
    suites: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """First line of its docstring."""
        return (inspect.getdoc(self.build) or "").split("\n")[0]


FAMILIES: dict[str, Family] = {}


def family(name: str, **suites: Iterable[str]) -> Callable[[Callable[..., Problem]], Callable[..., Problem]]:
    """Mark a function of (n, *, options, seed) as a family; ``suite=("100", "1000:d=8")`` lists instances."""

    def mark(build: Callable[..., Problem]) -> Callable[..., Problem]:
        FAMILIES[name] = Family(name, build, {suite: tuple(sizes) for suite, sizes in suites.items()})
        return build

    return mark


def load() -> dict[str, Family]:
    """Every family: of the files here and of installed packages."""
    plugins.load(GROUP, __path__)
    return FAMILIES


def build(name: str) -> Problem:
    """The problem of a name such as ``uniform:1000:d=8:seed=1``.

    Raises
    ------
    ValueError
        For an unknown family, a size that is no number, or options the family does not have.
    """
    head, *rest = name.split(":")
    known = load()
    if head not in known:
        raise ValueError(f"no family {head!r}; `python -m bench list` names them")
    if not rest or not rest[0].isdigit() or int(rest[0]) < 1:
        raise ValueError(f"{name!r}: a size is due after the family, as in {head}:1000")
    options: dict[str, Any] = {}
    legal = [p for p in inspect.signature(known[head].build).parameters if p != "n"]
    for text in rest[1:]:
        key, equal, value = text.partition("=")
        if not equal or key not in legal:
            raise ValueError(f"{name!r}: {text!r} is no option of {head}; they are {', '.join(legal)}")
        options[key] = _value(value)
    return replace(known[head].build(int(rest[0]), **options), name=name)


def _value(text: str) -> Any:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def instances(suite: str) -> list[str]:
    """Names of a suite's instances, small ones first; of every suite for "all"."""
    names = {
        f"{known.name}:{size}"
        for known in load().values()
        for label, sizes in known.suites.items()
        if suite in (label, "all")
        for size in sizes
    }
    return sorted(names, key=lambda name: (int(name.split(":")[1]), name))


def suites() -> list[str]:
    """Every suite that a family names."""
    return sorted({label for known in load().values() for label in known.suites})


def masses(weights: np.ndarray, *, bits: int = 30) -> np.ndarray:
    """Weights rounded to whole multiples of 2^-bits with total exactly 1; positive ones stay positive."""
    weights = np.asarray(weights, dtype=float)
    total = 1 << bits
    units = np.floor(weights / weights.sum() * total).astype(np.int64)
    units[(weights > 0) & (units == 0)] = 1
    units[np.argmax(units)] += total - int(units.sum())
    return units / float(total)


def equal(n: int) -> np.ndarray:
    """Equal masses: 1/n where n is a power of two, else multiples of 2^-30 that differ in the last unit."""
    return masses(np.ones(n))


def generator(*key: int | str) -> np.random.Generator:
    """A generator for this key of numbers and words."""
    words = [part if isinstance(part, int) else int.from_bytes(part.encode(), "big") for part in key]
    return np.random.default_rng(words)
