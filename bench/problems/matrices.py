"""Costs without geometry: independent entries, assignments, sparse graphs, colours of photographs."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from bench.problems import Problem, Unavailable, equal, family, generator, masses


@family("iid", points=("250", "1000"), scaling=("250", "500", "1000", "2000", "4000"))
def iid(n: int, *, seed: int = 0) -> Problem:
    """Independent uniform costs, Dirichlet masses."""
    rng = generator("iid", n, seed)
    a, b = (masses(rng.dirichlet(np.ones(n))) for _ in range(2))
    return Problem(a, b, given=rng.random((n, n)))


@family("assign/iid", assignment=("256", "1024", "2048"), scaling=("512", "1024", "2048", "4096"))
def assign_iid(n: int, *, seed: int = 0) -> Problem:
    """Assignment, independent uniform costs."""
    rng = generator("assign/iid", n, seed)
    return Problem(equal(n), equal(n), given=rng.random((n, n)), kind="assignment")


@family("assign/integers", assignment=("256", "1024"))
def assign_integers(n: int, *, top: int = 100, seed: int = 0) -> Problem:
    """Assignment, costs whole numbers 1 to top: many ties."""
    rng = generator("assign/integers", n, seed)
    return Problem(
        equal(n), equal(n), given=rng.integers(1, top + 1, (n, n)).astype(float), kind="assignment"
    )


@family("assign/plane", assignment=("256", "1024", "2048"), scaling=("512", "1024", "2048", "4096"))
def assign_plane(n: int, *, metric: str = "euclidean", seed: int = 0) -> Problem:
    """Assignment between uniform points of the square."""
    rng = generator("assign/plane", n, seed)
    x, y = rng.random((n, 2)), rng.random((n, 2))
    return Problem(equal(n), equal(n), x=x, y=y, metric=metric, kind="assignment")


@family("assign/machol-wien", smoke=("64",), assignment=("256", "1024"))
def machol_wien(n: int) -> Problem:
    """Assignment with costs i j, slow for the Hungarian algorithm (Machol and Wien 1976)."""
    i = np.arange(1.0, n + 1)
    return Problem(equal(n), equal(n), given=np.outer(i, i), kind="assignment")


@family("sparse", smoke=("100",), points=("1000",), scaling=("1000", "2000", "4000"))
def sparse_arcs(n: int, *, degree: int = 10, seed: int = 0) -> Problem:
    """Every source may reach ``degree`` sinks; what it is to send there makes the demand."""
    rng = generator("sparse", n, degree, seed)
    rows = np.repeat(np.arange(n), degree)
    cols = np.concatenate([rng.choice(n, degree, replace=False) for _ in range(n)])
    order = np.lexsort((cols, rows))
    units = rng.integers(1, 1 << 10, len(rows))
    flow = sparse.coo_array((units, (rows, cols)), shape=(n, n))
    a, b = np.asarray(flow.sum(axis=1)).ravel(), np.asarray(flow.sum(axis=0)).ravel()
    scale = 2.0 ** -int(np.ceil(np.log2(units.sum())))  # the totals agree exactly; below 1
    return Problem(a * scale, b * scale, arcs=(rows[order], cols[order], rng.random(len(rows))))


@family("colours", points=("8",))
def colours(n: int) -> Problem:
    """Two photographs of scikit-learn in n^3 bins of RGB; bins without pixels are left out."""
    try:
        from sklearn.datasets import load_sample_image
    except ImportError:
        raise Unavailable("the photographs come with scikit-learn: pip install scikit-learn pillow") from None
    sides = []
    for title in ("china.jpg", "flower.jpg"):
        try:
            pixels = np.asarray(load_sample_image(title)).reshape(-1, 3)
        except ImportError:
            raise Unavailable("scikit-learn reads its photographs with pillow: pip install pillow") from None
        bins, count = np.unique(pixels.astype(int) * n // 256, axis=0, return_counts=True)
        sides.append(((bins + 0.5) / n, masses(count)))
    (x, a), (y, b) = sides
    return Problem(a, b, x=x, y=y, metric="sqeuclidean")
