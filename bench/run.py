"""``python -m bench run``: solvers on the problems of a suite, one JSON line each, resumable.

    python -m bench run --suite smoke --out results
    python -m bench run --suite points --solvers "POT,kantorovich" --budget 600 --out results
    python -m bench run --problems uniform:1000:d=8 --python other-env/bin/python --out results

Each solver runs in a process of its own with limits, repeats take turns among the solvers of a problem, and
every answer is scored by our certificate on the problem as given. What is already in DIR/results.jsonl is not
run again. An estimate comes first (--dry-run: it alone), then a line for each run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench import problems, solvers
from bench.process import Limits, Worker, homes, survey
from bench.report import RESULTS, machine

ENDS = {"refused": "refused", "crashed": "crashed", "time": "out of time", "memory": "out of memory"}
LONG = 10.0  # seconds: a call as long as this is not repeated
TOGETHER = 8  # solvers of one problem whose processes live at the same time


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(
        prog="python -m bench run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument(
        "--suite", default="", help="smoke, dotmark, points, assignment, adversarial, scaling, entropic, all"
    )
    made.add_argument("--problems", default="", help="instances instead of a suite, separated by spaces")
    made.add_argument("--solvers", default="", help="parts of names, separated by commas (default: all)")
    made.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the results")
    made.add_argument(
        "--budget", type=float, default=float("inf"), help="stop after this many seconds; resumable"
    )
    made.add_argument("--limit", type=float, default=30.0, help="seconds for one call (30)")
    made.add_argument("--memory", type=float, default=4000.0, help="MB for one process (4000)")
    made.add_argument("--repeats", type=int, default=5, help="timed calls of each solver (5)")
    made.add_argument("--threads", type=int, default=1, help="threads and processors for each solver (1)")
    made.add_argument("--max-size", type=int, default=None, help="leave out larger instances")
    made.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="PATH",
        help="a further Python with libraries (repeatable)",
    )
    made.add_argument("--again", action="store_true", help="run what is there already anew")
    made.add_argument(
        "--dry-run", action="store_true", help="list what would run, with an estimate of its time"
    )
    return made


def hand_over(problem: problems.Problem, forms: Iterable[str], folder: Path) -> None:
    """Write the problem for the workers, in each form that one of them takes."""
    facts = {key: getattr(problem, key) for key in ("kind", "metric", "power", "grid", "reg", "rho", "mass")}
    arrays: dict[str, Any] = {"a": problem.a, "b": problem.b}
    forms = set(forms)
    if "matrix" in forms:
        arrays["matrix"] = problem.matrix
    if forms & {"points", "line"}:
        arrays |= {"x": problem.x, "y": problem.y}
    if "sparse" in forms and problem.arcs is not None:
        arrays |= dict(zip(("rows", "cols", "costs"), problem.arcs))
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "facts.json").write_text(json.dumps(facts))


def measure(
    problem: problems.Problem, chosen: dict[str, str], limits: Limits, *, repeats: int, folder: Path
) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Run solvers (name -> Python) on one problem in turns; (name, facts, plan) of each as it is done."""
    from bench.score import read_plan

    known = solvers.load()
    hand_over(problem, {known[name].takes for name in chosen}, folder)
    facts = json.loads((folder / "facts.json").read_text())
    (folder / "facts.json").write_text(json.dumps(facts | {"threads": limits.threads}))
    names = list(chosen)
    for group in (names[k : k + TOGETHER] for k in range(0, len(names), TOGETHER)):
        alive = {name: Worker(chosen[name], folder, name, limits, k) for k, name in enumerate(group)}
        rows: dict[str, dict[str, Any]] = {name: {"seconds": [], "warnings": []} for name in group}
        for name in group:
            rows[name] |= alive[name].ready()
        for turn in range(repeats + 1):
            for name in [n for n in group if rows[n]["step"] in ("ready", "ran")]:
                row = rows[name]
                if turn and (row["first"] > LONG or sum(row["seconds"]) > 2 * LONG):
                    continue
                said = alive[name].run()
                row |= {"step": said["step"], "reason": said.get("reason", "")}
                if said["step"] != "ran":
                    continue
                row["warnings"] = sorted({*row["warnings"], *said["warnings"]})
                if turn == 0:
                    row["first"] = said["seconds"]
                else:
                    row["seconds"].append(said["seconds"])
        for name in group:
            row, plan = rows[name], None
            if row["step"] == "ran":
                row |= alive[name].answer()
                plan = read_plan(folder, row)
            alive[name].close()
            yield name, row, plan


