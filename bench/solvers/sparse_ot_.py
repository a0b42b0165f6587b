"""sparse-ot: Bonneel's network simplex under POT's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.solvers import Task, no_forbidden, solver


@solver("sparse-ot emd", package="sparse-ot", module="sparse_ot", where=no_forbidden)
def emd(task: Task) -> Callable[[], Any]:
    """The plan of dense costs; masses are normalised by the package."""
    import sparse_ot

    return lambda: {"plan": sparse_ot.emd(task.a, task.b, task.matrix)}
