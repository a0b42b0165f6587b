"""Bounded search: for each x the k smallest c(x, y_j) - v_j, proved by a lower bound per tree node.

Let y' be the centre of a node, v <= beta + h . (y - y') on it (`kd_order.fit`), and write the cost as a
function of a norm, c = s^p with s(y) = |x - y|. In the node

    c >= A + slope s    tangent of s^p at s(y') if p >= 1, chord over the node if p < 1
    s(y) >= s(y') + g . (y - y')    subgradient: s is convex

so min c - v >= A + slope s(y') - beta + min over the box of (slope g - h) . dy, linear in dy, hence
solved axis by axis. The squared Euclidean cost keeps its |dy|^2 and is solved exactly per axis; so is
the cityblock distance. Without h the bound would be first order in (cell size x displacement), and
visit hundreds of points instead of tens.

Bounds carry their own rounding. A node is passed over when its bound reaches the limit to within 64
roundings of the numbers at hand: on lattices and lines exact ties are all around, and telling them apart
would visit every tied point. Each search returns a floor below everything it passed over:
min(best, floor) is a proved lower bound.

Kernels are made for a dimension and a cost: constants there are worth a factor of two.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from transport._kernels.costs import raised
from transport.internal import compiled

SQUARED, EUCLIDEAN, CITYBLOCK, CHEBYSHEV, OTHER = 0, 1, 2, 3, 4
_U = 2.0**-53
_TIE = 64.0 * _U


@compiled
def _base(x, y, i, j, dim, metric):
    """The norm |x_i - y_j| (squared for metric 0), operation for operation as `costs.pair_cost`."""
    s = 0.0
    if metric == 0:
        for q in range(dim):
            t = x[i, q] - y[j, q]
            s += t * t
    elif metric == 1:
        for q in range(dim):
            s += abs(x[i, q] - y[j, q])
    else:
        for q in range(dim):
            s = max(s, abs(x[i, q] - y[j, q]))
    return s


@compiled(inline="always")
def _cost(x, y, i, j, dim, kind, metric, power):
    if kind == SQUARED:
        return _base(x, y, i, j, dim, 0)
    if kind == EUCLIDEAN:
        return np.sqrt(_base(x, y, i, j, dim, 0))
    if EUCLIDEAN < kind < OTHER:
        return _base(x, y, i, j, dim, kind - 1)
    s = _base(x, y, i, j, dim, metric)
    if metric == 0:
        return np.sqrt(s) if power == 1.0 else raised(s, 0.5 * power)
    return s if power == 1.0 else raised(s, power)


@compiled
def _bound_squared(x, i, nodes, z, dim):
    b = 0.0
    size = 0.0
    for q in range(dim):
        t = x[i, q] - nodes[z, q]
        c = t * t
        s = -2.0 * t - nodes[z, dim + q]
        dy = min(max(-0.5 * s, nodes[z, 2 * dim + q]), nodes[z, 3 * dim + q])
        e = dy * (dy + s)
        b += c + e
        size += c + dy * dy + abs(e)
    return b - nodes[z, 4 * dim] - (dim + 9.0) * _U * size


@compiled
def _kinked(w, t, lo, kink, hi, h):
    """min over lo <= dy <= hi of w |t - dy| - h dy: convex, so at an end or at the kink."""
    low = min(w * abs(t - lo) - h * lo, w * abs(t - hi) - h * hi)
    return min(low, w * abs(t - kink) - h * kink)


@compiled
def _bound_linear(x, i, nodes, z, dim, metric, slope, s0):
    """min over the box of slope s(y) - h . dy - beta; ``s0`` is s at the centre."""
    b = slope * s0
    size = b
    if metric != 0:
        b = 0.0
    inverse = slope / s0 if s0 > 0.0 else 0.0
    axis = 0
    other = 0.0
    if metric == 2:  # max_q |t_q - dy_q| >= sum_q w_q |t_q - dy_q|: all weight on the largest, or as h has it
        far = -1.0
        steep = 0.0
        for q in range(dim):
            t = abs(x[i, q] - nodes[z, q])
            steep += abs(nodes[z, dim + q])
            if t > far:
                far = t
                axis = q
        steep = slope / steep if steep > 0.0 else 0.0
    for q in range(dim):
        t = x[i, q] - nodes[z, q]
        h = nodes[z, dim + q]
        lo = nodes[z, 2 * dim + q]
        hi = nodes[z, 3 * dim + q]
        if metric != 0:
            kink = min(max(t, lo), hi)
            b += _kinked(slope if metric == 1 or q == axis else 0.0, t, lo, kink, hi, h)
            if metric == 2:
                other += _kinked(steep * abs(h), t, lo, kink, hi, h)
            size += (slope + abs(h)) * (abs(t) + hi - lo)
            continue
        g = -t * inverse - h
        e = min(g * lo, g * hi)
        b += e
        size += abs(g) * (hi - lo) + (abs(t) * inverse + slope) * (hi - lo)
    if metric == 2:
        b = max(b, other)
    return b - nodes[z, 4 * dim] - (2.0 * dim + 10.0) * _U * size


@compiled
def _bound_other(x, i, nodes, z, dim, metric, power):
    """Tangent or chord of s^p, or the distance to the box against max v, whichever is better."""
    near = 0.0
    far = 0.0
    centre = 0.0
    for q in range(dim):
        t = x[i, q] - nodes[z, q]
        lo = nodes[z, 2 * dim + q]
        hi = nodes[z, 3 * dim + q]
        a = max(max(lo - t, t - hi), 0.0)
        b = max(abs(t - lo), abs(t - hi))
        if metric == 0:
            near += a * a
            far += b * b
            centre += t * t
        elif metric == 1:
            near += a
            far += b
            centre += abs(t)
        else:
            near = max(near, a)
            far = max(far, b)
            centre = max(centre, abs(t))
    if metric == 0:
        near = np.sqrt(near)
        far = np.sqrt(far)
        centre = np.sqrt(centre)
    low = raised(near, power)
    rounding = ((dim + 4.0) * max(power, 1.0) + 8.0) * _U
    top = nodes[z, 4 * dim + 1]
    plain = low - top - rounding * (low + abs(top))
    if power >= 1.0:
        tangent = raised(centre, power)
        slope = power * tangent / centre if centre > 0.0 else (1.0 if power == 1.0 else 0.0)
        offset = tangent - slope * centre
    elif far > near:
        tangent = raised(far, power)
        slope = (tangent - low) / (far - near) * (1.0 - rounding)
        offset = low - slope * near
    else:
        return plain
    linear = _bound_linear(x, i, nodes, z, dim, metric, slope, centre) + offset
    return max(plain, linear - rounding * (tangent + low + slope * (centre + near)))


@compiled(inline="always")
def _bound(x, i, nodes, z, dim, kind, metric, power):
    if kind == SQUARED:
        return _bound_squared(x, i, nodes, z, dim)
    if kind == EUCLIDEAN:
        s = 0.0
        for q in range(dim):
            t = x[i, q] - nodes[z, q]
            s += t * t
        return _bound_linear(x, i, nodes, z, dim, 0, 1.0, np.sqrt(s))
    if kind == CITYBLOCK:
        return _bound_linear(x, i, nodes, z, dim, 1, 1.0, 0.0)
    if kind == CHEBYSHEV:
        s = 0.0
        for q in range(dim):
            s = max(s, abs(x[i, q] - nodes[z, q]))
        return _bound_linear(x, i, nodes, z, dim, 2, 1.0, s)
    return _bound_other(x, i, nodes, z, dim, metric, power)


@cache
def _make(fixed_dim: int, kind: int) -> Callable[..., int]:
    @compiled
    def search(x, start, stop, limit, y, v, nodes, depth, metric, power, cols, vals, counts, floor):
        """Fill rows start:stop of cols, vals (ascending), counts and floor; returns the evaluations done.

        Row i gets the k = cols.shape[1] smallest values below limit[i]; the rest is >= floor[i].
        """
        m = y.shape[0]
        k = cols.shape[1]
        dim = fixed_dim if fixed_dim > 0 else y.shape[1]
        stack = np.empty(2 * depth + 4, np.int64)
        bounds = np.empty(2 * depth + 4)
        leaves = 1 << depth
        work = 0
        for i in range(start, stop):
            count = 0
            limit_i = limit[i]
            cut = limit_i - _TIE * abs(limit_i) if limit_i < np.inf else limit_i
            lowest = np.inf
            sp = 1
            stack[0] = 1
            bounds[0] = -np.inf
            while sp > 0:
                sp -= 1
                if bounds[sp] >= cut:
                    lowest = min(lowest, bounds[sp])
                    continue
                z = stack[sp]
                if z < leaves:
                    work += 1
                    near = 2 * z
                    far = near + 1
                    bn = _bound(x, i, nodes, near, dim, kind, metric, power)
                    bf = _bound(x, i, nodes, far, dim, kind, metric, power)
                    if bf < bn:
                        near, far = far, near
                        bn, bf = bf, bn
                    stack[sp] = far
                    bounds[sp] = bf
                    stack[sp + 1] = near
                    bounds[sp + 1] = bn
                    sp += 2
                    continue
                first = m * (z - leaves) >> depth
                last = m * (z - leaves + 1) >> depth
                work += last - first
                for j in range(first, last):
                    r = _cost(x, y, i, j, dim, kind, metric, power) - v[j]
                    if r < limit_i:
                        if count < k:
                            t = count
                            count += 1
                        else:
                            t = k - 1
                        while t > 0 and vals[i, t - 1] > r:
                            vals[i, t] = vals[i, t - 1]
                            cols[i, t] = cols[i, t - 1]
                            t -= 1
                        vals[i, t] = r
                        cols[i, t] = j
                        if count == k:
                            limit_i = min(limit_i, vals[i, k - 1])
                            tie = abs(limit_i) + 2.0 * abs(v[cols[i, k - 1]])
                            cut = min(cut, limit_i - _TIE * tie)
            counts[i] = count
            floor[i] = lowest
        return work

    return search


def searcher(dim: int, metric: int, power: float) -> Callable[..., Any]:
    """The compiled search for points of dimension ``dim`` and the cost |x - y|_metric ^ power."""
    fixed = dim if dim in (2, 3) else 0
    if metric == 0 and power == 2.0:
        return _make(fixed, SQUARED)
    if metric == 0 and power == 1.0:
        return _make(fixed, EUCLIDEAN)
    if power == 1.0:
        return _make(fixed, CITYBLOCK if metric == 1 else CHEBYSHEV)
    return _make(fixed, OTHER)
