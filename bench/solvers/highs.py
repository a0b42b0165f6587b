"""HiGHS by highspy: simplex, interior point, first-order (PDLP)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.solvers import Task, solver

HIGHS = {"package": "highspy"}


def _highs(method: str) -> Callable[[Task], Callable[[], Any]]:
    def prepare(task: Task) -> Callable[[], Any]:
        import highspy

        n, m = task.matrix.shape
        i, j = np.nonzero(np.isfinite(task.matrix))
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = len(i), n + m
        program.col_cost_ = task.matrix[i, j]
        program.col_lower_, program.col_upper_ = np.zeros(len(i)), np.full(len(i), highspy.kHighsInf)
        program.row_lower_ = program.row_upper_ = np.concatenate([task.a, task.b])
        program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        program.a_matrix_.start_ = np.arange(0, 2 * len(i) + 1, 2)
        program.a_matrix_.index_ = np.column_stack([i, n + j]).ravel()
        program.a_matrix_.value_ = np.ones(2 * len(i))

        def call() -> dict[str, Any]:
            highs = highspy.Highs()
            highs.silent()
            highs.setOptionValue("solver", method)
            highs.setOptionValue("threads", task.threads)
            if method == "pdlp":
                highs.setOptionValue("pdlp_optimality_tolerance", 1e-8)
                highs.setOptionValue("kkt_tolerance", 1e-8)
            highs.passModel(program)
            highs.run()
            status = highs.getModelStatus()
            if status != highspy.HighsModelStatus.kOptimal:
                raise RuntimeError(f"HiGHS: {highs.modelStatusToString(status)}")
            mass = np.array(highs.getSolution().col_value)
            return {"value": highs.getObjectiveValue(), "plan": (i, j, mass), "status": "optimal"}

        return call

    return prepare


simplex = solver("HiGHS simplex", **HIGHS)(_highs("simplex"))
interior = solver("HiGHS IPM", **HIGHS)(_highs("ipm"))
first_order = solver("HiGHS PDLP", **HIGHS)(_highs("pdlp"))
