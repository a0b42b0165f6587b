"""Masses as integers (numba): ten times less than NumPy's overhead for a hundred of them."""

from __future__ import annotations

import math

import numpy as np

from transport._kernels.settle import scan_masses
from transport.internal import compiled

EPS = 2.0**-52
LITTLE = 2.0**-48  # of a total: differences that the certificate takes into account


@compiled
def _uniform(w):
    same = True
    for v in w:
        same &= v == w[0]
    return same


@compiled
def _units(w, shift):
    out = np.empty(len(w), np.int64)
    for i in range(len(w)):
        out[i] = max(np.int64(np.rint(math.ldexp(w[i], shift))), 1)
    return out


@compiled
def integer_masses(a, b):
    """Positive masses in units of about 2^-60 of the total; see `transport._solver.reductions`."""
    n = len(a)
    m = len(b)
    if _uniform(a) and _uniform(b):
        common = math.gcd(n, m)
        left = np.empty(n, np.int64)
        right = np.empty(m, np.int64)
        left[:] = m // common
        right[:] = n // common
        return left, right
    shift = 61 - math.frexp(max(scan_masses(a)[1], scan_masses(b)[1]))[1]
    left = _units(a, shift)
    right = _units(b, shift)
    excess = np.int64(0)
    for v in left:
        excess += v
    for v in right:
        excess -= v
    lighter = right if excess > 0 else left
    heaviest = 0
    for i in range(len(lighter)):
        if lighter[i] > lighter[heaviest]:
            heaviest = i
    lighter[heaviest] += abs(excess)
    return left, right


@compiled
def balanced(a, b):
    """(whether masses are positive and of equal totals to rounding, b rescaled if these differ by much)."""
    low_a, total_a = scan_masses(a)
    low_b, total_b = scan_masses(b)
    allowed = 4 * max(len(a), len(b)) * EPS * max(total_a, total_b)
    fit = low_a > 0 and low_b > 0 and total_a < np.inf and abs(total_a - total_b) <= allowed
    if fit and abs(total_a - total_b) > LITTLE * total_a:
        b = b * (total_a / total_b)
    return fit, b
