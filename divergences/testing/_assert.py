"""Assertions about somebody's distances and solvers: what must hold, in one call."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from divergences.hierarchy._battery import Battery
from divergences.hierarchy._exact_transport import exact_transport
from divergences.hierarchy._instance import Functionals
from divergences.hierarchy._laws import law_failures
from divergences.hierarchy._stages import STAGES, run_stages, shown
from divergences.testing._cases import assignment

_NAMES = ("kl", "js", "tv", "w")


def _missing(*_: Any) -> float:
    raise NotImplementedError


def _as_functionals(
    given: dict[str, Callable[..., Any] | None], transport_cost: Callable[..., Any] | None
) -> tuple[Functionals, frozenset[str]]:
    present = {name for name, f in given.items() if f is not None}
    if not present:
        raise ValueError("no distance given; pass at least one of kl=, js=, tv=, w=")
    kl, js, tv, w = (given[name] or _missing for name in _NAMES)
    functionals = Functionals(kl, js, tv, w, transport_cost)
    only = present | ({"kl_reverse"} if "kl" in present else set())
    return functionals, frozenset(only)


@lru_cache(maxsize=4)
def _battery(seed: int) -> Battery:
    return Battery.build(size=60, seed=seed)


def assert_laws(
    *,
    kl: Callable[..., Any] | None = None,
    js: Callable[..., Any] | None = None,
    tv: Callable[..., Any] | None = None,
    w: Callable[..., Any] | None = None,
    seed: int = 0,
) -> None:
    """Assert symmetry, zero on equals, relabelling, splitting, triangle, products, scaling.

    Parameters
    ----------
    kl, js, tv : callable, optional
        ``f(p, q) -> float`` on probability vectors.
    w : callable, optional
        ``w(x, y, a, b) -> float`` on the line (SciPy's order).
    seed : int
        Of the random cases.

    Raises
    ------
    AssertionError
        Naming each broken law with its numbers.
    ValueError
        If no distance is given.

    Examples
    --------
    >>> import numpy as np
    >>> assert_laws(tv=lambda p, q: 0.5 * np.abs(p - q).sum())
    >>> assert_laws(tv=lambda p, q: np.sum(p - q))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    AssertionError: tv breaks 'positive when laws differ' at case ...
    """
    __tracebackhide__ = True
    functionals, only = _as_functionals({"kl": kl, "js": js, "tv": tv, "w": w}, None)
    cases = [case.instance for case in _battery(seed).random[:24]]
    broken = [
        f"{name} breaks {law!r} at case {k}: {detail}\n  {shown(cases[k], name)}"
        for name, law, k, detail in law_failures(functionals, cases, only)
    ]
    if broken:
        raise AssertionError("\n".join(broken))


def assert_distances(
    *,
    kl: Callable[..., Any] | None = None,
    js: Callable[..., Any] | None = None,
    tv: Callable[..., Any] | None = None,
    w: Callable[..., Any] | None = None,
    transport_cost: Callable[..., Any] | None = None,
    seed: int = 0,
    accuracy: bool = True,
) -> None:
    """Assert that the given distances obey the convergence hierarchy and are right to 1e-9.

    Inequalities, sharpness, laws, hand numbers, exact enclosures, limits and (unless told otherwise)
    accuracy at nearly equal laws and extreme scales: the stages of `divergences.hierarchy.verify`,
    without its searches. Distances left out are taken from this library, and not judged.

    Parameters
    ----------
    kl, js, tv, w, transport_cost : callable, optional
        As `divergences.hierarchy.verify`.
    accuracy : bool
        Whether to insist on stage G, which naive formulas fail.

    Raises
    ------
    AssertionError
        Listing the first failure of each stage.
    ValueError
        If no distance is given.

    Examples
    --------
    >>> import divergences as dv
    >>> assert_distances(js=dv.js)
    """
    __tracebackhide__ = True
    given = {"kl": kl, "js": js, "tv": tv, "w": w}
    _, only = _as_functionals(given, transport_cost)
    ours = Functionals.ours()
    completed = Functionals(
        kl or ours.kl,
        js or ours.js,
        tv or ours.tv,
        w or ours.w,
        transport_cost if w or transport_cost else ours.transport_cost,
    )
    failures = run_stages(_battery(seed), completed, only)
    if not accuracy:
        failures["G"] = []
    first = [
        f"{found[0]} ({len(found)} in this stage; {STAGES[stage]})"
        + f"\n  {found[0].line}" * bool(found[0].line)
        for stage, found in failures.items()
        if found
    ]
    if first:
        raise AssertionError("\n".join(first))


def assert_transport_solver(
    solve: Callable[[np.ndarray, np.ndarray, np.ndarray], Any], *, seed: int = 0, rtol: float = 1e-9
) -> None:
    """Assert that an exact transport solver is one: value, scale, shift, order, empty atoms, ties.

    Parameters
    ----------
    solve : callable
        ``solve(cost, a, b)`` -> the least cost: a float, or an object with ``.value``.
    seed : int
    rtol : float
        Relative to the largest cost in play.

    Raises
    ------
    AssertionError
        Naming the demand, the value, and the exact one (proved in integers).

    Examples
    --------
    >>> import transport
    >>> assert_transport_solver(transport.solve)
    """
    __tracebackhide__ = True
    rng = np.random.default_rng(seed)

    def demand(what: str, problem: tuple[np.ndarray, ...], exact: float, scale: float) -> None:
        __tracebackhide__ = True
        answer = solve(*(np.array(v) for v in problem))
        found = float(getattr(answer, "value", answer))
        if not abs(found - exact) <= rtol * scale:
            case = assignment(**dict(zip(("cost", "a", "b"), problem)))
            raise AssertionError(
                f"{what}: {found!r}, exactly {exact!r}\n"
                f"  import numpy as np; {case}; print(f(cost, a, b))  # f being the solver"
            )

    for trial in range(30):
        n, m = (int(k) for k in rng.integers(1, 8, 2))
        cost = rng.integers(0, 9 if trial % 2 else 1000, (n, m)) / 8
        a, b = (rng.multinomial(2**20, rng.dirichlet(np.full(k, 0.7))) / 2**20 for k in (n, m))
        exact = float(exact_transport(_fractions(cost), *map(_fractions, (a, b)))[0])
        size = float(cost.max()) or 1.0
        demand(f"value of a random {n} x {m} problem", (cost, a, b), exact, size)
        for exponent in (-60, -40, 40):
            factor = math.ldexp(1.0, exponent)
            demand(f"costs times 2^{exponent}", (cost * factor, a, b), exact * factor, size * factor)
        rows, columns = rng.permutation(n), rng.permutation(m)
        demand("order of atoms", (cost[rows][:, columns], a[rows], b[columns]), exact, size)
        u, v = rng.integers(0, 64, n) / 8, rng.integers(0, 64, m) / 8
        shifted = exact + float(a @ u + b @ v)
        demand("constants added to rows and columns", (cost + u[:, None] + v, a, b), shifted, size + 16)
        demand("roles of a and b exchanged", (cost.T.copy(), b, a), exact, size)


def _fractions(array: np.ndarray) -> Any:
    from fractions import Fraction

    if array.ndim == 1:
        return [Fraction(float(x)) for x in array]
    return [[Fraction(float(x)) for x in row] for row in array]
