"""Many small problems in one call (numba): gather, solve, certify, one after the other, without Python.

Problems are packed: entries, masses, potentials and arcs of problem k begin at an offset of its own in
vectors common to all. Everything about one problem depends on that problem alone, so neither the packing nor
the chunks can change a bit of an answer.
"""

from __future__ import annotations

import numpy as np

from transport._kernels.certificate import prove
from transport._kernels.costs import scan_rows
from transport._kernels.masses import balanced
from transport._kernels.simplex_dense import OPTIMAL, UNFIT, solve
from transport.internal import compiled

DONE = OPTIMAL


@compiled
def settle(c, a, b, g, warm, limits):
    """(code, pivots, rows, cols, mass, f, g, proof) for positive masses; any code but DONE: leave it.

    ``limits``: `_solver.tuning.BulkLimits`.
    """
    tall, least, pivots_a_node, dense = limits
    fit, b = balanced(a, b)
    if not fit:
        none = np.empty(0, np.int64)
        return UNFIT, 0, none, none, np.empty(0), a, b, (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    limit = max(least, pivots_a_node * (len(a) + len(b)))
    if len(a) > tall * len(b) and not warm:
        across = np.ascontiguousarray(c.T)
        code, pivots, cols, rows, mass, g, f = solve(across, b, a, np.zeros(len(a)), limit, dense, False)
    else:
        code, pivots, rows, cols, mass, f, g = solve(c, a, b, g, limit, dense, warm)
    sound, g, proof = prove(c, f, rows, cols, mass, a, b)
    if code == OPTIMAL and not sound:
        code = UNFIT
    return code, pivots, rows, cols, mass, f, g, proof


@compiled
def _where_positive(w):
    """Indices of the masses that are not 0."""
    at = np.empty(len(w), np.int64)
    count = 0
    for i in range(len(w)):
        if w[i] != 0.0:
            at[count] = i
            count += 1
    return at[:count]


@compiled
def _gathered(c, rows, cols):
    out = np.empty((len(rows), len(cols)))
    for i in range(len(rows)):
        for j in range(len(cols)):
            out[i, j] = c[rows[i], cols[j]]
    return out


@compiled
def _put(w, at, out):
    out[:] = 0.0
    for i in range(len(at)):
        out[at[i]] = w[i]


@compiled
def solve_range(first, last, shapes, costs, a, b, start, limits, out):
    """Problems first <= k < last.

    Parameters
    ----------
    shapes : (k, 2) int64
        n and m of every problem.
    costs, a, b : (values, offsets)
        Packed rows of the cost matrix, masses of the sources and of the sinks.
    start : (values, warm)
        Potentials of the sinks to start from, packed as the g of ``out``, and whether there are any.
    limits : `_solver.tuning.BulkLimits`
    out : (codes, pivots, sums, counts, f, g, rows, cols, mass, at)
        To be filled; ``at`` (k, 3) holds the offsets of f, of g and of the arcs.
    """
    codes, pivots, sums, counts, f_all, g_all, rows_all, cols_all, mass_all, at = out
    for k in range(first, last):
        n = shapes[k, 0]
        m = shapes[k, 1]
        if n == 0 or m == 0:
            continue
        c = costs[0][costs[1][k] : costs[1][k] + n * m].reshape((n, m))
        u = a[0][a[1][k] : a[1][k] + n]
        v = b[0][b[1][k] : b[1][k] + m]
        f_at = at[k, 0]
        g_at = at[k, 1]
        p = at[k, 2]
        here = _where_positive(u)
        there = _where_positive(v)
        whole = len(here) == n and len(there) == m
        if not whole:
            codes[k] = UNFIT
            counts[k] = 0
            if len(here) == 0 or len(there) == 0 or scan_rows(c, 0, n)[2] >= 0:
                continue
            c = _gathered(c, here, there)
            u = u[here]
            v = v[there]
        g = start[0][g_at : g_at + m] if start[1][k] and whole else np.zeros(len(v))
        code, turns, rows, cols, mass, f, g, proved = settle(c, u, v, g, start[1][k] and whole, limits)
        codes[k] = code
        pivots[k] = turns
        counts[k] = len(rows)
        if code != DONE:
            continue
        for q in range(8):
            sums[k, q] = proved[q]
        _put(f, here, f_all[f_at : f_at + n])
        _put(g, there, g_all[g_at : g_at + m])
        for q in range(len(rows)):
            rows_all[p + q] = here[rows[q]]
            cols_all[p + q] = there[cols[q]]
            mass_all[p + q] = mass[q]
