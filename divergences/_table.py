r"""The divergences, one row each: term, range, finish, and what mass of one measure alone contributes.

From a row come the form of arrays (a sum of the kernels' ``term``), the form of laws (an integral of
``integrand``), the matrix of `pairwise`, the range every estimate is held to, and the documentation's table
(`markdown`). Samples have an estimator of their own where one with an interval that holds exists (KL alone).

A divergence is ``finish(S)``, S a sum or integral of terms >= 0 of the two masses; where one mass is zero the
term is ``alone_p`` times p, or ``alone_q`` times q. These are f'(inf) and f(0) of the generator that the term
belongs to, and S <= alone_p + alone_q, with equality for mutually singular measures (Liese, Vajda 2006).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from divergences._functionals import (
    Functional,
    Integrand,
    affinity,
    jeffreys,
    js,
    kl,
    mirror,
    power,
    squared_hellinger,
    tv,
)

_LOG2 = math.log(2.0)
_INF = math.inf

Finish = Callable[[Any, Any], Any]
"""(S, module of functions: math, NumPy or CuPy) -> the divergence, increasing."""


def _same(s: Any, xp: Any) -> Any:
    return s


def _root(s: Any, xp: Any) -> Any:
    return xp.sqrt(s)


def _root_of_half(s: Any, xp: Any) -> Any:
    return xp.sqrt(0.5 * s)


def _minus_log_rest(s: float, xp: Any) -> float:
    return _INF if s >= 1 else -math.log1p(-s)


@dataclass(frozen=True)
class Divergence:
    """A row.

    Attributes
    ----------
    name, formula : str
        The public function and its TeX.
    term : str
        Of the kernels, summed over atoms.
    integrand : Integrand
        The same term of two log-densities, with its sensitivities.
    alone_p, alone_q : float
        What a unit of mass of P alone, of Q alone, adds to S.
    finish : Finish
    symmetric : bool
    kinks : bool
        The term has a corner where p = q.
    mixing : pair, optional
        (a, b) if the term grows like p^a q^b where that overflows.
    companion : function, optional
        See `Functional`.
    of_arrays : bool
        Whether there is a public function of arrays.
    """

    name: str
    formula: str
    term: str
    integrand: Integrand
    alone_p: float
    alone_q: float
    finish: Finish = _same
    symmetric: bool = False
    kinks: bool = False
    mixing: tuple[float, float] | None = None
    companion: Callable[[], Functional] | None = None
    of_arrays: bool = True

    @property
    def largest(self) -> float:
        """The largest S: that of mutually singular measures."""
        return self.alone_p + self.alone_q

    @property
    def top(self) -> float:
        """The largest value of the divergence."""
        return _INF if math.isinf(self.largest) else float(self.finish(self.largest, math))

    def functional(self) -> Functional:
        """The form of laws."""
        return Functional(
            self.name,
            self.integrand,
            lambda s: float(self.finish(s, math)),
            singular_p=math.isinf(self.alone_p),
            singular_q=math.isinf(self.alone_q),
            largest=self.largest,
            kinks=self.kinks,
            mixing=self.mixing,
            symmetric=self.symmetric,
            companion=self.companion,
        )


def _affinity_of(alpha: float, factor: float) -> Functional:
    """factor · log ∫p^α q^{1-α}."""

    def finish_log(log: float) -> float:
        return max(0.0, factor * log)

    return Functional(
        "affinity",
        partial(affinity, alpha=alpha),
        lambda x: finish_log(math.log(x)) if x > 0 else _INF,
        singular_p=alpha > 1,
        largest=1.0 if alpha < 1 else _INF,
        mixing=(alpha, 1 - alpha),
        pure=True,
        finish_log=finish_log,
    )


_JS = Divergence("js", r"KL(p\|m) + KL(q\|m), m = (p+q)/2", "js", js, _LOG2, _LOG2, symmetric=True)
_H2 = Divergence(
    "squared_hellinger",
    r"\tfrac12 \sum (\sqrt p - \sqrt q)^2",
    "squared_hellinger",
    squared_hellinger,
    0.5,
    0.5,
    symmetric=True,
)
_ROWS = (
    Divergence("kl", r"\sum p \log(p/q)", "kl", kl, _INF, 1.0),
    Divergence("jeffreys", r"\sum (p-q) \log(p/q)", "jeffreys", jeffreys, _INF, _INF, symmetric=True),
    _JS,
    replace(_JS, name="js_distance", formula=r"\sqrt{JS/2}", finish=_root_of_half),
    Divergence("tv", r"\tfrac12 \sum |p-q|", "tv", tv, 0.5, 0.5, kinks=True, symmetric=True),
    _H2,
    replace(_H2, name="hellinger", formula=r"\sqrt{\tfrac12 \sum (\sqrt p - \sqrt q)^2}", finish=_root),
    replace(
        _H2,
        name="bhattacharyya",
        formula=r"-\log \sum \sqrt{pq}",
        finish=_minus_log_rest,
        companion=partial(_affinity_of, 0.5, -1.0),
        of_arrays=False,
    ),
    Divergence("chi2", r"\sum (p-q)^2/q", "chi2", partial(power, alpha=2.0), _INF, 1.0, mixing=(2.0, -1.0)),
)
TABLE: dict[str, Divergence] = {row.name: row for row in _ROWS}


# ---------------------------------------------------------------- the families with an order


def _alpha(alpha: float) -> Functional:
    """(∫p^α q^{1-α} - 1)/(α(α-1)); alpha(p, q, α) = alpha(q, p, 1-α)."""
    alpha = float(alpha)
    if not math.isfinite(alpha):
        raise ValueError(f"alpha = {alpha}; the order must be finite")
    mirrored = alpha < 0.5
    order = 1 - alpha if mirrored else alpha
    terms: Callable[..., Any] = kl if order == 1 else partial(power, alpha=order)
    factor = 1.0 if order == 1 else abs(order * (order - 1))
    return Functional(
        "alpha",
        partial(mirror, terms) if mirrored else terms,
        lambda x: x / factor,
        singular_p=alpha >= 1,
        singular_q=alpha <= 0,
        largest=1.0 if 0 < alpha < 1 else _INF,
        mixing=((1 - order, order) if mirrored else (order, 1 - order)),
    )


def _renyi_finish(integral: float, *, alpha: float) -> float:
    if alpha > 1:
        return math.log1p(integral) / (alpha - 1)
    return _INF if integral >= 1 else math.log1p(-integral) / (alpha - 1)


def _renyi(alpha: float = 2.0) -> Functional:
    alpha = float(alpha)
    if not (alpha > 0 and math.isfinite(alpha)):
        raise ValueError(
            f"alpha = {alpha}; the Rényi divergence of densities is computed for 0 < alpha < inf"
        )
    if alpha == 1:
        return TABLE["kl"].functional()
    return Functional(
        "renyi",
        partial(power, alpha=alpha),
        partial(_renyi_finish, alpha=alpha),
        singular_p=alpha > 1,
        largest=_INF if alpha > 1 else 1.0,
        mixing=(alpha, 1 - alpha),
        companion=partial(_affinity_of, alpha, 1 / (alpha - 1)),
    )


ORDERED: dict[str, Callable[..., Functional]] = {"alpha": _alpha, "renyi": _renyi}
NAMES = (*TABLE, *ORDERED)


def functional(name: str, **options: float) -> Functional:
    """The form of laws of a divergence, by name; `renyi` and `alpha` take ``alpha``.

    >>> functional("tv").largest
    1.0
    """
    if name not in NAMES:
        raise ValueError(
            f"no functional of densities is called {name!r}; choose one of {sorted([*NAMES, 'wasserstein'])}"
        )
    try:
        return ORDERED[name](**options) if name in ORDERED else TABLE[name].functional(**options)
    except TypeError:
        raise TypeError(f"{name} takes no option {sorted(options)}") from None


def markdown() -> str:
    """The table as the documentation shows it."""
    lines = ["| call | formula | range | symmetric | infinite where |", "|---|---|---|---|---|"]
    for row in _ROWS:
        top = {_INF: "∞", _LOG2: "log 2", 2 * _LOG2: "2 log 2", math.sqrt(_LOG2): "√(log 2)"}.get(
            row.top, f"{row.top:g}"
        )
        one = "one measure alone has mass" if math.isinf(row.alone_q) else "P alone has mass"
        where = one if math.isinf(row.alone_p) else "" if math.isfinite(row.top) else "no mass is shared"
        symmetric = "yes" if row.symmetric else ""
        formula = row.formula.replace("|", r"\vert ").replace("\\\\vert ", r"\Vert ")
        lines.append(f"| `{row.name}` | ${formula}$ | [0, {top}] | {symmetric} | {where} |")
    return "\n".join(lines) + "\n"
