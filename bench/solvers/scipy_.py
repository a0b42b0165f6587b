"""SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import optimize, sparse


def linprog(cost: Any, a: Any, b: Any) -> Any:
    """The linear program by HiGHS; forbidden arcs by bounds."""
    n, m = cost.shape
    rows = sparse.kron(sparse.eye(n), np.ones((1, m)))
    columns = sparse.kron(np.ones((1, n)), sparse.eye(m))
    allowed = ~np.isposinf(np.asarray(cost, dtype=float)).ravel()
    found = optimize.linprog(
        np.where(allowed, np.asarray(cost, dtype=float).ravel(), 0.0),
        A_eq=sparse.vstack([rows, columns]).tocsr(),
        b_eq=np.concatenate([a, b]),
        bounds=[(0, None if ok else 0) for ok in allowed],
        method="highs",
    )
    if found.status != 0:
        raise RuntimeError(found.message)
    return {"value": found.fun, "plan": found.x.reshape(n, m)}
