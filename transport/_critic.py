"""Kantorovich-Rubinstein critics for laws that can only be sampled, and what they prove.

W1(P, Q) = sup { E_P f - E_Q f : f 1-Lipschitz }. Any 1-Lipschitz f is an inf-convolution
min_j (h_j + |x - y_j|) of its own values (McShane 1934), and any h and y give a 1-Lipschitz function: the
class is exactly the constraint set. So the mean of a critic on *fresh* draws, less its sampling error, is a
lower confidence bound on W1 whatever the training did, and a coupling of fresh draws is an upper one.
"""

from __future__ import annotations

import importlib
import math
from typing import Any, Protocol, runtime_checkable

import array_api_compat as aac
import numpy as np

from transport._points import PointCloud
from transport._samplers import Sampler, as_sampler
from transport._solve import solve
from transport.internal import (
    Array,
    as_points,
    check_choice,
    check_count,
    check_positive,
    namespace,
    to_numpy,
)


@runtime_checkable
class Critic(Protocol):
    """What a critic can do; a neural one may be plugged in.

    ``lipschitz`` must be a *proved* Lipschitz constant: bounds are divided by it.
    """

    lipschitz: float

    def __call__(self, x: Array) -> Array:
        """Values f(x), shape (n,), of points x, shape (n, d)."""

    def gradient(self, x: Array) -> Array:
        """∇f(x), shape (n, d), where f is differentiable; a subgradient elsewhere."""

    def lower_bound(self, *, confidence: float = 0.99) -> Bound:
        """A lower confidence bound on W1."""


class Bound(float):
    """A confidence bound: a float that knows how it was obtained.

    Attributes
    ----------
    confidence : float
        Probability (over the draws) that the bound holds.
    estimate : float
        The point estimate it was taken from.
    method : str
        The inequality used, with its assumption.
    n_samples : int
        Fresh draws from each law.
    """

    confidence: float
    estimate: float
    method: str
    n_samples: int

    def __new__(
        cls, value: float, *, confidence: float, estimate: float, method: str, n_samples: int
    ) -> Bound:
        bound = super().__new__(cls, value)
        bound.confidence, bound.estimate = confidence, estimate
        bound.method, bound.n_samples = method, n_samples
        return bound

    def __repr__(self) -> str:
        return f"{float(self):.6g} ({self.confidence:.0%} confidence, {self.method}, n={self.n_samples})"


def _kernel(x: Array) -> Any:
    xp = namespace(x)
    kind = "cpu" if aac.is_numpy_namespace(xp) else "gpu" if aac.is_cupy_namespace(xp) else "reference"
    return importlib.import_module(f"transport._kernels.critic_{kind}").inf_convolution


class InfConvolution:
    """The function f(x) = sign · min_j (h_j + |x - y_j|): exactly 1-Lipschitz.

    Parameters
    ----------
    anchors : array, shape (m, d)
        y_j.
    heights : array, shape (m,)
        h_j.
    sign : {1, -1}
        -1 gives the sup-convolution max_j (-h_j - |x - y_j|).

    Examples
    --------
    >>> cone = InfConvolution([[0.0, 0.0]], [1.0])
    >>> cone([[3.0, 4.0]])
    array([6.])
    >>> cone.gradient([[3.0, 4.0]])
    array([[0.6, 0.8]])
    """

    lipschitz = 1.0

    def __init__(self, anchors: Array, heights: Array, *, sign: int = 1) -> None:
        xp = namespace(anchors, heights)
        self.anchors = as_points(anchors, "anchors", xp=xp)
        self.heights = xp.reshape(as_points(heights, "heights", xp=xp), (-1,))
        if self.heights.shape[0] != self.anchors.shape[0]:
            raise ValueError(f"{self.heights.shape[0]} heights for {self.anchors.shape[0]} anchors")
        if sign not in (1, -1):
            raise ValueError(f"sign = {sign}; it must be 1 or -1")
        self.sign = sign

    def _points(self, x: Array) -> Array:
        points = as_points(
            x, "x", xp=namespace(self.anchors, x) if aac.is_array_api_obj(x) else namespace(self.anchors)
        )
        if points.shape[1] != self.anchors.shape[1]:
            raise ValueError(
                f"x has dimension {points.shape[1]}; this critic lives in {self.anchors.shape[1]}"
            )
        return points

    def nearest(self, x: Array) -> tuple[Array, Array]:
        """(min_j h_j + |x_i - y_j|, the minimising j), shapes (n,)."""
        return _kernel(self.anchors)(self._points(x), self.anchors, self.heights)

    def __call__(self, x: Array) -> Array:
        """f(x), shape (n,)."""
        return self.sign * self.nearest(x)[0]

    def gradient(self, x: Array) -> Array:
        """The unit vector from the active anchor, times sign; 0 at an anchor."""
        points = self._points(x)
        xp = namespace(points)
        _, index = self.nearest(points)
        gap = points - xp.take(self.anchors, index, axis=0)
        size = xp.sqrt(xp.sum(gap * gap, axis=1, keepdims=True))
        return self.sign * gap / xp.where(size > 0, size, xp.ones_like(size))


