"""Entropic, unbalanced and partial transport against POT: ``python -m bench.entropic [pattern ...]``.

Seconds of CPU (all threads), medians, interleaved, compiled before; "error" is the sum of the deviations of
both marginals of the returned plan (ours: before its repair). POT gets the matrix ready made and the stopping
rule that reaches the error.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import transport as tp
from bench.measure import interleaved
from bench.report import save, table

HEADER = ("problem", "reg", "ours s", "error", "kernel", "rival", "rival s", "rival error", "ratio")
Case = tuple[str, float, Callable[[], Any], dict[str, Callable[[], Any]], np.ndarray, np.ndarray]


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


def entropic(family: str, n: int, reg: float, tol: float, rivals: tuple[str, ...]) -> Case:
    """Ours to ``tol`` against POT's methods to 1e-6."""
    import ot

    c, a, b = matrix(family, n)
    stop = 1e-6 / np.sqrt(n)
    calls = {
        f"POT {m}": lambda m=m: ot.sinkhorn(a, b, c, reg, method=m, numItermax=20_000, stopThr=stop)
        for m in rivals
    }
    ours = lambda: tp.solve(c, a, b, solver=tp.Sinkhorn(reg), tol=tol)  # noqa: E731
    return f"{family} {n}", reg, ours, calls, a, b


def partial(n: int, mass: float) -> Case:
    """Exact, on a matrix."""
    import ot

    c, a, b = matrix("plane", n)
    calls = {"POT partial": lambda: ot.partial.partial_wasserstein(a, b, c, m=mass)}
    return (
        f"partial {mass:g}, plane {n}",
        0.0,
        lambda: tp.solve(c, a, b, marginals=tp.Partial(mass)),
        calls,
        a,
        b,
    )


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
    return f"KL 0.1, plane {n}", reg, ours, calls, a, b


def cases() -> dict[str, Callable[[], Case]]:
    """By name; the slow rivals only where they finish."""
    kernel, stable, log = "sinkhorn", "sinkhorn_stabilized", "sinkhorn_log"
    out: dict[str, Callable[[], Case]] = {}
    for n in (2000, 4000):
        rivals = (kernel, stable, log) if n == 2000 else (kernel, stable)
        out[f"plane {n} 1e-2"] = lambda n=n, r=rivals: entropic("plane", n, 1e-2, 1e-6, r)
        out[f"plane {n} 1e-3"] = lambda n=n: entropic("plane", n, 1e-3, 1e-6, (kernel,))
        for reg in (1e-4, 1e-5, 1e-6):
            out[f"plane {n} {reg:g}"] = lambda n=n, reg=reg: entropic("plane", n, reg, 1e-9, ())
    out["gaussians 2000 1e-3"] = lambda: entropic("gaussians", 2000, 1e-3, 1e-6, (kernel,))
    for reg in (1e-3, 1e-4):
        out[f"independent 2000 {reg:g}"] = lambda reg=reg: entropic("independent", 2000, reg, 1e-9, ())
    for mass in (0.5, 0.9):
        out[f"partial 1000 {mass:g}"] = lambda mass=mass: partial(1000, mass)
    out["partial 4000 0.5"] = lambda: partial(4000, 0.5)
    for n in (500, 2000):
        for reg in (1e-2, 1e-3):
            out[f"unbalanced {n} {reg:g}"] = lambda n=n, reg=reg: unbalanced(n, reg)
    return out


def error(plan: Any, a: np.ndarray, b: np.ndarray) -> float:
    """Sum of the deviations of both marginals."""
    return float(np.abs(plan.sum(1) - a).sum() + np.abs(plan.sum(0) - b).sum())


def main() -> int:
    """Run, print, save."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pattern", nargs="*", help="parts of names; all by default")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for name, make in cases().items():
        if args.pattern and not any(p in name for p in args.pattern):
            continue
        title, reg, ours, calls, a, b = make()
        timing = interleaved(
            {"ours": ours, **calls}, repeats=args.repeats, budget=20.0, clock=time.process_time
        )
        sol = timing["ours"].answer
        mine = timing["ours"].median
        facts = (
            f"{sol.stats.get('marginal_error', sol.marginal_error):.1e}",
            sol.stats.get("kernel", "exact"),
        )
        for rival, t in list(timing.items())[1:] or [("", None)]:
            other = ("", "", "", "") if t is None else (
                rival, f"{t.median:.3g}", f"{error(np.asarray(t.answer), a, b):.1e}", f"{t.median / mine:.1f}"
            )  # fmt: skip
            rows.append((title, f"{reg:g}", f"{mine:.3g}", *facts, *other))
            print(*rows[-1], sep=" | ", flush=True)
    print(table(rows, HEADER))
    if not args.pattern:
        save("entropic", rows, HEADER, note="`python -m bench.entropic`: CPU seconds, medians.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
