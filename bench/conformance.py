"""``python -m bench.conformance``: what each solver that is installed gets right, silently wrong, or refuses.

Fixed cases of `divergences.testing` (known optima, scales, degeneracies, shapes, types, forbidden arcs,
inputs that must be refused), each call in a process of its own with a time limit. One to three minutes.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import math
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from divergences.testing import Report, conformance

# target, distribution whose version is printed, and what it claims
SOLVERS = {
    "kantorovich `solve`": ("bench.solvers.ours:exact", "kantorovich", "exact"),
    "POT `emd2`": ("bench.solvers.pot:emd2", "POT", "exact"),
    "POT `emd`": ("bench.solvers.pot:emd", "POT", "exact"),
    "POT `solve`": ("bench.solvers.pot:solve", "POT", "exact"),
    "SciPy `linprog` (HiGHS)": ("bench.solvers.scipy_:linprog", "scipy", "exact"),
    "OR-Tools `SimpleMinCostFlow`": ("bench.solvers.ortools_:flow", "ortools", "exact, rounded costs"),
    "pyemd `emd`": ("bench.solvers.pyemd_:emd", "pyemd", "exact"),
    "wasserstein `EMD`": ("bench.solvers.wasserstein_:emd", "Wasserstein", "exact"),
    "sparse-ot `emd`": ("bench.solvers.sparse_ot_:emd", "sparse-ot", "exact"),
    "POT `sinkhorn`, reg 1e-3": ("bench.solvers.pot:sinkhorn", "POT", "entropic"),
    "POT `sinkhorn_log`, reg 1e-3": ("bench.solvers.pot:sinkhorn_log", "POT", "entropic"),
    "POT `sinkhorn_stabilized`, reg 1e-3": ("bench.solvers.pot:sinkhorn_stabilized", "POT", "entropic"),
    "POT `sinkhorn`, default limit, reg 1e-3": ("bench.solvers.pot:sinkhorn_default", "POT", "entropic"),
    "OTT-JAX `Sinkhorn`, reg 1e-3": ("bench.solvers.ott_:sinkhorn", "ott-jax", "entropic"),
}
ASSIGNMENTS = {
    "kantorovich `solve`": ("bench.solvers.ours:exact", "kantorovich", "exact"),
    "SciPy `linear_sum_assignment`": ("bench.solvers.scipy_:assignment", "scipy", "exact"),
    "lapjv `lapjv`": ("bench.solvers.assignment:lapjv", "lapjv", "exact"),
    "lapx `lap.lapjv`": ("bench.solvers.assignment:lapx", "lapx", "exact"),
}
SECTIONS = {"transport": SOLVERS, "assignment": ASSIGNMENTS}
VERDICTS = ("right", "wrong silently", "wrong with a warning", "refused", "crashed", "hung")


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "this tree"


def _row(name: str, version: str, claim: str, report: Report) -> str:
    cells = " | ".join(str(report.counts[verdict]) for verdict in VERDICTS)
    return f"| {name} {version} | {claim} | {cells} |"


def _details(name: str, report: Report) -> list[str]:
    """Silent errors one by one; of crashes and hangs only how many and how, never the input."""
    lines = []
    for r in report.results:
        if r.verdict == "wrong silently":
            lines.append(f"- {name}: *{r.family}, {r.name}*: {r.detail}")
            lines += [f"  `{r.line}`"] if r.line else []
    ends = Counter((r.verdict, r.detail) for r in report.results if r.verdict in ("crashed", "hung"))
    return lines + [
        f"- {name}: {verdict} {count} times ({detail})" for (verdict, detail), count in ends.items()
    ]


def _section(problems: str, options: argparse.Namespace) -> str:
    """One table and what is behind it."""
    head = f"| solver | claims | {' | '.join(VERDICTS)} |"
    rows, details = [head, "|" + "---|" * (2 + len(VERDICTS))], []
    skipped = []
    for name, (target, distribution, claim) in SECTIONS[problems].items():
        if options.only and options.only.lower() not in name.lower():
            continue
        module, _, function = target.partition(":")
        if reason := getattr(importlib.import_module(module), function).missing():
            skipped.append(f"{name} ({reason})")
            continue
        print(f"{problems}: {name} ...", end=" ", flush=True, file=sys.stderr)
        shrink = 0 if claim == "entropic" else 60
        report = conformance(target, time_limit=options.time_limit, shrink=shrink, problems=problems)
        print(str(report).split("\n", 1)[0], file=sys.stderr)
        rows.append(_row(name, _version(distribution), claim, report))
        if claim != "entropic":
            details += _details(name, report)
    text = "\n".join([f"## {problems.capitalize()}", "", *rows, "", *details])
    return text + ("\n\nNot installed: " + "; ".join(skipped) + "." if skipped else "")


def _drift() -> str:
    """False alarms of tests that people use as drift detectors, on pairs of one law, against 5 %."""
    from scipy import stats

    import divergences as dv

    detectors = {
        'kantorovich `estimate("energy", permutations=99)`': lambda x, y: (
            dv.estimate("energy", x, y, permutations=99, rng=0).p_value
        ),
        "SciPy `ks_2samp`": lambda x, y: stats.ks_2samp(x, y).pvalue,
        "SciPy `mannwhitneyu`": lambda x, y: stats.mannwhitneyu(x, y).pvalue,
        "SciPy `cramervonmises_2samp`": lambda x, y: stats.cramervonmises_2samp(x, y).pvalue,
        "SciPy `ttest_ind`": lambda x, y: stats.ttest_ind(x, y).pvalue,
        "PSI above 0.1 on ten equal bins (no p-value: 0 or 1)": lambda x, y: float(_psi(x, y) < 0.1),
    }
    lines = ["| detector | " + " | ".join(LAWS) + " | verdict |", "|" + "---|" * (len(LAWS) + 2)]
    for name, detector in detectors.items():
        report = conformance(drift=detector)
        alarms = [r.detail.split(" ")[0] for r in report.results if r.family == "false alarms"]
        lines.append(f"| {name} | {' | '.join(alarms)} | {'right' if report.ok else 'wrong silently'} |")
    return "\n".join(["## Drift: false alarms at 5 %", "", *lines])


def _psi(x: Any, y: Any) -> float:
    """The population stability index, as dashboards compute it."""
    import numpy as np

    edges = np.quantile(x, np.linspace(0.1, 0.9, 9))
    p, q = (np.bincount(np.searchsorted(edges, v), minlength=10) / len(v) + 1e-6 for v in (x, y))
    return float(np.sum((p - q) * np.log(p / q)))


LAWS = ("normal", "uniform", "counts, many ties", "heavy tails")


def main(argv: list[str] | None = None) -> int:
    """Run, print, and write where asked."""
    parser = argparse.ArgumentParser(prog="python -m bench.conformance", description=__doc__)
    parser.add_argument("--only", help="solvers whose name contains this")
    parser.add_argument("--time-limit", type=float, default=10.0, help="seconds for one call (10)")
    parser.add_argument("--out", type=Path, help="write the table, as Markdown, to this file")
    options = parser.parse_args(argv)
    if not 0 < options.time_limit < math.inf:
        parser.error("--time-limit must be a positive number of seconds")
    text = "\n\n".join(
        [HEAD, *(_section(problems, options) for problems in SECTIONS), *([] if options.only else [_drift()])]
    )
    print(text)
    if options.out:
        options.out.write_text(text + "\n")
    return 0


HEAD = """# Conformance of transport solvers

`python -m bench.conformance --out bench/results/conformance.md`: fixed cases, each call in a process of
its own. "right": within 1e-7 of the exact optimum, marginals within 1e-7, or refused where it must be.
Entropic solvers do not claim the exact optimum; their counts say how far reg = 1e-3 of the largest cost
is from it. OR-Tools gets masses and costs rounded to integers by its adapter, where NaN and infinities
are lost: those two lines are the adapter's. "Refused" of pyemd and wasserstein: forbidden arcs, which
they do not know. Lines of Python show a wrong answer on a small case, `f(cost, a, b)` being the solver."""

if __name__ == "__main__":
    raise SystemExit(main())
