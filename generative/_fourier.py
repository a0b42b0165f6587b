"""Random Fourier features: what lets a small net be steep in some places and flat in the others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from generative import ops
from generative._nets import Layer, spectral_norm
from transport.internal import check_count, check_positive


@dataclass(frozen=True)
class Fourier(Layer):
    """``√2 (sin xW, cos xW)``: (n, n_in) -> (n, n_out), W drawn once from N(0, scale²) and never trained.

    A net on top of them learns functions that vary over a length 1/scale as readily as smooth ones; on x
    itself it learns them last (Rahimi and Recht 2007; Tancik et al. 2020). A generator needs them where its
    data lie in separate lumps: being continuous it must cross the gaps, and only by crossing them in little
    latent mass does it put few samples there.

    Parameters
    ----------
    n_in, n_out : int
        ``n_out`` is even: half sines, half cosines.
    scale : float
        Standard deviation of the frequencies, radians for a unit of x.

    Examples
    --------
    >>> layer = Fourier(2, 6)
    >>> y, _ = layer.apply({}, np.ones((4, 2)), layer.init(np.random.default_rng(0))[1])
    >>> y.shape, np.allclose(np.sum(y**2, axis=1), 6)
    ((4, 6), True)
    """

    n_in: int
    n_out: int
    scale: float = 1.0

    def __post_init__(self) -> None:
        check_count(self.n_in, "n_in")
        if check_count(self.n_out, "n_out") % 2:
            raise ValueError(f"n_out = {self.n_out}; it must be even: half sines, half cosines")
        check_positive(self.scale, "scale")

    def init(self, rng: np.random.Generator) -> tuple[Any, Any]:
        return {}, {"w": self.scale * rng.standard_normal((self.n_in, self.n_out // 2))}

    def apply(self, params: Any, x: Any, state: Any, *, train: bool = False) -> tuple[Any, Any]:
        phase = ops.matmul(x, state["w"])
        return math.sqrt(2) * ops.concat(ops.sin(phase), ops.cos(phase), axis=-1), state

    def lipschitz(self, params: Any, state: Any) -> float:
        # J'J = 2 W (cos² + sin²) W': the same everywhere.
        return math.sqrt(2) * spectral_norm(state["w"])
