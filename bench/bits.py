"""Whether a change keeps every bit: ``python -m bench.bits COMMIT``.

A fixed corpus of about two hundred small problems, on every route of the exact solver, is solved by the
commit and by the working tree, each in a process of its own. Compared are the value, both bounds, the arcs
and masses of the plan, the potentials and the pivots, all bit by bit. Each side also solves every problem
with costs times 2^20: the plan must stay bitwise the same and the value be exactly 2^20 times it.

A few minutes. Prints the problems that differ and ends with 1 if there are any. A commit without `Tuning`
leaves the forced routes out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent

WORKER = """
import hashlib, json, sys
from dataclasses import replace
import numpy as np
from scipy import sparse
import transport as tp

FORCED = {"default": {}}
try:
    from transport._solver.tuning import TUNING
    general = dict(at_once_pairs=0, medium_pairs=0, hubs=0)
    FORCED |= {
        "pool": general,
        "linked": dict(general, linked_nodes=0, linked_nodes_refined=0),
        "pieces": dict(
            general, linked_nodes=0, linked_nodes_refined=0, pieces_nodes=0, piece_nodes=64, toured_nodes=128
        ),
        "hubs": dict(general, hubs=10**6, hubs_ratio=0, hubs_nodes=0),
        "clusters": dict(general, cluster_rows=8, coarsest=8),
        "rounded": dict(general, rough_nodes=10, cluster_rows=10**9),
    }
except ImportError:
    TUNING = None


def costs(kind, n, m, rng):
    x, y = rng.random((n, 2)), rng.random((m, 2))
    if kind == "matrix":
        return rng.random((n, m)), lambda c: c * 2.0**20
    if kind == "integers":
        return rng.integers(0, 20, (n, m)).astype(float), lambda c: c * 2.0**20
    if kind == "rough":
        return np.exp(8 * rng.standard_normal((n, m))), lambda c: c * 2.0**20
    if kind == "plane":
        return ((x[:, None] - y) ** 2).sum(-1), lambda c: c * 2.0**20
    if kind == "product":
        return np.outer(rng.standard_normal(n), rng.standard_normal(m)), lambda c: c * 2.0**20
    if kind == "forbidden":
        c = np.where(rng.random((n, m)) < 0.3, np.inf, rng.random((n, m)))
        c[:, 0] = c[0] = 5.0
        return c, lambda c: c * 2.0**20
    if kind == "giant":
        return np.where(rng.random((n, m)) < 0.05, 1e30, rng.random((n, m))), lambda c: c * 2.0**20
    if kind == "tiny":
        return 1e-200 * rng.random((n, m)), lambda c: c * 2.0**20
    if kind == "sparse":
        dense = np.where(rng.random((n, m)) < 0.2, rng.random((n, m)), 0.0)
        dense[0], dense[:, 0] = 3.0, 3.0
        return sparse.csr_array(dense), lambda c: c * 2.0**20
    if kind == "points":
        return tp.PointCloud(x, y), lambda c: tp.PointCloud(2.0**10 * x, 2.0**10 * y)
    if kind == "points, l1":
        u, v = 2.0**20 * x, 2.0**20 * y
        return tp.PointCloud(x, y, "cityblock"), lambda c: tp.PointCloud(u, v, "cityblock")
    if kind == "tiles":
        u, v = rng.random((n, 12)), rng.random((m, 12))
        return tp.PointCloud(u, v), lambda c: tp.PointCloud(2.0**10 * u, 2.0**10 * v)
    if kind == "merged":
        u, v = np.round(8 * x), np.round(8 * y)
        return tp.PointCloud(u, v), lambda c: tp.PointCloud(2.0**10 * u, 2.0**10 * v)
    if kind == "line":
        return tp.PointCloud(x[:, 0], y[:, 0]), lambda c: tp.PointCloud(2.0**10 * x[:, 0], 2.0**10 * y[:, 0])
    if kind == "circle":
        u, v = 2.0**20 * x[:, 0], 2.0**20 * y[:, 0]
        return tp.Circle(x[:, 0], y[:, 0]), lambda c: tp.Circle(u, v, period=2.0**20)
    if kind == "function":
        f = lambda u, v: np.abs(u[:, None] - v).sum(axis=2)
        g = lambda u, v: 2.0**20 * f(u, v)
        return tp.FunctionCost(x, y, f), lambda c: tp.FunctionCost(x, y, g)
    raise ValueError(kind)


