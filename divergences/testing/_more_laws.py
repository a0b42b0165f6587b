"""Laws of entropy, cross entropy, the energy statistic and the distance of two Gaussians."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from divergences.testing._cases import GaussianCase, MeasurePair, SampleCase
from divergences.testing._law import Demand, Judge, Law
from divergences.testing._line_laws import UNITS
from divergences.testing._parametric import as_floats, gaussian_pairs, sample_pairs
from divergences.testing._strategies import RELATIONS, measure_pairs
from divergences.testing._truth import root, true_cross_entropy, true_entropy

RTOL = 1e-12
Function = Callable[..., Any]
Rows = list[tuple[str, str, Any, Judge]]


def _call(f: Function, *given: Any) -> float:
    return float(f(*(np.array(v) for v in given)))


def _equal(found: float, true: float, size: float, shown: str, line: str) -> Demand:
    return Demand(found, "==", true, RTOL * size, shown, line)


def _kept(f: Function, given: tuple[Any, ...], line: str) -> Iterator[Demand]:
    copies = [np.array(v) for v in given]
    f(*copies)
    changed = sum(float(np.abs(u - v).max()) for u, v in zip(copies, given))
    yield Demand(changed, "==", 0.0, 0.0, "change made to the arguments", line)


# --- entropy ----------------------------------------------------------------------------------------------


def _entropy(f: Function, case: MeasurePair) -> Iterator[Demand]:
    true = true_entropy(case.exact[0])
    yield _equal(_call(f, case.p), true, max(true, 1e-300), "f(p) and -sum p log p", "f(p)")


def _entropy_range(f: Function, case: MeasurePair) -> Iterator[Demand]:
    found, most = _call(f, case.p), math.log(len(case.p))
    yield Demand(found, ">=", 0.0, 0.0, "f(p)", "f(p)")
    yield Demand(found, "<=", most, RTOL * most, "f(p) and log of the number of atoms", "f(p)")


def _entropy_splitting(f: Function, case: MeasurePair) -> Iterator[Demand]:
    for k in (2, 64):
        found = _call(f, np.repeat(case.p / k, k))
        true = true_entropy(case.exact[0]) + math.log(k)
        line = f"f(np.repeat(p / {k}, {k}))"
        yield _equal(found, true, true, f"f with every atom cut in {k}, and f + log {k}", line)


def _entropy_of_atom(f: Function, case: int) -> Iterator[Demand]:
    line = f"f(np.eye({case})[0])"
    yield _equal(_call(f, np.eye(case)[0]), 0.0, 1e-288, "f of one atom", line)
    found = float(f(np.eye(case, dtype=np.int64)[0]))
    yield _equal(found, 0.0, 1e-288, "f of integer masses", f"f(np.eye({case}, dtype=int)[0])")


def _entropy_concave(f: Function, case: MeasurePair) -> Iterator[Demand]:
    ends = (_call(f, case.p) + _call(f, case.q)) / 2
    middle = _call(f, (case.p + case.q) / 2)
    yield Demand(
        middle, ">=", ends, RTOL * max(ends, 1e-300), "f((p+q)/2) and (f(p)+f(q))/2", "f((p + q) / 2)"
    )


def _entropy_order(f: Function, case: MeasurePair) -> Iterator[Demand]:
    one, other = _call(f, case.p), _call(f, np.append(case.p[::-1], 0.0))
    line = "f(np.append(p[::-1], 0.))"
    yield _equal(other, one, max(one, 1e-288), "f(p) reversed, with an atom of no mass", line)


def entropy_laws() -> Rows:
    """Of ``f(p)``, in nats."""
    anything = st.sampled_from(RELATIONS).flatmap(measure_pairs)  # type: ignore[arg-type]
    return [
        ("value", "f(p) = -sum p log p, to 1e-12 of itself", anything, _entropy),
        ("range", "0 <= f(p) <= log n", anything, _entropy_range),
        ("one atom", "f is 0 where one atom has all the mass", st.integers(1, 5), _entropy_of_atom),
        ("order of atoms", "order and atoms of no mass change nothing", anything, _entropy_order),
        ("splitting", "cutting every atom in k adds log k", anything, _entropy_splitting),
        ("concavity", "f((p+q)/2) >= (f(p) + f(q))/2", anything, _entropy_concave),
        (
            "arguments kept",
            "f does not write to its argument",
            anything,
            lambda f, c: _kept(f, (c.p,), "f(p)"),
        ),
    ]


def _cross(f: Function, case: MeasurePair) -> Iterator[Demand]:
    true = true_cross_entropy(*case.exact)
    shown = "f(p, q) and -sum p log q"
    yield _equal(_call(f, case.p, case.q), true, true if 0 < true < math.inf else 1e-288, shown, "f(p, q)")


def _gibbs(f: Function, case: MeasurePair) -> Iterator[Demand]:
    one, other = _call(f, case.p, case.q), _call(f, case.p, case.p)
    yield Demand(one, ">=", other, RTOL * max(other, 1e-300), "f(p, q) and f(p, p)", "f(p, q), f(p, p)")


def _cross_order(f: Function, case: MeasurePair) -> Iterator[Demand]:
    other = _call(f, np.append(case.p[::-1], 0.0), np.append(case.q[::-1], 0.0))
    true = true_cross_entropy(*case.exact)
    size = true if 0 < true < math.inf else 1e-288
    line = "f(np.append(p[::-1], 0.), np.append(q[::-1], 0.))"
    yield _equal(other, true, size, "f reversed, with an atom of no mass", line)


def cross_entropy_laws() -> Rows:
    """Of ``f(p, q)``, in nats."""
    anything = st.sampled_from(RELATIONS).flatmap(measure_pairs)  # type: ignore[arg-type]
    lacking = measure_pairs("one atom apart")
    return [
        ("value", "f(p, q) = -sum p log q, to 1e-12 of itself", anything, _cross),
        ("Gibbs", "f(p, q) >= f(p, p)", anything, _gibbs),
        ("off the support", "f(p, q) = inf where q = 0 < p", lacking, _cross),
        ("order of atoms", "order and atoms of no mass change nothing", anything, _cross_order),
        (
            "arguments kept",
            "f does not write to its arguments",
            anything,
            lambda f, c: _kept(f, (c.p, c.q), "f(p, q)"),
        ),
    ]


# --- the energy statistic ---------------------------------------------------------------------------------


def _energy_size(case: SampleCase) -> float:
    both = np.concatenate([case.x, case.y])
    return float(both.max() - both.min()) or 1.0


def _energy(f: Function, case: SampleCase) -> Iterator[Demand]:
    shown = "f(x, y) and 2E|X-Y| - E|X-X'| - E|Y-Y'|"
    yield _equal(_call(f, case.x, case.y), float(case.energy), _energy_size(case), shown, "f(x, y)")


def _energy_symmetry(f: Function, case: SampleCase) -> Iterator[Demand]:
    found = _call(f, case.y, case.x[::-1])
    yield _equal(found, float(case.energy), _energy_size(case), "f(y, x) reordered", "f(y, x[::-1])")


def _energy_unit(f: Function, case: SampleCase) -> Iterator[Demand]:
    for unit, s in UNITS.items():
        found, true = _call(f, case.x * s, case.y * s), float(case.energy) * s
        line = f"f(x * {unit}, y * {unit})"
        yield _equal(found, true, _energy_size(case) * s, "f in another unit", line)


def _energy_translation(f: Function, case: SampleCase) -> Iterator[Demand]:
    found = _call(f, case.x + 1024.0, case.y + 1024.0)
    yield _equal(found, float(case.energy), 1024.0, "f after a translation", "f(x + 1024, y + 1024)")


def energy_laws() -> Rows:
    """Of ``f(x, y)`` of two samples on the line: the unbiased statistic (Székely, Rizzo 2013)."""
    cases = sample_pairs()
    return [
        ("value", "f is the mean over pairs of different points", cases, _energy),
        ("symmetry", "f(x, y) = f(y, x), whatever the order of the points", cases, _energy_symmetry),
        ("unit of length", "points x s give f x s", cases, _energy_unit),
        ("translation", "moving both samples changes nothing", cases, _energy_translation),
        (
            "arguments kept",
            "f does not write to its arguments",
            cases,
            lambda f, c: _kept(f, (c.x, c.y), "f(x, y)"),
        ),
    ]


# --- Gaussians --------------------------------------------------------------------------------------------

_GAUSSIAN = "f(mean_p, cov_p, mean_q, cov_q)"


def _gaussian_size(case: GaussianCase) -> float:
    """What a right W2 may be off by, before RTOL: digits of W2^2 are lost in proportion to the traces."""
    true = root(case.squared)
    traces = float(np.trace(case.cov_p) + np.trace(case.cov_q))
    return max(true, traces / true * 1e-2) if true > 0 else 1e4 * math.sqrt(traces)


def _gaussian(f: Function, case: GaussianCase) -> Iterator[Demand]:
    shown = "f and W2 by the optimal map"
    yield _equal(_call(f, *as_floats(case)), root(case.squared), _gaussian_size(case), shown, _GAUSSIAN)


def _gaussian_near(f: Function, case: GaussianCase) -> Iterator[Demand]:
    """To 1e-7 of itself: a difference of traces keeps no digit of what is 2^-20 of them."""
    true = root(case.squared)
    shown = "f and W2 by the optimal map"
    yield Demand(_call(f, *as_floats(case)), "==", true, 1e-7 * true, shown, _GAUSSIAN)


def _gaussian_symmetry(f: Function, case: GaussianCase) -> Iterator[Demand]:
    m, a, n, b = as_floats(case)
    line = "f(mean_q, cov_q, mean_p, cov_p)"
    yield _equal(_call(f, n, b, m, a), root(case.squared), _gaussian_size(case), "f exchanged", line)


def _gaussian_unit(f: Function, case: GaussianCase) -> Iterator[Demand]:
    m, a, n, b = as_floats(case)
    for k in (-40, 40):
        s = math.ldexp(1.0, k)
        found = _call(f, m * s, a * s * s, n * s, b * s * s)
        line = f"f(mean_p * 2.0**{k}, cov_p * 4.0**{k}, mean_q * 2.0**{k}, cov_q * 4.0**{k})"
        yield _equal(found, root(case.squared) * s, _gaussian_size(case) * s, "f in another unit", line)


def _gaussian_translation(f: Function, case: GaussianCase) -> Iterator[Demand]:
    m, a, n, b = as_floats(case)
    line = "f(mean_p + 8, cov_p, mean_q + 8, cov_q)"
    found = _call(f, m + 8, a, n + 8, b)
    yield _equal(found, root(case.squared), _gaussian_size(case), "f after a translation", line)


def _gaussian_equal(f: Function, case: GaussianCase) -> Iterator[Demand]:
    m, a, n, _ = as_floats(case)
    true = root(sum((Fraction(float(v)) ** 2 for v in m - n), Fraction(0)))
    size = max(true, 1e4 * math.sqrt(float(np.trace(a))))
    line = "f(mean_p, cov_p, mean_q, cov_p)"
    yield _equal(_call(f, m, a, n, a), true, size, "f of one covariance, and |mean_p - mean_q|", line)


def _gaussian_order(f: Function, case: GaussianCase) -> Iterator[Demand]:
    m, a, n, b = as_floats(case)
    found = _call(f, m[::-1], a[::-1, ::-1], n[::-1], b[::-1, ::-1])
    line = "f(mean_p[::-1], cov_p[::-1, ::-1], mean_q[::-1], cov_q[::-1, ::-1])"
    yield _equal(found, root(case.squared), _gaussian_size(case), "f with coordinates reversed", line)


def gaussian_laws() -> Rows:
    """Of ``f(mean_p, cov_p, mean_q, cov_q)``: W2 with its root."""
    cases, near = gaussian_pairs(), gaussian_pairs(near=True)
    return [
        ("value", "f is the distance that the optimal linear map proves", cases, _gaussian),
        ("digits near equality", "the same where covariances differ by 2^-8 to 2^-20", near, _gaussian_near),
        ("one covariance", "f is the distance of the means", cases, _gaussian_equal),
        ("symmetry", "f does not depend on which law is first", cases, _gaussian_symmetry),
        ("unit of length", "means x 2^k, covariances x 4^k give f x 2^k", cases, _gaussian_unit),
        ("translation", "moving both means changes nothing", cases, _gaussian_translation),
        ("order of coordinates", "the order of the coordinates changes nothing", cases, _gaussian_order),
        (
            "arguments kept",
            "f does not write to its arguments",
            cases,
            lambda f, c: _kept(f, as_floats(c), _GAUSSIAN),
        ),
    ]


MORE: dict[str, Callable[[], Rows]] = {
    "entropy": entropy_laws,
    "cross_entropy": cross_entropy_laws,
    "energy": energy_laws,
    "gaussian": gaussian_laws,
}


def more_laws(subject: str) -> tuple[Law, ...]:
    """The laws of one of `MORE`."""
    return tuple(
        Law(name, subject, statement, cases, judge) for name, statement, cases, judge in MORE[subject]()
    )
