"""Kernels of entropic transport (numba): rows of the plan from potentials, and what Newton's method needs.

Everything is relative to a pair of base potentials F, G in units of the cost:
``P_ij = exp(p_i + q_j - ((C_ij - F_i) - G_j) / reg)``. The differences C - F - G of the arcs that matter are
small, so that P keeps its digits however small ``reg`` is; p and q hold f / reg + log a and g / reg + log b
less the base. The row potentials p are eliminated: each kernel makes the rows optimal for the given q.

A row is pulled to its mass a_i by a penalty, described by four numbers ``(slope, damping, low, high)``:
p = log a - (log Z + slope F) / (1 + damping), f in [low, high], log Z_i = log sum_j exp(q_j - S_ij / reg).
Balanced: (0, 0, -inf, inf). KL(rho): (1 / rho, reg / rho, -inf, inf). TV(lam): (0, 0, -lam, lam).
"""

from __future__ import annotations

import math

import numpy as np

from transport._kernels.exponential import exp
from transport.internal import compiled

TINY = 1e-30  # parts of a row that single precision would make subnormal


@compiled(fastmath={"contract"})
def weight(c, f, g, per, p, q):
    """P of one arc. C - F - G is never regrouped: all kernels see the same slack."""
    return exp(p + (q - ((c - f) - g) * per))


@compiled
def row_potential(log_z, log_a, base, reg, penalty):
    """(p, share): the optimal p of a row, and by how much it follows log Z (0 where a bound holds it)."""
    p = log_a - (log_z + penalty[0] * base) / (1.0 + penalty[1])
    f = base + reg * (p - log_a)
    if f < penalty[2]:
        return log_a + (penalty[2] - base) / reg, 0.0
    if f > penalty[3]:
        return log_a + (penalty[3] - base) / reg, 0.0
    return p, 1.0 / (1.0 + penalty[1])


@compiled(fastmath={"contract", "reassoc"})
def _fill(c, f, base_g, per, p, q, out):
    total = 0.0
    for j in range(len(c)):
        v = weight(c[j], f, base_g[j], per, p, q[j])
        out[j] = v
        total += v
    return total


@compiled
def _highest(c, f, base_g, per, q):
    top = -np.inf
    for j in range(len(c)):
        top = max(top, q[j] - ((c[j] - f) - base_g[j]) * per)
    return top


@compiled(fastmath={"contract", "reassoc"})
def _add(part, factor, c, col, cost):
    for j in range(len(c)):
        v = part[j] * factor
        col[j] += v
        cost[j] += v * c[j] if v > 0.0 else 0.0


@compiled
def _keep(part, factor, out):
    for j in range(len(out)):
        v = part[j] * factor
        out[j] = v if v > TINY else 0.0


@compiled
def evaluate_rows(c, base, reg, state, penalty, rows, kept):
    """Make rows first:last optimal for q; returns (column sums, costs by column) of these rows.

    base: (F, G); state: (q, p, log_a, log_z, row, share), of which p, log_z, row (sums) and share are filled;
    ``kept``: rows are stored there divided by their sums, unless it is empty.
    """
    base_f, base_g = base
    q, p, log_a, log_z, row, share = state
    m = len(q)
    per = 1.0 / reg
    col = np.zeros(m)
    cost = np.zeros(m)
    part = np.empty(m)
    for k in range(rows[1] - rows[0]):
        i = rows[0] + k
        ci = c[k]
        total = _fill(ci, base_f[i], base_g, per, p[i], q, part)
        if not 1e-200 < total < 1e200:
            top = _highest(ci, base_f[i], base_g, per, q)
            p[i] = -top if top > -np.inf else 0.0
            total = _fill(ci, base_f[i], base_g, per, p[i], q, part)
        if total == 0.0:  # forbidden arcs only
            log_z[i], p[i], share[i], row[i] = -np.inf, 0.0, 0.0, 0.0
            if len(kept):
                kept[i] = 0.0
            continue
        log_z[i] = math.log(total) - p[i]
        new, share[i] = row_potential(log_z[i], log_a[i], base_f[i], reg, penalty)
        row[i] = math.exp(log_z[i] + new)
        p[i] = new
        _add(part, row[i] / total, ci, col, cost)
        if len(kept):
            _keep(part, 1.0 / total, kept[i])
    return col, cost


@compiled(fastmath={"contract", "reassoc"})
def _dot(x, y):
    total = x[0] * y[0]
    for j in range(1, len(x)):
        total += x[j] * y[j]
    return total


@compiled
def normal_rows(kept, scale, v, first, last):
    """sum over rows i of scale_i K_i (K_i . v), K the rows divided by their sums."""
    out = np.zeros(len(v), v.dtype)
    for i in range(first, last):
        t = v.dtype.type(_dot(kept[i], v) * scale[i])
        for j in range(len(v)):
            out[j] += kept[i, j] * t
    return out


@compiled
def keep_rows(c, base, reg, state, rows, out):
    """out = the rows divided by their sums, for the potentials of the last evaluation."""
    base_f, base_g = base
    q, p = state[0], state[1]
    per = 1.0 / reg
    part = np.empty(len(q))
    for k in range(rows[1] - rows[0]):
        i = rows[0] + k
        total = _fill(c[k], base_f[i], base_g, per, p[i], q, part)
        _keep(part, 1.0 / total if total > 0.0 else 0.0, out[k])


@compiled
def dot_rows(kept, v, first, last, out):
    """out_i = K_i . v in double precision."""
    for i in range(first, last):
        out[i] = _dot(kept[i], v)


@compiled
def sweep_rows(kept, v, base_f, reg, state, penalty, first, last):
    """Rows optimal for the columns scaled by ``v``; the column sums divided by v. P stays as it was kept."""
    log_a, log_z = state[2], state[3]
    out = np.zeros(len(v), v.dtype)
    for i in range(first, last):
        z = _dot(kept[i], v)
        if z > 0.0:
            new, _ = row_potential(log_z[i] + math.log(z), log_a[i], base_f[i], reg, penalty)
            t = v.dtype.type(math.exp(new + log_z[i]))
            for j in range(len(v)):
                out[j] += kept[i, j] * t
    return out


@compiled
def plan_rows(c, base, reg, state, y, spread, rows, out):
    """out = P_ij y_j + left_i right_j / total for the rows, dense; ``spread``: (left, right, total)."""
    base_f, base_g = base
    q, p = state[0], state[1]
    left, right, total = spread
    per = 1.0 / reg
    for k in range(rows[1] - rows[0]):
        i = rows[0] + k
        _fill(c[k], base_f[i], base_g, per, p[i], q, out[k])
        extra = left[i] / total if total > 0.0 else 0.0
        for j in range(len(y)):
            out[k, j] = out[k, j] * y[j] + extra * right[j]


@compiled
def times_rows(c, base, reg, state, v, rows, out):
    """out_i = sum_j P_ij v_j in double precision, P computed anew."""
    base_f, base_g = base
    q, p = state[0], state[1]
    part = np.empty(len(q))
    for k in range(rows[1] - rows[0]):
        i = rows[0] + k
        _fill(c[k], base_f[i], base_g, 1.0 / reg, p[i], q, part)
        total = 0.0
        for j in range(len(v)):
            total += part[j] * v[j]
        out[i] = total
