"""Processes with limits: start a worker, ask it, kill it when time or memory is used up."""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
POLL = 0.05  # seconds between looks at the memory
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass
class Limits:
    """Seconds for one call, seconds for imports and conversion, MB of resident memory, threads."""

    seconds: float = 60.0
    setup: float = 120.0
    memory: float = 8000.0
    threads: int = 1


@dataclass
class Worker:
    """One solver's process on one problem."""

    python: str
    folder: Path
    solver: str
    limits: Limits
    seat: int = 0  # which processors, of those allowed
    last: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        env = dict(os.environ, PYTHONHASHSEED="0", JAX_PLATFORMS="cpu", CUDA_VISIBLE_DEVICES="")
        env.update(dict.fromkeys(THREADS, str(self.limits.threads)))
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), env.get("PYTHONPATH", "")]))
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._left = b""
        self._process = subprocess.Popen(
            [self.python, "-m", "bench.worker", str(self.folder), self.solver],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, bufsize=0, env=env, cwd=ROOT,
            preexec_fn=self._tie if hasattr(os, "sched_setaffinity") else None,
        )  # fmt: skip

    def _tie(self) -> None:
        """Only as many processors as threads are allowed: nobody's pool is larger than another's.

        They take turns, so that imports of several workers share the machine; calls are timed one by one.
        """
        allowed = sorted(os.sched_getaffinity(0))
        first = self.seat * self.limits.threads % len(allowed)
        os.sched_setaffinity(0, (allowed + allowed)[first : first + self.limits.threads] or allowed)

    def hear(self, seconds: float) -> dict[str, Any]:
        """Its next answer, or how it ended: step "crashed", "time" or "memory"."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + seconds
        while b"\n" not in self._left:
            wait = min(POLL, deadline - time.monotonic())
            if wait <= 0:
                return self._end(step="time", reason=f"no answer in {seconds:g} s")
            if select.select([self._process.stdout], [], [], wait)[0]:
                data = os.read(self._process.stdout.fileno(), 1 << 16)
                if not data:
                    return self._end(step="crashed", reason=self._how())
                self._left += data
            elif (used := self._resident()) > self.limits.memory:
                return self._end(step="memory", reason=f"{used:.0f} MB of {self.limits.memory:.0f} allowed")
        line, _, self._left = self._left.partition(b"\n")
        self.last = json.loads(line)
        return self.last

    def ready(self) -> dict[str, Any]:
        """Its first answer: imported and converted."""
        return self.hear(self.limits.setup)

    def run(self) -> dict[str, Any]:
        """Solve once."""
        return self._ask("run", self.limits.seconds)

    def answer(self) -> dict[str, Any]:
        """What the last call returned, plans in a file of the folder; the process ends."""
        found = self._ask("answer", self.limits.setup)
        self.close()
        return found

    def _ask(self, order: str, seconds: float) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(order.encode() + b"\n")
        except BrokenPipeError:
            return self._end(step="crashed", reason=self._how())
        return self.hear(seconds)

    def _resident(self) -> float:
        try:
            fields = Path(f"/proc/{self._process.pid}/statm").read_text().split()
        except OSError:
            return 0.0
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def _how(self) -> str:
        """How a process that ended by itself did."""
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"ended with code {code}" + (f": {lines[-1][:200]}" if lines and code >= 0 else "")

    def _end(self, **facts: Any) -> dict[str, Any]:
        self.close()
        self.last = facts
        return facts

    def close(self) -> None:
        """Kill it."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                stream.close()


def homes(found: Mapping[str, dict[str, str]], solver: str, *, ours: bool) -> tuple[list[str], str]:
    """The Pythons that have the solver's library, and why the first one lacks it.

    Ours runs in the Python of the benchmark; the others in the Pythons given, where they have them.
    """
    order = list(found) if ours else [*list(found)[1:], *list(found)[:1]]
    able = [python for python in order if not found[python].get(solver, "unknown there")]
    return able, "" if able else found[order[0]].get(solver, "unknown there")


def survey(pythons: list[str]) -> dict[str, dict[str, str]]:
    """For each Python: solver -> why it is missing there, "" if it is not."""
    code = (
        "import json; from bench import solvers; "
        "print(json.dumps({name: s.missing() for name, s in solvers.load().items()}))"
    )
    found = {}
    for python in pythons:
        env = dict(os.environ)
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), env.get("PYTHONPATH", "")]))
        out = subprocess.run([python, "-c", code], capture_output=True, text=True, env=env, cwd=ROOT)
        if out.returncode:
            raise SystemExit(f"{python} cannot list the solvers: {out.stderr.strip().splitlines()[-1]}")
        found[python] = json.loads(out.stdout.splitlines()[-1])
    return found
