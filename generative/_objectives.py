"""Objectives as pure functions of scores, samples and nets. Means over the batch; natural logarithms.

Scores are logits: D = sigmoid(score), and every logarithm of D or 1 - D is a softplus, finite always.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import array_api_compat as aac

from generative import ops
from generative._autodiff import grad, value_of
from generative._autodiff.tape import space_of


def logistic_cost(score: Any, label: Any) -> Any:
    """Mean logistic cost ``-y log D - (1 - y) log(1 - D)`` of scores against labels y in {0, 1}, any shape.

    For n points with empirical law P̂ uniform on the pairs (x_i, y_i) and P_β(x_i, y) = p_β(y | x_i) / n the
    cost is KL(P̂ ‖ P_β): see `tests/test_objectives.py`.

    >>> import numpy as np
    >>> round(float(logistic_cost(np.zeros(3), np.array([0.0, 1.0, 1.0]))), 12)
    0.69314718056
    """
    return ops.mean(ops.softplus(score) - score * label)


def gan_value(real: Any, fake: Any) -> Any:
    """``V(D, G) = E log D(x) + E log(1 - D(G(z)))`` from scores (Goodfellow et al. 2014, eq. 1).

    At the best discriminator D* = p/(p + q) it equals ``-log 4 + JS(p, q)`` with JS in [0, 2 log 2].

    >>> import numpy as np
    >>> bool(np.isclose(gan_value(np.zeros(2), np.zeros(2)), -np.log(4)))
    True
    """
    return -(ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(fake)))


def generator_cost(fake: Any, *, loss: str = "non_saturating") -> Any:
    """The generator's cost: "minimax" ``E log(1 - D)``, "non_saturating" ``-E log D``.

    >>> import numpy as np
    >>> [round(float(generator_cost(np.zeros(2), loss=name)), 6) for name in ("non_saturating", "minimax")]
    [0.693147, -0.693147]
    """
    return -ops.mean(ops.softplus(fake)) if loss == "minimax" else ops.mean(ops.softplus(-fake))


def wgan_value(real: Any, fake: Any) -> Any:
    """``E f(x) - E f(G(z))``: a lower bound of Lip(f)·W₁ (Kantorovich-Rubinstein).

    >>> import numpy as np
    >>> float(wgan_value(np.array([1.0, 3.0]), np.array([0.0, 1.0])))
    1.5
    """
    return ops.mean(real) - ops.mean(fake)


def gradient_penalty(
    critic: Callable[[Any], Any], x: Any, y: Any, mix: Any, *, one_sided: bool = False
) -> Any:
    """``E (|∇f(u)| - 1)²`` at u = mix·x + (1 - mix)·y (Gulrajani et al. 2017, eq. 3).

    Parameters
    ----------
    critic : callable
        (n, ...) -> (n, 1) or (n,).
    x, y : array, shape (n, ...)
    mix : array, shape (n,)
        Uniform on [0, 1].
    one_sided : bool
        Penalise slopes above 1 only (Petzka et al. 2018).

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.ones((4, 2)), np.zeros((4, 2))
    >>> float(gradient_penalty(lambda u: 3.0 * u[:, 0], x, y, np.full(4, 0.5)))      # slope 3: (3 - 1)²
    4.0
    """
    shape = (value_of(x).shape[0],) + (1,) * (value_of(x).ndim - 1)
    mix = ops.reshape(mix, shape=shape)
    between = y + mix * (x - y)
    slope = grad(lambda points: ops.sum(critic(points)))(between)
    excess = ops.norm(slope, axis=tuple(range(1, value_of(slope).ndim))) - 1.0
    return ops.mean(ops.square(ops.relu(excess) if one_sided else excess))


def label_cost(logits: Any, labels: Any) -> Any:
    """Mean cross-entropy ``-log softmax(logits)[label]``: logits (n, k), labels (n,) integers below k.

    >>> import numpy as np
    >>> round(float(label_cost(np.zeros((3, 4)), np.array([0, 1, 3]))), 6)  # log 4
    1.386294
    """
    plain = value_of(logits)
    xp = space_of(plain)
    kinds = xp.arange(plain.shape[-1], device=aac.device(plain))
    chosen = xp.asarray(labels, device=aac.device(plain))[:, None] == kinds
    right = ops.sum(logits * xp.astype(chosen, plain.dtype), axis=-1)
    return ops.mean(ops.logsumexp(logits, axis=-1) - right)


def gaussian_kl(mean: Any, log_var: Any) -> Any:
    """``KL(N(mean, exp(log_var)) ‖ N(0, I)) = ½ Σ (μ² + σ² - 1 - log σ²)`` per sample: (n, k) -> (n,).

    >>> import numpy as np
    >>> float(gaussian_kl(np.array([[1.0, -0.5]]), np.log(np.array([[0.25, 2.0]])))[0])
    1.09657359027997...
    """
    return 0.5 * ops.sum(ops.square(mean) + ops.exp(log_var) - 1.0 - log_var, axis=-1)


def gaussian_log_likelihood(x: Any, mean: Any, log_scale: Any) -> Any:
    """``Σ log N(x; mean, exp(log_scale)²)`` over features: (n, d) -> (n,).

    >>> import numpy as np
    >>> float(gaussian_log_likelihood(np.zeros((1, 1)), np.zeros((1, 1)), 0.0)[0])     # -½ log 2π
    -0.91893853320467...
    """
    z = ops.subtract(x, mean) * ops.exp(ops.negative(log_scale))
    return ops.sum(-0.5 * ops.square(z) - log_scale - 0.5 * math.log(2 * math.pi), axis=-1)


def bernoulli_log_likelihood(x: Any, score: Any) -> Any:
    """``Σ x log D + (1 - x) log(1 - D)`` over features, D = sigmoid(score): (n, d) -> (n,).

    >>> import numpy as np
    >>> float(bernoulli_log_likelihood(np.array([[1.0, 0.0]]), np.zeros((1, 2)))[0])   # -2 log 2
    -1.38629436111989...
    """
    return ops.sum(score * x - ops.softplus(score), axis=-1)


def categorical_log_likelihood(x: Any, score: Any) -> Any:
    """``Σ log softmax(score)[x]`` over features: x (n, d) integers, score (n, d, k) -> (n,).

    >>> import numpy as np
    >>> float(categorical_log_likelihood(np.array([[2.0]]), np.zeros((1, 1, 4)))[0])   # -log 4
    -1.38629436111989...
    """
    plain = value_of(x)
    xp = space_of(plain)
    classes = xp.arange(score.shape[-1], dtype=plain.dtype, device=aac.device(plain))
    chosen = xp.astype(plain[..., None] == classes, value_of(score).dtype)
    return ops.sum(ops.sum(score * chosen, axis=-1) - ops.logsumexp(score, axis=-1), axis=-1)


def elbo(log_likelihood: Any, kl: Any, *, beta: float = 1.0) -> Any:
    """``E [log p(x|z)] - beta KL(q(z|x) ‖ p(z))``, mean over the batch; at beta = 1 at most log p(x).

    >>> import numpy as np
    >>> float(elbo(np.array([-3.0, -5.0]), np.array([1.0, 1.0])))
    -5.0
    """
    return ops.mean(log_likelihood - beta * kl)
