"""Point clouds, named and seeded: ``cloud(kind, n, d, seed)`` -> x, y, a, b."""

from __future__ import annotations

import numpy as np

KINDS = ("uniform", "weighted", "translated", "ring", "clusters", "gaussians")
Cloud = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def cloud(kind: str, n: int, d: int = 2, seed: int = 0) -> Cloud:
    """Two clouds of n points in dimension d and their masses.

    "uniform" and "weighted": both uniform in the cube, masses equal or Dirichlet(1); the others with
    Dirichlet masses: "translated" by 5 diameters, "ring" of radius 3 to a blob, 20 "clusters", "gaussians" of
    two different covariances.
    """
    rng = np.random.default_rng([KINDS.index(kind), n, d, seed])
    x, y = rng.random((n, d)), rng.random((n, d))
    if kind == "uniform":
        return x, y, np.full(n, 1 / n), np.full(n, 1 / n)
    if kind == "translated":
        y = y + 5.0 * np.sqrt(d)
    elif kind == "ring":
        t = 2 * np.pi * x[:, 0]
        x[:, 0], x[:, 1] = 3 * np.cos(t), 3 * np.sin(t)
        y = 0.5 * rng.standard_normal((n, d))
    elif kind == "gaussians":
        x = rng.standard_normal((n, d))
        y = 0.3 + rng.standard_normal((n, d)) @ (np.eye(d) + 0.3 * rng.standard_normal((d, d)) / np.sqrt(d))
    elif kind == "clusters":
        centres = rng.random((20, d))
        x = centres[rng.integers(20, size=n)] + 0.02 * rng.standard_normal((n, d))
        y = centres[rng.integers(20, size=n)] + 0.02 * rng.standard_normal((n, d))
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(n))
    return x, y, a, b * (a.sum() / b.sum())
