"""Where the simplex on a whole matrix starts: the cheapest open arcs."""

from __future__ import annotations

import numpy as np

from transport._kernels.vector import least_difference, place_of
from transport.internal import compiled


@compiled
def _send(i, j, left_a, left_b, rows, cols, flows, count):
    """Arc ``count``: all that i has left and j takes."""
    moved = min(left_a[i], left_b[j])
    rows[count] = i
    cols[count] = j
    flows[count] = moved
    left_a[i] -= moved
    left_b[j] -= moved


@compiled(inline="always")
def _column_by_column(w, left_a, left_b, rows, cols, flows):
    """Every column takes from its cheapest open rows: few rows would look again at each that closes."""
    n, m = w.shape
    count = 0
    for j in range(m):
        while left_b[j] > 0:
            i = -1
            low = np.inf
            for r in range(n):
                if left_a[r] > 0 and w[r, j] < low:
                    low = w[r, j]
                    i = r
            if i < 0:
                break
            _send(i, j, left_a, left_b, rows, cols, flows, count)
            count += 1
    return count


@compiled(inline="always")
def cheapest_first(w, a, b, rows, cols, flows, limits):
    """Ship along the cheapest open arc of the matrix until nothing is left; returns the number of arcs.

    Every row keeps its cheapest column and looks again when that one has closed; if that happens too often
    (all rows want the same columns), what is left goes row by row. Each arc exhausts a row or a column, so
    the support is a forest. Fewer arcs than it takes if +inf costs are in the way.
    ``limits``: `greedy_short`, `greedy_few` and `greedy_looks` of `_solver.tuning`.
    """
    short, few, looks_a_node = limits
    n, m = w.shape
    left_a = a.copy()
    left_b = b.copy()
    if short * n <= m and n <= few:
        return _column_by_column(w, left_a, left_b, rows, cols, flows)
    shut = np.zeros(m)
    zero = np.zeros(n)
    best = np.empty(n)
    at = np.empty(n, np.int64)
    for i in range(n):
        best[i] = least_difference(w[i], shut)
        at[i] = place_of(best[i], w[i], shut)
    count = 0
    looks = looks_a_node * (n + m)
    row = 0
    while True:
        if looks > 0:
            low = least_difference(best, zero)
            if low == np.inf:
                return count
            i = place_of(low, best, zero)
        else:
            while row < n and best[row] == np.inf:
                row += 1
            if row == n:
                return count
            i = row
        j = at[i]
        if left_b[j] == 0:
            looks -= 1
            best[i] = least_difference(w[i], shut)
            at[i] = place_of(best[i], w[i], shut)
            continue
        _send(i, j, left_a, left_b, rows, cols, flows, count)
        count += 1
        if left_a[i] == 0:
            best[i] = np.inf
        if left_b[j] == 0:
            shut[j] = -np.inf


@compiled
def greedy(w, a, b, limits):
    """(rows, cols, flows) of `cheapest_first`."""
    size = len(a) + len(b)
    rows = np.empty(size, np.int64)
    cols = np.empty(size, np.int64)
    flows = np.empty(size, np.int64)
    count = cheapest_first(w, a, b, rows, cols, flows, limits)
    return rows[:count], cols[:count], flows[:count]