def row_of(
    problem: problems.Problem, name: str, facts: dict[str, Any], score: dict[str, Any]
) -> dict[str, Any]:
    """One line of the results."""
    seconds = facts.get("seconds") or ([facts["first"]] if "first" in facts else [])
    out: dict[str, Any] = {
        "problem": problem.name, "series": problem.series, "kind": problem.kind,
        "n": problem.shape[0], "m": problem.shape[1], "solver": name, "claims": solvers.SOLVERS[name].claims,
    }  # fmt: skip
    out |= {key: facts[key] for key in ("version", "python", "numpy", "prepare", "first") if key in facts}
    if seconds:
        median = statistics.median(seconds)
        out |= {"seconds": median, "times": seconds, "spread": (max(seconds) - min(seconds)) / median}
        if facts.get("seconds"):
            out["compile"] = max(facts["first"] - median, 0.0)
    if facts.get("peak") is not None:
        out |= {"peak_mb": facts["peak"], "added_mb": facts["peak"] - facts["base"]}
    for key in ("status", "warnings", "reason"):
        if facts.get(key):
            out[key] = facts[key]
    return out | {k: v for k, v in score.items() if v == v}


def estimate(pairs: list[tuple[str, str]], limit: float) -> float:
    """Seconds, by what committed runs took; 5 s for a pair nobody has run."""
    spent: dict[tuple[str, str], float] = {}
    for path in RESULTS.glob("*/results.jsonl"):
        for row in read_rows(path):
            if row.get("verdict") in ("out of time", "out of memory"):
                spent[row["problem"], row["solver"]] = limit
            elif "problem" in row:
                spent[row["problem"], row["solver"]] = 2.0 + row.get("first", 0.0) + sum(row.get("times", []))
    return sum(min(spent.get(pair, 5.0), 2 * limit + 60) for pair in pairs)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The lines of a results file; a last one cut short by a kill is left out."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def chosen_names(options: argparse.Namespace) -> list[str]:
    """Instances asked for."""
    if bool(options.suite) == bool(options.problems):
        raise SystemExit("bench run: give --suite or --problems; `python -m bench list` shows both")
    if options.suite and options.suite not in [*problems.suites(), "all"]:
        raise SystemExit(
            f"bench run: no suite {options.suite!r}; choose of {', '.join(problems.suites())}, all"
        )
    names = problems.instances(options.suite) if options.suite else options.problems.replace(",", " ").split()
    top = options.max_size
    return [name for name in names if top is None or int(name.split(":")[1]) <= top]


def chosen_solvers(options: argparse.Namespace) -> tuple[dict[str, list[str]], dict[str, str]]:
    """(solver -> Pythons that have it, solver -> why none does)."""
    wanted = solvers.chosen(options.solvers)
    if not wanted:
        raise SystemExit(
            f"bench run: no solver matches {options.solvers!r}; `python -m bench list` names them"
        )
    found = survey([sys.executable, *options.python])
    runs: dict[str, list[str]] = {}
    absent: dict[str, str] = {}
    for name in wanted:
        able, reason = homes(found, name, ours=solvers.SOLVERS[name].package == "kantorovich")
        if able:
            runs[name] = able
        else:
            absent[name] = reason
    return runs, absent


class Ledger:
    """The results of a folder: what is there, what failed at which size, lines appended as they come."""

    def __init__(self, out: Path, *, again: bool) -> None:
        self.path = out / "results.jsonl"
        rows = [] if again else [row for row in read_rows(self.path) if "problem" in row]
        self.done = {(row["problem"], row["solver"]) for row in rows}
        self.beyond: dict[tuple[str, str], int] = {}
        for row in rows:
            self._learn(row)

    def _learn(self, row: dict[str, Any]) -> None:
        if row["verdict"] in ("out of time", "out of memory"):
            key = row["solver"], row["series"]
            size = max(row["n"], row["m"])
            self.beyond[key] = min(size, self.beyond.get(key, size))

    def hopeless(self, problem: problems.Problem, name: str) -> bool:
        """Whether the solver ran out of time or memory on a smaller one of the series."""
        return problem.size > self.beyond.get((name, problem.series), problem.size)

    def write(self, row: dict[str, Any]) -> None:
        """Append a line, whole or not at all."""
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        if "problem" in row:
            self.done.add((row["problem"], row["solver"]))
            self._learn(row)


def plan_of(
    names: list[str], runs: dict[str, list[str]], ledger: Ledger
) -> tuple[list[tuple[str, list[str]]], dict[str, str]]:
    """(instance, solvers still to run) in order, and the instances that cannot be built, with the reason."""
    known, work, unbuilt = solvers.load(), [], {}
    for name in names:
        try:
            made = problems.build(name)
        except problems.Unavailable as error:
            unbuilt[name] = str(error)
            continue
        except ValueError as error:
            raise SystemExit(f"bench run: {error}") from None
        left = [s for s in runs if not known[s].refuses(made) and (name, s) not in ledger.done]
        if left:
            work.append((name, left))
    return work, unbuilt


