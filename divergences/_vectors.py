"""Divergences of laws in several dimensions by randomised quasi-Monte Carlo, with a stated confidence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from divergences._estimate import Estimate
from divergences._functionals import Functional
from divergences._laws import Law

_REPLICATES = 16


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
