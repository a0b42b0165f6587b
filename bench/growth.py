"""Growth of time and memory with n: ``python -m bench.growth [KIND ...] [--before COMMIT]``.

The shapes that people bring: clouds of single cells in 30 dimensions, weighted points of the plane, few
centres, images; and stored matrices. Every size is solved in a process of its own, certificate included: time
is the lesser of two solves after one of a small problem (compilation), memory what they added to the peak.
With ``--before`` a worktree of that commit solves the same arrays, in turns; a side that needs more than
``--limit`` seconds for one size is not asked for larger ones. Exponents are least squares on log n.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench import problems
from bench.problems import images
from bench.problems.points import cloud
from bench.report import arguments, parse, save, table

ROOT = Path(__file__).parent.parent
Arrays = dict[str, Any]


def _cells(metric: str) -> Callable[[int], Arrays]:
    def build(n: int) -> Arrays:
        made = problems.build(f"cells:{n}")
        return {"x": made.x, "y": made.y, "metric": metric}  # masses all the same

    return build


def _points(d: int) -> Callable[[int], Arrays]:
    return lambda n: dict(zip("xyab", cloud("weighted", n, d)), metric="sqeuclidean")


def _matrix(n: int) -> Arrays:
    x, y, a, b = cloud("weighted", n)
    return {"cost": ((x[:, None] - y) ** 2).sum(axis=-1), "a": a, "b": b}


def _centres(k: int) -> Callable[[int], Arrays]:
    def build(n: int) -> Arrays:
        rng = np.random.default_rng([n, k])
        return {"cost": ((rng.random((n, 1, 2)) - rng.random((k, 2))) ** 2).sum(axis=-1)}

    return build


def _image(metric: str) -> Callable[[int], Arrays]:
    def build(n: int) -> Arrays:
        a, b = (images.image("smooth", n, seed).ravel() for seed in (0, 1))
        return {"side": n, "metric": metric, "a": a, "b": b}

    return build


KINDS: dict[str, tuple[Callable[[int], Arrays], tuple[int, ...]]] = {
    "cells": (_cells("sqeuclidean"), (2500, 5000, 10_000, 20_000)),
    "cells, euclidean": (_cells("euclidean"), (2500, 5000, 10_000, 20_000)),
    "plane": (_points(2), (12_500, 25_000, 50_000, 100_000)),
    "5 centres": (_centres(5), (5000, 20_000, 100_000, 1_000_000)),
    "20 centres": (_centres(20), (5000, 20_000, 100_000)),
    "image": (_image("sqeuclidean"), (32, 64, 128, 256)),
    "image, euclidean": (_image("euclidean"), (16, 32, 64, 128)),
    "matrix": (_matrix, (500, 1000, 2000, 4000)),
    "d=3": (_points(3), (4000, 8000, 16_000, 32_000)),
    "d=8": (_points(8), (1000, 2000, 4000, 8000)),
}

# a program of its own, which an older commit can run: the public interface alone
SOLVE = """
import sys, time
from pathlib import Path
import numpy as np
import transport as tp

def solve(path):
    given = dict(np.load(path))
    a, b = given.get("a"), given.get("b")
    if a is not None:
        b = b * (a.sum() / b.sum())
    if "cost" in given:
        cost = given["cost"]
    elif "side" in given:
        cost = tp.Grid((int(given["side"]),) * 2, str(given["metric"]))
    else:
        cost = tp.PointCloud(given["x"], given["y"], str(given["metric"]))
    start = time.perf_counter()
    tp.solve(cost, a, b)
    return time.perf_counter() - start

def peak():
    line = next(l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("VmHWM"))
    return int(line.split()[1]) / 1024

