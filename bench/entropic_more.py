"""Sliced distances, barycentres, Gromov-Wasserstein against POT: ``python -m bench.entropic_more [row ...]``.

One process, in turns, medians of CPU seconds (all threads), compilation excluded, our certificates included.
Rows: sliced, barycentre:<tol>, free, gw:<n>. "quality" is our figure over POT's: the sliced value, the
certified gap, the objective, the distortion.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable

import numpy as np

import transport as tp
from bench.measure import interleaved, peak_memory_mb
from bench.report import arguments, parse, save, table

ROWS = ("sliced", "barycentre:1e-3", "barycentre:1e-4", "free", "gw:200", "gw:500")


def blobs(n: int) -> np.ndarray:
    """Four smooth images of n x n pixels, shape (4, n, n)."""
    axis = np.linspace(0, 1, n)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    shapes = (
        ((0.3, 0.3, 0.06), (0.7, 0.6, 0.1)),
        ((0.5, 0.2, 0.12),),
        ((0.2, 0.7, 0.08), (0.8, 0.8, 0.05)),
        ((0.6, 0.4, 0.05), (0.4, 0.6, 0.05), (0.5, 0.5, 0.2)),
    )
    images = [
        sum(np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * s * s)) for u, v, s in blob) for blob in shapes
    ]
    return np.array([image / image.sum() for image in images])


def sliced() -> tuple[Callable, Callable, Callable]:
    """10^5 points in 50 dimensions, 256 directions."""
    import ot

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 100_000, 50))
    y += 0.1
    return (
        lambda: tp.sliced_wasserstein(x, y, n_projections=256),
        lambda: ot.sliced_wasserstein_distance(x, y, n_projections=256, seed=0),
        lambda ours, pot: f"value x {ours / pot:.2f} (other directions), peak {peak_memory_mb():.0f} MB",
    )


def barycentre(tol: float) -> tuple[Callable, Callable, Callable]:
    """Four images of 64 x 64 pixels; POT's convolutional iteration as it comes (no bound)."""
    import ot

    images = blobs(64)
    return (
        lambda: tp.barycenter(images, spacing=1 / 63, tol=tol),
        lambda: ot.bregman.convolutional_barycenter2d(images, 4e-3),
        lambda ours, pot: (
            f"certified gap {ours.gap / ours.upper_bound:.1e}; POT {_excess(images, pot, ours):+.1%}"
        ),
    )


def _excess(images: np.ndarray, candidate: np.ndarray, ours: tp.Barycenter) -> float:
    """How far POT's image lies above the certified lower bound."""
    grid = tp.Grid(images[0].shape, spacing=1 / (len(images[0]) - 1))
    q = candidate.ravel() / candidate.sum()
    value = np.mean([tp.solve(grid, q, a.ravel() * (q.sum() / a.sum())).value for a in images])
    return float(value / ours.lower_bound - 1)


def free() -> tuple[Callable, Callable, Callable]:
    """Five clouds of 500 points in the plane, 500 free points."""
    import ot

    rng = np.random.default_rng(0)
    clouds = [rng.normal(size=(500, 2)) * rng.uniform(0.5, 1.5, 2) + rng.normal(size=2) for _ in range(5)]
    equal = [np.full(500, 1 / 500)] * 5
    start = rng.normal(size=(500, 2))

    def objective(points: np.ndarray) -> float:
        return float(np.mean([tp.solve(tp.PointCloud(points, cloud)).value for cloud in clouds]))

    return (
        lambda: tp.free_barycenter(clouds, start=start),
        lambda: ot.lp.free_support_barycenter(clouds, equal, start, stopThr=1e-9, numItermax=1000),
        lambda ours, pot: (
            f"objective x {ours.value / objective(pot):.6f}, lower bound {ours.lower_bound / ours.value:.2f}"
        ),
    )


def gromov(n: int) -> tuple[Callable, Callable, Callable]:
    """Uniform points in the cube and in the square, Euclidean distances."""
    import ot

    rng = np.random.default_rng(1)
    x, y = rng.random((n, 3)), rng.random((n, 2))
    first, second = (np.sqrt(((z[:, None] - z) ** 2).sum(-1)) for z in (x, y))
    equal = np.full(n, 1 / n)
    return (
        lambda: tp.gromov_wasserstein(first, second),
        lambda: ot.gromov.gromov_wasserstein2(first, second, equal, equal, "square_loss"),
        lambda ours, pot: (
            f"value x {ours.value / float(pot):.3f}, interval [{ours.lower_bound:.4f}, {ours.value:.4f}]"
        ),
    )


def duel(row: str) -> list[str]:
    """One line: our CPU seconds, POT's, their ratio, and what the times bought."""
    kind, *rest = row.split(":")
    made = {
        "sliced": lambda: sliced(),
        "barycentre": lambda: barycentre(float(rest[0])),
        "free": lambda: free(),
        "gw": lambda: gromov(int(rest[0])),
    }[kind]()
    ours, pot, quality = made
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours()
        timing = interleaved(
            {"ours": ours, "pot": pot}, repeats=3, warm_up=False, budget=20.0, clock=time.process_time
        )
    mine, other = timing["ours"], timing["pot"]
    return [
        row,
        f"{mine.median:.3f}",
        f"{other.median:.3f}",
        f"{other.median / mine.median:.2f}",
        quality(mine.answer, other.answer),
    ]


def main(argv: list[str]) -> None:
    """Print the table, and save it where told to."""
    parser = arguments(__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of: {', '.join(ROWS)} (default: all)")
    options = parse(parser, argv)
    rows = options.rows or list(ROWS)
    lines = []
    for row in rows:
        lines.append(duel(row))
        print("  ".join(lines[-1]), flush=True)
    header = ("problem", "ours, CPU s", "POT, CPU s", "POT / ours", "quality")
    print(table(lines, header))
    if rows == list(ROWS):
        save(
            "entropic_more",
            lines,
            header,
            note="`python -m bench.entropic_more`; medians of CPU seconds.",
            to=options,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
