"""Masses as integers, so that the simplex conserves them exactly."""

from __future__ import annotations

import math

import numpy as np


def integer_masses(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positive masses in units of about 2^-60 of the total, as int64 vectors of exactly equal sums.

    Uniform masses on both sides become m/gcd and n/gcd units: ties stay ties. Otherwise the unit is a power
    of two, so that masses above 2^-8 of the total are represented exactly; every mass gets at least one
    unit, and the difference of the totals (rounding) goes to the largest mass of the lighter side. The
    flows are recomputed from the floats on the final basis (`peel`), so the unit never shows.
    """
    n, m = len(a), len(b)
    if np.all(a == a[0]) and np.all(b == b[0]):
        common = math.gcd(n, m)
        return np.full(n, m // common, np.int64), np.full(m, n // common, np.int64)
    shift = 61 - math.frexp(max(math.fsum(a), math.fsum(b)))[1]
    left = np.maximum(np.rint(np.ldexp(a, shift)).astype(np.int64), 1)
    right = np.maximum(np.rint(np.ldexp(b, shift)).astype(np.int64), 1)
    excess = int(left.sum()) - int(right.sum())
    if excess > 0:
        right[right.argmax()] += excess
    else:
        left[left.argmax()] -= excess
    return left, right
