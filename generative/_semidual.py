"""A critic that is 1-Lipschitz by its form: distances to real samples, one trained height each."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from generative import ops
from generative._autodiff import custom_vjp
from generative._autodiff.tape import space_of
from generative._nets import Layer
from generative._optim import Rate, rate_at
from transport.internal import check_count, check_positive, kernels, on_device_of, to_numpy


def _forward(x: Any, anchors: Any, psi: Any, *, eps: float) -> Any:
    xp: ModuleType = space_of(x)
    return kernels("generative", xp).soft_nearest(x, anchors, psi, eps, xp=xp)


def _rule(g: Any, out: Any, x: Any, anchors: Any, psi: Any, *, eps: float) -> tuple[Any, None, Any]:
    xp = space_of(x)
    by_x, by_psi = kernels("generative", xp).soft_nearest_pullback(g, out, x, anchors, psi, eps=eps, xp=xp)
    return by_x, None, by_psi


_LEAF = 32
soft_nearest = custom_vjp(_forward, _rule, name="soft_nearest")


@dataclass(frozen=True)
class DistanceCritic(Layer):
    """``f(x) = ε log Σ_j exp((ψ_j - |x - y_j|)/ε)`` over anchors y_j, real samples; ψ is trained.

    Its gradient is a mean of unit vectors, so f is 1-Lipschitz whatever ψ and ε; as ε → 0 it is the upper
    McShane envelope ``max_j ψ_j - |x - y_j|``, and every 1-Lipschitz function is of that form on its anchors.
    Under ``WGAN(..., lipschitz="semidual")`` the height ψ ascends the semi-dual of W₁ between the anchors and
    the generator, ``Σ b_j ψ_j - E f(G(z))``: concave in ψ, so no critic can be stuck (Genevay et al. 2016,
    semi-dual problem, with ε small).

    Parameters
    ----------
    n_in : int
        Dimension of the data; meant for few (the critic interpolates samples).
    anchors : int
        How many; drawn from the training data when training begins.
    smoothing : float or callable
        ε over the root mean square distance of the anchors from their mean; or a function of the number of
        critic updates, such as `GeometricDecay`: what is finer than ε the critic does not see, and while it
        is large no anchor is out of sight.
    """

    n_in: int
    anchors: int = 2000
    smoothing: Rate = 0.025
    n_out: int = 1

    def __post_init__(self) -> None:
        check_count(self.n_in, "n_in")
        check_count(self.anchors, "anchors")
        if not callable(self.smoothing):
            check_positive(self.smoothing, "smoothing")

    def init(self, rng: np.random.Generator) -> tuple[Any, Any]:
        shape = (self.anchors, self.n_in)
        weight = np.full(self.anchors, 1 / self.anchors)
        state = {"anchors": np.zeros(shape), "weight": weight, "spread": np.ones(()), "updates": 0}
        return {"height": np.zeros(self.anchors)}, state

    def anchored(self, samples: Any) -> dict[str, Any]:
        """The state whose anchors are the first of ``samples``, shape (at least ``anchors``, n_in).

        Each anchor stands for the samples nearest to it: that measure is nearer to the data than the bare
        anchors are. They come in the order of a k-d tree's leaves: kernels pass over far ones by the block.
        """
        from scipy.spatial import cKDTree

        xp = space_of(samples)
        points = to_numpy(samples).astype(np.float64)
        order = cKDTree(points[: self.anchors], leafsize=_LEAF).indices
        nearest = cKDTree(points[order]).query(points)[1]
        weight = np.bincount(nearest, minlength=self.anchors) / len(points)
        centred = samples - xp.mean(samples, axis=0)
        spread = xp.sqrt(xp.mean(xp.sum(centred * centred, axis=1)))
        return {
            "anchors": xp.take(samples, on_device_of(order, samples), axis=0),
            "weight": xp.astype(on_device_of(weight, samples), samples.dtype),
            "spread": spread + float(xp.finfo(samples.dtype).smallest_normal) ** 0.5,
            "updates": 0,
        }

    def _psi(self, params: Any, state: Any) -> Any:
        # ψ = √(spread·m)·height: a step of plain gradient ascent then moves ψ by spread·rate·(relative error
        # of the mass near an anchor), whatever the units of the data and the number of anchors.
        return params["height"] * (float(state["spread"]) * self.anchors) ** 0.5

    def apply(self, params: Any, x: Any, state: Any, *, train: bool = False) -> tuple[Any, Any]:
        eps = rate_at(self.smoothing, int(state["updates"])) * float(state["spread"])
        value = soft_nearest(x, state["anchors"], self._psi(params, state), eps=eps)
        return ops.reshape(value, shape=(value.shape[0], 1)), state

    def mean_height(self, params: Any, state: Any) -> Any:
        """Σ b_j ψ_j, the first term of the semi-dual; b_j: the share of the data that anchor j stands for."""
        return ops.sum(self._psi(params, state) * state["weight"])

    def updated(self, state: Any) -> Any:
        """The state after one more update: ε follows its schedule."""
        return {**state, "updates": int(state["updates"]) + 1}
