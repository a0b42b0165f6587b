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
    "POT `sinkhorn`, reg 1e-3": ("bench.solvers.pot:sinkhorn", "POT", "entropic"),
    "POT `sinkhorn_log`, reg 1e-3": ("bench.solvers.pot:sinkhorn_log", "POT", "entropic"),
    "OTT-JAX `Sinkhorn`, reg 1e-3": ("bench.solvers.ott_:sinkhorn", "ott-jax", "entropic"),
}
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
    lines = [
        f"- {name}: *{r.family}, {r.name}*: {r.detail}"
        for r in report.results
        if r.verdict == "wrong silently"
    ]
    ends = Counter((r.verdict, r.detail) for r in report.results if r.verdict in ("crashed", "hung"))
    return lines + [
        f"- {name}: {verdict} {count} times ({detail})" for (verdict, detail), count in ends.items()
    ]


def main(argv: list[str] | None = None) -> int:
    """Run, print, and write where asked."""
    parser = argparse.ArgumentParser(prog="python -m bench.conformance", description=__doc__)
    parser.add_argument("--only", help="solvers whose name contains this")
    parser.add_argument("--time-limit", type=float, default=10.0, help="seconds for one call (10)")
    parser.add_argument("--out", type=Path, help="write the table, as Markdown, to this file")
    options = parser.parse_args(argv)
    if not 0 < options.time_limit < math.inf:
        parser.error("--time-limit must be a positive number of seconds")
    head = f"| solver | claims | {' | '.join(VERDICTS)} |"
    rows, details = [head, "|" + "---|" * (2 + len(VERDICTS))], []
    skipped = []
    for name, (target, distribution, claim) in SOLVERS.items():
        if options.only and options.only.lower() not in name.lower():
            continue
        module, _, function = target.partition(":")
        if reason := getattr(importlib.import_module(module), function).missing():
            skipped.append(f"{name} ({reason})")
            continue
        print(f"{name} ...", end=" ", flush=True, file=sys.stderr)
        report = conformance(target, time_limit=options.time_limit)
        print(str(report).split("\n", 1)[0], file=sys.stderr)
        rows.append(_row(name, _version(distribution), claim, report))
        if claim != "entropic":
            details += _details(name, report)
    text = "\n".join([*rows, "", *details])
    if skipped:
        text += "\n\nNot installed: " + "; ".join(skipped) + "."
    print(text)
    if options.out:
        options.out.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