def problems():
    shapes = {"small": (23, 19), "wide": (9, 700), "middle": (340, 310), "tall": (600, 11), "row": (1, 40)}
    kinds = ("matrix", "integers", "rough", "plane", "product", "forbidden", "giant", "tiny", "sparse",
             "points", "points, l1", "tiles", "merged", "line", "circle", "function")
    for s, (shape, (n, m)) in enumerate(shapes.items()):
        for k, kind in enumerate(kinds):
            rng = np.random.default_rng([s, k])
            cost, scaled = costs(kind, n, m, rng)
            for masses in ("equal", "drawn", "massless"):
                a = b = None
                if masses != "equal":
                    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
                if masses == "massless":
                    if shape == "row":
                        continue
                    a[rng.permutation(n)[: n // 2]] = 0.0
                    b[rng.permutation(m)[: m // 2]] = 0.0
                    a, b = a / a.sum(), b / b.sum()
                for route, fields in FORCED.items():
                    if route != "default" and (masses != "drawn" or shape not in ("middle", "wide")):
                        continue
                    between = kind in ("points", "points, l1", "tiles")
                    method = "points" if shape == "middle" and between else "auto"
                    yield f"{shape}, {kind}, {masses}, {route}", cost, scaled, a, b, method, fields


def bits(sol):
    arcs, (f, g) = sol.arcs, sol.duals
    h = hashlib.sha256()
    for x in (arcs.rows, arcs.cols, arcs.mass, f, g):
        x = np.asarray(x)
        h.update(np.ascontiguousarray(x, float if x.dtype.kind == "f" else np.int64).tobytes())
    ends = (sol.value, sol.lower_bound, sol.upper_bound)
    return [*(float(v).hex() for v in ends), int(sol.n_iter), sol.status.name, h.hexdigest()[:16]]


def plan_bits(sol):
    h = hashlib.sha256()
    order = np.lexsort((sol.arcs.cols, sol.arcs.rows))
    for x in (sol.arcs.rows, sol.arcs.cols, sol.arcs.mass):
        h.update(np.ascontiguousarray(np.asarray(x)[order]).tobytes())
    return h.hexdigest()


for name, cost, scaled, a, b, method, fields in problems():
    solver = tp.Exact(method)
    if fields:
        solver = tp.Exact(method, tuning=replace(TUNING, **fields))
    try:
        sol = tp.solve(cost, a, b, solver=solver, throw=False)
        big = tp.solve(scaled(cost), a, b, solver=solver, throw=False)
        same = plan_bits(sol) == plan_bits(big) and big.value == sol.value * 2.0**20
        out = [name, bits(sol), bool(same)]
    except Exception as error:
        out = [name, [type(error).__name__], True]
    print(json.dumps(out), flush=True)
"""


def answers(folder: Path) -> dict[str, tuple[list, bool]]:
    """Name -> (bits, whether a power of two changes nothing but the scale), by the packages in ``folder``."""
    env = {**os.environ, "PYTHONPATH": str(folder)}
    out = subprocess.run(
        [sys.executable, "-c", WORKER], cwd=folder, env=env, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    lines = [json.loads(line) for line in out.splitlines()]
    return {name: (bits, same) for name, bits, same in lines}


def main(argv: list[str]) -> int:
    """Print what differs; 1 if anything does."""
    parser = argparse.ArgumentParser(prog="python -m bench.bits", description=__doc__)
    parser.add_argument("commit")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "before"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "-q", "--detach", str(folder), args.commit], check=True)
        try:
            before = answers(folder)
        finally:
            subprocess.run([*git, "remove", "--force", str(folder)], check=True)
    now = answers(ROOT)
    common = [name for name in now if name in before]
    other = [name for name in common if now[name][0] != before[name][0]]
    unscaled = [name for name in now if not now[name][1]]
    for name in other:
        print(f"{name}\n  {args.commit[:10]}: {before[name][0]}\n  now: {now[name][0]}")
    for name in unscaled:
        was = "" if before.get(name, ([], True))[1] else f" (nor at {args.commit[:10]})"
        print(f"{name}: costs times 2^20 change more than the scale{was}")
    print(f"{len(common)} problems, {len(other)} differ, {len(unscaled)} not equivariant")
    return 1 if other or unscaled else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
