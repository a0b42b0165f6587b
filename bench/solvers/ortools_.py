"""OR-Tools: integer codes. Masses in units that make them whole, costs rounded to 2^-40 of the largest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.solvers import Task, no_forbidden, solver
from bench.solvers.integers import whole_costs, whole_masses

ORTOOLS = {"package": "ortools"}


@solver("OR-Tools min cost flow", **ORTOOLS)
def flow(task: Task) -> Callable[[], Any]:
    """`SimpleMinCostFlow`."""
    from ortools.graph.python import min_cost_flow

    n, m = task.matrix.shape
    i, j = np.nonzero(np.isfinite(task.matrix))
    supply, demand, unit = whole_masses(task.a, task.b)
    costs = whole_costs(task.matrix[i, j])

    def call() -> dict[str, Any]:
        network = min_cost_flow.SimpleMinCostFlow()
        arcs = network.add_arcs_with_capacity_and_unit_cost(i, n + j, np.full(len(i), supply.max()), costs)
        network.set_nodes_supplies(np.arange(n + m), np.concatenate([supply, -demand]))
        status = network.solve()
        if status != network.OPTIMAL:
            raise RuntimeError(f"OR-Tools: {status}")
        return {"plan": (i, j, network.flows(arcs) * unit), "status": "optimal"}

    return call


@solver("OR-Tools assignment", **ORTOOLS, kinds=("assignment",), where=no_forbidden)
def assignment(task: Task) -> Callable[[], Any]:
    """`SimpleLinearSumAssignment`."""
    from ortools.graph.python import linear_sum_assignment

    n = len(task.a)
    i, j = (index.ravel() for index in np.indices((n, n)))
    costs = whole_costs(task.matrix.ravel())

    def call() -> dict[str, Any]:
        network = linear_sum_assignment.SimpleLinearSumAssignment()
        network.add_arcs_with_cost(i, j, costs)
        status = network.solve()
        if status != network.OPTIMAL:
            raise RuntimeError(f"OR-Tools: {status}")
        return {
            "plan": (np.arange(n), np.array([network.right_mate(k) for k in range(n)])),
            "status": "optimal",
        }

    return call
