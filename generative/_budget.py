"""Training for so many minutes: how many steps that is here, and the end of the time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from generative._fit import fit
from generative._presets import Config, build, prepared
from generative.datasets import Dataset

_TRIAL = 10  # steps a trial makes at a time
_LONGEST = 20.0  # seconds of trials at most
_SHARE = 0.8  # of the time that goes into steps; the rest is for measurements, pictures and their writing


def steps_within(minutes: float, config: Config, data: Dataset) -> int:
    """Steps that fit into ``minutes`` on this machine, by a short trial of the model on its data.

    The rates of the presets fall over the steps of the run, so their number is to be known before the first.

    Raises
    ------
    ValueError
        If ``minutes`` is not positive and finite.
    """
    if not (math.isfinite(minutes) and minutes > 0):
        raise ValueError(f"--minutes {minutes:g}; give a positive number of minutes")
    seconds = 60.0 * minutes
    run = fit(
        build(config), prepared(config, data), steps=2, batch_size=config["batch_size"], rng=config["seed"]
    )  # the first steps load kernels
    first = run.step
    start = now = time.perf_counter()
    while now == start or now - start < min(_LONGEST, 0.03 * seconds):
        run = run.resume(_TRIAL)
        now = time.perf_counter()
    return max(1, int(_SHARE * seconds * (run.step - first) / (now - start)))


def until(deadline: float, callback: Callable[[Any], Any]) -> Callable[[Any], bool]:
    """``callback``, which also stops the run once ``time.monotonic()`` has passed ``deadline``."""

    def heard(record: Any) -> bool:
        return bool(callback(record)) or time.monotonic() > deadline

    return heard
