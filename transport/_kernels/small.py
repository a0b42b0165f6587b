"""Check, solve and certify a small matrix in one call (numba), from the kernels that do each of it."""

from __future__ import annotations

import numpy as np
from numba import njit

from transport._kernels.certificate import bounds_matrix, scan_masses
from transport._kernels.simplex_dense import OPTIMAL, UNFIT, solve

_jit = njit(cache=True, nogil=True)

EPS = 2.0**-52


@_jit
def answer(c, a, b, limit):
    """(proved, pivots, rows, cols, mass, f, g, b, bounds); if not proved, the rest means nothing.

    The steps of `transport.solve`: masses positive and of equal totals (b rescaled if rounding parts them),
    `simplex_dense.solve`, `bounds_matrix`.
    """
    n, m = c.shape
    low_a, total_a = scan_masses(a)
    low_b, total_b = scan_masses(b)
    allowed = 4 * max(n, m) * EPS * max(total_a, total_b)
    fit = low_a > 0 and low_b > 0 and total_a < np.inf and abs(total_a - total_b) <= allowed
    if total_a != total_b:
        b = b * (total_a / total_b)
    code = UNFIT
    if fit:
        code, pivots, rows, cols, mass, f, g = solve(c, a, b, np.zeros(m), limit)
    else:
        pivots, rows, cols, mass, f, g = 0, np.empty(0, np.int64), np.empty(0, np.int64), a[:0], a, b
    if code != OPTIMAL:
        return False, pivots, rows, cols, mass, f, g, b, (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    sound, g, sums = bounds_matrix(c, f, rows, cols, mass, a, b)
    return sound, pivots, rows, cols, mass, f, g, b, sums
