"""networkx: ``network_simplex`` on integer supplies, costs as given."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np


def network_simplex(cost: Any, a: Any, b: Any) -> Any:
    """Masses in units of 2^-20."""
    graph = nx.DiGraph()
    for k, mass in enumerate(a):
        graph.add_node(("a", k), demand=-int(mass * 2**20))
    for k, mass in enumerate(b):
        graph.add_node(("b", k), demand=int(mass * 2**20))
    for i, j in zip(*np.nonzero(np.isfinite(np.asarray(cost, dtype=float)))):
        graph.add_edge(("a", int(i)), ("b", int(j)), weight=float(cost[i, j]))
    return nx.network_simplex(graph)[0] / 2**20