def main(argv: list[str]) -> int:
    """Run; 0 unless one of our own rows is not right."""
    options = parser().parse_args(argv)
    names = chosen_names(options)
    runs, absent = chosen_solvers(options)
    ledger = Ledger(options.out, again=options.again)
    work, unbuilt = plan_of(names, runs, ledger)
    pairs = [(name, solver) for name, left in work for solver in left]
    limits = Limits(options.limit, memory=options.memory, threads=options.threads)
    for name, reason in [*absent.items(), *unbuilt.items()]:
        print(f"left out: {name} ({reason})", file=sys.stderr)
    expected = min(estimate(pairs, options.limit), options.budget)
    print(
        f"{len(pairs)} runs on {len(work)} problems, about {expected / 60:.0f} min; "
        f"{len(ledger.done)} there already",
        file=sys.stderr,
    )
    if options.dry_run:
        print("\n".join(f"{name}: {', '.join(left)}" for name, left in work))
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    if options.again and ledger.path.exists():
        ledger.path.unlink()
    shown = " ".join(["python -m bench run", *_shown(argv)])
    ledger.write({"machine": machine(), "command": shown, "absent": absent | unbuilt, "limits": vars(limits)})
    bad = _work(work, runs, limits, ledger, options)
    print(f"done; python -m bench report {options.out}", file=sys.stderr)
    return 1 if bad else 0


def _shown(argv: list[str]) -> list[str]:
    """The command without paths of this machine."""
    shown, skip = [], False
    for word in argv:
        if skip:
            skip = False
            continue
        if word in ("--python", "--out"):
            skip = True
            shown += ["--python", "PYTHON"] if word == "--python" else []
            continue
        shown.append(f'"{word}"' if " " in word else word)
    return [*shown, "--out", "DIR"]


def _work(
    work: list[tuple[str, list[str]]],
    runs: dict[str, list[str]],
    limits: Limits,
    ledger: Ledger,
    options: argparse.Namespace,
) -> int:
    from bench.score import judge, truth

    start, done, bad = time.monotonic(), 0, 0
    total = sum(len(left) for _, left in work)
    for name, left in work:
        if time.monotonic() - start > options.budget:
            print(
                f"budget used up; the same command goes on from here ({total - done} runs left)",
                file=sys.stderr,
            )
            break
        problem = problems.build(name)
        try:
            known = truth(problem)
        except Exception as error:  # our own failure is a result too
            print(f"{name}: no certified optimum: {error}", file=sys.stderr)
            ledger.write({"untrue": name, "reason": str(error)[:300]})
            bad += 1
            continue
        chosen = {s: runs[s][0] for s in left if runs[s] and not ledger.hopeless(problem, s)}
        done += len(left) - len(chosen)
        folder = Path(tempfile.mkdtemp(prefix="bench-"))
        try:
            for solver, facts, plan in measure(
                problem, chosen, limits, repeats=options.repeats, folder=folder
            ):
                done += 1
                if facts["step"] == "absent":
                    print(f"[{done}/{total}] {name}  {solver}: left out ({facts['reason']})", file=sys.stderr)
                    runs[solver] = runs[solver][1:]  # the next Python that has it, from the next problem on
                    continue
                score = (
                    {"verdict": ENDS[facts["step"]]}
                    if facts["step"] in ENDS
                    else judge(problem, known, facts, plan)
                )
                row = row_of(problem, solver, facts, score | {"lower": known.lower, "upper": known.upper})
                ledger.write(row)
                bad += row["solver"].startswith("kantorovich") and row["verdict"] != "right"
                clock = time.monotonic() - start
                print(f"[{done}/{total} {clock:.0f} s] {name}  {solver}: {_line(row)}", flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return bad


def _line(row: dict[str, Any]) -> str:
    parts = [row["verdict"]]
    if "seconds" in row:
        parts.append(f"{row['seconds']:.3g} s")
    if "peak_mb" in row:
        parts.append(f"{row['peak_mb']:.0f} MB")
    if "gap" in row:
        parts.append(f"gap {row['gap']:.0e}")
    return ", ".join([*parts, *([row["reason"][:80]] if row.get("reason") else [])])


def publish(source: Path, name: str) -> Path:
    """Copy a folder's results to ``bench/results/NAME``."""
    target = RESULTS / name
    target.mkdir(parents=True, exist_ok=True)
    for file in ("results.jsonl", "report.md", "report.html"):
        if (source / file).exists():
            shutil.copy(source / file, target / file)
    return target


if os.name == "nt":
    raise SystemExit("bench run: limits on processes need Linux or macOS")
