"""Maxout units: the largest of a few linear functions, a convex activation that is learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from generative import ops
from generative._nets import Layer, spectral_norm
from generative._weights import WEIGHTS, effective_weight, initial_weight, refresh_state
from transport.internal import check_choice, check_count


@dataclass(frozen=True)
class Maxout(Layer):
    """``max_p (x W_p + b_p)`` over ``pieces`` linear maps: (n, n_in) -> (n, n_out).

    Goodfellow, Warde-Farley, Mirza, Courville, Bengio, ICML 2013, eq. 1.

    Parameters
    ----------
    n_in, n_out : int
    pieces : int
        Linear functions a unit takes the largest of; one of them is a linear layer.
    weight : {"free", "spectral", "orthonormal"}
        As in `Dense`, of the matrix (n_in, pieces n_out) of all pieces.

    Examples
    --------
    >>> layer = Maxout(2, 3, pieces=5)
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> y, _ = layer.apply(params, np.ones((4, 2)), state)
    >>> y.shape, np.array_equal(y[0], np.max((np.ones(2) @ params["w"]).reshape(5, 3), axis=0))
    ((4, 3), True)
    """

    n_in: int
    n_out: int
    pieces: int = 5
    weight: str = "free"

    def __post_init__(self) -> None:
        for name in ("n_in", "n_out", "pieces"):
            check_count(getattr(self, name), name)
        check_choice(self.weight, "weight", WEIGHTS)

    def init(self, rng: np.random.Generator) -> tuple[Any, Any]:
        width = self.pieces * self.n_out
        w, state = initial_weight((self.n_in, width), self.weight, 1.0, rng)
        return {"w": w, "b": np.zeros(width)}, state

    def apply(self, params: Any, x: Any, state: Any, *, train: bool = False) -> tuple[Any, Any]:
        state = refresh_state(params["w"], state, train=train)
        w = effective_weight(params["w"], self.weight, state)
        return ops.maxout(ops.dense(x, w, params["b"]), pieces=self.pieces), state

    def lipschitz(self, params: Any, state: Any) -> float:
        # |max_p u_p - max_p v_p| <= max_p |u_p - v_p|: a unit moves no more than all its pieces together.
        return spectral_norm(effective_weight(params["w"], self.weight, state))
