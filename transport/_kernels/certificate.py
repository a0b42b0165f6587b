"""Kernels of the certificate (numba). Solves end on the host whatever library the arrays came from, so these
have no GPU twin; `tests/test_certificate.py` holds them against rational arithmetic.
"""

from __future__ import annotations

import math

import numpy as np

from transport._kernels.costs import c_transform_rows
from transport._kernels.double_double import two_product, two_sum
from transport._kernels.settle import settle
from transport.internal import compiled

EPS = 2.0**-52
MASS_ROUNDING = 1e-13
MUCH = 1e-13  # of the plan's absolute costs: gaps that better potentials or another plan might close
SHIFT = 2.0**-50  # of the value: the plan's own rounding shows in its cost
FAINT = 2.0**-960
FAINT_STEP = 2.0**-1070


@compiled
def scan_potentials(f, a):
    """(whether all f are finite, whether some mass is 0)."""
    finite = True
    massless = False
    for u in f:
        finite &= abs(u) < np.inf
    for v in a:
        massless |= v == 0.0
    return finite, massless


@compiled(inline="always")
def _unit(cost, f, g):
    """1, or the power of two next to the largest entry if that is so extreme that products might not fit."""
    largest = 0.0
    for c in cost:
        if abs(c) < np.inf:
            largest = max(largest, abs(c))
    for u in f:
        largest = max(largest, abs(u))
    for v in g:
        largest = max(largest, abs(v))
    if largest == 0.0 or 1e-120 < largest < 1e120:
        return 1.0
    return math.ldexp(1.0, math.frexp(largest)[1] - 1)


@compiled
def worth(cost, f, g, rows, cols, mass, change, err, rho_a, rho_b, total):
    """What a plan P + dP and potentials prove.

    Returns (value, gap, size, spread, slack, doubt, shift, unit, heap): <C, P + dP>, sum P (C - f - g),
    sum P |C|, sum P (|C| + |f| + |g|), what the residuals rho are worth at the prices f and g, what the
    roundings of dP are worth, <C, dP>. All are divided by the powers of two ``unit`` (of the costs) and
    ``heap`` (of the masses), which are 1 unless the magnitudes are extreme.

    Sums are compensated (Dot2; Ogita, Rump, Oishi 2005) and C - f - g is taken by error-free
    transformations, so that a tiny gap between large potentials is seen at its own precision.
    """
    unit = _unit(cost, f, g)
    heap = 1.0
    if not 1e-90 < total < 1e90:
        heap = math.ldexp(1.0, math.frexp(total)[1] - 1)
    value = 0.0
    value_low = 0.0
    gap = 0.0
    gap_low = 0.0
    size = 0.0
    spread = 0.0
    doubt = 0.0
    shift = 0.0
    for k in range(mass.shape[0]):
        if mass[k] == 0.0 and change[k] == 0.0 and err[k] == 0.0:
            continue
        p = mass[k] / heap
        d = change[k] / heap
        c = cost[k] / unit
        u = f[rows[k]] / unit
        v = g[cols[k]] / unit
        hi, lo = two_product(p, c)
        value, e = two_sum(value, hi)
        value_low += e + lo
        s, e1 = two_sum(c, -u)
        t, e2 = two_sum(s, -v)
        t += e1 + e2
        if d != 0.0:
            shift += d * c
            doubt += EPS * abs(d * c)
        gap, e = two_sum(gap, (p + d) * t)
        gap_low += e
        p = max(p + d, 0.0)
        size += p * abs(c)
        spread += p * (abs(c) + abs(u) + abs(v))
        doubt += err[k] / heap * (abs(c) + abs(t))
        if abs(hi) < FAINT and (mass[k] != 0.0 and c != 0.0):  # the product underflows
            doubt += FAINT_STEP
        if t != 0.0 and p * abs(t) < FAINT:
            doubt += FAINT_STEP
    slack = _mass_slack(rho_a, rho_b, f, g, unit, heap)
    return value + (value_low + shift), gap + gap_low, size, spread, slack, doubt, shift, unit, heap


@compiled
def bounds(cost, f, g, rows, cols, mass, a, b):
    """What a plan and potentials prove; ``cost`` holds C at the plan's entries.

    Returns `worth`'s sums for the plan changed by `settle`, and the masses' off, error and left / heap.
    """
    change, err, rho_a, rho_b, left, off, error = settle(rows, cols, mass, cost, a, b)
    total = 0.0
    for v in b:
        total += v
    sums = worth(cost, f, g, rows, cols, mass, change, err, rho_a, rho_b, total)
    return sums + (off, error, left / sums[8])


@compiled
def interval(sums, relative_error, reach):
    """(lower, upper, noise) in the sums' units; ``reach`` is what a unit of mass left may cost there."""
    value, gap, size, spread, slack, doubt = sums[:6]
    rounding = EPS * (abs(value) + gap) + 2.0**-90 * spread + doubt + relative_error * size
    above = sums[11] * reach if sums[11] > 0.0 else 0.0
    return value - max(gap, 0.0) - rounding - slack, value + rounding + above, 16.0 * EPS * spread


@compiled
def bounds_matrix(c, f, rows, cols, mass, a, b):
    """(sound, g, `bounds`) of a stored matrix; not sound: potentials or masses that want a closer look."""
    finite, massless = scan_potentials(f, a)
    g = c_transform_rows(c, f, 0, len(c))
    cost = np.empty(len(rows))
    for k in range(len(rows)):
        cost[k] = c[rows[k], cols[k]]
    for v in g:
        finite &= v < np.inf
    return finite and not massless, g, bounds(cost, f, g, rows, cols, mass, a, b)


@compiled
def prove(c, f, rows, cols, mass, a, b):
    """(sound, g, proof) of a stored matrix; not sound: oddities, or a gap that a closer look may close.

    Oddities are forbidden arcs in the way, masses of 0, extreme magnitudes. The proof: value, lower, upper,
    noise, size, gap, marginal error, left.
    """
    sound, g, sums = bounds_matrix(c, f, rows, cols, mass, a, b)
    value, gap, size, _, _, _, shift, unit, heap, off, error, left = sums
    reach = 0.0
    if left > 0.0:
        for row in c:
            for v in row:
                reach = max(reach, 2.0 * abs(v))
    lower, upper, noise = interval(sums, 0.0, reach)
    much = MUCH * size
    sound = sound and gap <= much and off <= MASS_ROUNDING and unit == 1.0 and heap == 1.0
    sound = sound and left * reach <= much and abs(shift) <= SHIFT * abs(value)
    return sound, g, (value, lower, upper, noise, size, gap, error, left)


@compiled(inline="always")
def _mass_slack(rho_a, rho_b, f, g, unit, heap):
    """sum |rho_a| |f - c| + sum |rho_b| |g + c|: potentials are sensitivities of the optimum to the masses.

    c is the gauge that makes the sum small.
    """
    weight = 0.0
    for v in rho_a:
        weight += abs(v)
    for v in rho_b:
        weight += abs(v)
    if weight == 0.0:
        return 0.0
    gauge = 0.0
    for i in range(rho_a.shape[0]):
        gauge += abs(rho_a[i]) / weight * (f[i] / unit)
    for j in range(rho_b.shape[0]):
        gauge -= abs(rho_b[j]) / weight * (g[j] / unit)
    slack = 0.0
    for i in range(rho_a.shape[0]):
        slack += abs(rho_a[i]) / heap * abs(f[i] / unit - gauge)
    for j in range(rho_b.shape[0]):
        slack += abs(rho_b[j]) / heap * abs(g[j] / unit + gauge)
    return slack
