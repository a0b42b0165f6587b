"""Laws of divergences f(p, q) of probability vectors, one table of facts and one judge a law.

Tolerances: ``EXACT`` for what a careful implementation gets to a few ulp of the value itself; laws that
compare two evaluations allow the same twice. Sources: Csiszár (1967) for f-divergences (data processing,
joint convexity), Endres and Schindelin (2003) for the root of JS, Topsøe (2000) for its range.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from divergences.testing._cases import MeasurePair, floats
from divergences.testing._law import Demand, Judge, Law
from divergences.testing._strategies import RELATIONS, measure_pairs
from divergences.testing._truth import NAMES, true_divergence

EXACT = 1e-12  # relative
TINY = 1e-300


class Facts(NamedTuple):
    """What is known of one divergence."""

    largest: float
    symmetric: bool = False
    metric: bool = False
    f_divergence: bool = True
    power: int = 1  # of the f-divergence: its square is one for hellinger


FACTS = {
    "kl": Facts(math.inf),
    "js": Facts(2 * math.log(2), symmetric=True),
    "js_distance": Facts(math.sqrt(math.log(2)), symmetric=True, metric=True, power=2),
    "tv": Facts(1.0, symmetric=True, metric=True),
    "squared_hellinger": Facts(1.0, symmetric=True),
    "hellinger": Facts(1.0, symmetric=True, metric=True, power=2),
    "chi2": Facts(math.inf),
    "jeffreys": Facts(math.inf, symmetric=True),
}
assert set(FACTS) == set(NAMES)
Function = Callable[[Any, Any], Any]


def _slack(*values: float) -> float:
    return EXACT * max((abs(v) for v in values if math.isfinite(v)), default=0.0) + TINY


def _call(f: Function, p: Any, q: Any) -> float:
    """One number; inputs are copies, so that a function that writes to them cannot hide it."""
    return float(f(np.array(p), np.array(q)))


def _exact(case: MeasurePair) -> tuple[list[Fraction], list[Fraction]]:
    return list(case.exact[0]), list(case.exact[1])


def _value(name: str) -> Judge:
    def judge(f: Function, case: MeasurePair) -> Iterator[Demand]:
        true = case.true(name)
        yield Demand(
            _call(f, case.p, case.q), "==", true, _slack(true), "f(p, q) and its true value", "f(p, q)"
        )

    return judge


def _equal(f: Function, case: MeasurePair) -> Iterator[Demand]:
    yield Demand(_call(f, case.p, case.p), "==", 0.0, TINY, "f(p, p)", "f(p, p)")


def _positive(f: Function, case: MeasurePair) -> Iterator[Demand]:
    if case.exact[0] != case.exact[1]:
        yield Demand(_call(f, case.p, case.q), ">", 0.0, 0.0, "f(p, q) where p != q", "f(p, q)")


def _range(largest: float) -> Judge:
    def judge(f: Function, case: MeasurePair) -> Iterator[Demand]:
        found = _call(f, case.p, case.q)
        yield Demand(found, ">=", 0.0, 0.0, "f(p, q)", "f(p, q)")
        yield Demand(found, "<=", largest, _slack(largest), "f(p, q) and its upper end", "f(p, q)")

    return judge


def _symmetry(f: Function, case: MeasurePair) -> Iterator[Demand]:
    one, other = _call(f, case.p, case.q), _call(f, case.q, case.p)
    yield Demand(one, "==", other, _slack(one, other), "f(p, q) and f(q, p)", "f(p, q), f(q, p)")


def _order(f: Function, case: MeasurePair) -> Iterator[Demand]:
    one, other = _call(f, case.p, case.q), _call(f, case.p[::-1], case.q[::-1])
    yield Demand(
        one, "==", other, _slack(one, other), "f(p, q) with the atoms reversed", "f(p[::-1], q[::-1])"
    )


def _empty_atom(f: Function, case: MeasurePair) -> Iterator[Demand]:
    one = _call(f, case.p, case.q)
    other = _call(f, np.append(case.p, 0.0), np.append(case.q, 0.0))
    yield Demand(
        other,
        "==",
        one,
        _slack(one),
        "f(p, q) with an atom of no mass",
        "f(np.append(p, 0.), np.append(q, 0.))",
    )


def _splitting(f: Function, case: MeasurePair) -> Iterator[Demand]:
    one, other = _call(f, case.p, case.q), _call(f, np.repeat(case.p / 2, 2), np.repeat(case.q / 2, 2))
    line = "f(np.repeat(p / 2, 2), np.repeat(q / 2, 2))"
    yield Demand(other, "==", one, _slack(one), "f(p, q) with every atom cut in halves", line)


def _many_atoms(name: str) -> Judge:
    def judge(f: Function, case: MeasurePair) -> Iterator[Demand]:
        true = case.true(name)
        found = _call(f, np.repeat(case.p / 64, 64), np.repeat(case.q / 64, 64))
        line = "f(np.repeat(p / 64, 64), np.repeat(q / 64, 64))"
        yield Demand(found, "==", true, _slack(true), "f with every atom cut in 64, and its true value", line)

    return judge


def _batched(f: Function, case: tuple[MeasurePair, MeasurePair]) -> Iterator[Demand]:
    """Rows of one width: the shorter pair is filled up with atoms of no mass."""
    n = max(len(pair.p) for pair in case)
    rows = [np.stack([np.append(law, np.zeros(n - len(law))) for law in side])
            for side in ([pair.p for pair in case], [pair.q for pair in case])]  # fmt: skip
    together = np.asarray(f(*(np.array(side) for side in rows)), dtype=float)
    line = f"f(np.array({rows[0].tolist()}), np.array({rows[1].tolist()}))"
    yield Demand(float(together.size), "==", 2.0, 0.0, "numbers returned for two pairs", line)
    for k, found in enumerate(together.ravel()):
        one = _call(f, rows[0][k], rows[1][k])
        yield Demand(float(found), "==", one, _slack(one), f"row {k} of the batch, and alone", line)


def _merged(law: list[Fraction]) -> list[Fraction]:
    return [law[0] + law[1], *law[2:]]


def _data_processing(name: str) -> Judge:
    def judge(f: Function, case: MeasurePair) -> Iterator[Demand]:
        p, q = _exact(case)
        coarse = floats(_merged(p)), floats(_merged(q))
        one, other = _call(f, case.p, case.q), _call(f, *coarse)
        line = "f(np.append(p[:1] + p[1:2], p[2:]), np.append(q[:1] + q[1:2], q[2:]))"
        yield Demand(other, "<=", one, _slack(one), "f after merging two atoms, and before", line)
        true = true_divergence(name, _merged(p), _merged(q))
        yield Demand(other, "==", true, _slack(true), "f after merging two atoms, and its true value", line)

    return judge


def _convexity(power: int) -> Judge:
    def judge(f: Function, case: tuple[MeasurePair, MeasurePair]) -> Iterator[Demand]:
        first, second = case
        n = min(len(first.p), len(second.p))
        laws = [_resized(law, n) for pair in case for law in pair.exact]
        p, q, r, s = (floats(law) for law in laws)
        ends = [_call(f, p, q) ** power, _call(f, r, s) ** power]
        middle = _call(f, (p + r) / 2, (q + s) / 2) ** power
        shown = "f((p+r)/2, (q+s)/2) and (f(p, q) + f(r, s))/2" + (" of squares" if power == 2 else "")
        line = f"f({(p + r).tolist()!r}, {(q + s).tolist()!r})  # each halved"
        yield Demand(middle, "<=", (ends[0] + ends[1]) / 2, _slack(*ends), shown, line)

    return judge


def _resized(law: tuple[Fraction, ...], n: int) -> list[Fraction]:
    """Its last atoms merged until ``n`` are left."""
    return [*law[: n - 1], sum(law[n - 1 :], Fraction(0))]


def _products(f: Function, case: MeasurePair) -> Iterator[Demand]:
    one = _call(f, case.p, case.q)
    squared = _call(f, np.outer(case.p, case.p).ravel(), np.outer(case.q, case.q).ravel())
    line = "f(np.outer(p, p).ravel(), np.outer(q, q).ravel())"
    yield Demand(squared, "==", 2 * one, 4 * _slack(one), "f(p x p, q x q) and 2 f(p, q)", line)


def _triangle(f: Function, case: tuple[MeasurePair, MeasurePair]) -> Iterator[Demand]:
    n = min(len(pair.p) for pair in case)
    p, q, r = (floats(_resized(law, n)) for law in (*case[0].exact, case[1].exact[0]))
    direct, way = _call(f, p, r), _call(f, p, q) + _call(f, q, r)
    yield Demand(
        direct, "<=", way, _slack(way), "f(p, r) and f(p, q) + f(q, r)", f"f({p.tolist()}, {r.tolist()})"
    )


def _integers(name: str) -> Judge:
    def judge(f: Function, case: int) -> Iterator[Demand]:
        p, q = np.eye(4, dtype=np.int64)[[case, 0]]
        true = 0.0 if case == 0 else FACTS[name].largest
        line = f"f(np.eye(4, dtype=int)[{case}], np.eye(4, dtype=int)[0])"
        yield Demand(float(f(p, q)), "==", true, _slack(true), "f of integer masses", line)

    return judge


def _inputs_kept(f: Function, case: MeasurePair) -> Iterator[Demand]:
    p, q = np.array(case.p), np.array(case.q)
    f(p, q)
    changed = float(np.abs(p - case.p).max() + np.abs(q - case.q).max())
    yield Demand(changed, "==", 0.0, 0.0, "change made to the arguments", "f(p, q)")


def _support(f: Function, case: MeasurePair) -> Iterator[Demand]:
    yield Demand(
        _call(f, case.p, case.q), "==", math.inf, 0.0, "f(p, q) where q lacks an atom of p", "f(p, q)"
    )


@cache
def _strategies() -> tuple[st.SearchStrategy[Any], ...]:
    """Pairs in any relation, in any but near-equal, near-equal, of no relation, and two of those."""
    anything = st.sampled_from(RELATIONS).flatmap(measure_pairs)  # type: ignore[arg-type]
    ordinary = st.sampled_from([r for r in RELATIONS if r != "near-equal"]).flatmap(measure_pairs)  # type: ignore
    pairs = measure_pairs("any")
    return anything, ordinary, measure_pairs("near-equal"), pairs, st.tuples(pairs, pairs)


_dominated = cache(lambda: measure_pairs("same-support", max_size=4))
_lacking = cache(lambda: measure_pairs("one atom apart"))


def divergence_laws(name: str, *, batched: bool = False) -> tuple[Law, ...]:
    """The laws of one divergence by its name in this library; ``batched``: also of rows of laws."""
    facts = FACTS[name]
    anything, ordinary, near, pairs, two = _strategies()
    rows: list[tuple[str, str, Any, Judge]] = [
        ("value", "f(p, q) is the defining sum, to 1e-12 of itself", ordinary, _value(name)),
        (
            "digits near equality",
            "the same where p and q differ by 1e-5 to 1e-13",
            near,
            _value(name),
        ),
        ("zero on equals", "f(p, p) = 0", pairs, _equal),
        ("positive when laws differ", "f(p, q) > 0 where p != q", near, _positive),
        ("range", f"0 <= f(p, q) <= {facts.largest:.6g}", anything, _range(facts.largest)),
        ("order of atoms", "f does not depend on the order of the atoms", anything, _order),
        ("atom of no mass", "an atom that neither law charges changes nothing", anything, _empty_atom),
        ("splitting", "cutting atoms in equal shares changes nothing", anything, _splitting),
        ("many atoms", "cutting every atom in 64 equal parts changes nothing", anything, _many_atoms(name)),
        ("data processing", "merging atoms never increases f", anything, _data_processing(name)),
        ("joint convexity", "f((p+r)/2, (q+s)/2) <= (f(p,q) + f(r,s))/2", two, _convexity(facts.power)),
        ("integers", "integer masses are masses", st.integers(0, 3), _integers(name)),
        ("arguments kept", "f does not write to its arguments", pairs, _inputs_kept),
    ]
    if facts.symmetric:
        rows.append(("symmetry", "f(p, q) = f(q, p)", anything, _symmetry))
    if facts.metric:
        rows.append(("triangle inequality", "f(p, r) <= f(p, q) + f(q, r)", two, _triangle))
    if name in ("kl", "jeffreys"):
        dominated = _dominated()
        rows.append(("products", "f(p x p, q x q) = 2 f(p, q)", dominated, _products))
    if math.isinf(facts.largest):
        lacking = _lacking()
        rows.append(("off the support", "f(p, q) = inf where q = 0 < p", lacking, _support))
    if batched:
        rows.append(("batched", "f of rows is f of each row", two, _batched))
    return tuple(Law(law, name, statement, cases, judge) for law, statement, cases, judge in rows)
