"""A basis as a forest: ``parent`` of every node, sources 0..n-1, sinks n..n+m-1, then the root."""

from __future__ import annotations

import numpy as np


def ends(n: int, parent: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(sources, sinks) of the arcs from the nodes ``v`` to their parents."""
    p = parent[v]
    return np.minimum(v, p), np.maximum(v, p) - n


def shipped(parent: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows, cols, mass): what the masses a and b send along the forest, where that is positive."""
    from transport._kernels.forests import peel

    mass = peel(len(a), parent, a, b)
    v = np.flatnonzero((parent[:-1] < len(mass)) & (mass > 0))
    return *ends(len(a), parent, v), mass[v]
