"""Timing that is fair on a noisy machine: same process, same data, interleaved, medians."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Timing:
    """Seconds of every repetition, and what the last one returned."""

    seconds: tuple[float, ...]
    answer: Any

    @property
    def median(self) -> float:
        """Median seconds."""
        return statistics.median(self.seconds)


def interleaved(
    rivals: Mapping[str, Callable[[], Any]],
    *,
    repeats: int = 5,
    warm_up: bool = True,
    budget: float = 60.0,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Time each rival ``repeats`` times, in turns, after one untimed call each (compilation, caches).

    A rival that has used up ``budget`` seconds is not called again; slow ones thus get fewer repetitions.
    ``clock``: `time.thread_time` where others use the machine and everything runs in one thread.
    """
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    answers: dict[str, Any] = {}
    if warm_up:
        for call in rivals.values():
            call()
    for _ in range(repeats):
        for name, call in rivals.items():
            if seconds[name] and sum(seconds[name]) > budget:
                continue
            gc.collect()
            start = clock()
            answers[name] = call()
            seconds[name].append(clock() - start)
    return {name: Timing(tuple(seconds[name]), answers[name]) for name in rivals}


def peak_memory_mb() -> float:
    """Peak resident memory of this program so far, MB.

    From /proc where there is one: getrusage would count the parent's memory before exec too.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
