"""The Wasserstein distance of samples, as a number."""

from __future__ import annotations

import math
from typing import Any

from divergences._dispatch import is_distribution, of_laws
from transport import FunctionCost, PointCloud, solve, wasserstein_1d
from transport.internal import (
    FROM_SCIPY,
    METRICS,
    Array,
    MagnitudeError,
    as_points,
    as_weights,
    check_exponent,
    metric_name,
    namespace,
    positions,
    powered,
    row_labels,
    scipy_metric,
    spelled,
    weights_like,
)


@spelled
def wasserstein(
    x: Any,
    y: Any,
    *,
    a: Any = None,
    b: Any = None,
    p: float = 1.0,
    cost: Any = "euclidean",
    normalize: bool = False,
) -> float:
    r"""Wasserstein distance :math:`W_p` of two weighted samples, or of two distributions.

    Parameters
    ----------
    x, y : array, shape (n,) or (n, d) and (m,) or (m, d), or distributions
        Points. Times and big integers as in `transport.wasserstein_1d`; columns of tables matched by name.
    a, b : array, shape (n,) and (m,), optional
        Weights, each summing to 1; equal weights by default.
    p : float
        Exponent, p >= 1; inf on the line only.
    cost : {"euclidean", "cityblock", "chebyshev", "canberra", "hamming", ...} or callable
        The metric d between points: a name of `scipy.spatial.distance` without parameters, or a function of
        two blocks of points, (k, d) and (l, d), that returns their (k, l) distances.
    normalize : bool
        Divide the weights by their total instead of insisting on 1.

    Returns
    -------
    float
        :math:`W_p = \left(\min_\pi \int d(x, y)^p\,d\pi\right)^{1/p}`, in the unit of the points.

    Raises
    ------
    ValueError, TypeError
        For points or weights that are not those of a measure; dimensions that differ; p = inf in space.
    ConvergenceError
        If the optimum in space could not be certified; it holds the certified interval of W_p^p.

    Notes
    -----
    On the line the closed form `transport.wasserstein_1d`; in space `transport.solve`, whose answer
    carries a certificate: call it yourself to see the plan and the bounds.

    Examples
    --------
    >>> wasserstein([[0.0, 0.0], [1.0, 0.0]], [[1.0, 1.0], [0.0, 1.0]])
    1.0
    >>> wasserstein([0, 1, 3], [5, 6, 8], p=2)
    5.0
    """
    p = check_exponent(p)
    if is_distribution(x) or is_distribution(y):
        return _of_laws(x, y, a, b, p, cost=cost, normalize=normalize)
    if not callable(cost) and cost not in FROM_SCIPY:
        cost = metric_name(cost)  # a squared distance is not a metric: p=2 asks for it
    a, b = weights_like(a, row_labels(x), "a", "x"), weights_like(b, row_labels(y), "b", "y")
    x, y = positions(x, y)
    xp = namespace(x, y, a, b)
    x, y = as_points(x, "x", xp=xp), as_points(y, "y", xp=xp)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"x has dimension {x.shape[1]} and y has {y.shape[1]}; they must live in one space")
    if x.shape[1] == 1 and cost in METRICS:
        return wasserstein_1d(x, y, a=a, b=b, p=p, normalize=normalize)
    if math.isinf(p):
        raise ValueError("p = inf is available on the line only; in space a large p (say 50) is close to it")
    if a is not None:
        a = as_weights(a, "a", xp=xp, size=x.shape[0], normalize=normalize)
    if b is not None:
        b = as_weights(b, "b", xp=xp, size=y.shape[0], normalize=normalize)
    if cost not in METRICS:
        distance = cost if callable(cost) else scipy_metric(cost)
        return float(max(0.0, solve(FunctionCost(x, y, powered(distance, p)), a, b).value) ** (1.0 / p))
    unit = _extent(x, y, xp=xp)
    if unit == 0.0:
        return 0.0
    value = solve(PointCloud(x / unit, y / unit, cost, power=p), a, b).value
    result = unit * max(0.0, value) ** (1.0 / p)
    if math.isinf(result):
        raise MagnitudeError("the distance is larger than any float64; divide x and y by their largest entry")
    return result


def _of_laws(x: Any, y: Any, a: Any, b: Any, p: float, *, cost: str, normalize: bool) -> float:
    """W_p of two laws, or of a weighted sample and a law on the line."""
    if callable(cost) or metric_name(cost) not in METRICS:
        raise ValueError(f"cost = {cost!r}; between laws the distance on the line is |x - y|: leave cost out")
    for law, weights, name in ((x, a, "a"), (y, b, "b")):
        if is_distribution(law) and weights is not None:
            raise ValueError(f"{name} holds weights of a distribution, which has its own; leave {name} out")
    weights = a if a is not None else b
    options: dict[str, Any] = {"p": p}
    if weights is not None:
        if normalize:
            weights = as_weights(weights, "a", xp=namespace(weights), normalize=True)
        options["weights"] = weights
    return of_laws("wasserstein", x, y, **options)


def _extent(x: Array, y: Array, *, xp: Any) -> float:
    """A power of two about the size of the box that holds all points: dividing by it changes no digit."""
    top = xp.maximum(xp.max(x, axis=0), xp.max(y, axis=0))
    bottom = xp.minimum(xp.min(x, axis=0), xp.min(y, axis=0))
    half = float(xp.max(0.5 * top - 0.5 * bottom))
    if half == 0.0:
        return float(xp.max(top - bottom))
    return math.ldexp(1.0, max(-1022, min(1023, math.frexp(half)[1])))
