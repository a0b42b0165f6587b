"""Optimisers as pairs ``init(params) -> state``, ``update(gradient, state, params) -> (params, state)``.

They work on one flat array and return new ones; nothing given is written to, so the state before a step
stays good. The state is a dict of arrays and Python ints: it goes into a checkpoint as it is.

What differs from update to update is a few numbers, ``scalars(t)`` of update t = 1, 2, ...; a state with an
entry ``"at"``, an array with a row of them for each coming update, is moved by those instead (`_graph.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from generative._autodiff.tape import space_of
from transport.internal import check_positive, kernels

Rate = float | Callable[[int], float]
"""A learning rate, or a function of the number of updates made so far."""


def rate_at(rate: Rate, step: int) -> float:
    """The number a rate stands for after ``step`` updates."""
    return float(rate(step)) if callable(rate) else rate


def _numbers(optimizer: Any, state: dict[str, Any], t: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The scalars of update ``t``, and what is left of ``"at"`` after it."""
    at = state.get("at")
    if at is None:
        return optimizer.scalars(t), {}
    return tuple(at[0, j] for j in range(at.shape[1])), {"at": at[1:, :]}


def _check_rate(rate: Rate) -> None:
    if not callable(rate):
        check_positive(rate, "rate")


@dataclass(frozen=True)
class LinearDecay:
    """A rate that falls in a straight line from ``start`` to ``stop`` over ``steps`` updates, then stays.

    >>> LinearDecay(1.0, 0.0, steps=4)(3)
    0.25
    """

    start: float
    stop: float
    steps: int

    def __call__(self, step: int) -> float:
        share = min(step / self.steps, 1.0)
        return self.start + (self.stop - self.start) * share


@dataclass(frozen=True)
class GeometricDecay:
    """A rate that falls by one factor each update, from ``start`` to ``stop`` over ``steps``, then stays.

    >>> GeometricDecay(1.0, 0.01, steps=4)(2)
    0.1
    """

    start: float
    stop: float
    steps: int

    def __post_init__(self) -> None:
        check_positive(self.start, "start")
        check_positive(self.stop, "stop")

    def __call__(self, step: int) -> float:
        return float(self.start * (self.stop / self.start) ** min(step / self.steps, 1.0))


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba 2015, Alg. 1), with decoupled weight decay (Loshchilov and Hutter 2019).

    Examples
    --------
    >>> import numpy as np
    >>> adam = Adam(0.1)
    >>> x = np.array([1.0])
    >>> x, state = adam.update(2 * x, adam.init(x), x)  # the first step has length rate
    >>> round(float(x[0]), 6)
    0.9
    """

    rate: Rate = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    decay: float = 0.0

    def __post_init__(self) -> None:
        _check_rate(self.rate)
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}; it must be in [0, 1)")

    def init(self, params: Any) -> dict[str, Any]:
        """Moments zero."""
        xp = space_of(params)
        return {"t": 0, "m": xp.zeros_like(params), "v": xp.zeros_like(params)}

    def scalars(self, t: int) -> tuple[float, float, float]:
        """Rate and 1/(1 - β₂ᵗ), the bias corrections in them, and the share that decays."""
        rate = rate_at(self.rate, t - 1)
        return rate / (1 - self.beta1**t), 1 / (1 - self.beta2**t), rate * self.decay

    def update(self, gradient: Any, state: dict[str, Any], params: Any) -> tuple[Any, dict[str, Any]]:
        """One step against ``gradient``."""
        xp = space_of(params)
        t = int(state["t"]) + 1
        (rate, unbias, shrink), rest = _numbers(self, state, t)
        new, m, v = kernels("generative", xp).adam(
            gradient,
            params,
            state["m"],
            state["v"],
            rate=rate,
            beta1=self.beta1,
            beta2=self.beta2,
            unbias=unbias,
            eps=self.eps,
            shrink=shrink,
            xp=xp,
        )
        return new, {"t": t, "m": m, "v": v, **rest}


@dataclass(frozen=True)
class RMSProp:
    """RMSProp (Tieleman and Hinton 2012): steps of length rate over the running root mean square."""

    rate: Rate = 5e-5
    beta: float = 0.99
    eps: float = 1e-8

    def __post_init__(self) -> None:
        _check_rate(self.rate)

    def init(self, params: Any) -> dict[str, Any]:
        """Mean square zero."""
        return {"t": 0, "v": space_of(params).zeros_like(params)}

    def scalars(self, t: int) -> tuple[float]:
        """The rate of update ``t``."""
        return (rate_at(self.rate, t - 1),)

    def update(self, gradient: Any, state: dict[str, Any], params: Any) -> tuple[Any, dict[str, Any]]:
        """One step against ``gradient``."""
        xp = space_of(params)
        t = int(state["t"]) + 1
        (rate,), rest = _numbers(self, state, t)
        v = self.beta * state["v"] + (1 - self.beta) * gradient * gradient
        return params - rate * gradient / (xp.sqrt(v) + self.eps), {"t": t, "v": v, **rest}


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent, with momentum in the form ``u <- momentum u + g; x <- x - rate u``."""

    rate: Rate = 1e-2
    momentum: float = 0.0

    def __post_init__(self) -> None:
        _check_rate(self.rate)

    def init(self, params: Any) -> dict[str, Any]:
        """Velocity zero; absent without momentum."""
        return {"t": 0, "u": space_of(params).zeros_like(params)} if self.momentum else {"t": 0}

    def scalars(self, t: int) -> tuple[float]:
        """The rate of update ``t``."""
        return (rate_at(self.rate, t - 1),)

    def update(self, gradient: Any, state: dict[str, Any], params: Any) -> tuple[Any, dict[str, Any]]:
        """One step against ``gradient``."""
        t = int(state["t"]) + 1
        (rate,), rest = _numbers(self, state, t)
        after: dict[str, Any] = {"t": t, **rest}
        if self.momentum:
            gradient = after["u"] = self.momentum * state["u"] + gradient
        return params - rate * gradient, after
