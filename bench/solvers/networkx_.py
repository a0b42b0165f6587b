"""networkx: ``network_simplex``, whose documentation asks for whole numbers; costs as for OR-Tools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.solvers import Task, solver
from bench.solvers.integers import whole_costs, whole_masses


@solver("networkx network_simplex", package="networkx", where=lambda p: "" if p.size <= 200 else "n <= 200")
def network_simplex(task: Task) -> Callable[[], Any]:
    """In Python integers."""
    import networkx

    n = len(task.a)
    i, j = np.nonzero(np.isfinite(task.matrix))
    supply, demand, unit = whole_masses(task.a, task.b)
    graph = networkx.DiGraph()
    for first, units in ((0, -supply), (n, demand)):
        for k, count in enumerate(units.tolist()):
            graph.add_node(first + k, demand=count)
    costs = whole_costs(task.matrix[i, j])
    graph.add_weighted_edges_from(zip(i.tolist(), (n + j).tolist(), costs.tolist()))

    def call() -> dict[str, Any]:
        _, flows = networkx.network_simplex(graph)
        mass = np.array([flows[p][q] for p, q in zip(i.tolist(), (n + j).tolist())], dtype=float)
        return {"plan": (i, j, mass * unit)}

    return call
