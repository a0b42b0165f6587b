"""A process of its own for somebody's solver: what crashes or hangs there is a verdict here.

Started as ``python -c`` with two pipes, not through multiprocessing, so that the caller's main module is not
run again. What the solver prints goes nowhere.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import struct
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from divergences.testing._solver_laws import read_answer

_START = "import sys; sys.path[:] = {path!r}; from divergences.testing._worker import serve; serve()"


def resolve(target: str) -> Callable[..., Any]:
    """The callable that ``"module:function"`` names; dots after the colon go into objects.

    Raises
    ------
    ValueError
        If it is not of that form or names nothing.
    """
    module, colon, name = target.partition(":")
    if not (module and colon and name):
        raise ValueError(f"{target!r} names no solver: write module:function, say 'transport:solve'")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{target!r} names no solver: {error}") from error
    if not callable(found):
        raise ValueError(f"{target!r} is a {type(found).__name__}, not a function")
    function: Callable[..., Any] = found
    return function


def name_of(function: Callable[..., Any] | str) -> str:
    """``"module:function"`` for something that another process can import.

    Raises
    ------
    ValueError
        For functions that only exist in this process.
    """
    if isinstance(function, str):
        return function
    module = getattr(function, "__module__", None) or "__main__"
    name = getattr(function, "__qualname__", "<")
    if module == "__main__" or "<" in name:
        raise ValueError(
            f"{name!r} cannot be imported by the process that guards against crashes: put it into a module "
            "and pass 'module:function', or pass isolate=False"
        )
    return f"{module}:{name}"


class Outcome:
    """What one call came to: ``answer`` (value, plan marginals, price), an error, or the process's end."""

    def __init__(self, kind: str, text: str = "", **facts: Any) -> None:
        self.kind, self.text, self.facts = kind, text, facts


def attempt(solve: Callable[..., Any], cost: Any, a: Any, b: Any) -> Outcome:
    """Call the solver once, warnings recorded, and read its answer."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            answer = read_answer(solve(cost, a, b), np.asarray(cost, dtype=float))
        except Exception as error:
            return Outcome("refused", f"{type(error).__name__}: {error}".split("\n")[0][:200])
    facts: dict[str, Any] = {"value": answer.value, "warned": [str(w.message)[:120] for w in caught]}
    if answer.plan is not None:
        plan, sums = answer.plan, (np.asarray(a, dtype=float), np.asarray(b, dtype=float))
        if plan.shape == (len(sums[0]), len(sums[1])):
            off = float(np.abs(plan.sum(1) - sums[0]).sum() + np.abs(plan.sum(0) - sums[1]).sum())
            facts["marginal_error"] = off + float(np.maximum(-plan, 0).sum())
    return Outcome("answer", **facts)


def _write(stream: BinaryIO, message: Any) -> None:
    data = pickle.dumps(message)
    stream.write(struct.pack("<Q", len(data)) + data)
    stream.flush()


def _read(stream: BinaryIO) -> Any:
    head = stream.read(8)
    if len(head) < 8:
        raise EOFError
    return pickle.loads(stream.read(struct.unpack("<Q", head)[0]))


def serve() -> None:
    """The loop of the process: a target first, then one case after the other."""
    inward, outward = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    try:
        solve = resolve(_read(inward))
        for case in _read(inward):  # a warm-up: importing and compiling do not count
            attempt(solve, *case)
    except Exception as error:
        _write(outward, Outcome("failed", f"{type(error).__name__}: {error}"))
        return
    _write(outward, Outcome("ready"))
    while True:
        try:
            case = _read(inward)
        except EOFError:
            return
        _write(outward, attempt(solve, *case))


class Worker:
    """One such process; `call` restarts it after a crash or a time-out."""

    def __init__(self, target: str, *, time_limit: float, start_limit: float = 300.0) -> None:
        self.target, self.time_limit, self.start_limit = target, time_limit, start_limit
        self.process: subprocess.Popen[bytes] | None = None

    def _start(self) -> Outcome:
        path = [os.getcwd() if p == "" else p for p in sys.path]
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START.format(path=path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        cost, half = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([0.5, 0.5])
        try:
            _write(self._pipe("stdin"), self.target)
            _write(self._pipe("stdin"), [(cost, half, half), (cost, half, np.array([1.0, 0.0]))])
        except BrokenPipeError:
            return self._ended()
        return self._wait(self.start_limit)

    def _pipe(self, name: str) -> BinaryIO:
        pipe: BinaryIO = getattr(self.process, name)
        return pipe

    def _ended(self) -> Outcome:
        assert self.process is not None
        code = self.process.wait()
        self._drop()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return Outcome("crashed", f"the process ended with {how}")

    def _wait(self, limit: float) -> Outcome:
        process = self.process
        assert process is not None
        late = threading.Timer(limit, process.kill)
        start = time.monotonic()
        late.start()
        try:
            found: Outcome = _read(self._pipe("stdout"))
        except (EOFError, OSError):
            hung = time.monotonic() - start >= limit
            end = self._ended()
            return Outcome("hung", f"no answer within {limit:g} s") if hung else end
        finally:
            late.cancel()
        return found

    def call(self, cost: Any, a: Any, b: Any) -> Outcome:
        """One case.

        Raises
        ------
        ValueError
            If the target cannot be imported.
        """
        if self.process is None:
            ready = self._start()
            if ready.kind != "ready":
                raise ValueError(f"{self.target} could not be started: {ready.text}")
        try:
            _write(self._pipe("stdin"), (cost, a, b))
        except BrokenPipeError:
            return self._ended()
        return self._wait(self.time_limit)

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self._drop()

    def _drop(self) -> None:
        for name in ("stdin", "stdout"):
            with contextlib.suppress(OSError):  # what was still to be written finds no reader
                self._pipe(name).close()
        self.process = None
