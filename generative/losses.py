"""Divergences as differentiable losses: values from `divergences` and `transport`, exact gradients.

Each is a primitive of the tape with its own rule. Array divergences have second derivatives too; for exact
transport they do not (the plan is piecewise constant), and asking for one is an error.

Where the value is +inf (KL off the support, say) no gradient exists; it comes out non-finite and `fit` stops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import divergences
import transport
from generative import ops
from generative._autodiff import custom_vjp
from generative._autodiff.tape import value_of
from transport import PointCloud, Sinkhorn, Solution, estimate_sliced, solve
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
    """``JS = KL(P ‖ M) + KL(Q ‖ M)``, M = (P + Q)/2, in [0, 2 log 2]: `divergences.js`.

    >>> import numpy as np
    >>> round(float(js(np.array([0.5, 0.5]), np.array([0.25, 0.75]))), 6)
    0.067644
    """
    return _js(p, q)


def tv(p: Any, q: Any) -> Any:
    """Total variation ``½ Σ |p - q|``: `divergences.tv`; derivative 0 where p = q.

    >>> import numpy as np
    >>> round(float(tv(np.array([0.5, 0.5]), np.array([0.25, 0.75]))), 6)
    0.25
    """
    return _tv(p, q)


def chi2(p: Any, q: Any) -> Any:
    """``χ²(P ‖ Q) = Σ (p - q)²/q``: `divergences.chi2`.

    >>> import numpy as np
    >>> round(float(chi2(np.array([0.5, 0.5]), np.array([0.25, 0.75]))), 6)
    0.333333
    """
    return _chi2(p, q)


def squared_hellinger(p: Any, q: Any) -> Any:
    """``½ Σ (√p - √q)²``: `divergences.squared_hellinger`.

    >>> import numpy as np
    >>> round(float(squared_hellinger(np.array([0.5, 0.5]), np.array([0.25, 0.75]))), 6)
    0.034074
    """
    return _squared_hellinger(p, q)


def _transport_value(x: Any, y: Any, *, p: int, memo: dict[str, Any]) -> Any:
    cost = "euclidean" if p == 1 else "sqeuclidean"
    memo["solution"] = solve(PointCloud(to_numpy(x), to_numpy(y), cost))
    return on_device_of(to_numpy(memo["solution"].value).astype(str(x.dtype)).reshape(()), x)


def _transport_rule(g: Any, out: Any, x: Any, y: Any, *, p: int, memo: dict[str, Any]) -> tuple[Any, Any]:
    """∂/∂x_i Σ π_ij c(x_i, y_j) at the fixed best plan (Danskin): the plan is constant almost everywhere."""
    found = memo["solution"].gradient()
    return _pair(g, (found.x, found.y), x)


def _pair(g: Any, parts: tuple[Any, Any], like: Any) -> tuple[Any, Any]:
    first, second = (g * on_device_of(to_numpy(part).astype(str(like.dtype)), like) for part in parts)
    return first, second


_transport_cost = custom_vjp(_transport_value, _transport_rule, name="exact transport cost")


def _weighted_value(a: Any, b: Any, *, cost: Any, memo: dict[str, Any]) -> Any:
    memo["solution"] = solve(cost, to_numpy(a), to_numpy(b))
    return on_device_of(to_numpy(memo["solution"].value).astype(str(a.dtype)).reshape(()), a)


def _weighted_rule(g: Any, out: Any, a: Any, b: Any, *, cost: Any, memo: dict[str, Any]) -> tuple[Any, Any]:
    found = memo["solution"].gradient()
    return _pair(g, (found.a, found.b), a)


_weighted_cost = custom_vjp(_weighted_value, _weighted_rule, name="exact transport cost of masses")


def transport_of_masses(a: Any, b: Any, cost: Any) -> Any:
    """The exact optimal cost between the masses ``a`` (n,) and ``b`` (m,), differentiable in both.

    ``cost``: a matrix (n, m), `transport.Grid`, `transport.PointCloud` or any other cost of
    `transport.solve`. The gradients are the optimal potentials: changes of a and b of equal total mean
    something, so compose with `ops.softmax`.

    >>> import numpy as np
    >>> from generative import grad
    >>> a, b = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    >>> by_a = grad(lambda t: transport_of_masses(t, b, np.array([[0.0, 2.0], [2.0, 0.0]])))(a)
    >>> float(by_a[0] - by_a[1])
    2.0
    """
    return _weighted_cost(a, b, cost=cost, memo={})


def _sliced_value(x: Any, y: Any, *, memo: dict[str, Any], **options: Any) -> Any:
    memo["found"] = estimate_sliced(to_numpy(x), to_numpy(y), **options)
    return on_device_of(to_numpy(memo["found"].value).astype(str(x.dtype)).reshape(()), x)


def _sliced_rule(
    g: Any, out: Any, x: Any, y: Any, *, memo: dict[str, Any], **options: Any
) -> tuple[Any, Any]:
    return _pair(g, memo["found"].gradient(), x)


_sliced = custom_vjp(_sliced_value, _sliced_rule, name="sliced Wasserstein distance")


def sliced_wasserstein(x: Any, y: Any, *, p: float = 2.0, n_projections: int = 64, rng: Any = 0) -> Any:
    """`transport.sliced_wasserstein` of the rows of ``x`` (n, d) and ``y`` (m, d), differentiable in both.

    A fresh seed (or a Generator) each step makes it a stochastic gradient of the mean over the sphere.

    >>> import numpy as np
    >>> from generative import grad
    >>> x, y = np.array([[0.0], [1.0]]), np.array([[3.0], [4.0]])
    >>> grad(lambda t: sliced_wasserstein(x + t, y))(0.0).item()
    -1.0
    """
    return _sliced(x, y, p=p, n_projections=n_projections, rng=rng, memo={})


def _entropic_value(x: Any, y: Any, *, call: Callable[..., Any], memo: dict[str, Any]) -> Any:
    memo["found"] = found = call(to_numpy(x), to_numpy(y))
    value = found.stats["regularised"] if isinstance(found, Solution) else found.value
    return on_device_of(to_numpy(value).astype(str(x.dtype)).reshape(()), x)


def _entropic_rule(
    g: Any, out: Any, x: Any, y: Any, *, call: Callable[..., Any], memo: dict[str, Any]
) -> tuple[Any, Any]:
    found = memo["found"]
    slopes = found.gradient() if isinstance(found, Solution) else found
    return _pair(g, (slopes.x, slopes.y), x)


_entropic = custom_vjp(_entropic_value, _entropic_rule, name="entropic transport")


def entropic_cost(x: Any, y: Any, *, reg: float, marginals: Any = None, tol: float = 1e-9) -> Any:
    """The regularised cost min <C, P> + reg KL(P | a ⊗ b) between the rows of ``x`` and of ``y``.

    Masses are uniform, C is the squared distance. ``marginals``: `transport.KL` or `transport.TV`, whose
    prices are then part of the value. Differentiable in both clouds: the plan is smooth in them.

    >>> import numpy as np
    >>> from generative import grad
    >>> x, y = np.array([[0.0], [1.0]]), np.array([[3.0], [4.0]])
    >>> round(grad(lambda t: entropic_cost(x + t, y, reg=0.1))(0.0).item(), 9)
    -6.0
    """
    _check_points(x, y)

    def call(u: Any, v: Any) -> Any:
        return solve(PointCloud(u, v), solver=Sinkhorn(reg), marginals=marginals, tol=tol)

    return _entropic(x, y, call=call, memo={})


def sinkhorn_divergence(x: Any, y: Any, *, reg: float, tol: float = 1e-9) -> Any:
    """`transport.sinkhorn_divergence` of the rows of ``x`` and ``y``, uniform masses, differentiable in both.

    >>> import numpy as np
    >>> from generative import grad
    >>> x, y = np.array([[0.0], [1.0]]), np.array([[3.0], [4.0]])
    >>> round(grad(lambda t: sinkhorn_divergence(x + t, y, reg=0.1))(0.0).item(), 9)
    -6.0
    """
    _check_points(x, y)

    def call(u: Any, v: Any) -> Any:
        return transport.sinkhorn_divergence(u, v, reg=reg, tol=tol, full=True)

    return _entropic(x, y, call=call, memo={})


def unbalanced_cost(x: Any, y: Any, *, marginals: Any) -> Any:
    """The exact cost between the rows of ``x`` and ``y`` where ``marginals`` is `transport.KL` or `Partial`.

    Uniform masses, squared distances; `transport.TV` too. Differentiable in both clouds where the plan is
    unique.

    >>> import numpy as np, transport as tp
    >>> from generative import grad
    >>> x, y = np.array([[0.0], [1.0]]), np.array([[0.5], [9.0]])
    >>> grad(lambda u: unbalanced_cost(u, y, marginals=tp.Partial(0.5)))(x + 0.1).ravel().tolist()
    [-0.4, 0.0]
    """
    _check_points(x, y)

    def call(u: Any, v: Any) -> Any:
        return solve(PointCloud(u, v), marginals=marginals)

    return _soft(x, y, call=call, memo={})


def _soft_value(x: Any, y: Any, *, call: Callable[..., Any], memo: dict[str, Any]) -> Any:
    memo["found"] = call(to_numpy(x), to_numpy(y))
    return on_device_of(to_numpy(memo["found"].value).astype(str(x.dtype)).reshape(()), x)


_soft = custom_vjp(_soft_value, _entropic_rule, name="unbalanced transport cost")


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
    """``W_p(x, y)^p``: as `wasserstein`, without the root (whose slope is infinite where x = y).

    >>> import numpy as np
    >>> float(transport_cost(np.array([[0.0], [1.0]]), np.array([[3.0], [4.0]])))
    9.0
    """
    check_choice(str(p), "p", ("1", "2"))
    _check_points(x, y)
    return _transport_cost(x, y, p=p, memo={})


def _check_points(x: Any, y: Any) -> None:
    for name, points in (("x", x), ("y", y)):
        if value_of(points).ndim != 2:
            raise ValueError(f"{name} has shape {tuple(points.shape)}; points must have shape (n, d)")


__all__ = [
    "chi2",
    "entropic_cost",
    "js",
    "kl",
    "sinkhorn_divergence",
    "sliced_wasserstein",
    "squared_hellinger",
    "transport_cost",
    "transport_of_masses",
    "tv",
    "unbalanced_cost",
    "wasserstein",
]
