"""Packs of compiled kernels, made when the project is installed or built (`hatch_build.py`).

What is compiled is listed in ``signatures.txt``: every kernel that the tests call from Python, with the types
of its arguments. Processes share out the modules; each one imports kernels only, hence neither SciPy nor the
rest of the three packages is needed, and none of the code runs.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

from transport.internal import _store

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
SIGNATURES = HERE.with_name("signatures.txt")

_WORKER = """
import sys, types
sys.path.insert(0, {root!r})
for name in ("transport", "divergences", "generative"):  # packages without what their __init__ imports
    module = types.ModuleType(name)
    module.__path__ = [{root!r} + "/" + name]
    sys.modules[name] = module
from transport.internal._precompile import work
work({baseline!r}, {folder!r})
"""


def recorded(path: Path = SIGNATURES) -> list[tuple[str, str]]:
    """(kernel, signature) of every line of ``signatures.txt``."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pairs = [line.split(" | ") for line in lines if " | " in line]
    return sorted(
        {(kernel.strip(), signature.strip()) for kernel, signature in pairs if "?" not in signature}
    )


def jobs(pairs: Sequence[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """Kernels of one module, which share what they call, with their signatures; the long modules first."""
    by_module: dict[str, list[tuple[str, str]]] = {}
    for kernel, signature in pairs:
        by_module.setdefault(kernel.split(":")[0], []).append((kernel, signature))

    def weight(module: str) -> int:
        path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
        return (path.stat().st_size if path.is_file() else 0) * len(by_module[module])

    return [by_module[module] for module in sorted(by_module, key=weight, reverse=True)]


def precompile(baseline: str, out: Path, *, processes: int | None = None) -> tuple[int, int, float]:
    """Compile what ``signatures.txt`` lists for ``baseline`` into the pack ``out``.

    Returns
    -------
    (int, int, float)
        Kernels in the pack, recorded ones that could not be compiled (renamed since), seconds.
    """
    start = time.perf_counter()
    queue = iter(jobs(recorded()))
    lock = threading.Lock()
    processes = processes or len(getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0))
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:

        def serve(_: int) -> None:
            code = _WORKER.format(root=str(ROOT), baseline=baseline, folder=folder)
            with subprocess.Popen(
                [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            ) as child:
                assert child.stdin is not None
                assert child.stdout is not None
                while True:
                    with lock:
                        job = next(queue, None)
                    if job is None:
                        break
                    child.stdin.write(json.dumps(job) + "\n")
                    child.stdin.flush()
                    answer = child.stdout.readline()
                    if not answer:
                        raise RuntimeError(f"the process that compiles kernels ended at {job[0][0]}")
                    with lock:
                        results.extend(json.loads(answer))
                child.stdin.close()

        with ThreadPoolExecutor(processes) as pool:
            list(pool.map(serve, range(processes)))
        good = sorted(
            (row for row in results if row["key"]), key=lambda row: (row["kernel"], row["signature"])
        )
        blobs = [
            (row["kernel"], row["signature"], row["key"], Path(row["file"]).read_bytes(), row["seconds"])
            for row in good
        ]
        facts = {**_store.makers(), "baseline": baseline}
        out.parent.mkdir(parents=True, exist_ok=True)
        _store.write_pack(out, facts, blobs)
    return len(good), len(results) - len(good), time.perf_counter() - start


def work(baseline: str, folder: str) -> None:
    """Answer jobs on stdin: compile them, leave the kernels in ``folder``, say on stdout where."""
    from transport.internal import _dispatcher

    answers, sys.stdout = sys.stdout, sys.stderr
    session = _dispatcher._session
    session.alone, session.baseline = True, _store.Baseline(baseline, baseline)
    for line in sys.stdin:
        rows = []
        for kernel, signature in json.loads(line):
            row = {"kernel": kernel, "signature": signature, "key": None, "file": "", "seconds": 0.0}
            start = time.process_time()
            found = find(kernel)
            name = None
            if found is not None:
                name = _store.key(kernel, found._cache.options, signature, session.baseline)
                try:
                    payload = _compile(found, signature)
                except Exception as error:  # recorded for another version of the kernel
                    sys.stderr.write(f"kantorovich: {kernel} ({signature}): {error}\n")
                    name = None
            if name is not None:
                row["file"] = str(Path(folder) / name)
                Path(row["file"]).write_bytes(_store.sealed(payload))
                row["key"], row["seconds"] = name, time.process_time() - start
            rows.append(row)
        answers.write(json.dumps(rows) + "\n")
        answers.flush()


def find(kernel: str) -> Any:
    """The dispatcher of that name (see `_dispatcher.kernel_name`); None if there is none."""
    module_name, _, name = kernel.partition(":")
    try:
        place: ModuleType = importlib.import_module(module_name)
    except ImportError:
        return None
    if "(" not in name:
        found = getattr(place, name, None)
    else:
        call = ast.parse(name.rpartition(".")[0], mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            return None
        make = getattr(place, call.func.id, None)
        try:
            values = {word.arg or "": ast.literal_eval(word.value) for word in call.keywords}
            found = None if make is None else make(**values)
        except (TypeError, ValueError):
            return None
    return found if getattr(found, "kernel", None) == kernel else None


def _compile(kernel: Any, signature: str) -> bytes:
    from numba.core import types

    from transport.internal._dispatcher import packed

    words = {**{name: getattr(types, name) for name in dir(types)}, "bool": types.boolean}
    given = eval(f"({signature},)" if signature else "()", {"__builtins__": {}}, words)  # our own file
    args = tuple(given)
    kernel.compile(args)
    return packed(kernel.overloads[args], linkable=False)


def install(folder: Path, baselines: Sequence[str]) -> tuple[list[Path], str]:
    """Packs for ``baselines`` in ``folder``, and the line that says so."""
    paths, words = [], []
    for baseline in baselines:
        path = _store.pack_path(baseline, folder)
        count, lost, seconds = precompile(baseline, path)
        paths.append(path)
        words.append(f"{count} for {baseline} in {seconds:.0f} s" + (f" ({lost} not found)" if lost else ""))
    return paths, "kantorovich: kernels compiled: " + ", ".join(words)
