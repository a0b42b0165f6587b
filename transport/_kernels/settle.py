"""Plans made to fit their masses (numba): residuals, and ways to settle them."""

from __future__ import annotations

import numpy as np

from transport._kernels.double_double import two_sum
from transport.internal import compiled

EPS = 2.0**-52


@compiled
def scan_masses(w):
    """(smallest, correctly rounded total) of a vector of masses; NaN in, NaN out."""
    smallest = np.inf
    total = 0.0
    low = 0.0
    for k in range(w.shape[0]):
        v = w[k]
        if not v >= smallest:
            smallest = v
        total, e = two_sum(total, v)
        low += e
    return smallest, total + low


@compiled
def residuals(rows, cols, mass, a, b):
    """(a - P 1, b - P^T 1) of a sparse plan, right to the last bit even where they cancel."""
    off_a, off_b, _, _ = _residuals(rows, cols, mass, a, b)
    return off_a, off_b


@compiled
def _residuals(rows, cols, mass, a, b):
    """`residuals`, and what their roundings may be (0 where they are exact)."""
    n = a.shape[0]
    m = b.shape[0]
    off_a = a.copy()
    off_b = b.copy()
    low_a = np.zeros(n)
    low_b = np.zeros(m)
    err_a = np.zeros(n)
    err_b = np.zeros(m)
    for k in range(mass.shape[0]):
        i = rows[k]
        j = cols[k]
        off_a[i], e = two_sum(off_a[i], -mass[k])
        if e != 0.0:
            low_a[i] += e
            err_a[i] += EPS * abs(low_a[i])
        off_b[j], e = two_sum(off_b[j], -mass[k])
        if e != 0.0:
            low_b[j] += e
            err_b[j] += EPS * abs(low_b[j])
    for i in range(n):
        if low_a[i] != 0.0:
            off_a[i] += low_a[i]
            err_a[i] += EPS * abs(off_a[i])
    for j in range(m):
        if low_b[j] != 0.0:
            off_b[j] += low_b[j]
            err_b[j] += EPS * abs(off_b[j])
    return off_a, off_b, err_a, err_b


@compiled(inline="always")
def _mismatch(a, b):
    """(sum a - sum b, what its rounding may be, sum b)."""
    total = 0.0
    difference = 0.0
    low = 0.0
    error = 0.0
    for v in a:
        difference, e = two_sum(difference, v)
        if e != 0.0:
            low += e
            error += EPS * abs(low)
    for v in b:
        total += v
        difference, e = two_sum(difference, -v)
        if e != 0.0:
            low += e
            error += EPS * abs(low)
    return difference + low, error, total


@compiled
def settle(rows, cols, mass, cost, a, b):
    """The change dP of a plan's masses that makes its marginals exactly those of the problem.

    The problem's masses are a and b sum(a) / sum(b). Residuals are moved along the arcs of the plan from its
    leaves towards the heaviest node, as far as P + dP >= 0 allows; a forest of one piece settles everything.

    Returns (dP, err, rho_a, rho_b, left, off, error): the exact change lies within err of dP (entry by
    entry); rho are the residuals that P + dP leaves, ``left`` the sum of their sizes (with what clipping and
    rounding may add), off and error the sum of the sizes of the residuals of P and the largest of them.
    """
    n = a.shape[0]
    m = b.shape[0]
    off_a, off_b, err_a, err_b = _residuals(rows, cols, mass, a, b)
    difference, rounding, total = _mismatch(a, b)
    off = 0.0
    error = 0.0
    for v in off_a:
        off += abs(v)
        error = max(error, abs(v))
    for v in off_b:
        off += abs(v)
        error = max(error, abs(v))
    change = np.zeros(len(mass))
    err = np.zeros(len(mass))
    if off == 0.0 and difference == 0.0 and rounding == 0.0:
        return change, err, off_a, off_b, 0.0, 0.0, 0.0
    off = (off + abs(difference)) / total
    rest = np.concatenate((off_a, off_b))
    unsure = np.concatenate((err_a, err_b))
    if difference != 0.0 or rounding != 0.0:
        for j in range(m):
            share = b[j] / total
            rest[n + j] += share * difference
            unsure[n + j] += share * (rounding + EPS * abs(difference) * 4.0) + EPS * abs(rest[n + j])
    left = _push(rows, cols, mass, cost, a, b, rest, unsure, change, err)
    return change, err, rest[:n], rest[n:], left, off, error


@compiled
def _push(rows, cols, mass, cost, a, b, rest, unsure, change, err):
    """`settle`'s way from the leaves; changes rest, unsure, change, err and returns ``left``."""
    n = len(a)
    degree = np.zeros(len(rest), np.int64)
    arcs = np.zeros(len(rest), np.int64)  # exclusive or of the arcs left at a node
    for k in range(len(mass)):
        if cost[k] < np.inf:
            degree[rows[k]] += 1
            arcs[rows[k]] ^= k
            degree[n + cols[k]] += 1
            arcs[n + cols[k]] ^= k
    heavy = 0
    heaviest = -1.0
    nodes = 0
    stack = np.empty(len(rest), np.int64)
    top = 0
    for v in range(len(rest)):
        w = a[v] if v < n else b[v - n]
        if w > heaviest:
            heavy = v
            heaviest = w
        nodes += w > 0.0 or degree[v] > 0
        if degree[v] == 1:
            stack[top] = v
            top += 1
    left = 0.0
    joined = 1
    while top > 0:
        top -= 1
        v = stack[top]
        if degree[v] != 1 or v == heavy:
            continue
        k = arcs[v]
        w = n + cols[k] if v < n else rows[k]
        move = max(rest[v], -mass[k])
        left += abs(rest[v] - move)
        if mass[k] + move < unsure[v]:
            left += 2.0 * unsure[v]
        change[k] = move
        err[k] = unsure[v]
        rest[v] -= move
        unsure[w] += unsure[v]
        if move != 0.0:
            rest[w] -= move
            unsure[w] += EPS * (abs(rest[w]) + abs(move))
        joined += 1
        degree[v] = -1
        degree[w] -= 1
        arcs[w] ^= k
        if degree[w] == 1 and w != heavy:
            stack[top] = w
            top += 1
    if joined == nodes and left == 0.0:
        rest[:] = 0.0  # what is left at the last node is rounding: the totals agree
        return 0.0
    left = 0.0
    for v in range(len(rest)):
        if degree[v] >= 0:
            rest[v] = abs(rest[v]) + unsure[v]
        left += abs(rest[v])
    for k in range(len(mass)):
        if err[k] > 0.0 and mass[k] + change[k] < err[k]:
            left += 2.0 * err[k]
    return left
