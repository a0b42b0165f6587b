"""What the command lines share: one-line errors, exit codes, a bar for what takes longer than a second."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from transport.internal._compilations import COMPILING, compilations
from transport.internal._errors import ConvergenceError
from transport.internal._interrupt import CtrlC
from transport.internal._version import VERSION

GAP_LEFT = 3
"""Exit code where a time limit left the certified interval wider than asked; the answer is printed."""


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line and exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line."""
        raise SystemExit(_fail(f"{message} (see {self.prog} --help)"))


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """The options that say what a file holds, the same for every command."""
    parser.add_argument(
        "--kind",
        choices=("auto", "points", "grid"),
        default="auto",
        help="points: one a row; grid: entries are masses on cells (default: found out, or asked for)",
    )
    parser.add_argument(
        "--column",
        metavar="NAMES",
        help="columns to read, by name or number (from 1); array of an .npz",
    )
    parser.add_argument("--weights", metavar="NAME", help="the column with the weights of the points")
    parser.add_argument("--heading", choices=("yes", "no"), help="whether the first row names the columns")


def reading_options(args: argparse.Namespace) -> dict[str, Any]:
    """What `add_reading_options` was given, but the kind, as `transport.internal._files.load` takes it."""
    heading = None if args.heading is None else args.heading == "yes"
    return {"columns": args.column, "weights": args.weights, "heading": heading}


def read_as(paths: Sequence[Any], words: Sequence[str]) -> str:
    """One line for each input: what it was understood to hold."""
    return "".join(f"read as: {text} ({path})\n" for path, text in zip(paths, words))


def _fail(message: str) -> int:
    sys.stderr.write("error: " + " ".join(str(message).split()) + "\n")
    return 2


def guard(main: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    """Run ``main``; known failures become one line on stderr and exit code 2, Ctrl-C 130.

    ``--version`` alone is answered here, for every command.
    """
    if list(argv) == ["--version"]:
        sys.stdout.write(f"kantorovich {VERSION}\n")
        return 0
    line = CompilationLine()
    try:
        with CtrlC(), compilations(line):
            return main(argv)
    except ConvergenceError as error:
        return 130 if isinstance(error, KeyboardInterrupt) else _fail(str(error))
    except (ValueError, TypeError, ArithmeticError, OSError, MemoryError, ImportError) as error:
        return _fail(str(error) or type(error).__name__)
    except KeyboardInterrupt:
        return 130
    finally:
        line.done()


class CompilationLine:
    """A live line on a terminal that says that kernels are being compiled, and how many."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self.count = 0
        self.bar: Any = None

    def __call__(self, kernel: str) -> None:
        """One more."""
        self.count += 1
        if not self.live:
            return
        text = f"{COMPILING} ({self.count})"
        if self.count == 1:
            self.bar = _rich_bar()
            if self.bar is not None:
                self.bar.start()
                self.bar.add_task("", total=None, text=text)
        if self.bar is not None:
            self.bar.update(0, text=text)
        else:
            sys.stderr.write(f"\r\x1b[2K{text}")
            sys.stderr.flush()

    def done(self) -> None:
        """Wipe the line."""
        if self.bar is not None:
            self.bar.stop()
        elif self.live and self.count:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
        self.count, self.bar = 0, None


class Ticker:
    """A solve callback that shows one live line on a terminal once a second has passed.

    With rich (extra ``cli``) a bar fills as the digits of the certified gap come in: empty at a gap of 100 %,
    full at 1e-9.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.start = time.perf_counter()
        self.live = sys.stderr.isatty()
        self.shown = False
        self.bar: Any = None

    def __call__(self, progress: Any) -> None:
        """Redraw."""
        elapsed = time.perf_counter() - self.start
        if not self.live or elapsed < 1.0:
            return
        text = f"{self.what}: {progress.message}, {elapsed:.0f} s"
        if not self.shown:
            self.shown, self.bar = True, _rich_bar()
            if self.bar is not None:
                self.bar.start()
                self.bar.add_task("", total=None, text=text)
        if self.bar is not None:
            done = digits(progress.details)
            self.bar.update(0, total=None if done is None else 9.0, completed=done or 0.0, text=text)
            return
        spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[int(elapsed * 10) % 10]
        sys.stderr.write("\r\x1b[2K" + f"{spinner} {text}"[:110])
        sys.stderr.flush()

    def done(self) -> None:
        """Wipe the line."""
        if self.bar is not None:
            self.bar.stop()
        elif self.shown:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


def digits(details: Mapping[str, Any]) -> float | None:
    """How many digits of the optimum are certified, 0 to 9; None where no gap is known.

    >>> digits({"gap": 1e-3, "upper_bound": 1.0})
    3.0
    """
    if "gap" not in details:
        return None
    gap, size = details["gap"], abs(details["upper_bound"])
    if gap <= 1e-9 * size:
        return 9.0
    return max(0.0, math.log10(size / gap)) if size > 0 else 0.0


def _rich_bar() -> Any:
    """rich's bar, or None without rich."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
    except ImportError:
        return None
    columns = (SpinnerColumn(), BarColumn(bar_width=18), TextColumn("{task.fields[text]}"))
    return Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=8)
