"""What stands for a weight matrix: itself, over its spectral norm, or orthonormalised."""

from __future__ import annotations

from typing import Any

import numpy as np

from generative import ops
from generative._autodiff import value_of
from transport.internal import namespace

WEIGHTS = ("free", "spectral", "orthonormal")
_BJORCK_STEPS = 6


def initial_weight(
    shape: tuple[int, int], weight: str, gain: float, rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, Any]]:
    """A random matrix and its state: orthonormal for "orthonormal", else normal of deviation gain/√fan-in."""
    normal = rng.standard_normal(shape)
    if weight == "orthonormal":
        u, _, vt = np.linalg.svd(normal, full_matrices=False)
        return u @ vt, {}
    w = normal * (gain / np.sqrt(shape[0]))
    if weight == "free":
        return w, {}
    u, _, _ = np.linalg.svd(w, full_matrices=False)
    return w, {"u": u[:, :1].copy()}


def refresh_state(w: Any, state: Any, *, train: bool) -> Any:
    """One step of the power iteration in training; nothing where there is no state."""
    if not train or not state:
        return state
    plain = value_of(w)
    xp = namespace(plain)
    v = _unit(ops.matmul(plain.T, state["u"]), xp)
    return {"u": _unit(ops.matmul(plain, v), xp)}


def _unit(x: Any, xp: Any) -> Any:
    return x / (xp.sqrt(xp.sum(x * x)) + 1e-30)


def effective_weight(w: Any, weight: str, state: Any) -> Any:
    """The matrix that multiplies the data."""
    if weight == "free":
        return w
    if weight == "orthonormal":
        return bjorck(w)
    plain = value_of(w)
    xp = namespace(plain)
    u = state["u"]
    v = _unit(ops.matmul(plain.T, u), xp)
    sigma = ops.sum(ops.matmul(w, v) * u)  # u, v held constant: dσ = uᵀ dW v (Miyato et al. 2018, eq. 9)
    return w / sigma


def bjorck(w: Any, *, steps: int = _BJORCK_STEPS) -> Any:
    """The nearest matrix with orthonormal rows or columns, approached by ``steps`` Björck iterations.

    Each is ``W <- W (3 I - WᵀW) / 2``, on singular values s -> s (3 - s²) / 2, which never exceeds 1 for
    s <= 1: however few the steps, the result is 1-Lipschitz. The start is scaled by the bound
    |W|₂² <= |W|₁ |W|_∞ where that exceeds 1 (Björck and Bowie 1971; Anil et al. 2019).
    """
    plain = value_of(w)
    xp = namespace(plain)
    # The scale is held constant: the limit does not depend on it.
    gram = ops.matmul(plain.T, plain) if plain.shape[0] >= plain.shape[1] else ops.matmul(plain, plain.T)
    bound = xp.sqrt(xp.max(xp.sum(xp.abs(gram), axis=0)))  # >= the largest singular value
    w = w / xp.maximum(bound, xp.ones_like(bound))
    for _ in range(steps):
        if plain.shape[0] >= plain.shape[1]:
            w = 1.5 * w - 0.5 * ops.matmul(w, ops.matmul(ops.transpose(w), w))
        else:
            w = 1.5 * w - 0.5 * ops.matmul(ops.matmul(w, ops.transpose(w)), w)
    return w
