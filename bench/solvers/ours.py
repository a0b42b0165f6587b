"""kantorovich: `transport.solve` as it stands, and each of its plans by force."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.solvers import Task, no_forbidden, solver

OURS = {"package": "kantorovich", "module": "transport"}


def _answer(sol: Any) -> dict[str, Any]:
    arcs = sol.arcs if hasattr(sol, "arcs") else sol.plan
    rows, cols, mass = arcs.rows, arcs.cols, arcs.mass
    return {"value": sol.value, "plan": (rows, cols, mass), "status": sol.status.name.lower()}


def _points(task: Task) -> Any:
    import transport as tp

    if task.grid is not None:
        return tp.Grid(task.grid, task.metric, power=task.power)
    return tp.PointCloud(task.x, task.y, task.metric, power=task.power)


@solver("kantorovich", **OURS)
def exact(task: Task) -> Callable[[], Any]:
    """A matrix."""
    import transport as tp

    return lambda: _answer(tp.solve(task.matrix, task.a, task.b))


@solver("kantorovich points", **OURS, takes="points")
def points(task: Task) -> Callable[[], Any]:
    """The points; the matrix is never formed. Search trees are built anew in every call."""
    import transport as tp

    return lambda: _answer(tp.solve(_points(task), task.a, task.b))


def _core(what: str, method: str = "auto") -> Callable[[Task], Callable[[], Any]]:
    """The plan of a matrix or of points with another core in its place."""

    def prepare(task: Task) -> Callable[[], Any]:
        from dataclasses import replace

        import transport as tp

        usual = tp.plan(_given(task), task.a, task.b, solver=tp.Exact(method))
        forced = replace(usual, core=usual.core._replace(what=what))

        def call() -> dict[str, Any]:
            sol = tp.solve(_given(task), task.a, task.b, solver=tp.Exact(plan=forced))
            ran = [step.what for step in sol.stats["path"] if step.part == "core"]
            if ran[-1:] != [what]:
                raise RuntimeError(f"{what} was left for {', '.join(ran)}")
            return _answer(sol)

        return call

    return prepare


def _given(task: Task) -> Any:
    return _points(task) if task.matrix is None else task.matrix


def _method(name: str) -> Callable[[Task], Callable[[], Any]]:
    """Points by another pricing."""

    def prepare(task: Task) -> Callable[[], Any]:
        import transport as tp

        return lambda: _answer(tp.solve(_points(task), task.a, task.b, solver=tp.Exact(name)))

    return prepare


def _whole(problem: Any) -> str:
    return no_forbidden(problem) if problem.size <= 4000 else "n <= 4000"


def _space(problem: Any) -> str:
    return "" if problem.dim > 1 else "closed form on the line"


def _equal(problem: Any) -> str:
    even = problem.kind == "assignment" and problem.size & (problem.size - 1) == 0
    return "" if even and problem.dim > 1 else "equal masses in space"


ASKED = {**OURS, "on_request": True}
SPACE = {**ASKED, "takes": "points", "where": _space}
PLAN = "kantorovich plan: "
whole = solver(PLAN + "whole matrix", **ASKED, where=_whole)(_core("whole matrix"))
threaded = solver(PLAN + "threaded tree", **ASKED)(_core("threaded tree"))
linked = solver(PLAN + "linked tree", **ASKED)(_core("linked tree"))
hubs = solver(PLAN + "hub tree", **ASKED)(_core("hub tree"))
priced = solver(PLAN + "points, threaded tree", **SPACE)(_core("threaded tree", "points"))
points_linked = solver(PLAN + "points, linked tree", **SPACE)(_core("linked tree", "points"))
auction = solver(PLAN + "points, auction", **{**SPACE, "where": _equal})(_core("auction", "points"))
stored = solver(PLAN + "points stored", **SPACE)(_method("matrix"))
blocks = solver(PLAN + "points in blocks", **SPACE)(_method("blocks"))


@solver("kantorovich sparse", **OURS, takes="sparse")
def sparse(task: Task) -> Callable[[], Any]:
    """The allowed arcs."""
    from scipy.sparse import coo_array

    import transport as tp

    rows, cols, costs = task.arcs
    given = coo_array((costs, (rows, cols)), shape=(len(task.a), len(task.b)))
    return lambda: _answer(tp.solve(given, task.a, task.b))


@solver("kantorovich line", **OURS, takes="line", where=lambda p: "" if p.power == 1 else "power 1 only")
def line(task: Task) -> Callable[[], Any]:
    """`wasserstein_1d`: the value alone."""
    import transport as tp

    p = 2 if task.metric == "sqeuclidean" else 1
    x, y = task.x[:, 0].copy(), task.y[:, 0].copy()
    return lambda: {"value": tp.wasserstein_1d(x, y, a=task.a, b=task.b, p=p) ** p}


@solver("kantorovich Sinkhorn", **OURS, claims="entropic", kinds=("entropic",))
def sinkhorn(task: Task) -> Callable[[], Any]:
    """Newton on the entropic dual; the plan is built from its potentials."""
    import numpy as np

    import transport as tp

    def call() -> dict[str, Any]:
        sol = tp.solve(task.matrix, task.a, task.b, solver=tp.Sinkhorn(task.reg))
        f, g = sol.stats["entropic_potentials"]
        plan = np.exp((np.asarray(f)[:, None] + np.asarray(g) - task.matrix) / task.reg)
        plan *= task.a[:, None]
        plan *= task.b
        return {"value": sol.stats["regularised"], "plan": plan, "status": sol.status.name.lower()}

    return call


@solver("kantorovich marginals", **OURS, kinds=("partial", "unbalanced"))
def marginals(task: Task) -> Callable[[], Any]:
    """`marginals=Partial(mass)`; `marginals=KL(rho)` with `Sinkhorn(reg)`."""
    import transport as tp

    def call() -> dict[str, Any]:
        if task.kind == "partial":
            return _answer(tp.solve(task.matrix, task.a, task.b, marginals=tp.Partial(task.mass)))
        sol = tp.solve(task.matrix, task.a, task.b, marginals=tp.KL(task.rho), solver=tp.Sinkhorn(task.reg))
        return {"value": sol.stats["regularised"], "plan": sol.plan, "status": sol.status.name.lower()}

    return call
