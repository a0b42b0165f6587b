"""The time that is left to a call with a limit, for everything that works in chunks.

A limit is a moment on `clock`. `run_chunks` looks at it before every chunk and raises `OutOfTime`; so does
`check_time`. It holds for the thread that set it and the chunks that this thread shares out.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_here = threading.local()
_clock: Callable[[], float] = time.perf_counter  # another one in tests


class OutOfTime(Exception):
    """The limit was reached between two chunks; what they work on is as the last whole chunk left it."""


def clock() -> float:
    """Seconds from some moment on."""
    return _clock()


@contextmanager
def until(moment: float | None) -> Iterator[None]:
    """Inside it this thread's chunks stop at ``moment`` of `clock`; None: never."""
    before = limit(), stops_at()
    _here.limit = _here.stop = math.inf if moment is None else moment
    try:
        yield
    finally:
        _here.limit, _here.stop = before


def limit() -> float:
    """The moment that `until` was given; inf: none."""
    moment: float = getattr(_here, "limit", math.inf)
    return moment


def keep(seconds: float) -> None:
    """Stop so much before the limit, for what comes after: the certificate."""
    _here.stop = limit() - seconds


def stops_at() -> float:
    """The moment at which to stop: the limit without what is kept; inf: never."""
    moment: float = getattr(_here, "stop", math.inf)
    return moment


def time_left() -> float:
    """Seconds until then."""
    moment = stops_at()
    return math.inf if moment == math.inf else moment - clock()


def check_time(needed: float = 0.0) -> None:
    """Raise OutOfTime unless more than ``needed`` seconds are left: before work that nothing interrupts."""
    if time_left() <= needed:
        raise OutOfTime
