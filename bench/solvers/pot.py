"""POT: the network simplex (matrix, sparse, lazy), Sinkhorn's variants, partial and unbalanced transport."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from bench.solvers import Task, no_forbidden, solver

POT = {"package": "POT", "module": "ot"}
ENTROPIC = {**POT, "claims": "entropic", "kinds": ("entropic",)}
STOP = 1e-9  # marginal error asked of the entropic ones
PIVOTS = 10**9

for _library in (
    "PYTORCH",
    "JAX",
    "TENSORFLOW",
    "CUPY",
):  # arrays are NumPy's: POT need not import the others
    os.environ.setdefault(f"POT_BACKEND_DISABLE_{_library}", "1")


@solver("POT emd2", **POT)
def emd2(task: Task) -> Callable[[], Any]:
    """The value alone; the limit on pivots raised, since the default stops early on large problems."""
    import ot

    return lambda: {"value": float(ot.emd2(task.a, task.b, task.matrix, numItermax=PIVOTS))}


@solver("POT emd", **POT)
def emd(task: Task) -> Callable[[], Any]:
    """The plan."""
    import ot

    return lambda: {"plan": ot.emd(task.a, task.b, task.matrix, numItermax=PIVOTS)}


@solver("POT emd, default limit", **POT, where=lambda p: "" if p.size >= 1000 else "the same up to n = 1000")
def emd_default(task: Task) -> Callable[[], Any]:
    """The plan, as called without options: 100,000 pivots."""
    import ot

    return lambda: {"plan": ot.emd(task.a, task.b, task.matrix)}


@solver("POT solve", **POT)
def solve(task: Task) -> Callable[[], Any]:
    """``ot.solve`` without regularisation."""
    import ot

    def call() -> dict[str, Any]:
        found = ot.solve(task.matrix, task.a, task.b, max_iter=PIVOTS)
        return {"value": float(found.value), "plan": found.plan}

    return call


def _lazy_metric(problem: Any) -> str:
    known = problem.power == 1 and problem.metric in ("sqeuclidean", "euclidean", "cityblock")
    return "" if known else f"metric {problem.metric}^{problem.power:g}"


@solver("POT lazy", **POT, takes="points", where=_lazy_metric)
def lazy(task: Task) -> Callable[[], Any]:
    """``ot.solve_sample(lazy=True)``: costs computed on the fly."""
    import ot

    def call() -> dict[str, Any]:
        found = ot.solve_sample(
            task.x, task.y, task.a, task.b, metric=task.metric, lazy=True, max_iter=PIVOTS
        )
        return {"value": float(found.value), "plan": found.sparse_plan}

    return call


@solver("POT emd2_1d", **POT, takes="line", where=_lazy_metric)
def emd2_1d(task: Task) -> Callable[[], Any]:
    """On the line."""
    import ot

    return lambda: {"value": float(ot.emd2_1d(task.x, task.y, task.a, task.b, metric=task.metric))}


def _sinkhorn(method: str) -> Callable[[Task], Callable[[], Any]]:
    def prepare(task: Task) -> Callable[[], Any]:
        import ot

        return lambda: {
            "plan": ot.sinkhorn(
                task.a, task.b, task.matrix, task.reg, method=method, stopThr=STOP, numItermax=100_000
            )
        }

    return prepare


sinkhorn = solver("POT sinkhorn", **ENTROPIC)(_sinkhorn("sinkhorn"))
sinkhorn_log = solver("POT sinkhorn_log", **ENTROPIC)(_sinkhorn("sinkhorn_log"))
sinkhorn_stabilized = solver("POT sinkhorn_stabilized", **ENTROPIC)(_sinkhorn("sinkhorn_stabilized"))


@solver("POT sinkhorn, defaults", **ENTROPIC)
def sinkhorn_default(task: Task) -> Callable[[], Any]:
    """As called without options: at most 1000 iterations."""
    import ot

    return lambda: {"plan": ot.sinkhorn(task.a, task.b, task.matrix, task.reg)}


@solver("POT partial_wasserstein", **POT, kinds=("partial",), where=no_forbidden)
def partial(task: Task) -> Callable[[], Any]:
    """Exact partial transport."""
    import ot

    return lambda: {"plan": ot.partial.partial_wasserstein(task.a, task.b, task.matrix, m=task.mass)}


def _unbalanced(method: str) -> Callable[[Task], Callable[[], Any]]:
    def prepare(task: Task) -> Callable[[], Any]:
        import ot

        return lambda: {
            "plan": ot.unbalanced.sinkhorn_unbalanced(
                task.a,
                task.b,
                task.matrix,
                task.reg,
                task.rho,
                method=method,
                reg_type="kl",
                stopThr=STOP,
                numItermax=100_000,
            )
        }

    return prepare


unbalanced = solver("POT sinkhorn_unbalanced", **{**ENTROPIC, "kinds": ("unbalanced",)})(
    _unbalanced("sinkhorn")
)
translation = solver("POT unbalanced, translation invariant", **{**ENTROPIC, "kinds": ("unbalanced",)})(
    _unbalanced("sinkhorn_translation_invariant")
)


@solver("POT lbfgsb_unbalanced", **{**ENTROPIC, "kinds": ("unbalanced",)})
def lbfgsb(task: Task) -> Callable[[], Any]:
    """L-BFGS-B."""
    import ot

    return lambda: {
        "plan": ot.unbalanced.lbfgsb_unbalanced(
            task.a, task.b, task.matrix, task.reg, task.rho, reg_div="kl", stopThr=1e-15, numItermax=10_000
        )
    }
