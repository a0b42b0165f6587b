"""pyemd: from one histogram to another on the union of the bins, as it wants them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.solvers import Task, no_forbidden, solver


@solver("pyemd emd", package="pyemd", where=no_forbidden)
def emd(task: Task) -> Callable[[], Any]:
    """A square problem on the n + m atoms of both sides."""
    import pyemd

    n, m = task.matrix.shape
    square = np.zeros((n + m, n + m))
    square[:n, n:], square[n:, :n] = task.matrix, task.matrix.T
    first, second = np.concatenate([task.a, np.zeros(m)]), np.concatenate([np.zeros(n), task.b])
    return lambda: {"value": float(pyemd.emd(first, second, square))}
