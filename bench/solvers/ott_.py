"""OTT-JAX, in double precision; balanced problems, whose plan does not depend on the reference measure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.solvers import Task, solver

OTT = {"package": "ott-jax", "module": "ott", "claims": "entropic"}


def _sinkhorn(task: Task, **options: Any) -> Callable[[], Any]:
    import jax

    jax.config.update("jax_enable_x64", True)
    from ott.geometry import geometry
    from ott.problems.linear import linear_problem
    from ott.solvers.linear import sinkhorn

    jnp = jax.numpy
    given = geometry.Geometry(cost_matrix=jnp.asarray(task.matrix), epsilon=task.reg)
    problem = linear_problem.LinearProblem(given, jnp.asarray(task.a), jnp.asarray(task.b))
    method = jax.jit(sinkhorn.Sinkhorn(threshold=1e-9, max_iterations=100_000, **options))

    def call() -> dict[str, Any]:
        found = method(problem)
        return {"plan": np.asarray(found.matrix), "status": "optimal" if found.converged else "not converged"}

    return call


@solver("OTT Sinkhorn", **OTT, kinds=("entropic",))
def sinkhorn(task: Task) -> Callable[[], Any]:
    """``Sinkhorn(threshold=1e-9)``."""
    return _sinkhorn(task)


@solver("OTT Sinkhorn, momentum", **OTT, kinds=("entropic",))
def momentum(task: Task) -> Callable[[], Any]:
    """With automatic momentum after 100 iterations."""
    import jax

    jax.config.update("jax_enable_x64", True)
    from ott.solvers.linear import acceleration

    return _sinkhorn(task, momentum=acceleration.Momentum(start=100))
