"""`tp.pairwise` against a loop over POT, `dv.pairwise` against SciPy: ``python -m bench.pairwise [row ...]``.

Rows: equal, weighted (measures of 50 points in the plane; every pair certified), js (histograms of 256 bins).
All are elapsed seconds on an otherwise idle machine. A rival that would take minutes does a random share of
the pairs, cut in three and run between our turns; its time a pair is the median of the three.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np

import divergences as dv
import transport as tp
from bench.report import save, table
from transport.internal import one_thread, thread_count

ROWS = ("equal", "weighted", "js")
Measure = tuple[np.ndarray, np.ndarray]


def timed(call: Callable[[], object]) -> float:
    """Elapsed seconds of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def clouds(count: int, *, weighted: bool) -> list[Measure]:
    """Uniform points in the unit square, equal or Dirichlet masses."""
    rng = np.random.default_rng(0)
    masses = rng.dirichlet(np.ones(50), count) if weighted else np.full((count, 50), 1 / 50)
    return list(zip(rng.random((count, 50, 2)), masses))


def transport_row(name: str, count: int, share: int) -> tuple[str, ...]:
    """All pairs of ``count`` clouds, on one core and on all; POT on 3 x ``share`` random pairs of them."""
    import ot

    measures = clouds(count, weighted=name == "weighted")
    pairs = count * (count - 1) // 2
    rng = np.random.default_rng(1)

    def loop() -> float:
        some = rng.integers(count, size=(share, 2))
        start = time.perf_counter()
        for i, j in some:
            (x, a), (y, b) = measures[i], measures[j]
            ot.emd2(a, b, ot.dist(x, y, metric="euclidean"))
        return (time.perf_counter() - start) / share

    with one_thread():
        tp.pairwise(measures[:20])
    theirs = [loop()]
    with one_thread():
        alone = timed(lambda: tp.pairwise(measures))
    theirs.append(loop())
    start = time.perf_counter()
    result = tp.pairwise(measures)
    together = time.perf_counter() - start
    theirs.append(loop())
    gap = np.max((result.upper - result.lower) / np.maximum(result.upper, 1e-300))
    pot = statistics.median(theirs) * pairs
    return (
        f"{name}, {count} measures, {pairs} pairs",
        f"{alone:.1f}", f"{together:.1f} ({alone / together:.2f}x on {thread_count()})",
        f"{pot:.0f}", f"{pot / alone:.1f}", f"{len(result.failures)} failures, widest interval {gap:.1e}",
    )  # fmt: skip


def js_row(count: int) -> tuple[str, ...]:
    """All pairs of ``count`` histograms; `pdist` whole, a loop over `jensenshannon` on 3 x 1,000 pairs."""
    from scipy.spatial import distance

    P = np.random.default_rng(0).dirichlet(np.ones(256), count)
    pairs = count * (count - 1) // 2
    rng = np.random.default_rng(1)
    ours, whole, loop = [], [], []
    dv.pairwise("js", P[:10])
    for _ in range(3):
        with one_thread():
            ours.append(timed(lambda: dv.pairwise("js", P)))
        whole.append(timed(lambda: distance.pdist(P, "jensenshannon")))
        left, right = P[rng.integers(count, size=(2, 1000))]
        loop.append(timed(partial(list, map(distance.jensenshannon, left, right))) / 1000 * pairs)
    alone = statistics.median(ours)
    together = timed(lambda: dv.pairwise("js", P))
    many, single = statistics.median(whole), statistics.median(loop)
    return (
        f"js, {count} histograms of 256 bins, {pairs} pairs",
        f"{alone:.2f}", f"{together:.2f} ({alone / together:.2f}x on {thread_count()})",
        f"pdist {many:.2f}, loop {single:.1f}", f"{many / alone:.1f}, {single / alone:.1f}", "",
    )  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Print the table; ``--publish`` writes it to bench/results."""
    parser = argparse.ArgumentParser(prog="python -m bench.pairwise", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of: {', '.join(ROWS)} (default: all)")
    parser.add_argument("--measures", type=int, default=1000, help="clouds (default 1000: two minutes a row)")
    parser.add_argument("--share", type=int, default=3000, help="pairs a turn of POT (default 3000)")
    parser.add_argument("--publish", action="store_true", help="write bench/results/pairwise.md")
    args = parser.parse_args(argv)
    unknown = [row for row in args.rows if row not in ROWS]
    if unknown:
        parser.error(f"no row {unknown[0]!r}; choose of {', '.join(ROWS)}")
    lines = []
    for row in args.rows or ROWS:
        line = js_row(448) if row == "js" else transport_row(row, args.measures, args.share)
        print("  ".join(line), flush=True)
        lines.append(line)
    header = ("row", "one core, s", "all cores, s", "rival, s", "times faster on one core", "")
    print(table(lines, header))
    if args.publish:
        save("pairwise", lines, header, note="`python -m bench.pairwise --publish`, elapsed seconds.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
