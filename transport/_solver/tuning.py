"""Every number that decides which way a problem goes, in one place.

Code never compares a size with a literal: it asks the `Tuning` it was given (`Work.tuning`), so a test, or
somebody who measures anew, passes another one, ``Exact(tuning=replace(TUNING, linked_nodes=0))``. The answer
does not depend on any of them, only the time and the last digits.

A comment says the unit, then what happens beyond (>) or below (<) the number. The measurements known are in
docs/exact.md; the names in quotes are the sections here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

DenseLimits: TypeAlias = tuple[float, float, int, int, tuple[int, int, int]]
"""(giant, loud, at_once_effort, tree_passes, greedy limits) for `transport._kernels.simplex_dense`."""
BulkLimits: TypeAlias = tuple[int, int, int, DenseLimits]
"""(tall, at_once_least, at_once_pivots, dense limits) for `transport._kernels.bulk`."""


@dataclass(frozen=True)
class Tuning:
    """The limits at which the exact solver changes its way."""

    # ---- storing the costs of points, grids and functions ("Points")
    stored_pairs: int = 1 << 18  # pairs; > : kd trees, tiles or strips instead of a stored matrix
    stored_pairs_high: int = 1 << 24  # pairs, for d > 4 and uneven clouds or other norms: 128 MB
    low_dimensions: int = 4  # d; > : trees and tiles prune badly
    high_dimensions: int = 16  # d; > : a matrix up to `medium_pairs` is better than tiles
    uneven: float = 2.0**10  # ratio of distances; > : far points or tight clusters, a matrix is better
    grid_filled: float = 0.25  # cells with mass a cell; >= : l1 flows between neighbours pay

    # ---- the whole matrix in one call ("Small matrices")
    at_once_pairs: int = 1 << 18  # pairs, and
    at_once_nodes: int = 2048  # nodes; <= : one call, which is also what Ctrl-C waits for
    medium_pairs: int = 1 << 20  # pairs, and
    medium_nodes: int = 4096  # nodes; <= : one call too, of 20 to 60 ms, if there is no earlier answer
    at_once_pivots: int = 24  # pivots a node, and
    at_once_least: int = 1 << 14  # pivots; > : the general path instead
    tall: int = 4  # rows a column; > : transposed, since short rows waste the vector passes
    at_once_effort: int = 1 << 24  # nodes moved; > : the general path instead, after about 30 ms
    giant: float = 2.0**44  # ratio of a cost to usual ones; > : left out until nothing else ships the mass
    giant_gap: float = 2.0**20  # ratio of a cost to the next smaller one; > : what is above it is left out
    giant_room: float = 2.0**10  # times the largest cost that stays; > : left out too
    greedy_short: int = 32  # columns a row, and
    greedy_few: int = 8  # rows; >=, <= : the greedy flow serves columns in turn
    greedy_looks: int = 8  # looks at rows a node; > : the greedy flow goes row by row

    # ---- costs of a line in any order ("Costs on a line")
    line_atoms: int = 128  # rows and columns; < : not looked at, the simplex is done before
    line_glances: int = 16  # pairs of rows that show whether the costs may be those of a line
    line_columns: int = 8  # columns by which they show it

    # ---- one short side ("Wide and tall")
    hubs: int = 256  # atoms of the short side; > : the general path
    hubs_ratio: int = 12  # atoms of the long side for one of the short; < : the general path
    hubs_nodes: int = 4096  # atoms of both; <= : the whole matrix in one call
    hubs_pairs: int = 1 << 24  # pairs; > : the general path (the transposed copy takes 128 MB)
    hubs_growth: int = 4  # sources of one level for one of the level before
    hubs_coarsest: int = 4  # sources a hub of the first level; < : no level before
    hubs_look: int = 20  # rows' worth of columns looked at before a pivot
    hubs_effort: int = 1 << 24  # entries looked at in a slice, about 20 ms
    hubs_pivots: int = 256  # pivots a node and level, five times what any took; > : they chase rounding

    # ---- column generation ("Rounds")
    rounds: int = 200  # pricing rounds; after them the answer is INACCURATE
    blind_rounds: int = 4  # rounds of known arcs, which only rounding violates; after them likewise
    long_rounds: int = 5  # rounds; then the threaded basis even after a refined start
    whole_pairs: int = 1 << 22  # pairs; <= : pivots may look at whole rows (32 MB, twice)
    sweep_arcs: float = 4.0  # violated arcs a source and round; > : pivots on whole rows for a while
    sweep_pivots: float = 0.1  # pivots a row and turn of all rows; < : back to the pool
    spread: float = 0.5  # columns that some shortlist wants, of all; < : whole rows from the first pivot on
    loud: float = 2.0**11  # potentials over costs of the plan; > : polished (12 digits are left)
    very_loud: float = 2.0**14  # the same; > : other potentials, not only another height for these
    polished: float = 0.5  # potentials after polishing over those before; > : not worth another solve
    repair_pairs: int = 1 << 20  # pairs of atoms that an earlier plan leaves open; > : start from cold

    # ---- the basis ("Threaded and linked")
    linked_nodes: int = 24_000  # nodes; > : parent pointers only, no thread
    linked_nodes_refined: int = 6_000  # the same after a coarser level or an earlier answer: few pivots
    linked_nodes_tied: int = 24_000  # the same where mass stays in place: equal distances, many pivots
    linked_nodes_grid: int = 60_000  # the same for flows between neighbouring cells
    pieces_nodes: int = 30_000  # nodes; >= : the linked basis is solved in pieces first, with tours
    piece_nodes: int = 1024  # nodes of the first pieces
    piece_growth: int = 4  # times as many in the next ones
    pieces_fewest: int = 4  # pieces; < : the whole
    piece_tries: int = 4096  # candidates that a piece tries before it makes room for others
    toured_nodes: int = 1 << 14  # nodes; >= : a piece keeps its potentials current by an Euler tour
    piece_batch: int = 1 << 17  # nodes of the pieces that are solved between two looks at the clock
    tree_passes: int = 8  # passes that end with a fresh look; > : they chase rounding
    tree_stalls: int = 3  # runs of pivots without progress; > : likewise
    pool_block: int = 64  # arcs looked at before a pivot, at least
    renumbered: int = 1000  # pivots after which nodes are numbered in preorder again, at least
    first_slice: int = 2000  # pivots of a slice to begin with
    slice_seconds: float = 0.05  # length that slices are brought to; 0 keeps them as they are
    scan_nodes: int = 1 << 14  # sources or nodes that a thread looks at in one go
    scan_entries: int = 1 << 21  # entries of a matrix that a thread looks at in one go

    # ---- starts of a stored matrix ("Clusters of costs", "Rounded masses")
    sample: int = 64  # rows, points or searches that stand for all
    cluster_size: int = 4  # rows a cluster
    cluster_columns: int = 8  # columns that rows are clustered by, and as many that show whether they tell
    cluster_rows: int = 512  # rows and columns; < : not clustered
    cluster_telling: float = 0.4  # deviation inside clusters over all; < : coarse to fine
    cluster_giant: float = 2.0**30  # largest cost over the deviation; > : not clustered
    rough_nodes: int = 600  # nodes; < : masses are not rounded
    rough_units: tuple[int, ...] = (2, 16)  # units of mass a node, stage by stage
    rough_settled: float = 0.05  # violated arcs a source; <= : the stage has done its part
    rough_last: float = 1.0  # the same; <= : one more optimum, no more pricing
    rough_rounds: int = 20  # rounds of a stage

    # ---- starts between points ("Coarse to fine")
    coarsest: int = 256  # clusters of the first level
    clusters_at_once: int = 256  # clusters; <= : in one call; with 512 equal ones the pool wins
    level_depths: int = 2  # kd depths from one level to the next
    cluster_points: float = 2.2  # points a cluster; < : the level is left out

    affine_dimensions: int = 100  # d; > : no affine map (n d^2 multiplications)
    affine_far: float = 64.0  # median distances; > : a point does not count
    clusters_missed: float = 0.6  # of the clusters' spread; > : their potentials instead of the affine map's
    clusters_missed_points: int = 4_000  # points of each side; < : no look at that
    clusters_missed_sample: int = 1024  # points of each side for it, a power of two
    affine_near: float = 0.99  # of the points count; < : a translation, moments mean nothing

    # ---- searches between points ("Trees and tiles")
    tree_dimensions: int = 4  # d; <= : a kd tree
    tree_dimensions_few: int = 7  # d, and
    tree_trial: int = 512  # points; <=, < : likewise; as many are searched to see whether a tree prunes
    tree_visit: int = 50  # pairs of a tile for the price of a visit in a tree; n / visits <= : tiles
    tree_futile: float = 0.5  # of the points that a search visits; > : all points are looked at instead
    tree_futile_powers: float = 0.15  # the same if distances are raised to a power: six looks a visit
    tile_sample: int = 1024  # points whose medians are the centre and the size of a cloud
    tile_coarse: float = 0.02  # evaluations a pair; > : double instead of single precision
    scan_pairs: int = 1 << 16  # pairs; <= : c-transforms look at all of them
    scan_pairs_vector: int = 1 << 20  # the same in vector registers, unless there is a tree

    # ---- shortlists and pricing: cheapest arcs a node, violated arcs a row and round
    warm_arcs: int = 8  # arcs a row that the potentials of an earlier answer make nearly as cheap
    points_shortlist: int = 8
    points_per_row: int = 4
    matrix_shortlist: int = 10
    matrix_per_row: int = 8
    sparse_shortlist: int = 10
    sparse_per_row: int = 8
    sparse_pool: int = 16  # stored arcs a node; <= : all of them are the pool
    strips_shortlist: int = 32  # wider: a round costs an evaluation of all pairs
    strips_per_row: int = 32
    block_pairs: int = 1 << 14  # pairs of points; > : the kernel of blocks is worth compiling
    strip_entries: int = 1 << 18  # entries of a strip, 2 MB: in the cache, and enough to hide the call

    # ---- auctions for equal masses ("Assignments")
    auction_points: int = 30_000  # points in the plane, a quarter in space; >= : an auction
    auction_crowd: int = 10  # points a cluster; < : its mass counts as equal
    auction_rows: int = 256  # rows of a sparse matrix; >= : an auction
    auction_choice: int = 3  # stored arcs a row; < : no auction
    auction_bids: int = 100  # bids a point and level; > : the simplex instead
    auction_settled: int = 400  # sinks settled a point; > : likewise
    auction_rounds: int = 30  # pricing rounds; > : likewise
    auction_first: float = 1.0  # bids at first, in typical reduced costs of the pool,
    auction_coarse: float = 2.0**-4  # before the last pricing round while prices move easily,
    auction_fine: float = 2.0**-6  # and before the matching is made exact
    auction_shrink: float = 4.0  # bids of one stage over those of the next
    auction_cap: float = 8.0  # typical reduced costs; > : a source is priced again before it bids
    auction_slice: int = 200_000  # bids or sinks settled in a slice, about 20 ms

    # ---- points that coincide ("Duplicates")
    duplicates_points: int = 512  # points of both clouds; < : no look
    duplicates_pairs: int = 1 << 14  # pairs with mass; <= : no look
    duplicates_distinct: float = 0.8  # distinct points of all; > : not merged

    # ---- equal clouds at their distance ("Mass in place")
    shared_pairs: int = 1 << 14  # pairs with mass; <= : no look
    shared_kept: float = 0.8  # atoms with an excess of all with mass; > : nothing is left out
    shared_least: float = 1e-6  # of the total moves; < : likewise, its rounding would show

    # ---- the certificate ("Certificates")
    proof_pairs: int = 1 << 18  # pairs of a matrix; <= : one kernel proves both sides
    refit_gap: float = 1e-11  # gap over the value, and
    refit_pairs: int = 1 << 20  # pairs; >, <= : potentials are fitted to the plan, a few hundred us
    refit_loud: float = 2.0**20  # times the mean potential; > : those would round the others
    fit_pairs: int = 1 << 24  # pairs; > : the trees of a fitted plan keep their heights
    fit_rounds: int = 100  # rounds of Bellman and Ford for those heights
    whole_plan_pairs: int = 1 << 22  # pairs, and
    whole_plan_nodes: int = 1 << 16  # nodes, and
    whole_plan_arcs: int = 16  # arcs a node; > : a plan is not completed in integers
    whole_plan_looks: int = 1 << 28  # entries looked at for that; > : given up, after about 1 s

    def dense(self, giant: float = math.inf) -> DenseLimits:
        """What the kernel of the whole matrix in one call stops by."""
        return giant, self.loud, self.at_once_effort, self.tree_passes, self.greedy()

    def greedy(self) -> tuple[int, int, int]:
        """The same for the kernel of the greedy flow."""
        return self.greedy_short, self.greedy_few, self.greedy_looks

    def in_bulk(self) -> BulkLimits:
        """The same for many matrices in one call."""
        return self.tall, self.at_once_least, self.at_once_pivots, self.dense()


TUNING = Tuning()
"""What `Exact` uses unless it is given another."""
