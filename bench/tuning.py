"""A limit of the exact solver measured anew: ``python -m bench.tuning LIMIT [--problem KIND] [--n ...]``.

Walks one number of `transport._solver.tuning.Tuning` over a quarter, half, once, twice and four times its
value (or ``--values``), solves the same problems with each, in turns, and prints CPU seconds. A problem whose
path is the same for all values says nothing about the limit and is left out; sizes should lie on both
sides of it. The last row is the geometric mean relative to the value of now: below 1 is faster.

    python -m bench.tuning linked_nodes --n 3000 6000 12000 --values 4000 8000 16000 32000
    python -m bench.tuning at_once_pivots --problem independent --n 300 500 700
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np

import transport as tp
from bench.report import table
from transport._solver.tuning import TUNING


def _points(d: int) -> Callable[[int, np.random.Generator], Any]:
    return lambda n, rng: tp.PointCloud(rng.random((n, d)), rng.random((n, d)))


def _plane(n: int, rng: np.random.Generator) -> np.ndarray:
    x, y = rng.random((n, 2)), rng.random((n, 2))
    return ((x[:, None] - y) ** 2).sum(axis=-1)


PROBLEMS: dict[str, Callable[[int, np.random.Generator], Any]] = {
    "plane": _plane,
    "independent": lambda n, rng: rng.random((n, n)),
    "rough": lambda n, rng: np.exp(4 * rng.standard_normal((n, n))),
    "wide": lambda n, rng: rng.random((max(1, n // 40), n)),
    "points 2": _points(2),
    "points 3": _points(3),
    "points 8": _points(8),
    "points 30": _points(30),
}


def measured(
    cost: Any, a: Any, b: Any, name: str, values: list[Any], repeats: int
) -> tuple[list[float], bool]:
    """Least CPU seconds for every value, and whether the value changes the path."""
    solvers = [tp.Exact(tuning=replace(TUNING, **{name: value})) for value in values]
    best, paths = [math.inf] * len(values), set()
    for _ in range(repeats):
        for k, solver in enumerate(solvers):
            fresh = cost if isinstance(cost, np.ndarray) else cost.without_trees()
            start = time.process_time()
            sol = tp.solve(fresh, a, b, solver=solver, throw=False)
            best[k] = min(best[k], time.process_time() - start)
            paths.add((tuple(step[:2] for step in sol.stats["path"]), sol.n_iter))
    return best, len(paths) > 1


def walked(name: str) -> list[Any]:
    """Values around that of now."""
    now = getattr(TUNING, name)
    return [type(now)(now * f) for f in (0.25, 0.5, 1, 2, 4)]


def main() -> None:
    """Print the table."""
    numbers = [f.name for f in fields(TUNING) if isinstance(getattr(TUNING, f.name), (int, float))]
    parser = argparse.ArgumentParser(
        prog="python -m bench.tuning", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("limit", choices=numbers, metavar="LIMIT")
    parser.add_argument(
        "--problem", choices=PROBLEMS, nargs="*", default=["plane", "independent", "points 2"]
    )
    parser.add_argument("--n", type=int, nargs="*", default=[300, 600, 1200])
    parser.add_argument("--values", type=float, nargs="*")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    kind = type(getattr(TUNING, given.limit))
    values = [kind(v) for v in given.values] if given.values else walked(given.limit)
    now = getattr(TUNING, given.limit)
    if now not in values:
        values.append(now)
    values.sort()
    lines, logs = [], np.zeros(len(values))
    for problem in given.problem:
        for n in given.n:
            rng = np.random.default_rng([n, len(problem)])
            cost = PROBLEMS[problem](n, rng)
            a, b = (rng.dirichlet(np.ones(k)) for k in cost.shape)
            seconds, matters = measured(cost, a, b, given.limit, values, given.repeats)
            if matters:
                lines.append((f"{problem} {n}", *(f"{s:.4g}" for s in seconds)))
                logs += np.log(np.array(seconds) / seconds[values.index(now)])
    if not lines:
        print(f"{given.limit} changed no path here: choose sizes on both sides of it")
        return
    mean = np.exp(logs / len(lines))
    lines.append(("geometric mean", *(f"{v:.3f}" for v in mean)))
    print(table(lines, (given.limit, *(f"{v:g}{' (now)' if v == now else ''}" for v in values))))


if __name__ == "__main__":
    main()
