"""lapjv and lapx: Jonker and Volgenant's algorithm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.solvers import Task, no_forbidden, solver

ASSIGNMENT = ("assignment",)


@solver("lapjv", package="lapjv", kinds=ASSIGNMENT, where=no_forbidden)
def lapjv(task: Task) -> Callable[[], Any]:
    """The package lapjv."""
    from lapjv import lapjv as call

    rows = np.arange(len(task.a))
    return lambda: {"plan": (rows, np.asarray(call(task.matrix)[0], dtype=np.int64))}


@solver("lapx", package="lapx", module="lap", kinds=ASSIGNMENT, where=no_forbidden)
def lapx(task: Task) -> Callable[[], Any]:
    """``lap.lapjv`` of lapx."""
    import lap

    rows = np.arange(len(task.a))
    return lambda: {"plan": (rows, np.asarray(lap.lapjv(task.matrix, return_cost=False)[0], dtype=np.int64))}
