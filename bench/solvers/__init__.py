"""Solvers: one small file a library, one protocol.

A solver is a function of a `Task` that converts the problem to what the library wants and returns a function
without arguments; that one is timed, and returns an answer: a number (the value), a plan, or a mapping with
"value", "plan" (dense, scipy sparse, or (rows, cols, mass)), "potentials" and "status". Nothing of a library
is corrected: it gets the masses and costs as they are.

Libraries are imported inside the function, so that every solver can be listed where its library is not
installed; this module needs NumPy alone, since a library may live in another Python than ours. A file of this
folder, or a module that an installed package names in the entry-point group ``bench.solvers``, marks its
functions with `solver`. See docs/bench.md.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench import plugins

CLAIMS = ("exact", "entropic", "approximate")
EXACT_KINDS = ("transport", "assignment")
GROUP = "bench.solvers"


@dataclass
class Task:
    """A problem as a solver gets it: masses, and the cost in the form it takes.

    Attributes
    ----------
    kind : str
        "transport", "assignment", "entropic", "partial" or "unbalanced".
    a, b : arrays, shapes (n,) and (m,)
    matrix : array (n, m)
        The costs, for those that take a "matrix"; inf forbids.
    x, y, metric, power, grid
        The points, for those that take "points" or "line".
    arcs : (rows, cols, costs)
        For those that take "sparse".
    reg, rho, mass : float
        See `bench.problems.Problem`.
    threads : int
        Threads it may use.
    """

    a: np.ndarray
    b: np.ndarray
    kind: str = "transport"
    matrix: Any = None
    x: Any = None
    y: Any = None
    metric: str = ""
    power: float = 1.0
    grid: tuple[int, ...] | None = None
    arcs: Any = None
    reg: float = 0.0
    rho: float = 0.0
    mass: float = 0.0
    threads: int = 1


@dataclass(frozen=True)
class Solver:
    """A prepared library call and what it claims."""

    name: str
    prepare: Callable[[Task], Callable[[], Any]]
    package: str  # distribution whose version is printed
    module: str  # what must be importable
    claims: str = "exact"
    takes: str = "matrix"
    kinds: tuple[str, ...] = EXACT_KINDS
    where: Callable[[Any], str] = field(default=lambda problem: "")
    on_request: bool = False  # only where --solvers names it and no other

    def refuses(self, problem: Any) -> str:
        """Why it is not for this problem; empty if it is."""
        if problem.kind not in self.kinds:
            return f"not for {problem.kind} problems"
        if self.takes not in problem.takes:
            return f"takes {self.takes}"
        return self.where(problem)

    def missing(self) -> str:
        """Why it cannot run in this Python; empty if it can."""
        try:
            found = importlib.util.find_spec(self.module)
        except (ImportError, ValueError):
            found = None
        return "" if found else f"{self.module} is not installed: pip install {self.package}"

    @property
    def version(self) -> str:
        """Of its distribution."""
        try:
            return importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            return str(getattr(importlib.import_module(self.module), "__version__", "unknown"))

    def __call__(self, cost: Any, a: Any, b: Any) -> Any:
        """Solve a matrix problem at once (for `divergences.testing.conformance`)."""
        given = np.array(cost, dtype=float), np.array(a, dtype=float), np.array(b, dtype=float)
        reg = 1e-3 * float(np.max(given[0])) if self.claims == "entropic" else 0.0
        return self.prepare(Task(given[1], given[2], matrix=given[0], reg=reg))()


SOLVERS: dict[str, Solver] = {}


def solver(
    name: str,
    *,
    package: str,
    module: str = "",
    claims: str = "exact",
    takes: str = "matrix",
    kinds: tuple[str, ...] = EXACT_KINDS,
    where: Callable[[Any], str] = lambda problem: "",
    on_request: bool = False,
) -> Callable[[Callable[[Task], Callable[[], Any]]], Solver]:
    """Mark a function of a `Task` as a solver.

    ``claims``: "exact", "entropic" (solves the regularised problem) or "approximate" (claims no optimum).
    ``where``: a function of the `bench.problems.Problem` to the reason why it is not for it, "" if it is.
    ``on_request``: left out unless ``--solvers`` names it.
    """
    if claims not in CLAIMS:
        raise ValueError(f"{name}: claims={claims!r}; it is one of {', '.join(CLAIMS)}")

    def mark(prepare: Callable[[Task], Callable[[], Any]]) -> Solver:
        made = Solver(
            name, prepare, package, module or package, claims, takes, tuple(kinds), where, on_request
        )
        SOLVERS[name] = made
        return made

    return mark


def chosen(words: str) -> list[str]:
    """Names that hold one of ``words`` (separated by commas); all but those on request without words.

    A word that names solvers which are not on request means those alone: "kantorovich" leaves
    "kantorovich plan: hub tree" out, "hub tree" and "kantorovich plan" bring it.
    """
    parts = [part.strip().lower() for part in words.split(",") if part.strip()]
    known = load()
    regular = [name for name in known if not known[name].on_request]
    found = set(regular) if not parts else set()
    for part in parts:
        named = [name for name in regular if part in name.lower()]
        found |= set(named or [name for name in known if part in name.lower()])
    return [name for name in known if name in found]


def no_forbidden(problem: Any) -> str:
    """For libraries that do not know forbidden arcs."""
    return "" if problem.allows_all else "knows no forbidden arcs"


def load() -> dict[str, Solver]:
    """Every solver: of the files here and of installed packages."""
    plugins.load(GROUP, __path__)
    return SOLVERS
