"""Masses that are no law: a divergence or an entropy has to refuse them, never to return a number."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

_HALF = (0.5, 0.5)
# name: (what stands for p, what stands for q)
BAD: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "NaN among the masses": ((float("nan"), 0.5), _HALF),
    "an infinite mass": ((float("inf"), 0.5), _HALF),
    "a negative mass": ((1.5, -0.5), _HALF),
    "a total of 1.001": ((0.5, 0.501), _HALF),
    "a total of 2": ((1.0, 1.0), _HALF),
    "no mass at all": ((0.0, 0.0), _HALF),
    "no atoms": ((), ()),
    "laws on different numbers of atoms": ((0.25, 0.25, 0.5), _HALF),
}


def refusals(function: Callable[..., Any], arguments: int) -> Iterator[tuple[str, str, str]]:
    """(case, verdict, detail) of a function of one or two laws; the bad one stands first, then second."""
    for name, (bad, good) in BAD.items():
        given = [np.array(bad), np.array(good)]
        if arguments == 1:
            if "different numbers" not in name:
                yield _tried(name, function, given[:1])
            continue
        yield _tried(f"{name}, first law", function, given)
        yield _tried(f"{name}, second law", function, given[::-1])


def _tried(name: str, function: Callable[..., Any], given: list[np.ndarray]) -> tuple[str, str, str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = function(*given)
        except Exception as error:
            return name, "right", f"{type(error).__name__}: {error}".split("\n")[0][:200]
    verdict = "wrong with a warning" if caught else "wrong silently"
    said = f" (warned: {str(caught[0].message)[:120]})" if caught else ""
    return name, verdict, f"returned {found!r} of {', '.join(repr(v.tolist()) for v in given)}{said}"
