"""The process in which one solver runs one problem: ``python -m bench.worker FOLDER SOLVER``, orders on
stdin.

Answers are JSON lines on the file that stdout was; whatever the library prints goes to stderr. NumPy and
`bench.solvers` are all it needs: it may run in another Python than the benchmark.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import platform
import sys
import time
import warnings
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from bench import solvers

SHORT = 0.02  # seconds: shorter calls are repeated within one measurement


def read_task(folder: Path, takes: str) -> solvers.Task:
    """What the folder holds, in the form that is asked for."""
    facts = json.loads((folder / "facts.json").read_text())
    load = lambda name: np.load(folder / f"{name}.npy")  # noqa: E731
    task = solvers.Task(load("a"), load("b"), **facts)
    task.grid = tuple(task.grid) if task.grid else None
    if takes == "matrix":
        task.matrix = load("matrix")
    elif takes == "sparse":
        task.arcs = tuple(load(name) for name in ("rows", "cols", "costs"))
    else:
        task.x, task.y = load("x"), load("y")
    return task


def memory() -> tuple[float, float]:
    """(now, peak) resident MB; NaN where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan"), float("nan")
    found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return int(found["VmRSS"]) / 1024, int(found["VmHWM"]) / 1024


def forget_peak() -> None:
    """Start the peak anew, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def facts_of(answer: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(value and status, plan as arrays: "dense", or "rows", "cols" and perhaps "mass"; empty without)."""
    if not isinstance(answer, dict):
        answer = {"value": float(answer)} if np.ndim(answer) == 0 else {"plan": answer}
    facts: dict[str, Any] = {"status": str(answer.get("status", ""))}
    if answer.get("value") is not None:
        facts["value"] = float(answer["value"])
    plan = answer.get("plan")
    if plan is None:
        return facts, {}
    if hasattr(plan, "tocoo"):
        coo = plan.tocoo()
        plan = (coo.row, coo.col, coo.data)
    if isinstance(plan, tuple):
        return facts, dict(zip(("rows", "cols", "mass"), (np.asarray(part) for part in plan)))
    return facts, {"dense": np.asarray(plan, dtype=float)}


def store(answer: Any, path: Path) -> dict[str, Any]:
    """Write the plan as arrays; return what fits in a line."""
    facts, arrays = facts_of(answer)
    if arrays:
        np.savez(path, **arrays)
    return facts


def timed(call: Any) -> tuple[float, Any]:
    """Seconds of a call; of the mean of several where one is too short for the clock."""
    gc.collect()
    start = time.perf_counter()
    answer = call()
    once = time.perf_counter() - start
    if once >= SHORT:
        return once, answer
    count = int(SHORT / max(once, 1e-6)) + 1
    start = time.perf_counter()
    for _ in range(count):
        answer = call()
    return (time.perf_counter() - start) / count, answer


def serve(folder: Path, name: str, orders: TextIO, say: Any) -> None:
    """Prepare, then run whenever told to."""
    method = solvers.load()[name]
    start = time.perf_counter()
    if reason := method.missing():
        return say(step="absent", reason=reason)
    task = read_task(folder, method.takes)
    loaded = time.perf_counter()
    base, _ = memory()
    forget_peak()
    call = method.prepare(task)
    prepared = time.perf_counter() - loaded
    say(
        step="ready", prepare=prepared, load=loaded - start, base=base, version=method.version,
        python=platform.python_version(), numpy=np.__version__,
    )  # fmt: skip
    first, answer = True, None
    for line in orders:
        if line.strip() == "answer":
            facts = store(answer, folder / f"answer-{os.getpid()}.npz")
            return say(step="answer", file=f"answer-{os.getpid()}.npz", peak=memory()[1], **facts)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            begun = time.perf_counter()
            if first:
                answer = call()
                seconds = time.perf_counter() - begun
            else:
                seconds, answer = timed(call)
        texts = sorted({str(w.message)[:200] for w in caught if not _house_keeping(w)})
        say(step="ran", seconds=seconds, first=first, warnings=texts)
        first = False
    return None


def _house_keeping(warning: warnings.WarningMessage) -> bool:
    """Whether a warning is about the library's future, not about its answer."""
    return issubclass(warning.category, (DeprecationWarning, PendingDeprecationWarning, FutureWarning))


def main(argv: list[str]) -> int:
    """Serve until stdin ends."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def say(**facts: Any) -> None:
        out.write(json.dumps(facts) + "\n")
        out.flush()

    try:
        serve(Path(argv[0]), argv[1], sys.stdin, say)
    except MemoryError as error:
        say(step="memory", reason=f"MemoryError: {error}")
    except ImportError as error:
        say(
            step="absent",
            reason=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
        )
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        say(step="refused", reason=text[:300])
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
