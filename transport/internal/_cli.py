"""What the command lines share: one-line errors, exit codes, a bar for what takes longer than a second."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from transport.internal._errors import ConvergenceError


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line and exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line."""
        raise SystemExit(_fail(f"{message} (see {self.prog} --help)"))


def _fail(message: str) -> int:
    sys.stderr.write("error: " + " ".join(str(message).split()) + "\n")
    return 2


def guard(main: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    """Run ``main``; known failures become one line on stderr and exit code 2, Ctrl-C 130."""
    try:
        return main(argv)
    except ConvergenceError as error:
        return 130 if isinstance(error, KeyboardInterrupt) else _fail(str(error))
    except (ValueError, TypeError, OSError, MemoryError, ImportError) as error:
        return _fail(str(error) or type(error).__name__)
    except KeyboardInterrupt:
        return 130


class Ticker:
    """A solve callback that shows one live line on a terminal once a second has passed."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.start = time.perf_counter()
        self.live = sys.stderr.isatty()
        self.shown = False

    def __call__(self, progress: Any) -> None:
        """Redraw."""
        elapsed = time.perf_counter() - self.start
        if self.live and elapsed > 1.0:
            spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[int(elapsed * 10) % 10]
            text = f"{spinner} {self.what}: {progress.message}, {elapsed:.0f} s"
            sys.stderr.write("\r\x1b[2K" + text[:110])
            sys.stderr.flush()
            self.shown = True

    def done(self) -> None:
        """Wipe the line."""
        if self.shown:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
