"""Masses as integers, so that the simplex conserves them exactly."""

from __future__ import annotations

import numpy as np


def integer_masses(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positive masses in units of about 2^-60 of the total, as int64 vectors of exactly equal sums.

    Uniform masses on both sides become m/gcd and n/gcd units: ties stay ties. Otherwise the unit is a power
    of two, so that masses above 2^-8 of the total are represented exactly; every mass gets at least one
    unit, and the difference of the totals (rounding) goes to the largest mass of the lighter side. The
    flows are recomputed from the floats on the final basis (`peel`), so the unit never shows.
    """
    from transport._kernels import masses

    left, right = masses.integer_masses(a, b)
    return left, right
