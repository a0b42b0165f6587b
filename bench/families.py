"""Every family against POT, looking for failures: ``python -m bench.families [--n 300 1000] [pattern ...]``.

Patterns pick problems by parts of their names (`bench.problems.families.names`). Each problem runs in a
worker process under a time limit, so that a hang is a finding. Reported: our seconds and POT's (least of the
repetitions, same process, interleaved; POT gets the matrix ready made), the certified gap relative to
sum P |C|, and what an independent check of the plan and the potentials says (all n m slacks, by NumPy).

"worst" rows are what a release has to look at: failures first, then the smallest POT / ours.
"""

from __future__ import annotations

import json
import math
import os
import select
import subprocess
import sys
import time
import traceback
from typing import Any

import numpy as np

import transport as tp
from bench.measure import interleaved
from bench.problems import families
from bench.report import arguments, parse, save, table

LIMIT = 30.0  # seconds, ours or POT's
GAP = 1e-12  # certified gap allowed, relative to sum P |C|
RATIO = 1 / 1.2
HEADER = ("problem", "n", "ours s", "POT s", "ratio", "gap", "POT off", "verdict")


def check(sol: tp.Solution, c: np.ndarray, a: np.ndarray, b: np.ndarray) -> str:
    """What is wrong with an answer, by means that share nothing with the solver; "" if nothing."""
    f, g = sol.potentials.f, sol.potentials.g
    rows, cols, mass = sol.arcs.rows, sol.arcs.cols, sol.arcs.mass
    if not (np.isfinite(sol.value) and np.isfinite(f).all() and np.isfinite(g).all() and (mass >= 0).all()):
        return "not finite, or negative mass"
    b = b * (math.fsum(a) / math.fsum(b))
    off = 0.0
    for place, wanted in ((rows, a), (cols, b)):
        left = wanted.astype(np.longdouble)
        np.subtract.at(left, place, mass)
        off = max(off, float(abs(left).max()))
    if off > 1e-15:
        return f"marginals off by {off:.0e}"
    if len(rows) > sum(c.shape) - 1:
        return "plan is not sparse"
    value = math.fsum(mass * c[rows, cols])
    size = math.fsum(mass * abs(c[rows, cols]))
    if not abs(value - sol.value) <= 1e-14 * size:
        return f"value is {sol.value!r} but the plan costs {value!r}"
    if not sol.lower_bound <= value + 1e-14 * size:
        return "lower bound above the plan's cost"
    slack = (c - f[:, None]) - g
    loose = 64 * 2.0**-52 * (abs(f)[:, None] + abs(g) + np.where(np.isfinite(c), abs(c), 0.0))
    if (slack < -loose).any():
        return f"potentials infeasible by {-slack.min():.0e}"
    dual = math.fsum(a * f) + math.fsum(b * g)
    noise = 64 * 2.0**-52 * (float(a @ abs(f)) + float(b @ abs(g)) + size)
    if dual < sol.lower_bound - noise:
        return f"potentials prove {dual!r}, not {sol.lower_bound!r}"
    return ""


def run(name: str, n: int, repeats: int, *, cpu: bool = False) -> None:
    """Print what happened as lines of JSON: ours first, so that a slow rival cannot hide it."""
    import ot

    cost, a, b = families.problem(name, n)
    start = time.perf_counter()
    sol = tp.solve(cost, a, b, throw=False)
    seconds = time.perf_counter() - start
    c = cost if isinstance(cost, np.ndarray) else cost.block(0, len(a))
    size = math.fsum(sol.arcs.mass * abs(c[sol.arcs.rows, sol.arcs.cols]))
    fault = check(sol, c, a, b)
    if sol.status is not tp.Status.OPTIMAL:
        fault = f"{sol.status.name} {fault}"
    spread = float(
        sol.arcs.mass @ (abs(sol.potentials.f[sol.arcs.rows]) + abs(sol.potentials.g[sol.arcs.cols]))
    )
    out: dict[str, Any] = {
        "gap": sol.gap / size if size else sol.gap,
        "spread": spread / size if size else 0.0,
        "fault": fault,
        "stats": {k: sol.stats[k] for k in ("method", "pivots", "rounds", "stalls") if k in sol.stats},
    }
    fresh = (lambda: cost) if isinstance(cost, np.ndarray) else cost.without_trees
    print(json.dumps(out | {"ours": seconds}), flush=True)
    i, j = np.flatnonzero(a), np.flatnonzero(b)
    kept = np.ascontiguousarray(c[np.ix_(i, j)])
    kept[np.isinf(kept)] = 1e6 * max(1.0, abs(kept[np.isfinite(kept)]).max())
    timing = interleaved(
        {
            "ours": lambda: tp.solve(fresh(), a, b, throw=False),
            "POT": lambda: float(ot.emd2(a[i], b[j], kept, numItermax=10**8)),
        },
        repeats=repeats,
        warm_up=False,
        budget=1.0,
        clock=time.thread_time if cpu else time.perf_counter,
    )
    pot = timing["POT"].answer
    out["off"] = (pot - sol.value) / size if size else pot
    print(json.dumps(out | {k.lower(): min(t.seconds) for k, t in timing.items()}), flush=True)


