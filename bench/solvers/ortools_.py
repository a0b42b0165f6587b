"""OR-Tools: a minimum-cost flow in integers, masses in 2^-20 and costs rounded to 2^-40 of the largest."""

from __future__ import annotations

from typing import Any

import numpy as np
from ortools.graph.python import min_cost_flow


def flow(cost: Any, a: Any, b: Any) -> Any:
    """The value of the rounded problem, in the units given."""
    cost = np.asarray(cost, dtype=float)
    n, m = cost.shape
    i, j = np.nonzero(np.isfinite(cost))
    unit = np.abs(cost[i, j]).max() / 2.0**40 or 1.0
    network = min_cost_flow.SimpleMinCostFlow()
    supply = [np.rint(np.asarray(w) * 2.0**20).astype(np.int64) for w in (a, b)]
    arcs = network.add_arcs_with_capacity_and_unit_cost(
        i, n + j, np.full(len(i), 2**20), np.rint(cost[i, j] / unit).astype(np.int64)
    )
    network.set_nodes_supplies(np.arange(n + m), np.concatenate([supply[0], -supply[1]]))
    status = network.solve()
    if status != network.OPTIMAL:
        raise RuntimeError(f"OR-Tools: {status}")
    plan = np.zeros((n, m))
    plan[i, j] = network.flows(arcs) / 2.0**20
    return plan
