"""The laws by subject."""

from __future__ import annotations

from divergences.testing._divergence_laws import FACTS, divergence_laws
from divergences.testing._law import Law
from divergences.testing._line_laws import line_laws
from divergences.testing._more_laws import MORE, more_laws
from divergences.testing._solver_laws import solver_laws

SUBJECTS = (*FACTS, *MORE, "line", "line_w2", "solver")


def laws_for(subject: str, *, batched: bool = False) -> tuple[Law, ...]:
    """The laws that a function must obey.

    Parameters
    ----------
    subject : str
        One of

        * a divergence: "kl", "js", "js_distance", "tv", "hellinger", "squared_hellinger", "chi2", "jeffreys":
          ``f(p, q)`` of probability vectors, in this library's conventions;
        * "entropy": ``f(p)``, and "cross_entropy": ``f(p, q)``, in nats;
        * "energy": ``f(x, y)``, the unbiased energy statistic of two samples on the line;
        * "line": ``f(x, y, a, b)``, W1 of two weighted samples, and "line_w2": W2 (with its root);
        * "gaussian": ``f(mean_p, cov_p, mean_q, cov_q)``, W2 of two Gaussians;
        * "solver": ``f(cost, a, b)`` to a number, a plan, or an object with ``value``, ``plan`` and
          ``potentials``.
    batched : bool
        Of divergences: also that rows of laws, shape (k, n), give the numbers of the single ones.

    Returns
    -------
    tuple of Law

    Raises
    ------
    ValueError
        For an unknown subject, or ``batched`` of one that is no divergence.

    Examples
    --------
    >>> from divergences.testing import laws_for
    >>> [law.name for law in laws_for("tv")][:3]
    ['value', 'digits near equality', 'zero on equals']
    """
    if subject in FACTS:
        return divergence_laws(subject, batched=batched)
    if subject not in SUBJECTS:
        raise ValueError(f"no laws for {subject!r}; take one of {', '.join(SUBJECTS)}")
    if batched:
        raise ValueError(f"batched=True is for divergences ({', '.join(FACTS)}), not for {subject!r}")
    if subject in MORE:
        return more_laws(subject)
    return solver_laws() if subject == "solver" else line_laws(1 if subject == "line" else 2)
