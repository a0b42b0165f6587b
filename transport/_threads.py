"""One small pool of threads for the kernels that release the GIL.

Work is cut into chunks whose number does not depend on the number of threads, and chunks write to
disjoint outputs, so results are bitwise the same on any machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_pool: ThreadPoolExecutor | None = None


def _forget_pool() -> None:
    global _pool
    _pool = None  # the threads did not survive the fork


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def _get_pool() -> ThreadPoolExecutor:
    global _pool
    if _pool is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        _pool = ThreadPoolExecutor(max_workers=max(1, cores), thread_name_prefix="transport")
    return _pool


def run_tasks(
    task: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], *, threads: bool = True
) -> None:
    """``task(*args)`` for each element of ``arguments``, on all cores unless ``threads`` is False.

    The first exception is raised here; tasks must not submit tasks.
    """
    if not threads or len(arguments) < 2:
        for args in arguments:
            task(*args)
        return
    futures = [_get_pool().submit(task, *args) for args in arguments]
    for future in futures:
        future.result()


def chunks(n: int, count: int) -> list[tuple[int, int]]:
    """``count`` near-equal ranges covering range(n) (fewer if n is small)."""
    count = max(1, min(n, count))
    return [(n * k // count, n * (k + 1) // count) for k in range(count)]
