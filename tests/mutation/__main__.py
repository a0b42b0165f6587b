"""Mutation testing of the numeric cores: ``python tests/mutation run --sample 400``, then ``report``.

Each mutant (`operators`) is written into a copy of the tree; the tests that call the changed function, the
fastest first, run in a forked process until one fails. The runner is its own because of numba: mutmut and
cosmic-ray change the file that is imported, and a compiled kernel is either taken from the cache or
compiled for every mutant. The journal (build/mutation/journal.jsonl) is resumed; the report lists survivors,
and those of equivalent.txt with the reason why no test can tell them from the original.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter, defaultdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from operators import Mutant, mutants  # noqa: E402
from targets import MODES  # noqa: E402

ROOT = HERE.parent.parent
WORK = ROOT / "build" / "mutation"
TREE, JOURNAL = WORK / "tree", WORK / "journal.jsonl"
EQUIVALENT = HERE / "equivalent.txt"
CONTROL = "control: nothing changed"


def copy_tree() -> bool:
    """The tracked files, as they are now, in `TREE`; whether any was not there."""
    news = False
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True
    )
    names = [n for n in listed.stdout.decode().split("\0") if n and (ROOT / n).is_file()]
    kept = set(names)
    for name in names:
        source, target = ROOT / name, TREE / name
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            news = True
    for old in TREE.rglob("*.py"):
        if str(old.relative_to(TREE)) not in kept:
            old.unlink()
    return news


def environment(mode: str) -> dict[str, str]:
    """Of the tests: kernels as plain Python in the mode "kernels"."""
    more = {"PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    if mode == "kernels":
        more["NUMBA_DISABLE_JIT"] = "1"
    return {**os.environ, **more}


def baseline(mode: str, slowest: float) -> None:
    """Which functions each test calls: a JSON line a test in WORK."""
    copy_tree()
    record = WORK / f"{mode}.jsonl"
    known = {json.loads(line)["test"].split("::")[0] for line in lines(record)}
    for name in MODES[mode][1]:
        file = f"tests/test_{name}.py"
        if file in known or not (TREE / file).exists():
            continue
        start = time.time()
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "watch", "-p", "no:cacheprovider", "-m", "not deep"]
            + [f"--timeout={slowest:g}", file],
            cwd=TREE,
            env={**environment(mode), "MUTATION_RECORD": str(record)},
            stdout=subprocess.DEVNULL,
        )
        print(f"{mode} {file} {time.time() - start:.0f} s", flush=True)


def lines(path: Path) -> list[str]:
    """Of a file, or none."""
    return path.read_text().splitlines() if path.exists() else []


class Choice:
    """The tests for a mutant."""

    def __init__(self, mode: str) -> None:
        self.tests: dict[str, tuple[float, set[str]]] = {}
        for line in lines(WORK / f"{mode}.jsonl"):
            row = json.loads(line)
            if row["passed"]:
                self.tests[row["test"]] = row["seconds"], set(row["functions"])

    def of(self, mutant: Mutant, seconds: float) -> list[str]:
        """Those that call its function (at module level: any of the file), fastest first."""
        name, file = f"{mutant.path}::{mutant.function}", f"{mutant.path}::"
        calls = sorted((s, t) for t, (s, functions) in self.tests.items() if name in functions)
        if not calls:
            calls = sorted(
                (s, t)
                for t, (s, functions) in self.tests.items()
                if any(f.startswith(file) for f in functions)
            )
        chosen, total = [], 0.0
        for each, test in calls:
            if chosen and total + each > seconds:
                break
            total += each
            chosen.append(test)
        return chosen


def sampled(mode: str, count: int, seed: int) -> list[Mutant]:
    """A seeded sample, from each file in proportion to its mutants."""
    each = {path: mutants(path, (ROOT / path).read_bytes()) for path in MODES[mode][0]}
    total, chosen = sum(map(len, each.values())), []
    for path, found in each.items():
        rng = random.Random(f"{seed} {path}")
        chosen += rng.sample(found, min(len(found), -(-count * len(found) // total)))
    random.Random(seed).shuffle(chosen)
    return chosen


def attempt(tests: list[str], mutant: Mutant | None, limit: float) -> str:
    """ "killed", "survived" or "timeout", in a forked process."""
    names = WORK / "tests.txt"
    names.write_text("\n".join(tests) + "\n")
    original = (ROOT / mutant.path).read_bytes() if mutant else b""
    if mutant:
        (TREE / mutant.path).write_bytes(mutant.applied(original))
    try:
        child = os.fork()
        if child == 0:
            _run_tests(tests, names)
        return _outcome(child, limit)
    finally:
        if mutant:
            (TREE / mutant.path).write_bytes(original)


def _run_tests(tests: list[str], names: Path) -> None:
    code = 70
    try:
        os.setsid()
        log = os.open(WORK / "last.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(TREE)
        sys.path.insert(0, str(TREE))
        os.environ["MUTATION_TESTS"] = str(names)
        import pytest

        files = list(dict.fromkeys(t.split("::")[0] for t in tests))
        given = "-x -q -p watch -p no:cacheprovider --timeout=60 -W ignore::pytest.PytestAssertRewriteWarning"
        code = int(pytest.main([*given.split(), *files]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _outcome(child: int, limit: float) -> str:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "survived" if os.waitstatus_to_exitcode(status) == 0 else "killed"
        time.sleep(0.02)
    done, status = os.waitpid(child, os.WNOHANG)
    if done:  # this process was stopped in between
        return "survived" if os.waitstatus_to_exitcode(status) == 0 else "killed"
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timeout"


def run(mode: str, options: argparse.Namespace) -> None:
    """The mutants of one mode that the journal does not have; in this process, which forks."""
    if copy_tree():  # byte code of tests and packages, once for all forks
        files = [
            f"tests/test_{name}.py" for name in MODES[mode][1] if (TREE / f"tests/test_{name}.py").exists()
        ]
        given = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", *files]
        subprocess.run(given, cwd=TREE, env=environment(mode), stdout=subprocess.DEVNULL)
    sys.dont_write_bytecode = True
    import hypothesis.extra.numpy
    import mpmath
    import numba
    import pytest
    import scipy.optimize
    import scipy.stats

    del hypothesis, mpmath, numba, pytest, scipy
    for path in MODES[mode][0]:  # their byte code must never be taken from before the change
        for old in (TREE / path).parent.glob(f"__pycache__/{Path(path).stem}.*"):
            old.unlink()
    end, choice = time.monotonic() + 60 * options.minutes, Choice(mode)
    journal = {row["key"]: row for row in map(json.loads, lines(JOURNAL))}
    if options.again:
        todo = [
            m for m in all_mutants(mode) if journal.get(m.key, {}).get("verdict") in ("survived", "no test")
        ]
    else:
        todo = [m for m in sampled(mode, options.sample, options.seed) if m.key not in journal]
    work: list[Mutant | None] = [*todo]
    for k in range(0, len(work), 40):
        work.insert(k, None)  # a control
    for mutant in work:
        if time.monotonic() > end:
            print(f"{mode}: time is up")
            return
        tests = choice.of(mutant or todo[0], options.seconds)
        start = time.monotonic()
        verdict = attempt(tests, mutant, 20 + 5 * options.seconds) if tests else "no test"
        row: dict[str, Any] = {"mode": mode, "verdict": verdict, "tests": len(tests)}
        row["seconds"] = round(time.monotonic() - start, 2)
        row |= {"key": mutant.key, "path": mutant.path, "line": mutant.line} if mutant else {"key": CONTROL}
        with JOURNAL.open("a") as file:
            file.write(json.dumps(row) + "\n")
    print(f"{mode}: done")


def all_mutants(mode: str) -> list[Mutant]:
    """Of every file of a mode."""
    return [m for path in MODES[mode][0] for m in mutants(path, (ROOT / path).read_bytes())]


def equivalents() -> list[tuple[str, str]]:
    """(pattern of keys, reason) of equivalent.txt: a line with a reason stands for those below it."""
    found, reason = [], ""
    for line in lines(EQUIVALENT):
        if line.startswith("# "):
            reason = line[2:]
        elif line.strip():
            found.append((line.strip(), reason))
    return found


def _reason(key: str, table: list[tuple[str, str]]) -> str:
    for pattern, reason in table:
        if pattern == key or ("*" in pattern and fnmatchcase(key, pattern.replace("[", "[[]"))):
            return reason
    return ""


def report() -> str:
    """The table by file, then what survived: as Markdown."""
    known = {m.key: m for mode in MODES for m in all_mutants(mode)}
    rows = {}
    controls: Counter[str] = Counter()
    for row in map(json.loads, lines(JOURNAL)):
        if row["key"] == CONTROL:
            controls[row["verdict"]] += 1
        elif row["key"] in known:
            rows[row["key"]] = row
    table, counts, left, same = equivalents(), defaultdict(Counter), [], []
    for key, row in sorted(rows.items(), key=lambda item: (item[1]["path"], item[1]["line"])):
        verdict = row["verdict"]
        if verdict in ("survived", "no test"):
            reason = _reason(key, table)
            (same if reason else left).append((key, reason))
            verdict = "equivalent" if reason else "survived"
        counts[row["path"]][verdict] += 1
    out = [
        "| file | mutants | tried | killed | of them by time | equivalent | survived | score |",
        "|" + "---|" * 8,
    ]
    totals: Counter[str] = Counter()
    possible = Counter(m.path for m in known.values())
    for path, count in sorted(counts.items()):
        out.append(_line(path, possible[path], count))
        totals += count
    out.append(_line("all", sum(possible[path] for path in counts), totals))
    out += [
        "",
        f"Controls, nothing changed: {controls['survived']} of {sum(controls.values())} passed all tests.",
    ]
    out += ["", "## Survivors", "", *(f"- `{key}`" for key, _ in left)]
    out += ["", "## Equivalent", ""]
    for reason in dict.fromkeys(reason for _, reason in same):
        out += [f"{reason}", "", *(f"- `{key}`" for key, why in same if why == reason), ""]
    return "\n".join(out)


def _line(path: str, possible: int, count: Counter[str]) -> str:
    killed = count["killed"] + count["timeout"]
    tried = sum(count.values())
    score = killed / max(tried - count["equivalent"], 1)
    cells = possible, tried, killed, count["timeout"], count["equivalent"], count["survived"]
    return f"| {path} | {' | '.join(map(str, cells))} | {score:.0%} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python tests/mutation", description=__doc__)
    parser.add_argument("command", choices=("baseline", "run", "report", "list"))
    parser.add_argument("--mode", choices=tuple(MODES))
    parser.add_argument("--sample", type=int, default=400, help="mutants of each mode (400)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=15.0, help="of tests for one mutant (15)")
    parser.add_argument(
        "--slowest", type=float, default=20.0, help="tests that take longer are not used (20 s)"
    )
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so many")
    parser.add_argument("--again", action="store_true", help="the survivors of the journal once more")
    parser.add_argument("--out", type=Path, help="of the report")
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    if options.command == "report":
        text = report()
        options.out.write_text(HEAD + text + "\n") if options.out else print(text)
        return
    for mode in [options.mode] if options.mode else list(MODES):
        if options.command == "list":
            for mutant in sampled(mode, options.sample, options.seed):
                print(mutant.key)
        elif options.command == "baseline":
            baseline(mode, options.slowest)
        elif os.environ.get("MUTATION_MODE") == mode:
            run(mode, options)
        else:  # numba reads its switches once: each mode in a process of its own
            given = [sys.executable, str(HERE), *sys.argv[1:], *([] if options.mode else ["--mode", mode])]
            subprocess.run(given, env={**environment(mode), "MUTATION_MODE": mode}, check=True)


HEAD = """# Mutation testing of the numeric cores

`python tests/mutation baseline && python tests/mutation run && python tests/mutation report --out
bench/results/mutation.md` (a seeded sample; hours for all of it). A mutant is one changed expression or
statement (tests/mutation/operators.py); it is killed if one of the tests that call the function fails.
Kernels are mutated as plain Python, numba's compiler off. "Equivalent": no input tells it from the original,
for the reason given (tests/mutation/equivalent.txt). Score: killed of those not equivalent.

"""

if __name__ == "__main__":
    main()
