"""Names of distances: those of the kernels, synonyms, SciPy's other metrics; what to type for others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

METRICS = ("euclidean", "cityblock", "chebyshev")
SYNONYMS = {
    "manhattan": "cityblock",
    "taxicab": "cityblock",
    "l1": "cityblock",
    "l2": "euclidean",
    "chebychev": "chebyshev",
    "linf": "chebyshev",
}
FROM_SCIPY = ("canberra", "hamming", "jaccard", "jensenshannon")
"""Metrics without parameters that `scipy.spatial.distance.cdist` evaluates."""

_LINES = {
    "haversine": "sklearn.metrics.pairwise.haversine_distances (rows of latitude, longitude in radians)",
    "cosine": "lambda u, v: scipy.spatial.distance.cdist(u, v, 'cosine'), which is no metric (its angle is: "
    "numpy.arccos(1 - cdist(u, v, 'cosine')))",
    "minkowski": "lambda u, v: scipy.spatial.distance.cdist(u, v, 'minkowski', p=3)",
    "mahalanobis": "lambda u, v: scipy.spatial.distance.cdist(u, v, 'mahalanobis', VI=inverse_covariance)",
    "seuclidean": "lambda u, v: scipy.spatial.distance.cdist(u, v, 'seuclidean', V=variances)",
    "correlation": "lambda u, v: scipy.spatial.distance.cdist(u, v, 'correlation'), which is no metric",
    "braycurtis": "lambda u, v: scipy.spatial.distance.cdist(u, v, 'braycurtis'), which is no metric",
    "sqeuclidean": "cost='euclidean' with p=2",
}


def metric_name(cost: Any, names: tuple[str, ...] = METRICS) -> str:
    """One of ``names``, synonyms resolved.

    Raises
    ------
    ValueError
        Any other name; says that a function of two blocks is allowed, and which.

    >>> metric_name("manhattan")
    'cityblock'
    """
    if isinstance(cost, str):
        cost = SYNONYMS.get(cost, cost)
        if cost in names:
            return str(cost)
        if cost in _LINES:
            raise ValueError(f"cost = {cost!r} has no kernel here; pass {_LINES[cost]}")
    known = ", ".join(map(repr, (*names, *FROM_SCIPY)))
    raise ValueError(
        f"cost = {cost!r}; choose one of {known}, or pass a function of two blocks of points, (k, d) and "
        "(l, d), that returns their (k, l) costs"
    )


def scipy_metric(name: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The metric of that name as a function of two blocks."""

    def distance(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        from scipy.spatial.distance import cdist

        return np.asarray(cdist(u, v, name))

    distance.__qualname__ = name
    return distance


def powered(function: Callable[[Any, Any], Any], power: float) -> Callable[[Any, Any], Any]:
    """``function ** power``; distances below 0 are refused."""
    if power == 1:
        return function

    def cost(u: Any, v: Any) -> Any:
        values = np.asarray(function(u, v))
        if np.any(values < 0):
            raise ValueError("a distance must be >= 0; a cost without that meaning goes to transport.solve")
        return values**power

    cost.__qualname__ = getattr(function, "__qualname__", type(function).__name__)
    return cost
