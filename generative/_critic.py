"""A trained net as a Kantorovich-Rubinstein critic: value, gradient, slope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from generative import ops
from generative._autodiff import grad
from generative._nets import Sequential
from transport.internal import to_numpy


@dataclass(frozen=True)
class NetCritic:
    """The critic f of a WGAN, made of a net and its parameters.

    Any f gives E_P f - E_Q f <= Lip(f)·W₁(P, Q), so the difference over a proved bound of the slope is a
    lower bound of W₁. Evaluated in float64. ``transport.certify_critic(critic, P, Q)`` judges it on fresh
    draws; `Run.critic` does so on held-out data.
    """

    net: Sequential
    params: Any
    state: Any

    def __call__(self, x: Any) -> Any:
        """f at each row of ``x``: (n, d) -> (n,)."""
        y = self.net.apply(self.params, x, self.state)[0]
        return ops.reshape(y, shape=(y.shape[0],))

    def gradient(self, x: Any) -> Any:
        """∇f at each row: (n, d) -> (n, d)."""
        return grad(lambda points: ops.sum(self(points)))(x)

    @property
    def lipschitz(self) -> float:
        """A proved bound of the slope: the product of the layers' bounds (spectral norms by SVD)."""
        return self.net.lipschitz(self.params, self.state)

    def measured_lipschitz(self, x: Any) -> float:
        """The largest gradient at the rows of ``x``: at most the true slope, so no bound of W₁ follows."""
        slopes = to_numpy(self.gradient(x)).reshape(x.shape[0], -1)
        return float(np.max(np.linalg.norm(slopes.astype(np.float64), axis=1)))
