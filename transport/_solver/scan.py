"""Scans over rows in fixed chunks, on all cores, in slices."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from transport._solver.pricing import Slices
from transport.internal import thread_count

CHUNK_ENTRIES = 1 << 21
SLICE_CHUNKS = 16


def scan(kernel: Callable[[int, int], object], n: int, cost_per_item: int, *, align: int = 1) -> Slices[None]:
    """Call ``kernel(start, stop)`` over chunks of range(n); the chunks depend on the problem only.

    ``cost_per_item`` is in matrix entries (about 1 ns each). The kernel writes to disjoint places, so the
    result does not depend on the number of threads. Threads are started here and joined here: nothing
    outlives the scan, which keeps forks and concurrent solves safe.
    """
    size = max(1, CHUNK_ENTRIES // max(1, cost_per_item))
    size = -(-size // align) * align
    chunks = [(s, min(n, s + size)) for s in range(0, n, size)]
    threads = min(thread_count(), len(chunks))
    if threads <= 1:
        for k, (start, stop) in enumerate(chunks):
            kernel(start, stop)
            if (k + 1) % SLICE_CHUNKS == 0:
                yield
        return
    with ThreadPoolExecutor(threads) as pool:
        for k in range(0, len(chunks), SLICE_CHUNKS):
            for done in [pool.submit(kernel, *c) for c in chunks[k : k + SLICE_CHUNKS]]:
                done.result()
            if k + SLICE_CHUNKS < len(chunks):
                yield
