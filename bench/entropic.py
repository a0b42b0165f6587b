"""Entropic transport against its rivals: ``python -m bench.entropic [--python OTT=PATH ...] [pattern ...]``.

CPU seconds (all threads), medians, compilation excluded, our certificates included; everything takes turns.
Rivals of the plans run as processes of `bench.entropic_rivals`, by default in this environment; ``--python``
gives another one ("POT", "OTT", "GeomLoss"); those not installed are left out. They get the matrix ready
made. "error" is the sum of the deviations of both marginals of the returned plan (ours: before its repair);
for the divergence, the relative deviation from the certified value.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import transport as tp
from bench.measure import interleaved
from bench.report import arguments, parse, save, table

HEADER = ("problem", "reg", "ours s", "error", "kernel", "rival", "rival s", "rival error", "ratio")
Case = tuple[str, float, Callable[[], Any], dict[str, Callable[[], Any]]]
PLENTY = 5.0  # seconds beyond which a rival is not asked again


def matrix(family: str, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(C / max C, a, b): the plane, Gaussians in 50 dimensions, independent costs."""
    rng = np.random.default_rng(0)
    if family == "independent":
        c = rng.random((n, n))
        return c / c.max(), np.full(n, 1 / n), np.full(n, 1 / n)
    if family == "plane":
        x, y = rng.random((n, 2)), rng.random((n, 2))
    else:
        x, y = rng.standard_normal((n, 50)), 0.8 * rng.standard_normal((n, 50)) + 0.3
    a, b = rng.dirichlet(np.full(n, 5.0)), rng.dirichlet(np.full(n, 5.0))
    c = tp.PointCloud(x, y).block(0, n)
    return c / c.max(), a, b


