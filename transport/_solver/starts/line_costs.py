"""Potentials of costs on a line, in any order: where the simplex on a small matrix starts."""

from __future__ import annotations

import numpy as np

from transport._solver.tuning import TUNING, Tuning

ALIKE = 2.0**-40  # differences that may be rounding


def line_potential(c: np.ndarray, a: np.ndarray, b: np.ndarray, tuning: Tuning = TUNING) -> np.ndarray | None:
    """The sinks' potentials if c looks like costs on a line: Monge, but for the order. Else None.

    If c_ik + c_jl <= c_il + c_jk for i < j, k < l, the north-west rule is optimal and its staircase gives the
    potentials (Hoffman 1963). The order of such rows can be read off any two columns. Costs i j, points on a
    line: with equal masses nearly all pivots would be without flow.
    """
    n, m = c.shape
    if min(n, m) < tuning.line_atoms:
        return None
    if not _glance(c, tuning.line_glances, tuning.line_columns):
        return None
    left, right = c[:, 0], c[:, m - 1]
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


def _glance(c: np.ndarray, glances: int, columns: int) -> bool:
    """Whether some pairs of rows are in the same order, or the opposite one, by all of some pairs of columns.

    In the plane the columns are directions: all but one pair of them tell it from a line.
    """
    n, m = c.shape
    i = np.arange(glances) * n // glances
    few = c[
        np.concatenate([i, (i + n // 2 + np.arange(glances)) % n])[:, None],
        np.arange(columns) * (m - 1) // (columns - 1),
    ]
    largest = np.abs(few).max(axis=1)
    if not largest.max() < np.inf:
        return False
    step = few[:glances] - few[glances:]
    rounding = ALIKE * np.maximum(largest[:glances], largest[glances:])[:, None]  # each pair its own
    by = step[:, 1:] - step[:, :1]
    sense = np.sign(by) * (np.abs(by) > rounding)
    order = sense * sense[:, -1:]
    return bool(np.any(order) and np.all(np.abs(order.sum(axis=0)) == np.abs(order).sum(axis=0)))
