"""Jobs through any `concurrent.futures.Executor`: few in flight, each retried once if its worker dies."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from typing import Any, TypeAlias

Job: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...]]

_IN_FLIGHT = 3  # a worker: enough to keep it busy, few enough to hold in memory


def outcomes(jobs: Iterable[tuple[Any, Job]], executor: Executor | None) -> Iterator[tuple[Any, Any]]:
    """(name, what the job returned, or the exception that it died of), in the order of their ends.

    Jobs are made when there is room for them. Without an executor they run here. A job raises nothing of its
    own; whatever comes out is the worker's fault, and the job is tried once more: after a broken pool alone,
    so that the next death tells which job was to blame.
    """
    if executor is None:
        for name, (function, arguments) in jobs:
            yield name, function(*arguments)
        return
    pools = _Pools(executor)
    try:
        yield from _windowed(iter(jobs), pools)
    finally:
        pools.close()


def _windowed(jobs: Iterator[tuple[Any, Job]], pools: _Pools) -> Iterator[tuple[Any, Any]]:
    flying: dict[Future, tuple[Any, Job]] = {}
    suspects: list[tuple[Any, Job]] = []
    try:
        while True:
            while not suspects and len(flying) < pools.window and (job := next(jobs, None)) is not None:
                try:
                    flying[pools.submit(job[1])] = job
                except (BrokenExecutor, RuntimeError):
                    suspects.append(job)
                    break
            if not flying:
                if not suspects:
                    return
                yield from (_alone(job, pools) for job in suspects)
                suspects = []
                continue
            ended, _ = wait(flying, return_when=FIRST_COMPLETED)
            for future in ended:
                name, job = flying.pop(future)
                error = future.exception()
                if error is None:
                    yield name, future.result()
                else:
                    suspects.append((name, job))
    finally:
        for future in flying:
            future.cancel()


def _alone(job: tuple[Any, Job], pools: _Pools) -> tuple[Any, Any]:
    """The second and last try."""
    name, call = job
    try:
        pools.renew()
        return name, pools.submit(call).result()
    except Exception as error:
        return name, error


class _Pools:
    """The executor given, and its replacements where a dead worker broke it."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.own: list[Executor] = []
        workers = getattr(executor, "_max_workers", None)
        if not isinstance(workers, int):
            workers = os.cpu_count() or 1
        self.workers = workers
        self.window = _IN_FLIGHT * workers

    def submit(self, job: Job) -> Future:
        function, arguments = job
        return self.executor.submit(function, *arguments)

    def renew(self) -> None:
        """A new pool of the same kind if this one is broken and its kind is known; else the same."""
        if not getattr(self.executor, "_broken", False) and not _flagged(self.executor):
            return
        from concurrent.futures import ProcessPoolExecutor  # here: it imports multiprocessing

        if type(self.executor) is ProcessPoolExecutor:
            context = getattr(self.executor, "_mp_context", None)
            self.executor = ProcessPoolExecutor(self.workers, mp_context=context)
            self.own.append(self.executor)
        elif type(self.executor).__module__.startswith("loky"):
            from loky import get_reusable_executor

            self.executor = get_reusable_executor(max_workers=self.workers)

    def close(self) -> None:
        """Shut down what was made here."""
        for pool in self.own:
            pool.shutdown(wait=True, cancel_futures=True)


def _flagged(executor: Executor) -> bool:
    """Whether loky has marked its pool as broken."""
    return getattr(getattr(executor, "_flags", None), "broken", None) is not None
