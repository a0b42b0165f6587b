"""Recognising scipy's multivariate distributions."""

from __future__ import annotations

from typing import Any

import numpy as np

from divergences._laws import Law

_FIELDS: dict[str, tuple[str, ...]] = {
    "multivariate_normal": ("mean", "cov"),
    "multivariate_t": ("loc", "shape", "df"),
    "dirichlet": ("alpha",),
    "vonmises_fisher": ("mu", "kappa"),
}
_REMEDIES = {
    "matrix_normal": "scipy.stats.multivariate_normal(M.ravel(), numpy.kron(rowcov, colcov))",
    "multinomial": "divergences.kl(p, q) of the probabilities, times n",
    "uniform_direction": "scipy.stats.vonmises_fisher(mu, kappa) with a small kappa",
}


def vector_law(P: Any, name: str) -> Law | None:
    """scipy's frozen multivariate laws, recognised by their classes."""
    kind = type(P)
    family = kind.__name__.removesuffix("_frozen")
    if not (kind.__name__.endswith("_frozen") and kind.__module__.startswith("scipy.stats")):
        return None
    if family not in _FIELDS:
        line = _REMEDIES.get(
            family, "divergences.Density(lambda x: P.logpdf(...), support=[(a, b), ...], sampler=...)"
        )
        raise TypeError(f"{name} is a {family}, which has no evaluation here; pass {line}")
    params: dict[str, Any] = {k: np.asarray(getattr(P, k), dtype=float) for k in _FIELDS[family]}
    dim = len(next(iter(params.values())))
    for scalar in ("df", "kappa"):
        if scalar in params:
            params[scalar] = float(params[scalar])
    rows = (lambda x: P.logpdf(x.T)) if family == "dirichlet" else P.logpdf

    def draw(n: int, rng: np.random.Generator) -> np.ndarray:
        return np.asarray(P.rvs(size=n, random_state=rng), dtype=float).reshape(n, dim)

    affine = None
    if family in ("multivariate_normal", "multivariate_t"):
        affine = (next(iter(params.values())), params["cov" if family == "multivariate_normal" else "shape"])
    return Law(
        "vector",
        family,
        params,
        lambda x: np.asarray(rows(x), dtype=float).reshape(-1),
        dim=dim,
        sampler=draw,
        genuine=True,
        name=name,
        affine=affine,
    )
