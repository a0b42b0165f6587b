"""Sums and products of float64 with their rounding errors, and double-double sums of those (numba)."""

from __future__ import annotations

from transport.internal import compiled


@compiled
def two_sum(a, b):
    """a + b and its rounding error (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


@compiled
def two_product(a, b):
    """a b and its rounding error (Dekker); no overflow below 2^996."""
    p = a * b
    t = 134217729.0 * a
    ah = t - (t - a)
    al = a - ah
    t = 134217729.0 * b
    bh = t - (t - b)
    bl = b - bh
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


@compiled
def add(ah, al, bh, bl):
    """Double-double sum (Dekker 1971); relative error 2^-105 of |a| + |b|."""
    s, e = two_sum(ah, bh)
    e += al + bl
    h = s + e
    return h, e - (h - s)


@compiled
def add_below(high, low, length):
    """A double-double number <= high + low + length: equal if it fits, else 2^-104 relative below."""
    s, e = two_sum(high, length)
    r, rest = two_sum(e, low)
    if rest != 0.0:
        r -= 2.0**-52 * abs(r) + 5e-324
    h = s + r
    return h, r - (h - s)
