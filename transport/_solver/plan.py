"""Which way a problem goes through the exact solver, decided before anything is solved: a `Plan`.

n x m are the atoms with mass after the reductions; names are fields of `Tuning`. The first row
that fits holds.

====================================================  ==================  ===========================
problem                                               start               core
====================================================  ==================  ===========================
PointCloud or Grid on a line, convex cost             none                closed form
Circle, power >= 1; TreeMetric                        none                closed form
any cost but sparse, pairs <= at_once_pairs and       cheapest arcs       whole matrix
nodes <= at_once_nodes, or without an earlier
answer <= medium_pairs and medium_nodes (*)
any cost but sparse, short side <= hubs, long side    sampled sources     hub tree
>= hubs_ratio times it, nodes > hubs_nodes,
pairs <= hubs_pairs
any cost but sparse with an earlier answer            earlier answer      threaded, linked tree (**)
stored costs, both sides >= cluster_rows, none +inf   clusters of costs   threaded, linked tree (**)
stored costs, otherwise                               shortlist           threaded, linked tree
Grid, l1, cells with mass >= grid_filled of all       shortlist           threaded, linked tree (***)
points, equal masses, n = m, n (d - 1)^2 >=           clusters            auction
auction_points, kd trees prune
points, kd trees prune, clusters of cluster_points    coarse to fine      threaded, linked tree (**)
points make a level of more than coarsest / 2
points, tiles, squared Euclidean                      affine map          threaded, linked tree
points, tiles, other costs                            few clusters        threaded, linked tree
other costs by a function                             shortlist           threaded, linked tree
sparse, equal masses, n = m >= auction_rows, at       shortlist           auction
least auction_choice arcs a row
sparse, otherwise                                     shortlist           threaded, linked tree
====================================================  ==================  ===========================

Linked: nodes > linked_nodes; (**) > linked_nodes_refined, as there is a basis (> linked_nodes_tied
where mass stays in place); (***) > linked_nodes_grid.
(*) Points, grids and functions are stored, and so count as stored costs, if pairs <= stored_pairs; in more
than low_dimensions or high_dimensions, or if uneven, if pairs <= stored_pairs_high or medium_pairs (`_few`).

What a look at the data changes on the way is a switch, with its cause in ``stats["path"]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, cast

import numpy as np

from transport._cost import Cost, Points
from transport._problem import Problem
from transport._solver.memory import require
from transport._solver.reductions import Reduction
from transport._solver.tuning import TUNING, Tuning
from transport._sparse import SparseMatrix

METHODS = ("auto", "line", "points", "matrix", "blocks", "sparse", "circle", "tree", "grid")
STORED = "a stored cost matrix"
NODE_BYTES = 1000  # measured: 400 MB at 2 x 10^5 nodes with the imports, 1.5 GB at 2 x 10^6
BLOCK_NODE_BYTES = 4000  # three vectors of 32 for each node and side, and the costs remembered

CLOSED, DENSE, HUBS, THREADED, LINKED, AUCTION = (
    "closed form", "whole matrix", "hub tree", "threaded tree", "linked tree", "auction",
)  # fmt: skip
CORES = (CLOSED, DENSE, HUBS, THREADED, LINKED, AUCTION)


class Step(NamedTuple):
    """One decision: ``part`` is "reduce", "start", "core" or "switch"."""

    part: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.part:8} {self.what:18} {self.why}"


@dataclass(frozen=True)
class Plan:
    """What the exact solver is going to do with a problem, and why.

    Attributes
    ----------
    shape : (int, int)
        Of the problem as given.
    method : str
        How arcs are priced; see `Exact`.
    reason : str
        Why.
    reductions : tuple of Step
        What is left out, merged or scaled before the solve, and undone after it.
    start, core : Step
        Where the pivots begin, and what makes them. ``core.what`` is one of "closed form", "whole matrix",
        "hub tree", "threaded tree", "linked tree" and "auction".
    """

    shape: tuple[int, int]
    method: str
    reason: str
    reductions: tuple[Step, ...]
    start: Step
    core: Step

    def __str__(self) -> str:
        n, m = self.shape
        steps = (*self.reductions, self.start, self.core)
        return "\n".join([f"Plan for {n} x {m}: {self.method}, {self.reason}", *(f"  {s}" for s in steps)])


def planned(
    problem: Problem,
    method: str = "auto",
    tuning: Tuning = TUNING,
    *,
    warm: bool = False,
    fewer: Reduction | None = None,
    look: bool = False,
) -> Plan:
    """The plan for ``problem``.

    Parameters
    ----------
    problem : Problem
    method : str
    tuning : Tuning
    warm : bool
        Whether there is an earlier answer.
    fewer : Reduction, optional
        What made ``problem`` out of the one that was given.
    look : bool
        Build the search structures of points, to see whether they prune. Without, the start and the core of
        method "points" are left to `between_points`.

    Raises
    ------
    ValueError
        ``method`` is forced on a problem it cannot solve.
    MemoryError
        It would not fit.
    """
    method, reason = choose(problem, method, tuning)
    (n, m), given = _with_mass(problem), (fewer.before if fewer else problem).shape
    steps = []
    if fewer is not None:
        steps.append(Step("reduce", fewer.what, fewer.why))
        reason = f"{reason}; {given[0]} x {given[1]} with {fewer.had}"
    if method in ("points", "matrix", "blocks", "sparse") and (n, m) != problem.shape:
        left = f"{problem.shape[0] - n} sources and {problem.shape[1] - m} sinks carry none"
        steps.append(Step("reduce", "massless atoms", left))
    start, core = _route(problem, method, (n, m), tuning, warm=warm, look=look)
    return Plan(given, method, reason, tuple(steps), start, core)


def _route(
    problem: Problem, method: str, shape: tuple[int, int], t: Tuning, *, warm: bool, look: bool
) -> tuple[Step, Step]:
    nodes, pairs = shape[0] + shape[1], shape[0] * shape[1]
    if method in ("line", "circle", "tree"):
        return Step("start", "none", "nothing to search"), Step("core", CLOSED, "one sort, or one pass")
    if method == "grid":
        nodes = 2 * problem.shape[0]
        short = Step("start", "shortlist", "all arcs to neighbouring cells")
        return short, _tree(nodes, t.linked_nodes_grid, "linked_nodes_grid")
    if method == "matrix":
        if is_small(shape, t):
            return at_once(shape, t.at_once_pairs, t.at_once_nodes)
        if not warm and is_medium(shape, t):
            limits = f"pairs {pairs} <= medium_pairs = {t.medium_pairs}, nodes {nodes} <= {t.medium_nodes}"
            return Step("start", "cheapest arcs", "greedy over all of them"), Step("core", DENSE, limits)
        if has_hubs(shape, t):
            sides = (
                f"short side {min(shape)} <= hubs = {t.hubs}, long side {max(shape)} >= {t.hubs_ratio} x it"
            )
            return Step("start", "sampled sources", "every 4^L-th one first"), Step("core", HUBS, sides)
    if warm:
        earlier = Step("start", "earlier answer", "its potentials and, as far as it goes, its plan")
        return earlier, tree_of(nodes, t, refined=True)
    if method == "matrix" and not problem.cost.has_forbidden and min(shape) >= t.cluster_rows:
        why = f"{min(shape)} rows or columns >= cluster_rows = {t.cluster_rows}, none forbidden"
        return Step("start", "clusters of costs", why), tree_of(nodes, t, refined=True)
    cloud = problem.cost.points
    if method == "points" and look and cloud is not None:
        prunes = cloud.tree_x.prunes, cloud.tree_y.prunes
        equal = _has_unit_masses(problem)
        return between_points(cloud, shape, t, equal=equal, prunes=prunes)
    if method == "sparse":
        arcs = cast(SparseMatrix, problem.cost)
        short = Step("start", "shortlist", f"{t.sparse_shortlist} cheapest stored arcs a node")
        choice = len(arcs.data) >= t.auction_choice * shape[0]
        if _has_unit_masses(problem) and shape[0] >= t.auction_rows and choice and _all_reached(arcs):
            why = f"equal masses, {shape[0]} rows >= auction_rows = {t.auction_rows}"
            return short, Step("core", AUCTION, why)
        return short, tree_of(nodes, t, refined=False)
    kept = t.matrix_shortlist if method == "matrix" else t.strips_shortlist
    return Step("start", "shortlist", f"{kept} cheapest arcs a node"), tree_of(nodes, t, refined=False)


def between_points(
    cloud: Points, shape: tuple[int, int], t: Tuning, *, equal: bool, prunes: tuple[bool, bool]
) -> tuple[Step, Step]:
    """(start, core) of a large problem between points; ``prunes``: a side's kd tree does."""
    n, m = shape
    if not all(prunes):
        tiles = "kd trees do not prune"
        plain = (cloud.metric, cloud.power) == ("euclidean", 2.0)
        start = ("affine map", f"{tiles}, squared distances") if plain else ("few clusters", tiles)
        return Step("start", *start), tree_of(n + m, t, refined=False)
    if equal and n * (cloud.dim - 1) ** 2 >= t.auction_points:
        why = f"equal masses, n (d - 1)^2 = {n * (cloud.dim - 1) ** 2} >= auction_points = {t.auction_points}"
        return Step("start", "clusters", "kd cells, solved first"), Step("core", AUCTION, why)
    depth = int(np.log2(max(n, m) / t.cluster_points))
    if depth > 0 and (1 << depth) * 2 > t.coarsest:
        why = f"kd cells of >= {t.cluster_points:g} points, from > {t.coarsest // 2} cells on"
        return Step("start", "coarse to fine", why), tree_of(n + m, t, refined=True)
    few = f"{max(n, m)} points make no level of > {t.coarsest // 2} cells"
    return Step("start", "shortlist", few), tree_of(n + m, t, refined=False)


