"""Every number that decides which way a problem goes, in one place.

Code never compares a size with a literal: it asks the `Tuning` it was given (`Work.tuning`), so a test, or
somebody who measures anew, passes another one, ``Exact(tuning=replace(TUNING, linked_nodes=0))``. The answer
does not depend on any of them, only the time and the last digits.

A comment says the unit, then what happens beyond (>) or below (<) the number. The measurements known are in
docs/exact.md; the names in quotes are the sections here.
"""

from __future__ import annotations

from dataclasses import dataclass


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
    giant: float = 2.0**44  # ratio of a cost to usual ones; > : left out until nothing else ships the mass

    # ---- one short side ("Wide and tall")
    hubs: int = 256  # atoms of the short side; > : the general path
    hubs_ratio: int = 12  # atoms of the long side for one of the short; < : the general path
    hubs_nodes: int = 4096  # atoms of both; <= : the whole matrix in one call
    hubs_pairs: int = 1 << 24  # pairs; > : the general path (the transposed copy takes 128 MB)

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
    repair_pairs: int = 1 << 20  # pairs of atoms that an earlier plan leaves open; > : start from cold

    # ---- the basis ("Threaded and linked")
    linked_nodes: int = 24_000  # nodes; > : parent pointers only, no thread
    linked_nodes_refined: int = 6_000  # the same after a coarser level or an earlier answer: few pivots
    linked_nodes_grid: int = 60_000  # the same for flows between neighbouring cells
    pieces_nodes: int = 30_000  # nodes; >= : the linked basis is solved in pieces first, with tours
    piece_nodes: int = 1024  # nodes of the first pieces
    piece_growth: int = 4  # times as many in the next ones
    pieces_fewest: int = 4  # pieces; < : the whole
    piece_tries: int = 4096  # candidates that a piece tries before it makes room for others
    toured_nodes: int = 1 << 14  # nodes; >= : a piece keeps its potentials current by an Euler tour
    tree_passes: int = 8  # passes that end with a fresh look; > : they chase rounding
    first_slice: int = 2000  # pivots of a slice to begin with
    slice_seconds: float = 0.05  # length that slices are brought to; 0 keeps them as they are
    scan_nodes: int = 1 << 14  # sources or nodes that a thread looks at in one go
    scan_entries: int = 1 << 21  # entries of a matrix that a thread looks at in one go

    # ---- starts of a stored matrix ("Clusters of costs", "Rounded masses")
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

    # ---- shortlists and pricing: cheapest arcs a node, violated arcs a row and round
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

    # ---- auctions for equal masses ("Assignments")
    auction_points: int = 30_000  # points in the plane, a quarter in space; >= : an auction
    auction_crowd: int = 10  # points a cluster; < : its mass counts as equal
    auction_rows: int = 256  # rows of a sparse matrix; >= : an auction
    auction_choice: int = 3  # stored arcs a row; < : no auction
    auction_bids: int = 100  # bids a point and level; > : the simplex instead
    auction_settled: int = 400  # sinks settled a point; > : likewise
    auction_rounds: int = 30  # pricing rounds; > : likewise

    # ---- points that coincide ("Duplicates")
    duplicates_points: int = 512  # points of both clouds; < : no look
    duplicates_pairs: int = 1 << 14  # pairs with mass; <= : no look
    duplicates_distinct: float = 0.8  # distinct points of all; > : not merged


TUNING = Tuning()
"""What `Exact` uses unless it is given another."""
