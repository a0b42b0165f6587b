"""The road of an entropic solve: a base, the kernel that suits it, Newton's method, a look at all pairs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from transport._answer import Status
from transport._certificate import feasible_potentials
from transport._cost import Cost, Matrix
from transport._points import METRICS, PointCloud
from transport._problem import Coupling, Problem
from transport._sinkhorn import pattern
from transport._sinkhorn.newton import Trace, newton, scaling, symmetric
from transport._sinkhorn.sides import BALANCED, Penalty, Side
from transport._sinkhorn.system import Dense, Sparse, State
from transport._solver.exact import Exact
from transport._sparse import SparseMatrix
from transport._tiles import index

SMALL = 1 << 16  # pairs: an exact solve takes a few milliseconds
NEARBY = 1 << 22  # pairs from which points are put in the order of their search structure
STORED = 1 << 24  # pairs up to which the costs of points are stored (128 MB)
FULL = 0.1  # part of the pairs that matter from which all are kept: 4 bytes each, an arc takes 16
ROUGH = 18.0  # depth of the first pattern, from potentials without their entropic part
SAFE = 100.0  # pairs left out weigh together less than tol / SAFE
FREE = 3.0  # what log P_ij may rise by after the arcs have been chosen; they are chosen that much deeper
PATTERNS = 12
ALLOWED = 1 << 20  # pairs up to which all arcs are kept that are not forbidden
EVERY = 1e300  # depth of every arc that is not forbidden


@dataclass(eq=False)
class Work:
    """A solve in progress on the atoms with mass: ``rows``, ``cols`` of the problem."""

    problem: Problem
    reg: float
    tol: float
    method: str
    penalties: tuple[Penalty, Penalty] = (BALANCED, BALANCED)
    trace: Trace = field(default_factory=Trace)
    pivots: int = 0
    budget: int = 1
    stage: str = "exact potentials"
    kernel: str = ""
    exact: Coupling | None = None
    system: State | None = None
    sides: tuple[Side, Side] | None = None
    outside: float = math.inf
    begin: tuple[np.ndarray, np.ndarray] | None = None  # potentials in reg, over the base, to start from

    def __post_init__(self) -> None:
        p = self.problem
        self.rows, self.cols = np.flatnonzero(p.a > 0), np.flatnonzero(p.b > 0)
        cost = p.cost
        if isinstance(cost, PointCloud) and len(self.rows) * len(self.cols) > NEARBY:
            self.rows = self.rows[index(cost.x[self.rows], METRICS.index(cost.metric)).order]
            self.cols = self.cols[index(cost.y[self.cols], METRICS.index(cost.metric)).order]
            cost = cost.restrict(self.rows, self.cols)
        elif (len(self.rows), len(self.cols)) != p.shape:
            cost = restricted(cost, self.rows, self.cols)
        n, m = cost.shape
        self.symmetric = _is_symmetric(cost, p.a[self.rows], p.b[self.cols])
        if not isinstance(cost, (Matrix, SparseMatrix)) and n * m <= STORED:
            cost = Matrix(cost.block(0, n))
        self.core = Problem(cost, p.a[self.rows], p.b[self.cols])
        self.slices = self._solve()

    @property
    def n_iter(self) -> int:
        """Pivots of exact solves and passes of Newton's method."""
        return self.pivots + self.trace.n_iter

    @property
    def is_balanced(self) -> bool:
        """Both marginals are prescribed."""
        return self.penalties == (BALANCED, BALANCED)

    def _solve(self) -> Iterator[None]:
        cost, (n, m) = self.core.cost, self.core.shape
        if self.is_balanced and n * m > SMALL and self.method != "scaling" and self.symmetric:
            yield from self._between_equal_measures()
            return
        small = n * m <= SMALL or isinstance(cost, SparseMatrix) or cost.has_forbidden
        if self.is_balanced and (small or self._few_pairs_matter()):
            yield from self._exact_base()
            yield from self._on_pattern()
            return
        self._plain_base()
        yield from self._on_all_pairs()

    def _between_equal_measures(self) -> Iterator[None]:
        """From the potentials 0; those of the answer are equal on both sides."""
        n = len(self.core.a)
        self._set_base(np.zeros(n), np.zeros(n))
        self.exact = Coupling(np.arange(n), np.arange(n), self.core.a, np.zeros(n), np.zeros(n))
        sample = self._sample().cost
        slack = sample.block(0, sample.shape[0])
        if pattern.fullness(slack, self.reg, self._depth()) < FULL:
            yield from self._on_pattern()
        else:
            yield from self._on_all_pairs()

    def _sample(self) -> Problem:
        """Some rows and columns, as a problem of its own."""
        rows, cols = (np.unique(np.linspace(0, k - 1, pattern.SAMPLE).astype(int)) for k in self.core.shape)
        a, b = self.core.a[rows], self.core.b[cols]
        return Problem(restricted(self.core.cost, rows, cols), a / a.sum(), b / b.sum())

    def _few_pairs_matter(self) -> bool:
        sample = self._sample()
        *_, coupling = _exactly(sample, self)
        f, g = feasible_potentials(sample, coupling.f)
        slack = (sample.cost.block(0, len(f)) - f[:, None]) - g
        return pattern.fullness(slack, self.reg, self._depth()) < FULL

    def _depth(self) -> float:
        """Pairs below e^-depth a_i b_j weigh less than tol / SAFE of all."""
        return math.log(SAFE / self.tol) + max(0.0, math.log(float(self.core.b.sum())))

    def _set_base(self, f: np.ndarray, g: np.ndarray) -> None:
        a, b = self.core.a, self.core.b
        self.sides = Side(a, f, self.penalties[0]), Side(b, g, self.penalties[1])

    def _exact_base(self) -> Iterator[None]:
        for coupling in _exactly(self.core, self):
            self.exact = coupling
            yield
        assert self.exact is not None
        self._set_base(*feasible_potentials(self.core, self.exact.f))

    def _plain_base(self) -> None:
        cost, n = self.core.cost, self.core.shape[0]
        g = cost.c_transform(np.zeros(n))
        f = cost.row_transform(g, np.arange(n))
        self._set_base(f, g)

    def _on_all_pairs(self) -> Iterator[None]:
        assert self.sides is not None
        cost, (n, m) = self.core.cost, self.core.shape
        self.stage, self.kernel, self.outside = "Newton", "dense", 0.0
        self.system = Dense(cost, *self.sides, self.reg)
        q = self.system.q.copy() if self.begin is None else self.system.q + self.begin[1]
        if self.method == "scaling":
            yield from scaling(self.system, q, self.tol, self.trace)
            return
        if self.symmetric and self.is_balanced:
            q = yield from symmetric(self.system, q, self.tol, self.trace)
        yield from newton(self.system, q, self.tol, self.trace, extra=0.1 if n * m <= SMALL else 0.0)

    def _on_pattern(self) -> Iterator[None]:
        """Newton on the arcs that matter, found anew from its potentials until none is missing."""
        assert self.sides is not None
        cost, sides = self.core.cost, self.sides
        n, m = self.core.shape
        f, g = (np.zeros(n), np.zeros(m)) if self.begin is None else self.begin
        q = sides[1].log + g
        # beside forbidden arcs potentials may have no limit: arcs chosen by them would change for ever
        whole = isinstance(cost, SparseMatrix) or (cost.has_forbidden and n * m <= ALLOWED)
        rough = True
        extra = 0.1 if n * m <= SMALL else 0.0
        extra = math.inf if cost.has_forbidden else extra  # then nothing can be sent just anywhere
        for _ in range(PATTERNS):
            depth = EVERY if whole else ROUGH if rough else self._depth() + FREE
            arcs = pattern.arcs_within(cost, sides, self.reg, (f, g), depth)
            # what is left of the masses goes anywhere on all pairs: not where arcs are forbidden
            if not whole and len(arcs[1]) > FULL * n * m and not cost.has_forbidden:
                yield from self._on_all_pairs()
                return
            self.stage, self.kernel = "Newton on the arcs that matter", "arcs"
            system = Sparse(arcs, *sides, self.reg)
            if self.system is not None:
                system.p[:] = self.system.p
            self.system = system
            goal = max(self.tol, 1e-3) if rough and not whole else self.tol
            if self.symmetric and self.is_balanced:
                q = yield from symmetric(system, q, goal, self.trace)
            yield from newton(system, q, goal, self.trace, extra=extra if goal == self.tol else 0.0)
            q = system.q.copy()
            moved = float((system.p - sides[0].log - f).max() + (q - sides[1].log - g).max())
            f, g = system.p - sides[0].log, q - sides[1].log
            if whole or (moved <= FREE and not rough):
                self.outside = 0.0 if whole else 2 * self.tol / SAFE
                return
            rough = False

    def status(self) -> Status:
        """Whether the marginals of all pairs are what they should be."""
        return Status.OPTIMAL if self.trace.error + self.outside <= 1.1 * self.tol else Status.INACCURATE