def tree_of(nodes: int, t: Tuning, *, refined: bool) -> Step:
    """Which basis suits so many nodes; ``refined``: it starts from one that a few pivots make optimal."""
    if refined:
        return _tree(nodes, t.linked_nodes_refined, "linked_nodes_refined")
    return _tree(nodes, t.linked_nodes, "linked_nodes")


@lru_cache(maxsize=256)
def at_once(shape: tuple[int, int], most_pairs: int, most_nodes: int) -> tuple[Step, Step]:
    """(start, core) of a small matrix; remembered, for thousands of solves a second."""
    pairs, nodes = shape[0] * shape[1], shape[0] + shape[1]
    why = f"pairs {pairs} <= at_once_pairs = {most_pairs}, nodes {nodes} <= {most_nodes}"
    return Step("start", "cheapest arcs", "greedy over all of them"), Step("core", DENSE, why)


def _tree(nodes: int, limit: int, name: str) -> Step:
    if nodes > limit:
        return Step("core", LINKED, f"{nodes} nodes > {name} = {limit}")
    return Step("core", THREADED, f"{nodes} nodes <= {name} = {limit}")


def is_small(shape: tuple[int, ...], t: Tuning = TUNING) -> bool:
    """Whether a matrix of this shape is solved in one call even after an earlier answer."""
    return 0 < shape[0] * shape[1] <= t.at_once_pairs and shape[0] + shape[1] <= t.at_once_nodes