class Rival:
    """A process that answers for a package."""

    def __init__(self, package: str, python: str) -> None:
        self.package = package
        path = Path(__file__).with_name("entropic_rivals.py")
        self.process = subprocess.Popen(
            [python, str(path), package], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.version = self.ask(version=True).get("version")

    def ask(self, **job: Any) -> dict[str, Any]:
        """Its answer to one job."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"failed": "the process ended"}
        return answer

    def close(self) -> None:
        """Let it end."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


@dataclass
class Duel:
    """Ours against methods of other packages on one problem; ``others``: (package, method, stop)."""

    title: str
    reg: float
    ours: Callable[[], Any]
    data: dict[str, np.ndarray]
    others: list[tuple[str, str, float]]
    judge: Callable[[Any], tuple[float, str]]
    truth: Callable[[Any], float] | None = None

    def run(self, rivals: dict[str, Rival], repeats: int) -> list[tuple[str, ...]]:
        """Lines of the table."""
        others = [o for o in self.others if o[0] in rivals]
        mine: list[float] = []
        theirs: dict[tuple[str, str, float], list[dict[str, Any]]] = {o: [] for o in others}
        self.ours()
        with tempfile.NamedTemporaryFile(suffix=".npz") as file:
            np.savez(file, **self.data)
            file.flush()
            for _ in range(repeats):
                start = time.process_time()
                sol = self.ours()
                mine.append(time.process_time() - start)
                for o in others:
                    known = theirs[o]
                    if known and ("failed" in known[-1] or known[-1]["seconds"] > PLENTY):
                        continue
                    known.append(rivals[o[0]].ask(method=o[1], path=file.name, reg=self.reg, stop=o[2]))
        seconds = statistics.median(mine)
        error, kernel = self.judge(sol)
        line = (self.title, f"{self.reg:g}", f"{seconds:.3g}", f"{error:.1e}", kernel)
        out = []
        for o, answers in theirs.items():
            name = f"{o[0]} {o[1]}" + (f", scaling {o[2]:g}" if o[0] == "GeomLoss" else "")
            if "failed" in answers[-1]:
                out.append((*line, name, answers[-1]["failed"][:60], "", ""))
                continue
            took = statistics.median(a["seconds"] for a in answers)
            off = answers[-1]["error"] if self.truth is None else answers[-1]["value"] / self.truth(sol) - 1
            out.append((*line, name, f"{took:.3g}", f"{off:.1e}", f"{took / seconds:.1f}"))
        return out or [(*line, "", "", "", "")]


def entropic(family: str, n: int, reg: float, tol: float, others: tuple[str, ...]) -> Duel:
    """Ours to ``tol`` against others' methods to 1e-6."""
    c, a, b = matrix(family, n)
    ours = lambda: tp.solve(c, a, b, solver=tp.Sinkhorn(reg), tol=tol)  # noqa: E731
    methods = [(*o.split(" "), 1e-6) for o in others]
    judge = lambda sol: (sol.stats["marginal_error"], sol.stats["kernel"])  # noqa: E731
    return Duel(f"{family} {n}", reg, ours, {"C": c, "a": a, "b": b}, methods, judge)  # type: ignore[arg-type]


def divergence(n: int, reg: float, tol: float, scalings: tuple[tuple[str, float], ...]) -> Duel:
    """The Sinkhorn divergence between two clouds in 3-D; "error" is the certified width."""
    rng = np.random.default_rng(0)
    x, y = rng.random((n, 3)), 0.8 * rng.random((n, 3)) + 0.1
    ours = lambda: tp.sinkhorn_divergence(x, y, reg=reg, tol=tol, full=True)  # noqa: E731
    others = [("GeomLoss", kind, s) for kind, s in scalings]
    exact = tp.sinkhorn_divergence(x, y, reg=reg, full=True)
    judge = lambda sol: (abs(sol.value / exact.value - 1), sol.between.stats["kernel"])  # noqa: E731
    title = f"divergence {n}, 3-D, tol {tol:g}"
    return Duel(title, reg, ours, {"x": x, "y": y}, others, judge, truth=lambda sol: exact.value)


def partial(n: int, mass: float, *, points: bool = False) -> Case:
    """Exact, on a matrix or (ours) on the points, which POT gets as their matrix."""
    import ot

    c, a, b = matrix("plane", n)
    rng = np.random.default_rng(0)
    cost = tp.PointCloud(rng.random((n, 2)), rng.random((n, 2))) if points else c
    calls = {"POT partial": lambda: ot.partial.partial_wasserstein(a, b, c, m=mass)}
    title = f"partial {mass:g}, plane {n}" + (", points" if points else "")
    return title, 0.0, lambda: tp.solve(cost, a, b, marginals=tp.Partial(mass)), calls


def unbalanced(n: int, reg: float) -> Case:
    """Entropic KL marginals, rho = 0.1."""
    import ot

    c, a, b = matrix("plane", n)
    ours = lambda: tp.solve(c, a, b, marginals=tp.KL(0.1), solver=tp.Sinkhorn(reg), tol=1e-8)  # noqa: E731
    method = "sinkhorn_translation_invariant"
    calls = {
        "POT translation invariant": lambda: ot.unbalanced.sinkhorn_unbalanced(
            a, b, c, reg, 0.1, method=method, reg_type="kl", numItermax=20_000, stopThr=1e-8
        )
    }
    return f"KL 0.1, plane {n}", reg, ours, calls


def duels() -> dict[str, Callable[[], Duel]]:
    """By name; slow rivals only where they finish."""
    kernel, stable, log = "POT sinkhorn", "POT sinkhorn_stabilized", "POT sinkhorn_log"
    momentum = "OTT momentum"
    out: dict[str, Callable[[], Duel]] = {}
    for n in (2000, 4000):
        some = kernel, stable, "OTT default", momentum, "OTT anderson", *((log,) if n == 2000 else ())
        out[f"plane {n} 1e-2"] = lambda n=n, some=some: entropic("plane", n, 1e-2, 1e-6, some)
        out[f"plane {n} 1e-3"] = lambda n=n: entropic("plane", n, 1e-3, 1e-6, (kernel, momentum))
        for reg in (1e-4, 1e-5, 1e-6):
            out[f"plane {n} {reg:g}"] = lambda n=n, reg=reg: entropic("plane", n, reg, 1e-9, ())
    out["gaussians 2000 1e-3"] = lambda: entropic("gaussians", 2000, 1e-3, 1e-6, (momentum,))
    for reg in (1e-3, 1e-4):
        out[f"independent 2000 {reg:g}"] = lambda reg=reg: entropic("independent", 2000, reg, 1e-9, ())
    quick = ("float32", 0.5), ("float64", 0.5)
    out["divergence 5000"] = lambda: divergence(5000, 5e-3, 1e-9, quick)
    out["divergence 5000 1e-3"] = lambda: divergence(5000, 5e-3, 1e-3, quick)
    out["divergence 1000 scaling"] = lambda: divergence(1000, 5e-3, 1e-3, (("float64", 0.99),))
    return out


def cases() -> dict[str, Callable[[], Case]]:
    """Soft marginals, against POT in this process."""
    out: dict[str, Callable[[], Case]] = {}
    for mass in (0.5, 0.9):
        out[f"partial 1000 {mass:g}"] = lambda mass=mass: partial(1000, mass)
    out["partial 4000 points"] = lambda: partial(4000, 0.5, points=True)
    for n in (500, 2000):
        for reg in (1e-2, 1e-3):
            out[f"unbalanced {n} {reg:g}"] = lambda n=n, reg=reg: unbalanced(n, reg)
    return out


def soft(case: Case, repeats: int) -> list[tuple[str, ...]]:
    """Lines of the table."""
    title, reg, ours, calls = case
    timing = interleaved({"ours": ours, **calls}, repeats=repeats, budget=20.0, clock=time.process_time)
    sol, mine = timing["ours"].answer, timing["ours"].median
    line = (title, f"{reg:g}", f"{mine:.3g}", f"{sol.gap:.1e}", sol.stats.get("kernel", "exact"))
    others = [(name, t) for name, t in timing.items() if name != "ours"]
    return [(*line, name, f"{t.median:.3g}", "", f"{t.median / mine:.1f}") for name, t in others]


def started(given: list[str]) -> dict[str, Rival]:
    """The rivals that are installed."""
    paths = dict(item.split("=", 1) for item in given)
    rivals = [Rival(name, paths.get(name, sys.executable)) for name in ("POT", "OTT", "GeomLoss")]
    for rival in rivals:
        if rival.version is None:
            rival.close()
    return {rival.package: rival for rival in rivals if rival.version is not None}


def main() -> int:
    """Run, print, save."""
    parser = arguments(__doc__, needs=())
    parser.add_argument("pattern", nargs="*", help="parts of names; all by default")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--python", action="append", default=[], metavar="PACKAGE=PATH")
    args = parse(parser)
    warnings.simplefilter("ignore")
    rivals = started(args.python)
    versions = ", ".join(f"{name} {rival.version}" for name, rival in rivals.items())
    rows: list[tuple[str, ...]] = []
    chosen = lambda name: not args.pattern or any(p in name for p in args.pattern)  # noqa: E731
    for name, make in duels().items():
        if chosen(name):
            rows += make().run(rivals, args.repeats)
            print(*rows, sep="\n", flush=True)
    for name, case in cases().items():
        if chosen(name):
            rows += soft(case(), args.repeats)
            print(rows[-1], flush=True)
    for rival in rivals.values():
        rival.close()
    print(table(rows, HEADER))
    note = f"`python -m bench.entropic`: CPU seconds, medians of {args.repeats}. Rivals: {versions}."
    save("entropic", rows, HEADER, note=note, to=args)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
