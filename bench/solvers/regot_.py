"""regot: quasi-Newton and sparse Newton methods of the entropic dual."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.solvers import Task, solver

REGOT = {"package": "regot", "claims": "entropic", "kinds": ("entropic",)}


def _regot(method: str) -> Callable[[Task], Callable[[], Any]]:
    def prepare(task: Task) -> Callable[[], Any]:
        import regot

        function, cost = getattr(regot, method), np.asfortranarray(task.matrix)

        def call() -> dict[str, Any]:
            found = function(cost, task.a, task.b, task.reg, tol=1e-9, max_iter=10_000)
            done = found.niter < 10_000
            return {"plan": np.asarray(found.plan), "status": "optimal" if done else "not converged"}

        return call

    return prepare


lbfgs = solver("regot L-BFGS", **REGOT)(_regot("sinkhorn_lbfgs_dual"))
splr = solver("regot SPLR", **REGOT)(_regot("sinkhorn_splr"))