def is_medium(shape: tuple[int, ...], t: Tuning = TUNING) -> bool:
    """Whether a matrix of this shape is solved in one call if there is no earlier answer."""
    return shape[0] * shape[1] <= t.medium_pairs and shape[0] + shape[1] <= t.medium_nodes


def has_hubs(shape: tuple[int, int], t: Tuning = TUNING) -> bool:
    """Whether one side is so short that the tree of its atoms is the thing to pivot on."""
    short, long = min(shape), max(shape)
    is_long = long >= t.hubs_ratio * short and short + long > t.hubs_nodes
    return short <= t.hubs and is_long and short * long <= t.hubs_pairs


def _has_unit_masses(problem: Problem) -> bool:
    """Whether as many sources as sinks carry mass, all of them the same."""
    a, b = problem.a[problem.a > 0], problem.b[problem.b > 0]
    return len(a) == len(b) and bool(np.all(a == a[0])) and bool(np.all(b == b[0]))


def _all_reached(cost: SparseMatrix) -> bool:
    """Whether every row and every column has a stored arc."""
    reached = np.zeros(cost.shape[1], bool)
    reached[cost.col] = True
    return bool(np.all(np.diff(cost.indptr) > 0) and reached.all())


def choose(problem: Problem, method: str, tuning: Tuning = TUNING) -> tuple[str, str]:
    """(method, reason).

    Raises ValueError if ``method`` is forced on a problem it cannot solve, MemoryError if it would not fit.
    """
    method, reason = _choose(problem, method, tuning)
    n, m = _with_mass(problem)
    if method == "grid":
        n = m = problem.shape[0]
    if method in ("points", "blocks", "grid"):
        bytes_ = NODE_BYTES if method == "points" else BLOCK_NODE_BYTES
        require(bytes_ * (n + m), f"solving {n} x {m} points", "thin out or cluster the points")
    elif method == "matrix" and problem.cost.stored is None:
        require(8 * n * m, f"the cost matrix of {n} x {m} points", "leave method='auto': it stores no matrix")
    return method, reason


