"""Which kernels are compiled and called in this process, and who hears of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

COMPILING = "compiling kernels for this machine, once"
"""What is said while it happens."""

called: set[tuple[str, str]] = set()
"""(kernel, signature) of every kernel that this process called from Python, as signatures.txt spells it."""

_listener: Callable[[str], None] | None = None


@contextmanager
def compilations(listener: Callable[[str], None]) -> Iterator[None]:
    """Inside, ``listener`` is called with the name of each kernel that numba has to compile, before it does.

    It is called from the thread that compiles. The innermost listener of the process hears, no other.
    """
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before


def announce(kernel: str) -> None:
    """Tell the listener, if there is one."""
    if _listener is not None:
        _listener(kernel)
