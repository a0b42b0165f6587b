"""Closed forms, one registry: (functional, family of P, family of Q) -> formula of the parameters.

A formula receives two mappings of parameters (scipy's names, plus ``loc`` and ``scale``) and returns the
value, or (value, size) where size is the largest magnitude among the terms it added up (what bounds
its rounding error), or NotImplemented where it does not apply. Formulas are written so that near-equal laws
lose no digits: differences of parameters are taken first.
The formulas themselves are in ``_families``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Params = Mapping[str, Any]
Formula = Callable[..., Any]

_TABLE: dict[tuple[str, str, str], Formula] = {}


def _label(family: Any) -> str:
    if isinstance(family, str):
        return family
    return str(getattr(family, "name", None) or getattr(family, "__name__", None) or type(family).__name__)


def register(name: Any, family_p: Any, family_q: Any) -> Callable[[Formula], Formula]:
    """Teach `estimate` and the plain functions a closed form.

    Parameters
    ----------
    name : str or function
        The functional: ``"kl"`` or ``divergences.kl``.
    family_p, family_q : str or scipy.stats distribution
        ``"norm"`` or ``stats.norm``, or the ``family`` of a `Density`.

    Returns
    -------
    decorator
        Of a function ``(p, q, **options)`` of two parameter mappings; see the module's text.

    Examples
    --------
    >>> import divergences as dv
    >>> @dv.register("kl", "coin", "coin")
    ... def _(p, q):
    ...     return p["bias"] * 0.0
    """

    def keep(formula: Formula) -> Formula:
        _TABLE[_label(name), _label(family_p), _label(family_q)] = formula
        return formula

    return keep


def closed_form(
    name: str, p: tuple[str, Params], q: tuple[str, Params], /, **options: float
) -> tuple[float, float] | None:
    """(value, bound on its rounding error), or None where no formula applies.

    Of "hellinger" that of its square serves, of "jeffreys" those of "kl" both ways.
    """
    found = _registered(name, p, q, **options)
    if found is None and name == "hellinger":
        return _root(_registered("squared_hellinger", p, q))
    if found is None and name == "jeffreys":
        there, back = _registered("kl", p, q), _registered("kl", q, p)
        return None if there is None or back is None else (there[0] + back[0], there[1] + back[1])
    return found


def _root(square: tuple[float, float] | None) -> tuple[float, float] | None:
    if square is None or square[0] < 0:
        return None
    value = math.sqrt(square[0])
    top, bottom = math.sqrt(square[0] + square[1]), math.sqrt(max(square[0] - square[1], 0.0))
    return value, max(top - value, value - bottom) + 2.0**-50 * value


def _registered(
    name: str, p: tuple[str, Params], q: tuple[str, Params], /, **options: float
) -> tuple[float, float] | None:
    formula = _TABLE.get((name, p[0], q[0]))
    answer = NotImplemented if formula is None else formula(p[1], q[1], **options)
    if answer is NotImplemented:
        return None
    value, size = answer if isinstance(answer, tuple) else (answer, abs(answer))
    value = float(value)
    if math.isnan(value):
        return None
    return value, (0.0 if math.isinf(value) else 64 * (2.220446049250313e-16 * float(size) + 5e-324))
