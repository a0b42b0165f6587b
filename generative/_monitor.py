"""Honest monitoring: exact distances between the model's samples and data it never saw."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from generative._autodiff import value_of
from generative._data import Source
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


def distances(model: Any, state: Any, source: Source, *, n: int, key: Key, index: int) -> dict[str, float]:
    """Exact W₁ and W₂ between ``n`` held-out samples and as many of the model."""
    held, labels = source.held_out(n, index)
    real = as_rows(held)
    made = as_rows(model.sample(state, real.shape[0], stream(key, EVALUATE, 2**32 + index), labels=labels))
    return {
        "w1": wasserstein(real, made, p=1),
        "w2": wasserstein(real, made, p=2),
    }
