"""Marginals that need not be met: `KL`, `TV` and `Partial`, for ``transport.solve(..., marginals=)``."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from transport._answer import Arcs
from transport._certificate import certify
from transport._cost import Matrix
from transport._ending import certified
from transport._left_over import WithLeftOver
from transport._problem import Problem
from transport._sinkhorn.relaxed import Relaxed, Soft
from transport._sinkhorn.solver import Sinkhorn
from transport._sinkhorn.work import STORED
from transport._solution import Solution
from transport._solver.base import run
from transport._solver.exact import Exact
from transport._solver.left_over import LeftOver
from transport.internal import check_positive

FEW = 1 << 18  # pairs up to which their costs are stored


@dataclass(frozen=True)
class KL:
    """A marginal r that costs rho KL(r | a), KL(r | a) = sum r log(r / a) - r + a.

    Parameters
    ----------
    rho : float
        Price > 0, in units of the cost; large: r close to a.

    Examples
    --------
    >>> import math, transport as tp
    >>> sol = tp.solve([[1.0]], [2.0], [2.0], marginals=tp.KL(1.0))  # moves a mass of 2 exp(-1/2)
    >>> abs(sol.stats["mass"] - 2 * math.exp(-0.5)) < 1e-10
    True
    """

    rho: float

    def __post_init__(self) -> None:
        check_positive(self.rho, "rho")


@dataclass(frozen=True)
class TV:
    """A marginal r that costs lam sum |r - a|: mass is moved or left out, whichever is cheaper.

    Parameters
    ----------
    lam : float
        Price > 0 of a unit of mass left out, in units of the cost; nothing moves further than 2 lam.

    Examples
    --------
    >>> import transport as tp
    >>> sol = tp.solve([[0.0, 9.0], [9.0, 3.0]], marginals=tp.TV(1.0))
    >>> sol.value, sol.stats["mass"]  # half of the mass stays, the other half is not worth its way
    (1.0, 0.5)
    """

    lam: float

    def __post_init__(self) -> None:
        check_positive(self.lam, "lam")


@dataclass(frozen=True)
class Partial:
    """Only ``mass`` is moved, from whichever atoms is cheapest; marginals are at most a and b.

    Parameters
    ----------
    mass : float
        Amount > 0 to move, at most the smaller total.

    Examples
    --------
    >>> import transport as tp
    >>> tp.solve([[0.0, 9.0], [9.0, 3.0]], marginals=tp.Partial(0.75)).value
    0.75
    """

    mass: float

    def __post_init__(self) -> None:
        check_positive(self.mass, "mass")


def solve_relaxed(
    problem: Problem, marginals: Any, solver: Any, *, like: Any, options: dict[str, Any]
) -> Solution:
    """The border's second half for soft marginals; ``options`` are those of `transport._solver.base.run`."""
    if not (solver is None or isinstance(solver, (Exact, Sinkhorn))):
        raise ValueError(f"marginals is for Exact and Sinkhorn; {type(solver).__name__} has fixed marginals")
    if isinstance(marginals, Partial):
        return _partial(problem, marginals.mass, solver, like=like, options=options)
    pair = tuple(marginals) if isinstance(marginals, (tuple, list)) else (marginals, marginals)
    if len(pair) != 2 or not all(s is None or isinstance(s, (KL, TV)) for s in pair):
        raise ValueError(
            f"marginals is {marginals!r}; give KL(rho), TV(lam) or Partial(mass), "
            "or a pair of KL, TV or None (fixed) for a and b"
        )
    if pair == (None, None):
        raise ValueError("marginals=(None, None) are fixed on both sides: leave marginals out")
    softs = tuple(
        Soft(rho=float(s.rho)) if isinstance(s, KL) else Soft(lam=float(s.lam)) if s is not None else Soft()
        for s in pair
    )
    if isinstance(solver, Sinkhorn):
        return _run(Relaxed(softs, solver.reg, solver), problem, like, options)  # type: ignore[arg-type]
    if isinstance(pair[0], TV) and pair[0] == pair[1]:
        return _left_out(problem, pair[0].lam, solver, like=like, options=options)
    if any(isinstance(s, TV) for s in pair):
        raise ValueError("exact TV marginals are for both sides alike: TV(lam); use solver=Sinkhorn(reg)")
    return _run(Relaxed(softs, 0.0, Sinkhorn(1.0)), problem, like, options)  # type: ignore[arg-type]


def _run(solver: Any, problem: Problem, like: Any, options: dict[str, Any]) -> Solution:
    start = time.perf_counter()
    outcome = run(solver, problem, **options)
    wrapped: Solution = solver.wrap(outcome.state, outcome, like=like, start=start)
    return wrapped


