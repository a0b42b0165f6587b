"""Point clouds: uniform, clustered, of single cells, on the line, wide, few centres."""

from __future__ import annotations

import numpy as np

from bench.problems import Problem, equal, family, generator, masses


def _weights(rng: np.random.Generator, n: int) -> np.ndarray:
    return masses(rng.dirichlet(np.ones(n)))


@family(
    "uniform",
    smoke=("100:metric=euclidean",),
    points=("250", "1000", "250:d=8", "1000:d=8", "1000:d=32", "1000:d=128", "1000:metric=euclidean"),
    scaling=("250", "500", "1000", "2000", "4000", "8000", "16000", "32000"),
)
def uniform(n: int, *, d: int = 2, metric: str = "sqeuclidean", even: int = 0, seed: int = 0) -> Problem:
    """Uniform in the cube; Dirichlet(1) masses, or equal ones with even=1."""
    rng = generator("uniform", n, d, seed)
    x, y = rng.random((n, d)), rng.random((n, d))
    a, b = (equal(n), equal(n)) if even else (_weights(rng, n), _weights(rng, n))
    return Problem(a, b, x=x, y=y, metric=metric)


@family(
    "clustered", points=("250", "1000", "1000:d=8"), scaling=("500:d=8", "1000:d=8", "2000:d=8", "4000:d=8")
)
def clustered(
    n: int, *, d: int = 2, width: float = 0.02, metric: str = "sqeuclidean", seed: int = 0
) -> Problem:
    """Twenty Gaussian clusters, the same centres on both sides."""
    rng = generator("clustered", n, d, seed)
    centres = rng.random((20, d))
    x, y = (centres[rng.integers(20, size=n)] + width * rng.standard_normal((n, d)) for _ in range(2))
    return Problem(_weights(rng, n), _weights(rng, n), x=x, y=y, metric=metric)


@family("cells", points=("250", "1000"), scaling=("500", "1000", "2000", "4000"))
def cells(n: int, *, d: int = 30, types: int = 12, metric: str = "sqeuclidean", seed: int = 0) -> Problem:
    """Like single cells after PCA: Gaussian clusters, own shapes, decaying scales, unequal, shifted."""
    rng = generator("cells", n, d, seed)
    scales = 1.0 / np.sqrt(np.arange(1.0, d + 1))
    centres = 4.0 * rng.standard_normal((types, d)) * scales
    shapes = [np.linalg.qr(rng.standard_normal((d, d)))[0] * rng.uniform(0.3, 1.0, d) for _ in range(types)]
    shift = 0.5 * rng.standard_normal((types, d)) * scales

    def cloud(moved: np.ndarray) -> np.ndarray:
        of = rng.choice(types, size=n, p=rng.dirichlet(np.full(types, 2.0)))
        noise = rng.standard_normal((n, d))
        return np.stack([moved[t] + (shapes[t] @ noise[i]) * scales for i, t in enumerate(of)])

    return Problem(
        _weights(rng, n), _weights(rng, n), x=cloud(centres), y=cloud(centres + shift), metric=metric
    )


@family("line", smoke=("200",), points=("1000",), scaling=("10000", "100000"))
def line(n: int, *, metric: str = "euclidean", seed: int = 0) -> Problem:
    """Two Gaussian samples on the line, Dirichlet masses."""
    rng = generator("line", n, seed)
    x, y = rng.standard_normal((n, 1)), 1.5 * rng.standard_normal((n, 1)) + 0.5
    return Problem(_weights(rng, n), _weights(rng, n), x=x, y=y, metric=metric)


@family("wide", points=("1000", "1000:tall=1"))
def wide(n: int, *, ratio: int = 10, d: int = 3, tall: int = 0, seed: int = 0) -> Problem:
    """n/ratio points against n in space; the other way round with tall=1."""
    rng = generator("wide", n, ratio, d, seed)
    few, many = rng.random((max(1, n // ratio), d)), rng.random((n, d))
    x, y = (many, few) if tall else (few, many)
    return Problem(_weights(rng, len(x)), _weights(rng, len(y)), x=x, y=y, metric="sqeuclidean")


@family("centres", points=("2000",), scaling=("2000", "20000", "200000"))
def centres(n: int, *, k: int = 5, d: int = 2, seed: int = 0) -> Problem:
    """n points against k centres."""
    rng = generator("centres", n, k, d, seed)
    x, y = rng.random((n, d)), rng.random((k, d))
    return Problem(_weights(rng, n), _weights(rng, k), x=x, y=y, metric="sqeuclidean")
