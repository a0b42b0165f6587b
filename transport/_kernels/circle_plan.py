"""Plan and potentials on a circle, once the best shift is known (numba)."""

from __future__ import annotations

import numpy as np

from transport._kernels.circle import _gap, _start
from transport._kernels.double_double import add
from transport._kernels.line import _cost
from transport.internal import compiled


@compiled
def _coincidence(a, b, units, shift):
    """(i, j, lap of j) of the first source and sink that begin at the same mass position; i < 0: none."""
    i = 0
    j, lap, v = _start(b, units, shift)
    u = a[0]
    while i < a.size:
        step = min(u, v)
        u -= step
        v -= step
        both = u == 0 and v == 0
        if u == 0:
            i += 1
            u = a[i % a.size]
        if v == 0:
            j += 1
            if j == b.size:
                j = 0
                lap += 1
            v = b[j]
        if both:
            return i % a.size, j, lap - i // a.size
    return -1, j, lap


@compiled
def once_around(x, y, a, b, units, shift, period, power):
    """(parent, f, g): the shifted monotone coupling as a forest, and potentials tight on it.

    ``parent`` is what `forests.peel` takes: sources first, then sinks, root n + m. On the universal
    cover the coupling is a staircase, broken where a source and a sink run out together. Joining the pieces
    by going to the next source first, or to the next sink first, gives two pairs of potentials that are
    feasible on the cover (Monge arrays, as on the line) and gain H1 and H2 a lap: the one-sided derivatives
    of the cost in the shift, H1 H2 <= 0 at the best shift. The mean that gains 0 lives on the circle.
    A parent of length 0 says that the staircase has no break: ``shift`` was not the best.
    """
    n = x.size
    m = y.size
    i, j, lap_j = _coincidence(a, b, units, shift)
    parent = np.full(n + m, n + m)
    f = np.zeros((2, n))
    g = np.zeros((2, m))
    if i < 0:
        return parent[:0], f[0], g[0]
    lap_i = 0
    fh = np.zeros(2)
    fl = np.zeros(2)
    gh = np.zeros(2)
    gl = np.zeros(2)
    gh[:] = _cost(_gap(x[i], y[j], lap_j, period), power)
    g[:, j] = gh
    parent[n + j] = i
    u = a[i]
    v = b[j]
    seen_i = 1
    seen_j = 1
    while True:
        step = min(u, v)
        u -= step
        v -= step
        next_i, next_lap_i = (i + 1, lap_i) if i + 1 < n else (0, lap_i + 1)
        next_j, next_lap_j = (j + 1, lap_j) if j + 1 < m else (0, lap_j + 1)
        if u == 0 and v == 0:
            last = seen_i == n and seen_j == m
            c = _cost(_gap(x[next_i], y[next_j], next_lap_j - next_lap_i, period), power)
            c0 = _cost(_gap(x[next_i], y[j], lap_j - next_lap_i, period), power)
            fh[0], fl[0] = add(c0, 0.0, -gh[0], -gl[0])
            gh[0], gl[0] = add(c, 0.0, -fh[0], -fl[0])
            c1 = _cost(_gap(x[i], y[next_j], next_lap_j - lap_i, period), power)
            gh[1], gl[1] = add(c1, 0.0, -fh[1], -fl[1])
            fh[1], fl[1] = add(c, 0.0, -gh[1], -gl[1])
            i, lap_i, j, lap_j = next_i, next_lap_i, next_j, next_lap_j
            if last:
                break
            f[:, i] = fh
            g[:, j] = gh
            parent[n + j] = i
            u = a[i]
            v = b[j]
            seen_i += 1
            seen_j += 1
        elif u == 0:
            i, lap_i = next_i, next_lap_i
            c = _cost(_gap(x[i], y[j], lap_j - lap_i, period), power)
            for k in range(2):
                fh[k], fl[k] = add(c, 0.0, -gh[k], -gl[k])
            f[:, i] = fh
            parent[i] = n + j
            u = a[i]
            seen_i += 1
        else:
            j, lap_j = next_j, next_lap_j
            c = _cost(_gap(x[i], y[j], lap_j - lap_i, period), power)
            for k in range(2):
                gh[k], gl[k] = add(c, 0.0, -fh[k], -fl[k])
            g[:, j] = gh
            parent[n + j] = i
            v = b[j]
            seen_j += 1
    t = 0.5 if fh[0] == fh[1] else min(1.0, max(0.0, fh[1] / (fh[1] - fh[0])))
    return parent, t * f[0] + (1.0 - t) * f[1], t * g[0] + (1.0 - t) * g[1]
