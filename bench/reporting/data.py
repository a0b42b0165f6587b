"""Rows of a results folder, and what is computed of them: fits, profiles, counts."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.run import read_rows
from bench.score import VERDICTS

Row = dict[str, Any]
BASE_MB = 1.0  # memory below this is not fitted


@dataclass
class Results:
    """What `bench run` wrote: the rows, the machine and the commands."""

    rows: list[Row] = field(default_factory=list)
    heads: list[Row] = field(default_factory=list)
    untrue: list[Row] = field(default_factory=list)

    @property
    def solvers(self) -> list[str]:
        """Ours first, then by name."""
        names = sorted({row["solver"] for row in self.rows})
        return sorted(names, key=lambda name: (not name.startswith("kantorovich"), name))

    @property
    def problems(self) -> list[str]:
        """In the order they were run."""
        return list(dict.fromkeys(row["problem"] for row in self.rows))

    @property
    def absent(self) -> dict[str, str]:
        """What was left out, and why; unless a later run had it."""
        out: dict[str, str] = {}
        for head in self.heads:
            out |= head.get("absent", {})
        there = {*self.solvers, *self.problems}
        return {name: reason for name, reason in out.items() if name not in there}


def read(folder: Path) -> Results:
    """Every line of ``folder/results.jsonl``; of a pair that was run twice the last."""
    path = folder / "results.jsonl"
    if not path.exists():
        raise SystemExit(f"bench report: {path} is not there; `python -m bench run --out {folder}` makes it")
    lines = read_rows(path)
    rows = {(row["problem"], row["solver"]): row for row in lines if "problem" in row}
    heads, untrue = [row for row in lines if "machine" in row], [row for row in lines if "untrue" in row]
    return Results(list(rows.values()), heads, untrue)


def counts(results: Results) -> list[tuple[str, str, dict[str, int]]]:
    """(solver with version, claim, verdict -> how many)."""
    out = []
    for name in results.solvers:
        rows = [row for row in results.rows if row["solver"] == name]
        found = Counter(row["verdict"] for row in rows)
        version = next((row["version"] for row in rows if "version" in row), "")
        out.append((f"{name} {version}".strip(), rows[0]["claims"], {v: found[v] for v in VERDICTS}))
    return out


def series(results: Results, key: str) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """series -> solver -> [(size, value)] of right answers; series with two sizes or more for some solver."""
    found: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in results.rows:
        if row["verdict"] == "right" and row.get(key) is not None:
            found[row["series"]][row["solver"]][max(row["n"], row["m"])] = row[key]
    out = {}
    for name, lines in found.items():
        if any(len(line) > 1 for line in lines.values()):
            out[name] = {solver: sorted(line.items()) for solver, line in lines.items()}
    return out


def exponent(line: Iterable[tuple[int, float]]) -> float | None:
    """Least-squares slope of log value over log n; None with fewer than three sizes or values near zero."""
    points = [(n, v) for n, v in line if v > 0]
    if len(points) < 3:
        return None
    n, v = np.log(np.array(points, dtype=float)).T
    return float(np.polyfit(n, v, 1)[0])


def profiles(results: Results, kinds: tuple[str, ...]) -> dict[str, list[tuple[float, float]]]:
    """Dolan and More (2002): solver -> steps (ratio to the fastest right answer, share of problems solved
    within).

    A solver's share is of the problems it was run on; those without two right answers are left out.
    """
    tried, times = compared(results, kinds)
    out = {}
    for solver, mine in tried.items():
        ratios = sorted(
            times[name][solver] / min(times[name].values()) for name in mine if solver in times[name]
        )
        out[solver] = [(ratio, (k + 1) / len(mine)) for k, ratio in enumerate(ratios)]
    return out


def compared(
    results: Results, kinds: tuple[str, ...]
) -> tuple[dict[str, set[str]], dict[str, dict[str, float]]]:
    """(solver -> problems it was run on, problem -> solver -> seconds of right answers).

    Of the problems that have two right answers at least; solvers run on none of them are left out.
    """
    times: dict[str, dict[str, float]] = defaultdict(dict)
    for row in results.rows:
        if row["kind"] in kinds and row["verdict"] == "right" and "seconds" in row:
            times[row["problem"]][row["solver"]] = row["seconds"]
    times = {name: found for name, found in times.items() if len(found) >= 2}
    tried: dict[str, set[str]] = defaultdict(set)
    for row in results.rows:
        if row["problem"] in times:
            tried[row["solver"]].add(row["problem"])
    return tried, times


def fastest(results: Results) -> list[tuple[str, str, float, str, float]]:
    """Per problem: (problem, best of ours, seconds, best of the others, seconds), right answers alone."""
    out = []
    for name in results.problems:
        right = [
            r for r in results.rows if r["problem"] == name and r["verdict"] == "right" and "seconds" in r
        ]
        ours = [r for r in right if r["solver"].startswith("kantorovich")]
        others = [r for r in right if not r["solver"].startswith("kantorovich")]
        if ours and others:
            best, rival = (min(side, key=lambda r: r["seconds"]) for side in (ours, others))
            out.append((name, best["solver"], best["seconds"], rival["solver"], rival["seconds"]))
    return out


def wins(results: Results) -> tuple[int, int]:
    """(problems on which a rival was faster than the best of ours, problems with right answers of both)."""
    found = fastest(results)
    return sum(rival < mine for _, _, mine, _, rival in found), len(found)


def number(value: float | None) -> str:
    """Two significant digits, or a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.2g}" if value < 100 else f"{value:.0f}"
