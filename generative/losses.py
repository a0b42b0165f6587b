"""Divergences as differentiable losses: values from `divergences` and `transport`, exact gradients.

Each is a primitive of the tape with its own rule. Array divergences have second derivatives too; for exact
transport they do not (the plan is piecewise constant), and asking for one is an error.

Where the value is +inf (KL off the support, say) no gradient exists; it comes out non-finite and `fit` stops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import divergences
from generative import ops
from generative._autodiff import custom_vjp
from generative._autodiff.tape import space_of, value_of
from transport import PointCloud, solve
from transport.internal import check_choice, on_device_of, to_numpy


def _over_support(
    name: str, gradient: Callable[..., tuple[Any, Any]], **options: Any
) -> Callable[[Any, Any], Any]:
    """A loss of two weight vectors; ``gradient(p, q)`` gives both partial derivatives."""

    def value(p: Any, q: Any) -> Any:
        return getattr(divergences, name)(p, q, **options)

    def rule(g: Any, out: Any, p: Any, q: Any) -> tuple[Any, Any]:
        by_p, by_q = gradient(p, q)
        spread = ops.reshape(g, shape=(*g.shape, 1))
        return spread * by_p, spread * by_q

    return custom_vjp(value, rule, name=name, differentiable=True)


def _log_ratio(p: Any, q: Any) -> Any:
    return ops.log(p / q)


_kl = _over_support("kl", lambda p, q: (_log_ratio(p, q) + 1.0, -(p / q)))
_js = _over_support(
    "js",
    lambda p, q: (ops.log(2.0 * p / (p + q)), ops.log(2.0 * q / (p + q))),
)
_tv = _over_support("tv", lambda p, q: (0.5 * ops.sign(p - q), -0.5 * ops.sign(p - q)))
_chi2 = _over_support("chi2", lambda p, q: (2.0 * (p / q - 1.0), 1.0 - ops.square(p / q)))
_squared_hellinger = _over_support(
    "squared_hellinger", lambda p, q: (0.5 - 0.5 * ops.sqrt(q / p), 0.5 - 0.5 * ops.sqrt(p / q))
)


def kl(p: Any, q: Any) -> Any:
    """``KL(P ‖ Q) = Σ p log(p/q)`` of weights on a common support, (..., n) -> (...): `divergences.kl`.

    The gradient is that of the formula in free p and q; compose with `ops.softmax` to stay on the simplex,
    where any common constant in it drops out.

    >>> import numpy as np
    >>> from generative import grad
    >>> p = np.array([0.25, 0.75])
    >>> [round(float(g), 6) for g in grad(lambda q: kl(p, q))(np.array([0.5, 0.5]))]
    [-0.5, -1.5]
    """
    return _kl(p, q)


def js(p: Any, q: Any) -> Any:
    """``JS = KL(P ‖ M) + KL(Q ‖ M)``, M = (P + Q)/2, in [0, 2 log 2]: `divergences.js`."""
    return _js(p, q)


def tv(p: Any, q: Any) -> Any:
    """Total variation ``½ Σ |p - q|``: `divergences.tv`; derivative 0 where p = q."""
    return _tv(p, q)


def chi2(p: Any, q: Any) -> Any:
    """``χ²(P ‖ Q) = Σ (p - q)²/q``: `divergences.chi2`."""
    return _chi2(p, q)


def squared_hellinger(p: Any, q: Any) -> Any:
    """``½ Σ (√p - √q)²``: `divergences.squared_hellinger`."""
    return _squared_hellinger(p, q)


def _transport_value(x: Any, y: Any, *, p: int, memo: dict[str, Any]) -> Any:
    cost = "euclidean" if p == 1 else "sqeuclidean"
    memo["solution"] = solve(PointCloud(to_numpy(x), to_numpy(y), cost))
    return on_device_of(to_numpy(memo["solution"].value).astype(str(x.dtype)).reshape(()), x)


def _transport_rule(g: Any, out: Any, x: Any, y: Any, *, p: int, memo: dict[str, Any]) -> tuple[Any, Any]:
    """∂/∂x_i Σ π_ij c(x_i, y_j) at the fixed best plan (Danskin): the plan is constant almost everywhere."""
    plan = memo["solution"].plan.tocoo()
    host_x, host_y = to_numpy(x).astype(float), to_numpy(y).astype(float)
    move = host_x[plan.row] - host_y[plan.col]
    if p == 1:
        length = ops.norm(move, axis=1, keepdims=True)
        move = move / (length + (length == 0))  # where x_i = y_j the subgradient 0
    else:
        move = 2.0 * move
    move = plan.data[:, None] * move
    by_x, by_y = (host_x * 0.0, host_y * 0.0)
    for k in range(move.shape[1]):
        by_x[:, k] = _binned(plan.row, move[:, k], len(host_x))
        by_y[:, k] = -_binned(plan.col, move[:, k], len(host_y))
    return tuple(g * on_device_of(part.astype(str(x.dtype)), x) for part in (by_x, by_y))  # type: ignore[return-value]


def _binned(index: Any, weights: Any, size: int) -> Any:
    return space_of(weights).bincount(index, weights=weights, minlength=size)


_transport_cost = custom_vjp(_transport_value, _transport_rule, name="exact transport cost")


def wasserstein(x: Any, y: Any, *, p: int = 2) -> Any:
    """Exact W_p between the uniform measures on the rows of ``x`` and ``y``, differentiable in the points.

    Parameters
    ----------
    x : array, shape (n, d)
    y : array, shape (m, d)
    p : {1, 2}
        Ground distance |x - y|; for p = 2 the root of the least mean squared distance.

    Notes
    -----
    Solved exactly on the CPU by `transport.solve` (n log n memory, certified). The derivative with respect to
    x_i is the mean over its partners of the derivative of the cost, at the best plan.

    Examples
    --------
    >>> import numpy as np
    >>> from generative import grad
    >>> x, y = np.array([[0.0], [1.0]]), np.array([[3.0], [4.0]])
    >>> float(wasserstein(x, y, p=1)), grad(lambda t: wasserstein(x + t, y, p=1))(0.0).item()
    (3.0, -1.0)
    """
    cost = transport_cost(x, y, p=p)
    return cost if p == 1 else ops.sqrt(cost)


def transport_cost(x: Any, y: Any, *, p: int = 2) -> Any:
    """``W_p(x, y)^p``: as `wasserstein`, without the root (whose slope is infinite where x = y)."""
    check_choice(str(p), "p", ("1", "2"))
    for name, points in (("x", x), ("y", y)):
        if value_of(points).ndim != 2:
            raise ValueError(f"{name} has shape {tuple(points.shape)}; points must have shape (n, d)")
    return _transport_cost(x, y, p=p, memo={})


__all__ = ["chi2", "js", "kl", "squared_hellinger", "transport_cost", "tv", "wasserstein"]
