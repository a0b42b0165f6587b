"""``python -m bench benchopt DIR``: the same problems, solvers and judge as a benchopt benchmark.

    python -m bench benchopt DIR --suite smoke
    benchopt run DIR                        in an environment that has benchopt, kantorovich and the solvers

Writes DIR/objective.py, DIR/datasets/problems.py and one file a library under DIR/solvers. The files import
`bench` from this clone, whose path they hold. benchopt times the calls and draws the figures; the verdict is
that of `bench.score`. At once; nothing is measured.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from bench import problems, solvers

ROOT = Path(__file__).parent.parent

_HEAD = '''"""Written by `python -m bench benchopt`; not to be edited."""

import sys

sys.path.insert(0, {root!r})

'''
OBJECTIVE = """from benchopt import BaseObjective

from bench import problems, score


class Objective(BaseObjective):
    name = "optimal transport, certified"
    sampling_strategy = "run_once"

    def set_data(self, problem):
        self.problem = problem
        self.known = score.truth(problem)

    def get_objective(self):
        return {"problem": self.problem}

    def evaluate_result(self, facts, plan):
        found = score.judge(self.problem, self.known, facts, plan)
        return {
            "value": found["gap"],
            "marginal_error": found["marginal_error"],
            "right": float(found["verdict"] == "right"),
        }

    def get_one_result(self):
        sol = score.solved(self.problem)
        return {"facts": {"value": sol.value}, "plan": None}
"""
DATASET = """from benchopt import BaseDataset

from bench import problems


class Dataset(BaseDataset):
    name = "problems"
    parameters = {{"problem": {names!r}}}

    def get_data(self):
        return {{"problem": problems.build(self.problem)}}
"""
SOLVER = """from benchopt import BaseSolver
import {module}  # noqa: F401 - benchopt asks here whether it is installed

from bench import solvers
from bench.worker import facts_of


class Solver(BaseSolver):
    name = {library!r}
    requirements = {requirements!r}
    parameters = {{"call": {names!r}}}
    sampling_strategy = "run_once"

    def skip(self, problem):
        reason = solvers.load()[self.call].refuses(problem)
        return bool(reason), reason or None

    def set_objective(self, problem):
        method = solvers.load()[self.call]
        task = solvers.Task(problem.a, problem.b, threads=1)
        for key in ("kind", "metric", "power", "grid", "reg", "rho", "mass"):
            setattr(task, key, getattr(problem, key))
        if method.takes == "matrix":
            task.matrix = problem.matrix
        elif method.takes == "sparse":
            task.arcs = problem.arcs
        else:
            task.x, task.y = problem.x, problem.y
        self.prepared = method.prepare(task)

    def run(self, _):
        self.answer = self.prepared()

    def get_result(self):
        facts, plan = facts_of(self.answer)
        return {{"facts": facts, "plan": plan.get("dense", tuple(plan.values())) if plan else None}}
"""


def files(names: list[str]) -> dict[str, str]:
    """Path below DIR -> text."""
    head = _HEAD.format(root=str(ROOT))
    out = {"objective.py": head + OBJECTIVE, "datasets/problems.py": head + DATASET.format(names=names)}
    libraries: dict[tuple[str, str], list[str]] = {}
    for name, solver in solvers.load().items():
        if not solver.on_request:
            libraries.setdefault((solver.package, solver.module), []).append(name)
    for (package, module), found in libraries.items():
        text = SOLVER.format(module=module, library=package, requirements=[f"pip::{package}"], names=found)
        out[f"solvers/{re.sub('[^a-z0-9]', '_', package.lower())}.py"] = head + text
    return out


def main(argv: list[str]) -> int:
    """Write the folder."""
    parser = argparse.ArgumentParser(
        prog="python -m bench benchopt",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="a folder that is not there, or an earlier export"
    )
    parser.add_argument("--suite", default="smoke", help="whose problems (smoke)")
    options = parser.parse_args(argv)
    if options.suite not in [*problems.suites(), "all"]:
        parser.error(f"no suite {options.suite!r}; choose of {', '.join(problems.suites())}, all")
    made = files(problems.instances(options.suite))
    if strangers := [
        p for p in options.folder.glob("**/*.py") if "python -m bench benchopt" not in p.read_text()
    ]:
        parser.error(f"{strangers[0]} is not of an earlier export: choose another folder")
    for name, text in made.items():
        path = options.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    print(f"{len(made)} files; benchopt run {options.folder}", file=sys.stderr)
    return 0
