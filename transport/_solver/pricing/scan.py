"""Scans over rows in fixed chunks, on all cores, in slices."""

from __future__ import annotations

from collections.abc import Callable

from transport._solver.pricing.oracle import Slices
from transport.internal import run_chunks

SLICE_CHUNKS = 16


def scan(kernel: Callable[[int, int], object], n: int, cost_per_item: int, entries: int) -> Slices[None]:
    """Call ``kernel(start, stop)`` over chunks of range(n); the chunks depend on the problem only.

    ``cost_per_item`` is in matrix entries (about 1 ns each), a chunk takes about ``entries`` of them. The
    kernel writes to disjoint places, so the result does not depend on the number of threads.
    """
    size = max(1, entries // max(1, cost_per_item))
    chunks = -(-n // size)
    for begin in range(0, chunks, SLICE_CHUNKS):
        if begin:
            yield

        def task(first: int, last: int, begin: int = begin) -> None:
            for chunk in range(begin + first, begin + last):
                kernel(chunk * size, min(n, (chunk + 1) * size))

        run_chunks(task, min(SLICE_CHUNKS, chunks - begin), slice_size=1)
