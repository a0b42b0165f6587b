"""Rows of the benchmarks, a commit against the working tree: ``python -m bench.against COMMIT [ROW ...]``.

The commit gets a worktree of its own (and, with ``--fresh``, an environment of its own with the dependencies
it asks for). Each side is a worker process that builds the problem, compiles, and then solves whenever it is
told to; the two take turns, so that what else the machine does hits both. Medians of CPU seconds or, with
``--wall``, of elapsed time.

Each row is printed as it is done; all rows take about five minutes, and the commit compiles first.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.report import table

ROOT = Path(__file__).parent.parent

# name: code that defines ``call``; it must run on both sides, so it uses the public interface alone
ROWS = {
    "small 32": "C, a, b = matrix(32); call = lambda: [tp.solve(C, a, b) for _ in range(200)]",
    "matrix 1000": "C, a, b = matrix(1000); call = lambda: tp.solve(C, a, b)",
    "matrix 2000": "C, a, b = matrix(2000); call = lambda: tp.solve(C, a, b)",
    "plane 4000": "x, y, a, b = cloud(4000, 2); call = lambda: tp.solve(tp.PointCloud(x, y), a, b)",
    "plane 16000": "x, y, a, b = cloud(16000, 2); call = lambda: tp.solve(tp.PointCloud(x, y), a, b)",
    "plane 4000 equal": "x, y, a, b = cloud(4000, 2); call = lambda: tp.solve(tp.PointCloud(x, y))",
    "d=8 2000": "x, y, a, b = cloud(2000, 8); call = lambda: tp.solve(tp.PointCloud(x, y), a, b)",
    "d=50 2000": "x, y, a, b = cloud(2000, 50); call = lambda: tp.solve(tp.PointCloud(x, y), a, b)",
    "5 centres 20000": "C, _, _ = matrix(20000, 5); call = lambda: tp.solve(C)",
    "line 100000": "x, y, a, b = cloud(100000, 1); call = lambda: tp.wasserstein_1d(x, y, a=a, b=b)",
    "bures 256": "A, B, z = gaussians(256); call = lambda: tp.bures_wasserstein(z, A, z, B)",
    "js 10000": "P = rng.dirichlet(np.ones(256), 10000); call = lambda: dv.js(P, P[::-1])",
}

_WORKER = """
import json, sys, time
import numpy as np
import divergences as dv, transport as tp
rng = np.random.default_rng(0)
def masses(n):
    return rng.dirichlet(np.ones(n))
def cloud(n, d):
    return rng.random((n, d)), rng.random((n, d)), masses(n), masses(n)
def matrix(n, m=None):
    x, y = rng.random((n, 2)), rng.random((m or n, 2))
    return ((x[:, None] - y) ** 2).sum(-1), masses(n), masses(m or n)
def gaussians(d):
    A, B = (z @ z.T / d for z in rng.normal(size=(2, d, d)))
    return A, B, np.zeros(d)
for line in sys.stdin:
    order = json.loads(line)
    if "row" in order:
        rng = np.random.default_rng(0)
        exec(order["row"])
        call()
        answer = "ready"
    else:
        cpu, wall = time.process_time(), time.perf_counter()
        call()
        answer = [time.process_time() - cpu, time.perf_counter() - wall]
    print(json.dumps(answer), flush=True)
"""


class Side:
    """A process with one version of the packages."""

    def __init__(self, python: str, folder: Path) -> None:
        env = {**os.environ, "PYTHONPATH": str(folder)}
        self.process = subprocess.Popen(
            [python, "-c", _WORKER],
            cwd=folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def ask(self, **order: Any) -> Any:
        """Send an order, wait for its answer."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(order) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise RuntimeError(f"the worker ended with code {self.process.wait()}; see its error above")
        return json.loads(line)

    def close(self) -> None:
        """End it."""
        self.process.communicate()


def compare(before: Side, after: Side, row: str, repeats: int, clock: int) -> tuple[float, float]:
    """Median seconds of both, in turns."""
    for side in (before, after):
        side.ask(row=row)
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for side, times in zip((before, after), seconds):
            times.append(side.ask(go=True)[clock])
    return statistics.median(seconds[0]), statistics.median(seconds[1])


def _environment(folder: Path) -> str:
    """A Python with what the commit depends on."""
    subprocess.run([sys.executable, "-m", "venv", str(folder / ".venv")], check=True)
    python = str(folder / ".venv" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", str(folder)], check=True)
    return python


def main(argv: list[str]) -> int:
    """Print the table; 1 if a row got slower by more than 5 %."""
    parser = argparse.ArgumentParser(prog="python -m bench.against", description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of: {', '.join(ROWS)} (default: all)")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--wall", action="store_true", help="elapsed time instead of CPU time")
    parser.add_argument("--fresh", action="store_true", help="an environment of its own for the commit")
    args = parser.parse_args(argv)
    unknown = [row for row in args.rows if row not in ROWS]
    if unknown:
        parser.error(f"no row {unknown[0]!r}; choose of {', '.join(ROWS)}")
    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "before"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "-q", "--detach", str(folder), args.commit], check=True)
        sides: list[Side] = []
        try:
            python = _environment(folder) if args.fresh else sys.executable
            sides = [Side(python, folder), Side(sys.executable, ROOT)]
            for row in args.rows or ROWS:
                before, after = compare(sides[0], sides[1], ROWS[row], args.repeats, int(args.wall))
                lines.append((row, f"{before:.4g}", f"{after:.4g}", f"{before / after:.2f}"))
                print("  ".join(lines[-1]), flush=True)
        finally:
            for side in sides:
                side.close()
            subprocess.run([*git, "remove", "--force", str(folder)], check=True)
    print(table(lines, ("row", args.commit[:10], "now", "times faster")))
    return 1 if any(float(line[3]) < 0.95 for line in lines) else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
