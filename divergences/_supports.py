"""What the supports of two laws decide, before anything is computed.

Kinds, dimensions, lattices, affine subspaces, intervals and circles: whether the laws share a space, whether
they are mutually singular, and whether mass of one lies where the other has none.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from divergences._brackets import infinite, singular
from divergences._estimate import Estimate
from divergences._functionals import Functional
from divergences._laws import Law
from divergences._scipy_vectors import vector_law

_EPS = float(np.finfo(np.float64).eps)
_RANK = 1e6 * 2.3e-16  # eigenvalues below this share of the largest are zero: scipy's pseudo-determinants


def decide(what: Functional, p: Law, q: Law) -> tuple[Law, Law, Estimate | None]:
    """The two laws in one space (circles cut open alike, flats in their coordinates), and what that decides.

    Raises
    ------
    ValueError
        If the laws live in different spaces.
    """
    if p.dim != q.dim or ("vector" in (p.kind, q.kind) and p.kind != q.kind):
        raise ValueError(
            f"P has dimension {p.dim} and Q has dimension {q.dim}; they must live in the same space"
        )
    if p.kind != q.kind:  # an atom has density zero
        return p, q, singular(what, "mutually singular: atoms against a density")
    if p.kind == "vector":
        known = _flats(what, p, q)
        return (*((p, q) if known else _reduced(p, q)), known)
    if p.kind == "discrete":
        return p, q, _lattices(what, p, q)
    p, q = on_one_circle(p, q)
    if _uncovered(what, p, q):
        return p, q, infinite("supports")
    apart = p.upper <= q.lower or q.upper <= p.lower
    return p, q, singular(what, "supports") if apart else None


def _uncovered(what: Functional, p: Law, q: Law) -> bool:
    """Whether the ends of the supports alone make the answer infinite."""
    if what.singular_p and (p.lower < q.lower or p.upper > q.upper):
        return True
    return what.singular_q and (q.lower < p.lower or q.upper > p.upper)


def _lattices(what: Functional, p: Law, q: Law) -> Estimate | None:
    if p.lattice is not None and q.lattice is not None:
        gap = p.lattice - q.lattice
        if abs(gap - round(gap)) > 4 * _EPS * (abs(p.lattice) + abs(q.lattice)):
            return singular(what, "mutually singular: shifted lattices")
    return None


def on_one_circle(p: Law, q: Law) -> tuple[Law, Law]:
    """Two laws on one circle cut open at one place; laws on the line as they are."""
    if p.period is None and q.period is None:
        return p, q
    if p.period != q.period:
        circular = p if p.period is not None else q
        if circular.family == "wrapcauchy":  # scipy's pdf is that of a law on (loc, loc + 2π)
            return (_cut_at_start(p), q) if circular is p else (p, _cut_at_start(q))
        raise ValueError(
            f"{circular.name} is a {circular.family}, a law on a circle of length 2π, and the other law "
            "lives "
            "on the line; pass scipy.stats.vonmises_line, or two laws on the circle"
        )
    turn = float(p.period or 1.0)
    shift = turn * round((p.centers[0] - q.centers[0]) / turn)
    centers = [c for k in (-1, 0, 1) for c in [q.centers[0] + shift + k * turn] if p.lower < c < p.upper]
    window: dict[str, Any] = {
        "lower": p.lower,
        "upper": p.upper,
        "known_lower": p.lower,
        "known_upper": p.upper,
    }
    return p, replace(q, centers=tuple(centers) or p.centers, **window)


def _cut_at_start(law: Law) -> Law:
    lower = float(law.params["loc"])
    upper = lower + 2 * math.pi

    def log_density(center: np.ndarray, offset: np.ndarray) -> np.ndarray:
        x = center + offset
        return np.where((x >= lower) & (x <= upper), law.log_density(center, offset), -np.inf)

    window: dict[str, Any] = {"lower": lower, "upper": upper, "known_lower": lower, "known_upper": upper}
    return replace(law, period=None, centers=(lower, upper), log_density=log_density, **window)


def _range(law: Law) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the affine support of an elliptical law: a point, orthonormal directions, and normals."""
    assert law.affine is not None
    mean, spread = law.affine
    values, vectors = np.linalg.eigh(0.5 * (spread + spread.T))
    positive = values > _RANK * max(float(values[-1]), 0.0)
    return mean, vectors[:, positive], vectors[:, ~positive]


def _flats(what: Functional, p: Law, q: Law) -> Estimate | None:
    """The functional of two elliptical laws on different affine subspaces, which are mutually singular."""
    if p.family == q.family == "vonmises_fisher":
        return None
    if "vonmises_fisher" in (p.family, q.family):
        return singular(what, "mutually singular: a sphere against a density of the space")
    if p.affine is None and q.affine is None:
        return None
    flat_p, flat_q = (law.affine is not None and _range(law)[2].size > 0 for law in (p, q))
    if not flat_p and not flat_q:
        return None
    if p.affine is None or q.affine is None:
        return singular(what, "mutually singular: a flat against a density of the space")
    (at, basis, _), (there, other, rest) = _range(p), _range(q)
    gap = at - there
    size = float(np.linalg.norm(gap)) + math.sqrt(max(float(np.trace(p.affine[1])), 0.0))
    apart = basis.shape[1] != other.shape[1] or np.abs(rest.T @ basis).max(initial=0.0) > 1e-8
    if apart or np.abs(rest.T @ gap).max(initial=0.0) > 1e-12 * size:
        return singular(what, "mutually singular: different affine supports")
    return None


def _reduced(p: Law, q: Law) -> tuple[Law, Law]:
    """Two elliptical laws on one affine subspace, in coordinates of that subspace."""
    if p.affine is None or q.affine is None:
        return p, q
    origin, basis, rest = _range(p)
    if not rest.size:
        return p, q
    from scipy import stats  # the caller's distribution has loaded it already

    laws = []
    for law in (p, q):
        assert law.affine is not None
        center, spread = basis.T @ (law.affine[0] - origin), basis.T @ law.affine[1] @ basis
        if law.family == "multivariate_t":
            inner: Any = stats.multivariate_t(center, spread, df=law.params["df"])
        else:
            inner = stats.multivariate_normal(center, spread)
        laws.append(_as_vector(inner, law.name))
    return laws[0], laws[1]


def _as_vector(P: Any, name: str) -> Law:
    law = vector_law(P, name)
    assert law is not None  # scipy's own
    return law
