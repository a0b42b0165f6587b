"""Parallelism that cannot change a result: fixed chunks, a thread pool, nogil kernels.

The chunks depend on the problem alone, never on the number of threads, so that a sum over them in
their order is bitwise the same on one core and on a hundred.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

from transport.internal._clock import OutOfTime, check_time, clock, stops_at

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_here = threading.local()


def thread_count() -> int:
    """Cores this process may run on (``KANTOROVICH_NUM_THREADS`` sets another number)."""
    if getattr(_here, "alone", False):
        return 1
    asked = os.environ.get("KANTOROVICH_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside it `run_chunks` called from this thread uses this thread alone: workers share out the cores."""
    before = getattr(_here, "alone", False)
    _here.alone = True
    try:
        yield
    finally:
        _here.alone = before


def _forget_pool() -> None:
    # The threads of a pool do not survive a fork: waiting on them would hang the child.
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def _shared_pool() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(max(1, thread_count() - 1), thread_name_prefix="kantorovich")
        return _pool


def run_chunks(task: Callable[[int, int], None], n_chunks: int, *, slice_size: int = 16) -> None:
    """Call ``task(first, last)`` until chunks 0..n_chunks are done, on every core.

    Parameters
    ----------
    task : callable
        Works on chunks ``first <= k < last`` and writes its results in place; it should release the
        GIL. It must not call `run_chunks` itself.
    n_chunks : int
        How many chunks there are.
    slice_size : int
        Chunks a call handles at most: short calls are what lets Ctrl-C through.

    Notes
    -----
    The calling thread works too. If it is interrupted, or a task fails, the others stop after their
    current slice. Beyond the limit of `until` no slice begins: OutOfTime.
    """
    n_slices = -(-n_chunks // slice_size)
    n_threads = min(thread_count(), n_slices)
    if n_threads <= 1:
        for k in range(n_slices):
            check_time()
            task(k * slice_size, min(n_chunks, (k + 1) * slice_size))
        return
    moment = stops_at()
    taken = iter(range(n_slices))  # next() on a range iterator is atomic under the GIL
    stop = threading.Event()

    def work() -> None:
        for k in taken:
            if stop.is_set():
                return
            try:
                if clock() >= moment:
                    raise OutOfTime
                task(k * slice_size, min(n_chunks, (k + 1) * slice_size))
            except BaseException:
                stop.set()
                raise

    pool = _shared_pool()
    others = [pool.submit(work) for _ in range(n_threads - 1)]
    try:
        work()
    finally:
        stop.set()
        wait([other for other in others if not other.cancel()])  # nobody works on after an interruption
    for other in others:
        if not other.cancelled():
            other.result()
