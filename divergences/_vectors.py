"""Divergences of laws in several dimensions by randomised quasi-Monte Carlo, with a stated confidence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from divergences._brackets import singular
from divergences._estimate import Estimate
from divergences._functionals import Functional
from divergences._laws import Law, as_law

_REPLICATES = 16
_RANK = (
    1e6 * 2.3e-16
)  # eigenvalues below this share of the largest are zero: scipy's rule for pseudo-determinants


def estimate_vectors(
    what: Functional,
    p: Law,
    q: Law,
    *,
    rng: Any = 0,
    n_samples: int = 1 << 16,
    confidence: float = 0.99,
) -> Estimate:
    """Integrate g over the balanced mixture (p+q)/2, half of the points drawn from each law.

    The weight g/(½p+½q) is bounded for JS, TV and Hellinger. The interval is Student's on 16 independent
    replicates, widened to the functional's range; for unbounded functionals (KL, χ², Rényi > 1) it assumes a
    finite variance, and it has probability ``confidence``, not 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence = {confidence}; it must lie strictly between 0 and 1")
    if what.singular_p and p.family == q.family == "dirichlet" and p.dim != q.dim:
        raise ValueError("the two Dirichlet laws live in different dimensions")
    generator = np.random.default_rng(rng)
    m = max(2, int(n_samples) // (2 * _REPLICATES))
    means = []
    for stream in generator.spawn(_REPLICATES):
        parts = []
        for law in (p, q):
            x = _draw(law, m, stream)
            with np.errstate(all="ignore"):
                lp, lq = p.log_density(x), q.log_density(x)
                log_m = np.logaddexp(lp, lq) - math.log(2)
                g = what.parts(lp - log_m, lq - log_m)[0]
            if np.isnan(g).any():
                raise ValueError("a log-density is NaN at a point drawn from P or Q")
            parts.append(float(np.mean(g)))
        means.append(0.5 * (parts[0] + parts[1]))
    used = 2 * m * _REPLICATES
    value = float(np.mean(means))
    if math.isinf(value):
        return Estimate(math.inf, math.inf, math.inf, "qmc: mass of P where q = 0", used)
    se = float(np.std(means, ddof=1)) / math.sqrt(_REPLICATES)
    from scipy.special import stdtrit

    half = float(stdtrit(_REPLICATES - 1, 0.5 + confidence / 2)) * se + 64 * 2.3e-16 * value
    low, high = max(0.0, value - half), min(what.largest, value + half)
    value = min(value, what.largest)
    value, low, high = (what.finish(x) for x in (value, low, high))
    error = (high - low) / 2 * se / (half or 1)
    return Estimate(value, low, high, "qmc", used, confidence=confidence, standard_error=error)


def _range(law: Law) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the affine support of an elliptical law: a point, orthonormal directions, and normals."""
    assert law.affine is not None
    mean, spread = law.affine
    values, vectors = np.linalg.eigh(0.5 * (spread + spread.T))
    positive = values > _RANK * max(float(values[-1]), 0.0)
    return mean, vectors[:, positive], vectors[:, ~positive]


def singular_vectors(what: Functional, p: Law, q: Law) -> Estimate | None:
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


def reduced(p: Law, q: Law) -> tuple[Law, Law]:
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
        laws.append(as_law(inner, law.name))
    return laws[0], laws[1]


def _draw(law: Law, n: int, rng: np.random.Generator) -> np.ndarray:
    if law.family in ("multivariate_normal", "multivariate_t") and law.dim <= 32:
        from scipy.special import chdtri, ndtri
        from scipy.stats import qmc  # the caller's distribution has loaded scipy.stats already

        heavy = law.family == "multivariate_t"
        u = qmc.Sobol(law.dim + heavy, rng=rng).random_base2(math.ceil(math.log2(n)))[:n]
        u = np.clip(u, 2.0**-53, 1 - 2.0**-53)
        z = ndtri(u[:, : law.dim])
        center, cov = (
            (law.params["loc"], law.params["shape"]) if heavy else (law.params["mean"], law.params["cov"])
        )
        values, vectors = np.linalg.eigh(cov)
        x = z * np.sqrt(np.maximum(values, 0)) @ vectors.T
        if heavy:
            x = x * np.sqrt(law.params["df"] / chdtri(law.params["df"], 1 - u[:, -1]))[:, None]
        return center + x
    if law.sampler is None:
        raise ValueError(
            "sampling is needed here and this Density has no sampler; pass sampler=(n, rng) -> draws"
        )
    return np.asarray(law.sampler(n, rng), dtype=float).reshape(n, law.dim)