def _with_left_over(
    problem: Problem, masses: tuple[np.ndarray, np.ndarray], leave: float, corner: float, solver: Any
) -> tuple[Problem, Any]:
    """The balanced problem with one source and one sink more, and who solves it.

    Sources pay ``leave`` to the new sink, the new source to every sink; ``corner`` is the cost between both.
    """
    cost, (n, m) = problem.cost, problem.shape
    cloud, may_search = cost.points, solver is None or solver == Exact() or solver == Exact("points")
    if cloud is not None and may_search and n * m > FEW and cloud.tree_x.prunes and cloud.tree_y.prunes:
        # where two parts of a plan use the corner and an arc, both can do without: a finite price forbids it
        corner = min(corner, 2.0 * cost.magnitude)
        return Problem(WithLeftOver(cost, leave, corner), *masses), LeftOver()
    if n * m > STORED and cost.stored is None:
        raise ValueError(
            f"{n} x {m} costs are too many to store; take points in low dimension, fewer of them, or "
            "marginals=KL(rho)"
        )
    out = np.empty((n + 1, m + 1))
    out[:n, :m] = cost.block(0, n)
    out[:n, m], out[n, :m], out[n, m] = leave, leave, corner
    return Problem(Matrix(out), *masses), solver or Exact()


def _extended(problem: Problem, solver: Any, options: dict[str, Any]) -> Solution:
    """The balanced problem with the rest, exactly."""
    start = time.perf_counter()
    outcome = run(solver, problem, **options)
    assert outcome.coupling is not None
    certificate = certify(problem, outcome.coupling)
    return certified(problem, outcome, certificate, tol=options["tol"], like=None, start=start)


def _without_rest(sol: Solution, problem: Problem, like: Any) -> tuple[Arcs, tuple[np.ndarray, np.ndarray]]:
    n, m = problem.shape
    arcs = sol.arcs
    keep = (arcs.rows < n) & (arcs.cols < m)
    f, g = (np.asarray(z) for z in sol.potentials)
    inner = Arcs(arcs.rows[keep], arcs.cols[keep], arcs.mass[keep], (n, m), like)
    return inner, (f, g)


def _partial(problem: Problem, mass: float, solver: Any, *, like: Any, options: dict[str, Any]) -> Solution:
    """A dummy sink takes what stays at the sources, a dummy source gives what the sinks miss; both free."""
    if isinstance(solver, Sinkhorn):
        raise ValueError("Partial(mass) is exact; with solver=Sinkhorn(reg) use marginals=TV(lam) or KL(rho)")
    a, b = problem.a, problem.b
    totals = math.fsum(a), math.fsum(b)
    if not mass <= min(totals) * (1 + 1e-12):
        raise ValueError(f"mass is {mass!r}, but a and b hold {totals[0]!r} and {totals[1]!r} only")
    mass = min(mass, *totals)
    rest = totals[1] - mass, totals[0] - mass
    masses = np.append(a, rest[0]), np.append(b, rest[1])
    wide, chosen = _with_left_over(problem, masses, 0.0, math.inf, solver)
    sol = _extended(wide, chosen, options)
    arcs, (f, g) = _without_rest(sol, problem, like)
    # f + g <= C, f + g_dummy <= 0, f_dummy + g <= 0: what is moved earns minus the dummies' potentials a unit
    price = -(float(f[-1]) + float(g[-1]))
    duals = f[:-1] + g[-1], g[:-1] + f[-1]
    facts: dict[str, Any] = {"mass": mass, "multiplier": price, "transport_cost": sol.value}
    facts["mass_gradient"] = duals
    return replace(sol, arcs=arcs, duals=duals, problem=problem, stats={**sol.stats, **facts})


def _left_out(problem: Problem, lam: float, solver: Any, *, like: Any, options: dict[str, Any]) -> Solution:
    """TV on both sides: leaving a unit out costs lam at its source and lam at the sink that misses it."""
    lowest = min(float(problem.cost.block(i, i + 1).min()) for i in range(problem.shape[0]))
    if lowest < 0:
        raise ValueError(
            f"TV marginals need costs >= 0, the lowest is {lowest!r}; solver=Sinkhorn(reg) does not"
        )
    a, b = problem.a, problem.b
    masses = np.append(a, math.fsum(b)), np.append(b, math.fsum(a))
    wide, chosen = _with_left_over(problem, masses, lam, 0.0, solver)
    sol = _extended(wide, chosen, options)
    arcs, (f, g) = _without_rest(sol, problem, like)
    moved = math.fsum(arcs.mass)
    paid = math.fsum(problem.cost.entries(arcs.rows, arcs.cols) * arcs.mass)
    facts: dict[str, Any] = {"mass": moved, "transport_cost": paid}
    duals = f[:-1] + g[-1], g[:-1] + f[-1]
    facts["mass_gradient"] = duals
    return replace(sol, arcs=arcs, duals=duals, problem=problem, stats={**sol.stats, **facts})