class FittedCritic:
    """A critic with the fresh draws that judge it; returned by `critic` and `certify_critic`.

    Attributes
    ----------
    function : callable with ``gradient`` and ``lipschitz``
    lipschitz : float
    diameter : float or None
        A proved bound on |x - y| over both supports, if one was given.
    stats : dict
        What the training did.
    """

    def __init__(
        self,
        function: Any,
        fresh: tuple[np.ndarray, np.ndarray],
        *,
        diameter: float | None = None,
        stats: dict[str, Any] | None = None,
    ) -> None:
        self.function, self.diameter, self.stats = function, diameter, dict(stats or {})
        self.lipschitz = check_positive(function.lipschitz, "function.lipschitz")
        self._values = tuple(to_numpy(function(z)) for z in fresh)

    def __call__(self, x: Array) -> Array:
        """f(x), shape (n,)."""
        return self.function(x)

    def gradient(self, x: Array) -> Array:
        """∇f(x), shape (n, d)."""
        return self.function.gradient(x)

    @property
    def value(self) -> float:
        """(E_P f - E_Q f)/lipschitz on the fresh draws: its mean is at most W1."""
        return float(self._values[0].mean() - self._values[1].mean()) / self.lipschitz

    def lower_bound(self, *, confidence: float = 0.99, method: str = "auto") -> Bound:
        """A lower bound on W1(P, Q) that holds with the given probability over the fresh draws.

        Parameters
        ----------
        confidence : float
        method : {"auto", "bernstein", "hoeffding", "student"}
            "bernstein" (Maurer, Pontil 2009, Thm 4) and "hoeffding" need ``diameter`` and nothing else;
            "student" assumes means of the critic are normal at this sample size. "auto" is "bernstein" if a
            diameter is known, else "student". The draws are the same at every call: asking for several
            methods or confidences and keeping the best voids the probability.

        Raises
        ------
        ValueError
            If confidence is not in (0, 1), or the method needs a diameter and none was given.
        """
        if not 0 < confidence < 1:
            raise ValueError(f"confidence = {confidence}; it must lie strictly between 0 and 1")
        check_choice(method, "method", ("auto", "bernstein", "hoeffding", "student"))
        if method == "auto":
            method = "student" if self.diameter is None else "bernstein"
        slack = _slack(self._values, 1 - confidence, method, self.diameter, self.lipschitz)
        names = {
            "student": "studentised: assumes normal means",
            "bernstein": "empirical Bernstein on the given diameter",
            "hoeffding": "Hoeffding on the given diameter",
        }
        return Bound(
            max(0.0, self.value - slack / self.lipschitz),
            confidence=confidence,
            estimate=self.value,
            method=names[method],
            n_samples=len(self._values[0]),
        )


def _slack(
    values: tuple[np.ndarray, ...], delta: float, method: str, diameter: float | None, lipschitz: float
) -> float:
    """How far below its sample value E_P f - E_Q f may lie, with probability 1 - delta."""
    variances = [float(v.var(ddof=1)) for v in values]
    if method == "student":
        from scipy.special import ndtri

        return float(ndtri(1 - delta)) * math.sqrt(sum(s / len(v) for s, v in zip(variances, values)))
    if diameter is None:
        raise ValueError(
            f'method = "{method}" needs critic(..., diameter=), a bound on |x - y| over both supports'
        )
    reach = lipschitz * diameter  # the range of f over each support
    if method == "hoeffding":
        return reach * math.sqrt(math.log(1 / delta) / 2 * sum(1 / len(v) for v in values))
    log = math.log(4 / delta)  # Maurer-Pontil with δ/2 for each law
    return sum(
        math.sqrt(2 * s * log / len(v)) + 7 * reach * log / (3 * (len(v) - 1))
        for s, v in zip(variances, values)
    )