def _is_symmetric(cost: Cost, a: np.ndarray, b: np.ndarray) -> bool:
    """Points to themselves: moving nothing is optimal without entropy, and both potentials are equal."""
    if not isinstance(cost, PointCloud) or cost.shape[0] != cost.shape[1]:
        return False
    return np.array_equal(cost.x, cost.y) and np.array_equal(a, b)


def _exactly(problem: Problem, work: Work) -> Iterator[Coupling]:
    """Exact couplings so far, the last one optimal; pivots are counted by ``work``."""
    solver = Exact()
    state = solver.init(problem, tol=1e-12)
    before = work.pivots
    status = Status.RUNNING
    while status is Status.RUNNING:
        status = solver.step(state, max(1, work.budget))
        done = solver.progress(state)[0]
        work.pivots = before + max(1, done)
        if status is Status.RUNNING:
            yield Coupling(*(np.empty(0),) * 3, np.zeros(problem.shape[0]), np.zeros(problem.shape[1]))
    yield solver.finish(state)


def restricted(cost: Cost, rows: np.ndarray, cols: np.ndarray) -> Cost:
    """The cost between some of the atoms; stored where the cost cannot be restricted itself."""
    part = cost.restrict(rows, cols)
    if part is not None:
        return part
    if len(rows) * len(cols) <= STORED:
        out = np.empty((len(rows), len(cols)))
        for k, i in enumerate(rows):
            out[k] = cost.block(int(i), int(i) + 1)[0, cols]
        return Matrix(out)
    raise ValueError("leave out the atoms without mass: this cost cannot be restricted to the others")
