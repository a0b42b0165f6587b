"""The simplex on a whole matrix, for problems whose shortlists say little.

Ties, far outliers, norms without curvature: the ten cheapest arcs of a node need not be anywhere near the
optimal ones there, and every round adds thousands that are soon forgotten. While many arcs pay, a pivot that
takes the best arc of a whole row costs no more than one on the pool (n = 1000: 0.2 microseconds of vector
passes). When few are left, looking for them takes all the time, and the pool is better again.
"""

from __future__ import annotations

import numpy as np

from transport._solver.pricing import Slices
from transport._solver.trees import ThreadTree, Work


def sweep(tree: ThreadTree, costs: np.ndarray, work: Work) -> Slices[None]:
    """Pivot on all arcs until a turn of all rows finds few that pay.

    Parameters
    ----------
    tree : ThreadTree
    costs : ndarray, shape (n, m)
        Relative to the same potentials as the tree's.
    work : Work
    """
    from transport._kernels import simplex_dense as k

    t, arrays, cursor = work.tuning, tree.unpack(), np.zeros(5, np.int64)
    enough = int(t.sweep_pivots * len(costs))
    while True:
        before = int(cursor[k.PIVOTS])
        code = k.run(costs, arrays, cursor, work.budget, enough, t.at_once_effort, t.tree_passes)
        work.spend(int(cursor[k.PIVOTS]) - before)
        if code != k.LIMIT:
            return
        yield
