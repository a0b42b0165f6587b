"""Exact transport of points and images against POT's ``emd2``: ``python -m bench.exact_points [row ...]``.

One process, interleaved, medians, compilation excluded, our certificate included. POT gets the cost matrix
ready made (its time to build it is not counted) and ``numItermax=10**9``. Rows are named kind:n[:d[:cost]],
or image kind:size[:cost]; "large" rows are ours alone, with the growth exponents of time and memory. The
figures are wall-clock: run it on a quiet machine, 20 minutes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

import transport as tp
from bench.measure import interleaved, peak_memory_mb
from bench.problems import images, points
from bench.report import arguments, parse, save, table

DUEL = (
    "weighted:1000", "uniform:1000", "weighted:4000", "uniform:4000", "weighted:10000", "uniform:10000",
    "weighted:4000:2:euclidean", "uniform:4000:2:euclidean", "weighted:8000:2:euclidean",
    "translated:3000:2:euclidean", "ring:3000:2:euclidean", "clusters:4000",
    "weighted:4000:3", "weighted:4000:5", "weighted:4000:8", "gaussians:4000:50", "gaussians:8000:50",
    "noise:64", "rough:64", "smooth:64", "shapes:64", "smooth:64:euclidean",
)  # fmt: skip
LARGE = (
    "smooth:128", "smooth:256", "weighted:30000", "weighted:100000", "weighted:1000000",
    "uniform:100000", "uniform:1000000",
)  # fmt: skip
MATRIX_LIMIT = 12_000  # POT's own tables take 40 bytes a pair: 5.8 GB


def problem(row: str) -> tuple[tp.PointCloud, np.ndarray, np.ndarray]:
    """The cost and masses a row names; massless pixels are dropped for both sides alike."""
    kind, n, *rest = row.split(":")
    if kind in images.KINDS:
        a, b = (images.image(kind, int(n), seed).ravel() for seed in (0, 1))
        return tp.Grid((int(n), int(n)), rest[0] if rest else "sqeuclidean"), a, b * (a.sum() / b.sum())
    x, y, a, b = points.cloud(kind, int(n), int(rest[0]) if rest else 2)
    return tp.PointCloud(x, y, rest[1] if len(rest) > 1 else "sqeuclidean"), a, b


def duel(row: str) -> list[str]:
    """One line: our time, POT's time, ratio, relative difference of the values."""
    import ot

    cost, a, b = problem(row)
    i, j = np.flatnonzero(a), np.flatnonzero(b)
    matrix = np.ascontiguousarray(cost.block(0, len(a))[np.ix_(i, j)])
    rivals: dict[str, Callable[[], object]] = {
        "ours": lambda: tp.solve(cost.without_trees(), a, b),
        "pot": lambda: ot.emd2(a[i], b[j], matrix, numItermax=10**9),
    }
    tp.solve(cost.without_trees(), a, b)
    timing = interleaved(rivals, repeats=3, warm_up=False, budget=20.0)
    ours, pot = timing["ours"], timing["pot"]
    sol, value = ours.answer, float(pot.answer)
    return [
        row,
        f"{ours.median:.4f}",
        f"{pot.median:.4f}",
        f"{pot.median / ours.median:.1f}",
        f"{(sol.value - value) / abs(value):.0e}",
        f"{sol.gap / abs(sol.value):.0e}",
    ]


def large(row: str) -> dict[str, float]:
    """Our seconds and peak memory (in this process) on one large row."""
    x, y = np.random.default_rng(0).random((2, 33_000, 2))
    tp.solve(tp.PointCloud(x, y))  # compile: assignments, both trees of the simplex, pieces with their tours
    tp.solve(tp.PointCloud(x, y), *np.random.default_rng(0).dirichlet(np.ones(33_000), 2))
    cost, a, b = problem(row)
    start = time.perf_counter()
    sol = tp.solve(cost, a, b)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "mb": peak_memory_mb(), "gap": sol.gap / abs(sol.value), "n": len(a)}


def yardstick() -> dict[str, float]:
    """POT's seconds at n = 4,000, the measure of the large rows: weighted, uniform, 64 x 64 smooth images."""
    import ot

    out = {}
    for kind, row in (("weighted", "weighted:4000"), ("uniform", "uniform:4000"), ("smooth", "smooth:64")):
        cost, a, b = problem(row)
        matrix = cost.block(0, len(a))
        call = lambda: ot.emd2(a, b, matrix, numItermax=10**9)  # noqa: B023, E731
        out[kind] = interleaved({"pot": call}, repeats=3, warm_up=False)["pot"].median
    return out


def main(argv: list[str]) -> None:
    """Print the tables, and save them where told to."""
    parser = arguments(__doc__)
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help=f"of: {', '.join([*DUEL, *LARGE])} (default: all)"
    )
    options = parse(parser, argv)
    rows = options.rows or [*DUEL, *LARGE]
    lines = []
    for row in [r for r in rows if r not in LARGE]:
        lines.append(duel(row))
        print("  ".join(lines[-1]), flush=True)
    if lines:
        header = ("problem", "ours s", "POT s", "ratio", "rel. diff.", "certified gap")
        print(table(lines, header))
        save(
            "exact_points",
            lines,
            header,
            note="`python -m bench.exact_points`; medians, wall-clock.",
            to=options,
        )
    measured = []
    for row in [r for r in rows if r in LARGE]:
        call = "import sys, json; from bench.exact_points import large; print(json.dumps(large(sys.argv[1])))"
        out = subprocess.run([sys.executable, "-c", call, row], capture_output=True, text=True, check=True)
        measured.append((row, json.loads(out.stdout.splitlines()[-1])))
        print(*measured[-1], flush=True)
    if measured:
        pot = yardstick()
        body = [
            [
                row,
                f"{m['seconds']:.2f}",
                f"{m['seconds'] / pot[row.split(':')[0]]:.2f}",
                f"{m['mb']:.0f}",
                f"{m['gap']:.0e}",
            ]
            for row, m in measured
        ]
        header = ("problem", "seconds", "times POT", "peak MB", "certified gap")
        seconds = ", ".join(f"{kind} {value:.2f} s" for kind, value in pot.items())
        note = f"One process each; POT at n = 4,000 (64 x 64) right after: {seconds}. " + "; ".join(
            _growth(measured)
        )
        print(table(body, header), note, sep="\n")
        save("exact_points_large", body, header, note=note, to=options)


def _growth(measured: list[tuple[str, dict[str, float]]]) -> list[str]:
    """Fitted exponents of time and memory in n, per kind with two sizes or more."""
    out = []
    for kind in sorted({row.split(":")[0] for row, _ in measured}):
        sizes = [m for row, m in measured if row.startswith(kind + ":")]
        if len(sizes) > 1:
            n = np.log([m["n"] for m in sizes])
            seconds, memory = (np.polyfit(n, np.log([m[k] for m in sizes]), 1)[0] for k in ("seconds", "mb"))
            out.append(f"{kind}: time ~ n^{seconds:.2f}, memory ~ n^{memory:.2f}")
    return out


if __name__ == "__main__":
    main(sys.argv[1:])
