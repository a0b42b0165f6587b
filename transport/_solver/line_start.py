"""Potentials of costs on a line, in any order: where the simplex on a small matrix starts."""

from __future__ import annotations

import numpy as np

FEWEST = 64  # rows and columns; below, the simplex is done before this has looked
GLANCES = 16  # pairs of rows that show whether the costs may be those of a line
ALIKE = 2.0**-40  # differences that may be rounding


def line_potential(c: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    """The sinks' potentials if c looks like costs on a line: Monge, but for the order. Else None.

    If c_ik + c_jl <= c_il + c_jk for i < j, k < l, the north-west rule is optimal and its staircase gives the
    potentials (Hoffman 1963). The order of such rows can be read off any two columns. Costs i j, points on a
    line: with equal masses nearly all pivots would be without flow.
    """
    n, m = c.shape
    if min(n, m) < FEWEST:
        return None
    i = np.arange(GLANCES) * n // GLANCES
    k = (i + n // 2 + np.arange(GLANCES)) % n
    left, middle, right = (c[:, q] for q in (0, m // 2, m - 1))
    with np.errstate(invalid="ignore"):
        p = (left[i] - right[i]) - (left[k] - right[k])
        q = (left[i] - middle[i]) - (left[k] - middle[k])
    size = np.abs(p)
    sense = np.sign(p * q)[(size > ALIKE * (np.abs(left[i]) + np.abs(right[k]))) & (np.abs(q) > ALIKE * size)]
    if not (len(sense) and abs(sense.sum()) == len(sense) and np.isfinite(size).all()):
        return None
    with np.errstate(invalid="ignore"):
        rows = np.argsort(left - right, kind="stable")
        cols = np.argsort(c[rows[0]] - c[rows[-1]], kind="stable")
    at = rows[np.minimum(np.searchsorted(np.cumsum(a[rows]), np.cumsum(b[cols])), n - 1)]
    steps = c[at[:-1], cols[1:]] - c[at[:-1], cols[:-1]]
    if not np.isfinite(steps).all():
        return None
    g = np.zeros(m)
    g[cols[1:]] = np.cumsum(steps)
    return g
