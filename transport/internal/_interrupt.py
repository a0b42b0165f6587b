"""Ctrl-C inside compiled code."""

from __future__ import annotations

from contextlib import ContextDecorator
from typing import Any


class CtrlC(ContextDecorator):
    """Inside it (or under it, as a decorator) Ctrl-C is a KeyboardInterrupt wherever it strikes.

    numba runs a Python function for every array it returns. A signal answered in there, with another array
    still to pack, leaves the kernel as SystemError, caused by SystemError, ..., by the KeyboardInterrupt.
    """

    def __enter__(self) -> CtrlC:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if kind is not SystemError:
            return
        cause = error
        while isinstance(cause, SystemError):
            cause = cause.__cause__
        if isinstance(cause, KeyboardInterrupt):
            raise KeyboardInterrupt from error