def _with_mass(problem: Problem) -> tuple[int, int]:
    """Numbers of sources and sinks that have something to ship or to take."""
    return int(np.count_nonzero(problem.a)), int(np.count_nonzero(problem.b))


def _few(problem: Problem, t: Tuning) -> int:
    """Pairs up to which storing them wins."""
    cloud = problem.cost.points
    if cloud is None:
        return t.stored_pairs
    plain = cloud.metric == "euclidean" and cloud.power in (1.0, 2.0)
    n, m = problem.shape
    if cloud.dim > t.low_dimensions:
        worth = t.stored_pairs < n * m <= t.stored_pairs_high
        if worth and (not plain or _is_uneven(problem.cost, t, clusters=True)):
            return t.stored_pairs_high
    if not t.stored_pairs < n * m <= t.medium_pairs:
        return t.stored_pairs
    if cloud.dim > t.high_dimensions or _is_uneven(problem.cost, t, clusters=False):
        return t.medium_pairs
    return t.medium_pairs if not plain and problem.has_equal_masses else t.stored_pairs


def _is_uneven(cost: Cost, t: Tuning, *, clusters: bool) -> bool:
    """Whether some points are far from all others or (``clusters``) many so near that tiles cannot tell."""
    n, m = cost.shape
    rows, cols = np.arange(t.sample) * n // t.sample, np.arange(t.sample) * m // t.sample
    few, typical = np.quantile(cost.between(rows, cols), (0.05, 0.5))
    far = t.uneven ** (cost.points.power if cost.points is not None else 1.0)
    return bool(cost.magnitude > far * typical or (clusters and typical > far * few))


NEEDS = {
    "line": "a PointCloud on a line with a convex cost (power >= 1)",
    "points": "a PointCloud cost",
    "sparse": "a scipy sparse cost, whose stored entries are the allowed arcs",
    "circle": "a Circle cost with power >= 1",
    "tree": "a TreeMetric cost",
    "grid": "a Grid with cost 'cityblock' and power 1",
}
"""What a method needs that does not suit every cost."""
CLOSED_FORMS = {
    "line": "points on a line, convex cost: the sorted coupling is optimal",
    "circle": "points on a circle, convex cost: a shifted sorted coupling is optimal",
    "tree": "a tree metric: every edge carries the difference of the masses on its two sides",
}
"""Method -> why nothing has to be searched."""


def _choose(problem: Problem, method: str, t: Tuning) -> tuple[str, str]:
    cost = problem.cost
    n, m = _with_mass(problem)
    if method in NEEDS and method not in cost.methods:
        raise ValueError(f"method={method!r} needs {NEEDS[method]}")
    if method != "auto":
        return method, "asked for"
    best = cost.methods[0]
    if best in CLOSED_FORMS:
        return best, CLOSED_FORMS[best]
    if best == "matrix":
        return best, STORED
    if best == "sparse":
        return best, f"{len(cast(SparseMatrix, cost).data)} stored arcs of {n} x {m}"
    if n * m <= _few(problem, t):
        return "matrix", f"{n} x {m} costs: few enough to store"
    if has_hubs((n, m), t):
        return "matrix", f"{n} x {m} costs: one side is short, all of its arcs matter"
    if best == "grid" and n + m >= t.grid_filled * problem.shape[0]:
        return best, f"l1 on a grid of {problem.shape[0]} cells: a flow between neighbours"
    if cost.points is None:
        return "blocks", f"{n} x {m} costs by a function: evaluated in strips, never stored"
    return "points", f"{n} x {m} points in dimension {cost.points.dim}: never stored"
