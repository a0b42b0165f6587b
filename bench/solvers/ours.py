"""kantorovich: `transport.solve` as it stands, and each of its plans by force."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.solvers import Task, solver

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
