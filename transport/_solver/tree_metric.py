"""Tree metrics: every edge carries the difference of the masses on its two sides."""

from __future__ import annotations

from typing import cast

import numpy as np

from transport._problem import Coupling, Problem
from transport._solver.reductions import integer_masses
from transport._tree_metric import TreeMetric


def tree_coupling(problem: Problem) -> Coupling:
    """The optimal plan and potentials on a tree, in O(nodes + n + m)."""
    from transport._kernels.simplex_pool import peel
    from transport._kernels.tree_metric import couple

    tree = cast(TreeMetric, problem.cost)
    sources, sinks = np.flatnonzero(problem.a > 0), np.flatnonzero(problem.b > 0)
    a, b = problem.a[sources], problem.b[sinks]
    x, y = tree.x[sources], tree.y[sinks]
    parent, u = couple(tree.parents, tree.lengths, tree.order, x, y, *integer_masses(a, b))
    mass = peel(len(x), np.append(parent, len(parent)), a, b)
    node = np.flatnonzero((parent < len(parent)) & (mass > 0))
    rows, cols = np.minimum(node, parent[node]), np.maximum(node, parent[node]) - len(x)
    return Coupling(sources[rows], sinks[cols], mass[node], u[tree.x], -u[tree.y])
