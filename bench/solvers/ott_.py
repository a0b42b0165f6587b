"""OTT-JAX, in double precision."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from ott.geometry import geometry
from ott.problems.linear import linear_problem
from ott.solvers.linear import sinkhorn as ott_sinkhorn

jax.config.update("jax_enable_x64", True)


def sinkhorn(cost: Any, a: Any, b: Any) -> Any:
    """The plan at epsilon = 1e-3 of the largest cost: entropic, so its price lies above the optimum."""
    jnp = jax.numpy
    given = geometry.Geometry(cost_matrix=jnp.asarray(cost), epsilon=1e-3 * float(np.max(cost)))
    problem = linear_problem.LinearProblem(given, jnp.asarray(a), jnp.asarray(b))
    return np.asarray(ott_sinkhorn.Sinkhorn()(problem).matrix)
