"""How time and memory grow with n, with the fitted exponents: ``python -m bench.growth [kind ...]``.

Uniform points, Dirichlet masses, squared Euclidean costs; one process a size, so that peak memory is its own.
Time is the least of two solves after one on a small problem (compilation); memory is what they added.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np

import transport as tp
from bench.measure import peak_memory_mb
from bench.problems.points import cloud
from bench.report import arguments, parse, save, table

KINDS = {
    "matrix": (2, (500, 1000, 2000, 4000)),
    "plane": (2, (4000, 8000, 16_000, 32_000)),
    "d=3": (3, (4000, 8000, 16_000, 32_000)),
    "d=8": (8, (1000, 2000, 4000, 8000)),
}


def one(kind: str, n: int) -> dict[str, float]:
    """Seconds and MB of one size."""

    def problem(n: int) -> tuple[tp.PointCloud | np.ndarray, np.ndarray, np.ndarray]:
        x, y, a, b = cloud("weighted", n, KINDS[kind][0])
        cost = tp.PointCloud(x, y)
        return (cost.block(0, n) if kind == "matrix" else cost), a, b

    tp.solve(*problem(KINDS[kind][1][0] // 2 + 300))
    cost, a, b = problem(n)
    before = peak_memory_mb()
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        tp.solve(cost if isinstance(cost, np.ndarray) else cost.without_trees(), a, b)
        seconds.append(time.perf_counter() - start)
    return {"seconds": min(seconds), "mb": peak_memory_mb() - before}


def main(argv: list[str]) -> None:
    """Print the table, and save it where told to."""
    parser = arguments(__doc__, needs=())
    parser.add_argument(
        "kinds", nargs="*", metavar="KIND", help=f"of: {', '.join(KINDS)} (default: all, ten minutes)"
    )
    options = parse(parser, argv)
    kinds = options.kinds or list(KINDS)
    rows = []
    for kind in kinds:
        call = "import sys, json; from bench.growth import one; "
        call += "print(json.dumps(one(sys.argv[1], int(sys.argv[2]))))"
        sizes = KINDS[kind][1]
        measured = []
        for n in sizes:
            out = subprocess.run(
                [sys.executable, "-c", call, kind, str(n)], capture_output=True, text=True, check=True
            )
            measured.append(json.loads(out.stdout.splitlines()[-1]))
        time_, memory = (
            np.polyfit(np.log(sizes), np.log([max(m[key], 1.0 if key == "mb" else 0) for m in measured]), 1)[
                0
            ]
            for key in ("seconds", "mb")
        )
        seconds = " / ".join(f"{m['seconds']:.2g}" for m in measured)
        mb = " / ".join(f"{m['mb']:.0f}" for m in measured)
        rows.append([kind, " / ".join(map(str, sizes)), seconds, f"{time_:.2f}", mb, f"{memory:.2f}"])
        print("  ".join(rows[-1]), flush=True)
    header = ("kind", "n", "seconds", "time ~ n^", "MB added", "memory ~ n^")
    print(table(rows, header))
    save("growth", rows, header, note="`python -m bench.growth`; POT needs 40 bytes a pair: n^2.", to=options)


if __name__ == "__main__":
    main(sys.argv[1:])
