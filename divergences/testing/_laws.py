"""The laws by subject."""

from __future__ import annotations

from divergences.testing._divergence_laws import FACTS, divergence_laws
from divergences.testing._law import Law
from divergences.testing._solver_laws import line_laws, solver_laws

SUBJECTS = (*FACTS, "solver", "line")


def laws_for(subject: str) -> tuple[Law, ...]:
    """The laws that a function must obey.

    Parameters
    ----------
    subject : str
        A divergence ("kl", "js", "js_distance", "tv", "hellinger", "squared_hellinger", "chi2", "jeffreys":
        ``f(p, q)`` of probability vectors, in this library's conventions), "solver" (``f(cost, a, b)`` to
        a number, a plan, or an object with ``value``, ``plan``, ``potentials``) or "line"
        (``f(x, y, a, b)``: W1 of two weighted samples).

    Returns
    -------
    tuple of Law

    Raises
    ------
    ValueError
        For an unknown subject.

    Examples
    --------
    >>> from divergences.testing import laws_for
    >>> [law.name for law in laws_for("tv")][:3]
    ['value', 'digits near equality', 'zero on equals']
    """
    if subject == "solver":
        return solver_laws()
    if subject == "line":
        return line_laws()
    if subject in FACTS:
        return divergence_laws(subject)
    raise ValueError(f"no laws for {subject!r}; take one of {', '.join(SUBJECTS)}")
