"""What a person sees while a model trains: a live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from generative._collapse import in_words

Record = dict[str, float]
_LOSSES = ("value", "critic_cost", "elbo", "generator_cost")


class Progress:
    """A `generative.fit` callback: loss, exact W1 above its floor, samples a second.

    ``translate`` puts a record into the units of the data. On a terminal with rich installed it is a live
    bar; otherwise one line for each evaluation.
    """

    def __init__(
        self,
        steps: int,
        batch_size: int,
        *,
        start: int = 0,
        translate: Callable[[Record], Record] = dict,
        model: str = "",
    ) -> None:
        self.steps, self.batch_size, self.translate = steps, batch_size, translate
        self.last_step, self.last_time, self.rate = start, time.perf_counter(), 0.0
        self.measured: Record = {}
        self.collapsed, self.model = False, model
        self.bar: Any = None
        self.task: Any = None

    def __enter__(self) -> Progress:
        self.bar = _bar() if sys.stderr.isatty() else None
        if self.bar is not None:
            self.bar.start()
            self.task = self.bar.add_task("training", total=self.steps, completed=self.last_step, facts="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def _tell(self, record: Record) -> None:
        """A line when a collapse is seen, and when it is over."""
        if "energy_ratio" not in record or ("collapsed" in record) == self.collapsed:
            return
        self.collapsed = "collapsed" in record
        step = int(record["step"])
        text = in_words(record, model=self.model) if self.collapsed else f"recovered at step {step}"
        if self.bar is not None:
            self.bar.console.print(text, markup=False)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def __call__(self, record: Record) -> None:
        """Take a record of the history."""
        self._tell(record)
        step, now = int(record["step"]), time.perf_counter()
        fresh = (step - self.last_step) * self.batch_size / max(now - self.last_time, 1e-9)
        # Smoothed over about ten records; an evaluation's own time counts, as it does for the user.
        self.rate = fresh if not self.rate else 0.9 * self.rate + 0.1 * fresh
        self.last_step, self.last_time = step, now
        if "w1" in record:
            self.measured = self.translate(record)
        if self.bar is not None:
            self.bar.update(self.task, completed=step, facts=self.facts(record))
        elif "w1" in record or step == self.steps:
            left = (self.steps - step) * self.batch_size / max(self.rate, 1e-9)
            eta = f"  {in_minutes(left)} left" if step < self.steps else ""
            sys.stderr.write(f"step {step}/{self.steps}  {self.facts(record)}{eta}\n")
            sys.stderr.flush()

    def facts(self, record: Record) -> str:
        """The numbers of the moment on one line."""
        parts = []
        loss = next((name for name in _LOSSES if name in record), None)
        if loss is not None:
            parts.append(f"{loss.replace('_', ' ')} {record[loss]:.4g}")
        if self.measured:
            parts.append(f"W₁ {self.measured['w1']:.4g} (floor {self.measured['w1_floor']:.3g})")
        return "  ".join([*parts, f"{_count(self.rate)} samples/s"])


def in_minutes(seconds: float) -> str:
    """A duration as a person says it.

    >>> in_minutes(200.4), in_minutes(7.2), in_minutes(5400)
    ('3 min 20 s', '7 s', '1 h 30 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return (
        f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"
    )


def _count(value: float) -> str:
    """Three significant digits with thousands separated.

    >>> _count(12345.6)
    '12,300'
    """
    if value <= 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(value)))
    rounded = round(value, 2 - math.floor(math.log10(value)))
    return f"{rounded:,.{digits}f}"


def _bar() -> Any:
    """rich's bar, or None without rich."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress
    except ImportError:
        return None
    return RichProgress(
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        refresh_per_second=5,
    )
