"""A wrong answer of a solver made small: fewer atoms, equal masses, plain costs, while it stays wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np

from divergences.testing._cases import assignment
from divergences.testing._conformance_cases import SolverCase, exactly

_LARGEST = 400  # entries of a cost matrix whose optimum is proved anew at each step

Wrong = Callable[[SolverCase], bool]


def reduced(case: SolverCase, wrong: Wrong, calls: int) -> SolverCase:
    """The smallest wrong case found within ``calls`` calls of ``wrong``; ``case`` itself if there is none."""
    if case.value is None or case.cost.size > _LARGEST or not np.isfinite(case.cost).all():
        return case
    left = calls
    again = True
    while again and left > 0:
        again = False
        for candidate in _smaller(case):
            if left == 0:
                break
            left -= 1
            if wrong(candidate):
                case, again = candidate, True
                break
    return case


def _smaller(case: SolverCase) -> Iterator[SolverCase]:
    """Candidates, the boldest first."""
    n, m = case.cost.shape
    for side, size in ((0, n), (1, m)):
        for count in sorted({size // 2, 1}, reverse=True):
            if size - count >= 1 and count >= 1:
                for start in range(0, size, count):
                    found = _without(case, side, start, min(start + count, size))
                    if found is not None:
                        yield found
    equal = [np.full(k, 1.0 / k) for k in (n, m)]
    if all(k & (k - 1) == 0 for k in (n, m)) and not all(map(np.array_equal, equal, (case.a, case.b))):
        yield _made(case, case.cost, *equal)
    for i, j in np.ndindex(n, m):
        for plain in (0.0, float(np.abs(case.cost).max())):
            if case.cost[i, j] not in (0.0, plain):
                cost = np.array(case.cost, dtype=float)
                cost[i, j] = plain
                yield _made(case, cost, case.a, case.b)


def _without(case: SolverCase, side: int, start: int, stop: int) -> SolverCase | None:
    """Atoms start to stop of one side left out; the first of the others takes their mass."""
    masses = [np.array(case.a, dtype=float), np.array(case.b, dtype=float)]
    gone = np.arange(start, stop)
    if len(gone) == len(masses[side]):
        return None
    kept = np.delete(masses[side], gone)
    kept[0] += masses[side][gone].sum()
    masses[side] = kept
    if any(sum(map(Fraction, map(float, v)), Fraction(0)) != 1 for v in masses):
        return None
    return _made(case, np.delete(case.cost, gone, axis=side), *masses)


def _made(case: SolverCase, cost: np.ndarray, a: np.ndarray, b: np.ndarray) -> SolverCase:
    return exactly(case.family, case.name, cost, a, b)


def line_of(case: SolverCase) -> str:
    """One line of Python that shows the case, f being the solver; empty where it would not be one line."""
    if np.size(case.cost) > 64:
        return ""
    text = assignment(cost=case.cost, a=np.asarray(case.a), b=np.asarray(case.b))
    wanted = "must be refused" if case.value is None else f"exactly {float(case.value)!r}"
    return f"import numpy as np; {text}; print(f(cost, a, b))  # {wanted}"
