"""The routes of the exact solver: ``python -m bench.routes [--write] [--families N [pattern ...]]``.

Without options, prints the table of routes of docs/exact.md, made from the docstring of
`transport._solver.plan` with the numbers of `Tuning` put in; ``--write`` puts it into the page.

``--families N`` holds `tp.plan` against ``sol.stats["path"]`` on every problem of `bench.problems.families`
at size N: the planned reductions, start and core have run, or a switch says why not. Prints those that
disagree, and ends with 1 if any does; at N = 60 in a few minutes.
"""

from __future__ import annotations

import argparse
import re
import time
import warnings
from dataclasses import fields
from pathlib import Path

import transport as tp
from bench.problems import families
from transport._solver import plan as plans
from transport._solver.tuning import TUNING

PAGE = Path(__file__).parent.parent / "docs" / "exact.md"
BEGIN, END = "<!-- routes: python -m bench.routes --write -->", "<!-- end of routes -->"


def rows() -> list[tuple[str, str, str]]:
    """(problem, start, core) of every row of the table in the docstring of `plan`, in its order."""
    lines = (plans.__doc__ or "").splitlines()
    rules = [k for k, line in enumerate(lines) if line.startswith("====")]
    edges = [m.start() for m in re.finditer(r"=+", lines[rules[0]])]
    found: list[list[str]] = []
    for line in lines[rules[1] + 1 : rules[2]]:
        parts = [line[i:j].strip() for i, j in zip(edges, [*edges[1:], None])]
        if parts[1]:
            found.append(parts)
        else:
            found[-1][0] += " " + parts[0]
    return [(problem, start, core) for problem, start, core in found]


def notes() -> str:
    """What stands below the table."""
    text = (plans.__doc__ or "").split("====\n")[-1].strip()
    return _numbered(text)


def _numbered(text: str) -> str:
    """Names of limits with their values behind them, and asterisks as Markdown shows them."""
    names = sorted((f.name for f in fields(TUNING)), key=len, reverse=True)
    pattern = re.compile(r"\b(" + "|".join(names) + r")\b")

    def spelled(match: re.Match[str]) -> str:
        value = getattr(TUNING, match[1])
        return f"`{match[1]}` ({value:,})" if isinstance(value, int) else f"`{match[1]}` ({value:g})"

    return pattern.sub(spelled, text).replace("*", "\\*")


def page() -> str:
    """The table in Markdown."""
    lines = ["| | problem | start | core |", "|---|---|---|---|"]
    for k, (problem, start, core) in enumerate(rows(), 1):
        shown = _numbered(problem).replace("|", "\\|")
        lines.append(f"| {k} | {shown} | {start} | {_numbered(core)} |")
    return "\n".join([BEGIN, "", *lines, "", notes(), "", END])


def written(text: str) -> str:
    """The page with the table of now."""
    before, rest = text.split(BEGIN)
    return before + page() + rest.split(END)[1]


def disagreement(plan: tp.Plan, path: tuple[plans.Step, ...]) -> str:
    """What of ``plan`` is missing in ``path`` without a switch that says why; "" if nothing."""
    ran = {(step.part, step.what) for step in path}
    lost = [step for step in plan.reductions if (step.part, step.what) not in ran]
    switched = [step for step in path if step.part == "switch" and step.why]
    if not switched:
        lost += [step for step in (plan.start, plan.core) if (step.part, step.what) not in ran]
    return "; ".join(f"planned {step.part} {step.what!r}" for step in lost)


def agreement(size: int, patterns: list[str], seconds: float) -> int:
    """How many families disagree; each is said."""
    wrong = seen = switched = 0
    end = time.perf_counter() + seconds
    for name in families.names(size):
        if patterns and not all(p in name for p in patterns):
            continue
        if time.perf_counter() > end:
            break
        cost, a, b = families.problem(name, size)
        plan = tp.plan(cost, a, b)
        try:
            path = tp.solve(cost, a, b, throw=False, time_limit=20).stats["path"]
        except tp.InfeasibleError:  # a small problem with many forbidden arcs
            continue
        seen += 1
        switched += any(step.part == "switch" for step in path)
        if lost := disagreement(plan, path):
            wrong += 1
            print(f"{name}: {lost}; ran {[(s.part, s.what) for s in path]}", flush=True)
    print(f"{seen} problems at n = {size}: {wrong} disagree, {switched} switched and say why")
    return wrong


def main() -> int:
    """Print, write or compare."""
    parser = argparse.ArgumentParser(prog="python -m bench.routes", description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--families", type=int, metavar="N")
    parser.add_argument("--seconds", type=float, default=600.0, help="stop after")
    parser.add_argument("patterns", nargs="*")
    given = parser.parse_args()
    if given.families:
        warnings.simplefilter("ignore")
        return 1 if agreement(given.families, given.patterns, given.seconds) else 0
    if given.write:
        PAGE.write_text(written(PAGE.read_text()))
    else:
        print(page())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