def work() -> None:
    """A worker: problems by name on stdin, answers on stdout."""
    import warnings

    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    tp.solve(tp.PointCloud(rng.random((600, 2)), rng.random((600, 2))))
    tp.solve(rng.random((600, 600)))
    print("ready", flush=True)
    for line in sys.stdin:
        name, n, repeats, cpu = json.loads(line)
        try:
            run(name, n, repeats, cpu=cpu)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            print(json.dumps({"error": f"{type(error).__name__}: {error} ({where.name})"}), flush=True)
        print("done", flush=True)


class Worker:
    """A process that can be given up on."""

    def __init__(self, *, cpu: bool = False) -> None:
        self.cpu = cpu
        names = ("KANTOROVICH_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from bench.families import work; work()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=os.environ | (dict.fromkeys(names, "1") if cpu else {}),
        )
        self.left, self.dead = b"", False
        self._lines(180.0, "ready")

    def ask(self, name: str, n: int, repeats: int) -> dict[str, Any]:
        """The last answer there was; "error" says if that is all."""
        assert self.process.stdin
        self.process.stdin.write((json.dumps([name, n, repeats, self.cpu]) + "\n").encode())
        answers, finished = self._lines(LIMIT, "done")
        answer = json.loads(answers[-1]) if answers else {}
        if not finished and not answer:
            answer["error"] = "died" if self.dead else f"no answer in {LIMIT:g} s"
        return answer

    def _lines(self, limit: float, end: str) -> tuple[list[str], bool]:
        """Lines up to ``end``; each may take ``limit`` seconds."""
        assert self.process.stdout
        out: list[str] = []
        deadline = time.monotonic() + limit
        while True:
            while b"\n" in self.left:
                line, _, self.left = self.left.partition(b"\n")
                if line.decode() == end:
                    return out, True
                out.append(line.decode())
                deadline = time.monotonic() + limit
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
            if not data:
                self.dead = bool(ready)
                self.process.kill()
                self.process.wait()
                return out, False
            self.left += data

    @property
    def alive(self) -> bool:
        """Whether it can be asked again."""
        return self.process.poll() is None

    def close(self) -> None:
        """Let it end."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def row(name: str, n: int, answer: dict[str, Any]) -> list[str]:
    """A line of the table."""
    if "gap" not in answer:
        return [name, str(n), "-", "-", "-", "-", "-", "FAILED: " + answer.get("error", "?")]
    pot, off = answer.get("pot", math.inf), answer.get("off", math.nan)
    ratio = (pot if pot < math.inf else LIMIT) / answer["ours"]
    verdict = "FAILED: " + answer["fault"] if answer["fault"] else "gap" if answer["gap"] > GAP else ""
    if ratio < RATIO:
        verdict += " slow"
    line = [name, str(n), f"{answer['ours']:.2g}", f"{pot:.2g}", f"{ratio:.2f}", f"{answer['gap']:.0e}"]
    return [*line, f"{off:.0e}", verdict.strip()]


def badness(line: list[str]) -> tuple[int, float]:
    """Failures first, then gaps, then the slowest."""
    rank = 0 if line[7].startswith("FAILED") else 1 if line[7].startswith("gap") else 2
    return rank, float(line[4]) if line[4] != "-" else 0.0


def main() -> None:
    """Run the problems asked for; print and save the worst."""
    parser = arguments(__doc__)
    parser.add_argument("patterns", nargs="*", help="parts of names; all must occur")
    parser.add_argument("--n", type=int, nargs="+", default=[300, 1000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--every", type=int, default=1, help="take every k-th problem only")
    parser.add_argument("--first", type=int, default=0, help="leave out the problems before this one")
    parser.add_argument("--cpu", action="store_true", help="CPU seconds of one thread: on a shared machine")
    options = parse(parser)
    lines: list[list[str]] = []
    worker = Worker(cpu=options.cpu)
    for n in options.n:
        chosen = [name for name in families.names(n) if all(p in name for p in options.patterns)]
        for name in chosen[options.first :: options.every]:
            if not worker.alive:
                worker = Worker(cpu=options.cpu)
            answer = worker.ask(name, n, options.repeats)
            lines.append(row(name, n, answer))
            print("  ".join(lines[-1]), answer.get("stats", ""), f"{answer.get('spread', 0):.0e}", flush=True)
    if worker.alive:
        worker.close()
    lines.sort(key=badness)
    bad = sum(bool(line[7]) for line in lines)
    note = f"{len(lines)} problems, {bad} with a verdict. The worst 40:"
    print(note, table(lines[:40], HEADER), sep="\n\n")
    save("families", lines[:40], HEADER, note="`python -m bench.families`. " + note, to=options)


if __name__ == "__main__":
    main()