solve(sys.argv[1])
print("ready", peak(), flush=True)
seconds = solve(sys.argv[2])
print(seconds, peak(), flush=True)
print(min(seconds, solve(sys.argv[2])), peak(), flush=True)
"""


def solved(folder: Path, paths: tuple[Path, Path], limit: float) -> tuple[float, float] | None:
    """(seconds, MB added) with the packages of ``folder``; None if one solve takes longer than ``limit``."""
    process = subprocess.Popen(
        [sys.executable, "-c", SOLVE, *map(str, paths)],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    ready = process.stdout.readline().split()
    if not ready:
        raise SystemExit(f"bench.growth: {folder} cannot solve the small problem; see its error above")
    try:
        said, _ = process.communicate(timeout=2 * limit)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
    lines = [line.split() for line in said.splitlines()]
    if not lines or float(lines[0][0]) > limit:
        return None
    return float(lines[-1][0]), max(float(lines[-1][1]) - float(ready[1]), 0.0)


@dataclass
class Side:
    """What one build measured of one kind."""

    folder: Path
    sizes: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    mb: list[float] = field(default_factory=list)
    over: bool = False

    def measure(self, n: int, paths: tuple[Path, Path], limit: float) -> None:
        """One more size, unless an earlier one took too long."""
        found = None if self.over else solved(self.folder, paths, limit)
        self.over = found is None
        if found is not None:
            self.sizes.append(n)
            self.seconds.append(found[0])
            self.mb.append(found[1])

    def cells(self, count: int) -> list[str]:
        """Seconds, exponent, MB, exponent."""
        left = ["-"] * (count - len(self.sizes))
        seconds = " / ".join([f"{s:.2g}" for s in self.seconds] + left)
        mb = " / ".join([f"{m:.0f}" for m in self.mb] + left)
        large = [(n, m) for n, m in zip(self.sizes, self.mb) if m >= 4]  # less is noise
        return [
            seconds, exponent(list(zip(self.sizes, self.seconds))), mb, exponent(large),
        ]  # fmt: skip


def exponent(points: list[tuple[int, float]]) -> str:
    """Fitted exponent, with two sizes at least."""
    if len(points) < 2:
        return "-"
    n, v = np.log(np.array(points, dtype=float)).T
    return f"{np.polyfit(n, v, 1)[0]:.2f}"


@contextlib.contextmanager
def builds(before: str) -> Iterator[dict[str, Path]]:
    """Name -> folder of the packages; a worktree of ``before`` if there is one."""
    if not before:
        yield {"now": ROOT}
        return
    git = ["git", "-C", str(ROOT), "worktree"]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "before"
        subprocess.run([*git, "add", "-q", "--detach", str(folder), before], check=True)
        try:
            yield {before[:10]: folder, "now": ROOT}
        finally:
            subprocess.run([*git, "remove", "--force", str(folder)], check=True)


def main(argv: list[str]) -> None:
    """Print the table, and save it where told to."""
    parser = arguments(__doc__, needs=())
    parser.prog = "python -m bench.growth"
    parser.add_argument(
        "kinds", nargs="*", metavar="KIND", help=f"of: {', '.join(KINDS)} (default: all, ten minutes a side)"
    )
    parser.add_argument("--before", default="", metavar="COMMIT", help="the same by an earlier commit")
    parser.add_argument("--limit", type=float, default=30.0, help="seconds for one solve (30)")
    parser.add_argument("--max-size", type=float, default=float("inf"), help="leave out larger sizes")
    options = parse(parser, argv)
    if unknown := [kind for kind in options.kinds if kind not in KINDS]:
        parser.error(f"no kind {unknown[0]!r}; choose of {', '.join(KINDS)}")
    rows = []
    with builds(options.before) as folders, tempfile.TemporaryDirectory() as scratch:
        for kind in options.kinds or KINDS:
            rows += _kind(kind, folders, Path(scratch), options)
    header = ("kind", "build", "n", "seconds", "time ~ n^", "MB added", "memory ~ n^")
    print(table(rows, header))
    shown = "python -m bench.growth" + (f" --before {options.before}" if options.before else "")
    note = (
        f"`{shown}`; seconds with the certificate, - where a solve takes more than {options.limit:g}. "
        "n: points a side, pixels a side of the image, rows of a matrix."
    )
    save("growth", rows, header, note=note, to=options)


def _kind(kind: str, folders: dict[str, Path], scratch: Path, options: Any) -> list[list[str]]:
    build, sizes = KINDS[kind]
    sizes = tuple(n for n in sizes if n <= options.max_size)
    if not sizes:
        return []
    small = scratch / "small.npz"
    np.savez(small, **build(sizes[0] // 2))
    sides = {name: Side(folder) for name, folder in folders.items()}
    for n in sizes:
        path = scratch / "given.npz"
        np.savez(path, **build(n))
        for name, side in sides.items():
            side.measure(n, (small, path), options.limit)
            print(
                f"{kind} {n} {name}: {'beyond' if side.over else f'{side.seconds[-1]:.3g} s'}",
                file=sys.stderr,
            )
    listed = " / ".join(map(str, sizes))
    return [[kind, name, listed, *side.cells(len(sizes))] for name, side in sides.items()]


if __name__ == "__main__":
    main(sys.argv[1:])
