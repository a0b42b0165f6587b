"""Honest monitoring: exact distances between the model's samples and data it never saw."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from generative._autodiff import value_of
from generative._data import Source
from generative._model import Model, State
from generative._random import EVALUATE, Key, stream
from transport import PointCloud, solve
from transport.internal import to_numpy


def as_rows(x: Any) -> np.ndarray:
    """``x`` on the host as float64 rows, one a sample."""
    rows = to_numpy(value_of(x)).astype(np.float64)
    return rows.reshape(rows.shape[0], -1)


def wasserstein(x: np.ndarray, y: np.ndarray, *, p: int) -> float:
    """Exact W_p between the empirical measures of the rows of ``x`` and ``y``, p in {1, 2}."""
    cost = float(solve(PointCloud(x, y, "euclidean" if p == 1 else "sqeuclidean")).value)
    return cost if p == 1 else math.sqrt(max(cost, 0.0))


def js_estimate(x: np.ndarray, y: np.ndarray, *, k: int = 5) -> float:
    """JS of the laws behind samples ``x`` (n, d) and ``y`` (m, d), without a model: an estimate, no bound.

    JS is 2 I(point; which sample) for equal sizes; the mutual information by Ross (PLoS ONE 9, 2014, eq. 2):
    with m_i the points of both samples as near to point i as its k-th neighbour in its own sample,
    ``I = ψ(N) + ψ(k) - <ψ(N_label)> - <ψ(m_i)>``. Clipped to [0, 2 log 2].

    >>> rng = np.random.default_rng(0)
    >>> bool(abs(js_estimate(rng.normal(size=(4000, 1)), rng.normal(1, 1, (4000, 1))) - 0.2228) < 0.03)
    True
    """
    from scipy.spatial import cKDTree
    from scipy.special import digamma

    n = min(len(x), len(y))
    both = np.concatenate([x[:n], y[:n]])
    near: list[Any] = [cKDTree(part).query(part, k=[k + 1])[0] for part in (x[:n], y[:n])]
    reach = np.concatenate(near)[:, 0]
    within = cKDTree(both).query_ball_point(both, np.nextafter(reach, np.inf), return_length=True) - 1
    information = digamma(2 * n) + digamma(k) - digamma(n) - np.mean(digamma(np.maximum(within, k)))
    return float(np.clip(2 * information, 0.0, 2 * math.log(2)))


def floor(source: Source, n: int) -> dict[str, float]:
    """Exact W₁ and W₂ between held-out samples and as many real ones of training: what zero error looks like.

    Samples of the same law are this far apart, so no model is to be asked for less.
    """
    held = as_rows(source.held_out(n)[0])
    real = as_rows(source.seen(held.shape[0]))
    m = min(held.shape[0], real.shape[0])
    return {
        "w1_floor": wasserstein(held[:m], real[:m], p=1),
        "w2_floor": wasserstein(held[:m], real[:m], p=2),
    }


def distances(
    model: Model, state: State, source: Source, *, n: int, key: Key, index: int
) -> dict[str, float]:
    """Exact W₁ and W₂ between ``n`` held-out samples and as many of the model."""
    held, labels = source.held_out(n, index)
    real = as_rows(held)
    made = as_rows(model.sample(state, real.shape[0], stream(key, EVALUATE, 2**32 + index), labels=labels))
    return {
        "w1": wasserstein(real, made, p=1),
        "w2": wasserstein(real, made, p=2),
    }