def certify_critic(
    function: Any, P: Any, Q: Any, *, n_samples: int = 1 << 16, diameter: float | None = None, rng: Any = 0
) -> FittedCritic:
    """Judge any critic (a neural one, say) on fresh draws of P and Q.

    ``function`` needs ``__call__``, ``gradient`` and a *proved* ``lipschitz``; ``rng`` must be independent of
    whatever trained it.

    Raises
    ------
    ValueError
        If the fresh draws themselves refute ``function.lipschitz``.

    Examples
    --------
    >>> f = InfConvolution([[0.0]], [0.0], sign=-1)       # -|x|
    >>> near, far = lambda n, rng: rng.uniform(0, 1, (n, 1)), lambda n, rng: rng.uniform(3, 4, (n, 1))
    >>> 2.9 < certify_critic(f, near, far).lower_bound(confidence=0.99) <= 3.0
    True
    """
    samplers = as_sampler(P, "P"), as_sampler(Q, "Q")
    n = check_count(n_samples, "n_samples", 2)
    fresh = _draws(samplers, n, np.random.default_rng(rng))
    _refute(function, fresh)
    return FittedCritic(function, fresh, diameter=diameter)


def _refute(function: Any, fresh: tuple[np.ndarray, np.ndarray]) -> None:
    """Raise if some pair of draws, or a gradient, shows the claimed Lipschitz constant to be false."""
    claimed = check_positive(function.lipschitz, "function.lipschitz")
    x = np.concatenate([z[:2000] for z in fresh])
    y = np.concatenate([x[1:], x[:1]])
    steepest = float(np.max(np.linalg.norm(to_numpy(function.gradient(x)), axis=1)))
    gap = np.linalg.norm(x - y, axis=1)
    far = gap > 0
    rise = np.abs(to_numpy(function(x)) - to_numpy(function(y)))[far] / gap[far]
    seen = max(steepest, float(np.max(rise, initial=0.0)))
    if seen > claimed * (1 + 1e-9):
        raise ValueError(
            f"this critic claims to be {claimed:g}-Lipschitz but has slope {seen:.9g} at a draw; "
            "its bound would be false. Divide it by its true constant, or set function.lipschitz to it"
        )


def _draws(
    samplers: tuple[Sampler, Sampler], n: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    first, second = rng.spawn(2)
    x, y = samplers[0](n, first), samplers[1](n, second)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"P lives in dimension {x.shape[1]} and Q in {y.shape[1]}; they must agree")
    return x, y


def coupling_bound(
    P: Any,
    Q: Any = None,
    *,
    confidence: float = 0.99,
    n_samples: int = 2000,
    diameter: float | None = None,
    rng: Any = 0,
) -> Bound:
    """An upper confidence bound on W1(P, Q), to go with `critic`'s lower one.

    Parameters
    ----------
    P, Q : sampler, distribution or array
        With ``Q=None``, P is a sampler of *pairs*, (n, rng) -> (x, y), draws of any coupling: the bound is
        its mean cost. Otherwise E W1(P̂_n, Q̂_n) >= W1(P, Q) by convexity, and the empirical W1 is exact.
    n_samples : int
        Draws of each law (split into 10 batches without ``diameter``).
    diameter : float, optional
        A bound on |x - y| over both supports: Hoeffding/McDiarmid then; otherwise Student's on batch means.

    Examples
    --------
    >>> import numpy as np, transport as tp
    >>> shift = lambda n, rng: (lambda z: (z, z + 3.0))(rng.normal(size=(n, 1)))
    >>> round(float(tp.coupling_bound(shift, rng=0)), 6)
    3.0
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence = {confidence}; it must lie strictly between 0 and 1")
    n = check_count(n_samples, "n_samples", 20)
    generator = np.random.default_rng(rng)
    log = math.log(1 / (1 - confidence))
    if Q is None:
        x, y = (as_points(to_numpy(z), "draws", xp=namespace(np.empty(0))) for z in P(n, generator))
        terms, spread = np.linalg.norm(x - y, axis=1), math.sqrt(log / (2 * n))
        method = "mean cost of a coupling"
    else:
        terms = _empirical_costs(as_sampler(P, "P"), as_sampler(Q, "Q"), n, 1 if diameter else 10, generator)
        spread = math.sqrt(log / n)
        method = "mean of exact empirical distances"
    mean = float(terms.mean())
    if diameter is not None:
        high = min(float(diameter), mean + check_positive(diameter, "diameter") * spread)
        method += ", bounded differences on the given diameter"
    else:
        from scipy.special import stdtrit

        k = len(terms)
        high = mean + float(stdtrit(k - 1, confidence)) * float(terms.std(ddof=1)) / math.sqrt(k)
        method += ", studentised: assumes normal means"
    return Bound(high, confidence=confidence, estimate=mean, method=method, n_samples=n)


def _empirical_costs(P: Sampler, Q: Sampler, n: int, batches: int, rng: np.random.Generator) -> np.ndarray:
    x, y = _draws((P, Q), n, rng)
    return np.array(
        [
            float(solve(PointCloud(x[i::batches], y[i::batches], "euclidean")).upper_bound)
            for i in range(batches)
        ]
    )
