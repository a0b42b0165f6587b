"""Laws every KL, JS, TV and W obeys, as a table: one row a law, one generic check."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from divergences.hierarchy._instance import Functionals, Instance


@dataclass(frozen=True)
class Law:
    """A relation between values of one functional on related cases.

    ``relation(f, first, second)`` -> (left, right); the law is left == right, or left <= right.
    """

    name: str
    functionals: frozenset[str]
    relation: Callable[[Callable[[Instance], float], Instance, Instance], tuple[float, float]]
    equality: bool = True


Value = Callable[[Instance], float]


def _relabelled(case: Instance) -> Instance:
    """The atoms in another order."""
    order = np.roll(np.arange(case.p.size)[::-1], 1)
    return Instance.of(case.p[order], case.q[order], case.x[order])


def _split(case: Instance) -> Instance:
    """Every atom cut into a quarter and three quarters, both at the same place."""
    parts = np.array([0.25, 0.75])
    return Instance.of(np.kron(case.p, parts), np.kron(case.q, parts), np.kron(case.x, [1.0, 1.0]))


def _merged(case: Instance) -> Instance:
    """The first two atoms become one cell (for f-divergences only)."""
    p, q = (np.append(law[2:], law[0] + law[1]) for law in (case.p, case.q))
    return Instance.of(p, q)


def _placed(case: Instance, scale: float, shift: float) -> Instance:
    return replace(case, x=scale * case.x + shift, y=scale * case.y + shift)


def _product(first: Instance, second: Instance) -> Instance:
    return Instance.of(np.kron(first.p, second.p), np.kron(first.q, second.q))


def _idle(case: Instance) -> Instance:
    """One more point, without mass."""
    p, q = np.append(case.p, 0.0), np.append(case.q, 0.0)
    return Instance.of(p, q, np.append(case.x, case.x.max() + 1000.0))


def _triangle(f: Value, case: Instance, root: bool) -> tuple[float, float]:
    """d(P, Q) <= d(P, R) + d(R, Q) with R between and beside them."""
    middle = np.roll(case.q, 1)
    leg = [f(Instance.of(u, v, case.x)) for u, v in ((case.p, case.q), (case.p, middle), (middle, case.q))]
    if root:
        leg = [math.sqrt(max(v, 0.0)) for v in leg]
    return leg[0], leg[1] + leg[2]


def _both_on(case: Instance, law: np.ndarray) -> Instance:
    return Instance.of(law, law, case.x)


_F = frozenset({"kl", "js", "tv"})
_METRICS = frozenset({"js", "tv", "w"})
_EVERY = _F | {"w"}

LAWS: dict[str, Law] = {
    law.name: law
    for law in (
        Law("zero from a law to itself", _EVERY, lambda f, c, d: (f(_both_on(c, c.p)), 0.0)),
        Law("symmetric", _METRICS, lambda f, c, d: (f(c), f(c.swapped()))),
        Law("blind to the order of atoms", _EVERY, lambda f, c, d: (f(_relabelled(c)), f(c))),
        Law("blind to splitting atoms", _EVERY, lambda f, c, d: (f(_split(c)), f(c))),
        Law("blind to points without mass", _EVERY, lambda f, c, d: (f(_idle(c)), f(c))),
        Law("merging cells loses information", _F, lambda f, c, d: (f(_merged(c)), f(c)), equality=False),
        Law("positive when laws differ", _EVERY, lambda f, c, d: (_differ(c), f(c)), equality=False),
        Law("additive over products", frozenset({"kl"}), lambda f, c, d: (f(_product(c, d)), f(c) + f(d))),
        Law("triangle inequality", frozenset({"tv", "w"}), lambda f, c, d: _triangle(f, c, False), False),
        Law("triangle inequality of the root", frozenset({"js"}),
            lambda f, c, d: _triangle(f, c, True), equality=False),
        Law("scales with distance", frozenset({"w"}), lambda f, c, d: (f(_placed(c, 8.0, 0.0)), 8 * f(c))),
        Law("blind to translation", frozenset({"w"}), lambda f, c, d: (f(_placed(c, 1.0, 64.0)), f(c))),
        Law("blind to reflection", frozenset({"w"}), lambda f, c, d: (f(_placed(c, -1.0, 0.0)), f(c))),
    )
}  # fmt: skip
"""Laws by name; ``kl`` stands for both directions."""


def _differ(case: Instance) -> float:
    return 1e-12 if np.abs(case.p - case.q).max() > 1e-5 else 0.0


def law_failures(
    functionals: Functionals, cases: list[Instance], only: frozenset[str]
) -> Iterator[tuple[str, str, int, str]]:
    """(functional, law, which case, detail) of the first case that breaks each law."""
    for law in LAWS.values():
        for name in sorted(law.functionals & only):

            def value(case: Instance, name: str = name) -> float:
                found = functionals(name, case)
                return math.nan if found is None else found

            for i, case in enumerate(cases):
                left, right = law.relation(value, case, cases[i - 1])
                excess = abs(left - right) if law.equality and left != right else left - right
                slack = 1e-9 * max(abs(left), abs(right), 1e-5)
                broken = left != right and not (excess <= slack)
                if broken and not (left == math.inf == right or (not law.equality and right == math.inf)):
                    relation = "=" if law.equality else "<="
                    yield name, law.name, i, f"{left:.9g} {relation} {right:.9g} is false"
                    break
