"""wasserstein (EnergyFlow's solver)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.solvers import Task, no_forbidden, solver


@solver("wasserstein EMD", package="Wasserstein", module="wasserstein", where=no_forbidden)
def emd(task: Task) -> Callable[[], Any]:
    """With a matrix of its own, masses normalised by the package."""
    import wasserstein

    method = wasserstein.EMD()
    given = np.array(task.a), np.array(task.b), np.array(task.matrix)
    return lambda: {"value": float(method(*given))}
