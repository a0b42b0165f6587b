"""The sorted coupling on a line, and its potentials (Monge arrays: Hoffman 1963)."""

from __future__ import annotations

import math

import numpy as np

from transport._kernels.double_double import add
from transport.internal import compiled


@compiled
def _cost(s, power):
    s = abs(s)
    if power == 1.0:
        return s
    if power == 2.0:
        return s * s
    return math.pow(s, power)


@compiled
def staircase(x, y, a, b, power):
    """North-west corner coupling of sorted points with masses a, b > 0.

    Returns (rows, cols, mass, f, g) with c_ij = f_i + g_j along the staircase, a basis even where a source
    and a sink run out together (an arc without mass joins the steps). For convex costs of the difference
    c_ij + c_i'j' <= c_ij' + c_i'j (i < i', j < j'), so f_i + g_j <= c_ij everywhere. Masses and potentials
    are accumulated in double-double.
    """
    n = len(x)
    m = len(y)
    rows = np.empty(n + m - 1, np.int64)
    cols = np.empty(n + m - 1, np.int64)
    mass = np.zeros(n + m - 1)
    f = np.zeros(n)
    g = np.zeros(m)
    fh = 0.0
    fl = 0.0
    gh = _cost(x[0] - y[0], power)
    gl = 0.0
    g[0] = gh
    i = 0
    j = 0
    ah = a[0]
    al = 0.0
    bh = b[0]
    bl = 0.0
    for k in range(n + m - 1):
        rows[k] = i
        cols[k] = j
        dh, dl = add(ah, al, -bh, -bl)
        go_down = j == m - 1 or (dh < 0.0 and i < n - 1)
        if go_down:
            mass[k] = ah if i < n - 1 else min(ah, bh)
            bh, bl = -dh, -dl
            i += 1
            if i == n:
                break
            ah = a[i]
            al = 0.0
            c = _cost(x[i] - y[j], power)
            fh, fl = add(c, 0.0, -gh, -gl)
            f[i] = fh
        else:
            mass[k] = bh
            ah, al = dh, dl
            j += 1
            bh = b[j]
            bl = 0.0
            c = _cost(x[i] - y[j], power)
            gh, gl = add(c, 0.0, -fh, -fl)
            g[j] = gh
    return rows, cols, mass, f, g
