"""Families in which exact solvers stumble: points, matrices and masses, named and seeded.

A problem is named family/cost/masses/form: `clusters/euclidean/heavy/points`, `cauchy/-/even/matrix`. Point
families take a cost ("sqeuclidean", "euclidean^0.5") and a dimension (`circle:3`); as "points" they are
solved as a `PointCloud`, as "matrix" from the stored costs. Matrix families have "-" for their cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
from scipy.spatial.distance import cdist

import transport as tp

Rng = np.random.Generator
Cloud = tuple[np.ndarray, np.ndarray]
Problem = tuple[tp.PointCloud | np.ndarray, np.ndarray, np.ndarray]

COSTS = (
    "sqeuclidean", "euclidean", "cityblock", "chebyshev",
    "euclidean^1.5", "euclidean^3", "euclidean^0.5", "cityblock^2", "chebyshev^0.5",
)  # fmt: skip


def _tight(width: float) -> Callable[[int, int, int, Rng], Cloud]:
    def clusters(n: int, m: int, d: int, rng: Rng) -> Cloud:
        centres = rng.random((12, d))
        near = lambda k: centres[rng.integers(12, size=k)] + width * rng.standard_normal((k, d))  # noqa: E731
        return near(n), near(m)

    return clusters


def _scales(n: int, m: int, d: int, rng: Rng) -> Cloud:
    def spread(k: int) -> np.ndarray:
        u = rng.standard_normal((k, d))
        return u / np.linalg.norm(u, axis=1, keepdims=True) * 10.0 ** rng.uniform(-12, 0, (k, 1))

    return spread(n), spread(m)


def _copies(n: int, m: int, d: int, rng: Rng) -> Cloud:
    few = rng.random((max(2, n // 10), d))
    return few[rng.integers(len(few), size=n)], few[rng.integers(len(few), size=m)]


def _lattice(n: int, m: int, d: int, rng: Rng) -> Cloud:
    side = max(2, round((n / 2) ** (1 / d)))
    return rng.integers(0, side, (n, d)).astype(float), rng.integers(0, side, (m, d)).astype(float)


def _grid(n: int, m: int, d: int, rng: Rng) -> Cloud:
    side = int(np.ceil(max(n, m) ** (1 / d)))
    cells = np.stack(np.meshgrid(*[np.arange(float(side))] * d, indexing="ij"), -1).reshape(-1, d)
    return cells[:n], cells[::-1][:m]


def _axis(n: int, m: int, d: int, rng: Rng) -> Cloud:
    x, y = np.zeros((n, d)), np.zeros((m, d))
    x[:, 0], y[:, 0] = rng.random(n), rng.random(m)
    return x, y


def _line(n: int, m: int, d: int, rng: Rng) -> Cloud:
    u = np.arange(1.0, d + 1) / np.sqrt(d)
    return rng.random((n, 1)) * u + 0.25, rng.random((m, 1)) * u + 0.25


def _integer_line(n: int, m: int, d: int, rng: Rng) -> Cloud:
    u = np.arange(1.0, d + 1)
    return rng.integers(0, 4 * n, (n, 1)) * u, rng.integers(0, 4 * n, (m, 1)) * u


def _plane(n: int, m: int, d: int, rng: Rng) -> Cloud:
    basis = np.linalg.qr(rng.standard_normal((d, 2)))[0].T if d > 2 else np.eye(2)
    return rng.random((n, 2)) @ basis, rng.random((m, 2)) @ basis


def _two_lines(n: int, m: int, d: int, rng: Rng) -> Cloud:
    u, v = rng.standard_normal((2, d))
    return rng.random((n, 1)) * u, rng.random((m, 1)) * v + 0.5


def _sphere(n: int, m: int, d: int, rng: Rng) -> Cloud:
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True), y / np.linalg.norm(y, axis=1, keepdims=True)


def _ring(n: int, m: int, d: int, rng: Rng) -> Cloud:
    x, _ = _sphere(n, m, d, rng)
    return x, 1e-3 * rng.standard_normal((m, d))


def _moments(n: int, m: int, d: int, rng: Rng) -> Cloud:
    power = np.arange(1.0, d + 1)
    return rng.random((n, 1)) ** power, rng.random((m, 1)) ** power


def _moved(distance: float) -> Callable[[int, int, int, Rng], Cloud]:
    def translated(n: int, m: int, d: int, rng: Rng) -> Cloud:
        u = rng.standard_normal(d)
        return rng.random((n, d)), rng.random((m, d)) + distance * u / np.linalg.norm(u)

    return translated


def _outlier(distance: float) -> Callable[[int, int, int, Rng], Cloud]:
    def outlier(n: int, m: int, d: int, rng: Rng) -> Cloud:
        x, y = rng.random((n, d)), rng.random((m, d))
        x[0] += distance
        return x, y

    return outlier


def _outliers(n: int, m: int, d: int, rng: Rng) -> Cloud:
    x, y = rng.random((n, d)), rng.random((m, d))
    x[: n // 10] += 1e7 * rng.standard_normal((n // 10, d))
    return x, y


def _pairs(n: int, m: int, d: int, rng: Rng) -> Cloud:
    x = rng.random((max(n, m), d))
    return x[:n], (x + 1e-9 * rng.standard_normal(x.shape))[rng.permutation(len(x))[:m]]


def _same(n: int, m: int, d: int, rng: Rng) -> Cloud:
    x = rng.random((max(n, m), d))
    return x[:n], x[:m].copy()


def _shuffled(n: int, m: int, d: int, rng: Rng) -> Cloud:
    x = rng.random((max(n, m), d))
    return x[:n], x[rng.permutation(len(x))[:m]]


def _uniform(n: int, m: int, d: int, rng: Rng) -> Cloud:
    return rng.random((n, d)), rng.random((m, d))


def _gaussians(n: int, m: int, d: int, rng: Rng) -> Cloud:
    return rng.standard_normal((n, d)), 1.0 + rng.standard_normal((m, d)) @ rng.standard_normal((d, d))


def _heavy_tails(n: int, m: int, d: int, rng: Rng) -> Cloud:
    return rng.standard_cauchy((n, d)) ** 3, rng.standard_cauchy((m, d)) ** 3


def _colours(n: int, m: int, d: int, rng: Rng) -> Cloud:
    china, flower = photographs()
    return china[rng.permutation(len(china))[:n], :d], flower[rng.permutation(len(flower))[:m], :d]


@cache
def photographs() -> tuple[np.ndarray, np.ndarray]:
    """Pixels of the two photographs that scikit-learn ships, RGB in 0..255, shape (273280, 3)."""
    from sklearn.datasets import load_sample_image

    china, flower = (load_sample_image(f"{k}.jpg").reshape(-1, 3).astype(float) for k in ("china", "flower"))
    return china, flower


@cache
def handwriting() -> np.ndarray:
    """The 8 x 8 digits that scikit-learn ships, shape (1797, 64), values 0..16."""
    from sklearn.datasets import load_digits

    return np.asarray(load_digits().data)


def _digits(n: int, m: int, d: int, rng: Rng) -> Cloud:
    data = handwriting()
    return data[rng.integers(len(data), size=n)], data[rng.integers(len(data), size=m)]


POINTS: dict[str, Callable[[int, int, int, Rng], Cloud]] = {
    "uniform": _uniform, "gaussians": _gaussians, "heavy tails": _heavy_tails,
    "clusters 1e-3": _tight(1e-3), "clusters 1e-6": _tight(1e-6), "clusters 1e-12": _tight(1e-12),
    "scales": _scales, "copies": _copies, "lattice": _lattice, "grid": _grid,
    "axis": _axis, "line": _line, "integer line": _integer_line, "plane": _plane, "two lines": _two_lines,
    "sphere": _sphere, "ring": _ring, "moments": _moments,
    "moved 5": _moved(5.0), "moved 1e4": _moved(1e4), "moved 1e9": _moved(1e9),
    "outlier 1e7": _outlier(1e7), "outlier 1e15": _outlier(1e15), "outliers": _outliers,
    "pairs": _pairs, "same": _same, "shuffled": _shuffled, "colours": _colours, "digits": _digits,
}  # fmt: skip


def _blocks(n: int, m: int, rng: Rng) -> np.ndarray:
    c = np.full((n, m), np.inf)
    row, col = np.arange(n) * 10 // n, np.arange(m) * 10 // m
    inside = row[:, None] == col
    c[inside] = rng.random(int(inside.sum()))
    return c


def _sparse(n: int, m: int, rng: Rng) -> np.ndarray:
    c = np.where(rng.random((n, m)) < 0.02, rng.random((n, m)), np.inf)
    c[0], c[:, 0] = 10.0 * rng.random(m), 10.0 * rng.random(n)
    i = np.arange(max(n, m))
    c[i % n, i * m // len(i) % m] = rng.random(len(i))
    return c


def _band(n: int, m: int, rng: Rng) -> np.ndarray:
    gap = np.abs(np.arange(n)[:, None] / n - np.arange(m) / m)
    return np.where(gap < 0.05, rng.random((n, m)), np.inf)


def _index(n: int, m: int) -> np.ndarray:
    return np.abs(np.arange(n)[:, None] - np.arange(m) * (n / m))


def _tree(n: int, m: int, rng: Rng) -> np.ndarray:
    """Distances between nodes of a random recursive tree with random edges."""
    k = n + m
    up, edge = [0] + [int(rng.integers(v)) for v in range(1, k)], rng.random(k)
    dist = np.zeros((k, k))
    for v in range(1, k):
        dist[v, :v] = dist[:v, v] = dist[up[v], :v] + edge[v]
    place = rng.permutation(k)
    return np.ascontiguousarray(dist[np.ix_(place[:n], place[n:])])


MATRICES: dict[str, Callable[[int, int, Rng], np.ndarray]] = {
    "independent": lambda n, m, rng: rng.random((n, m)),
    "constant": lambda n, m, rng: np.full((n, m), 3.7),
    "0 or 1": lambda n, m, rng: rng.integers(0, 2, (n, m)).astype(float),
    "discrete metric": lambda n, m, rng: (np.arange(n)[:, None] != np.arange(m)).astype(float),
    "0 to 3": lambda n, m, rng: rng.integers(0, 4, (n, m)).astype(float),
    "0 to 1000": lambda n, m, rng: rng.integers(0, 1001, (n, m)).astype(float),
    "rank 1": lambda n, m, rng: rng.standard_normal((n, 1)) * rng.standard_normal(m),
    "rank 3": lambda n, m, rng: rng.standard_normal((n, 3)) @ rng.standard_normal((3, m)),
    "sums": lambda n, m, rng: rng.random((n, 1)) + rng.random(m),
    "|i - j|": lambda n, m, rng: _index(n, m),
    "|i - j| shuffled": lambda n, m, rng: _index(n, m)[np.ix_(rng.permutation(n), rng.permutation(m))],
    "(i - j)^2": lambda n, m, rng: _index(n, m) ** 2,
    "anti-Monge": lambda n, m, rng: -(_index(n, m) ** 2),
    "sqrt |i - j|": lambda n, m, rng: np.sqrt(_index(n, m)),
    "Machol-Wien": lambda n, m, rng: np.outer(np.arange(1.0, n + 1), np.arange(1.0, m + 1)),
    "blocks": _blocks, "sparse": _sparse, "band": _band, "tree": _tree,
    "cauchy": lambda n, m, rng: np.abs(rng.standard_cauchy((n, m))),
    "12 decades": lambda n, m, rng: 10.0 ** rng.uniform(-6, 6, (n, m)),
    "30 decades": lambda n, m, rng: 10.0 ** rng.uniform(0, 30, (n, m)),
    "giants": lambda n, m, rng: np.where(rng.random((n, m)) < 0.9, 1e30, rng.random((n, m))),
    "offsets": lambda n, m, rng: rng.random((n, m)) + 1e9 * rng.random((n, 1)) + 1e9 * rng.random(m),
    "signed": lambda n, m, rng: rng.standard_normal((n, m)),
    "near ties": lambda n, m, rng: 1.0 + 1e-12 * rng.random((n, m)),
    "row scales": lambda n, m, rng: rng.random((n, m)) * 10.0 ** rng.uniform(-9, 0, (n, 1)),
    "cosine": lambda n, m, rng: cdist(*np.split(rng.random((n + m, 30)), [n]), "cosine"),
    "graph": lambda n, m, rng: np.minimum(
        cdist(*np.split(rng.random((n + m, 2)), [n]), "cityblock").round(1), 0.8
    ),
}  # fmt: skip


def _even(n: int, rng: Rng) -> np.ndarray:
    return np.full(n, 1 / n)


def _random(n: int, rng: Rng) -> np.ndarray:
    return rng.dirichlet(np.ones(n))


def _heavy(n: int, rng: Rng) -> np.ndarray:
    return 10.0 ** rng.uniform(-12, 0, n)


def _zeros(n: int, rng: Rng) -> np.ndarray:
    w = rng.random(n) * (rng.random(n) < 0.3)
    w[rng.integers(n)] = 1.0
    return w


def _whole(n: int, rng: Rng) -> np.ndarray:
    return rng.integers(1, 6, n).astype(float)


def _dominant(n: int, rng: Rng) -> np.ndarray:
    w = np.full(n, 1e-9)
    w[n // 3] = 1.0
    return w


MASSES: dict[str, Callable[[int, Rng], np.ndarray]] = {
    "even": _even, "random": _random, "heavy": _heavy, "zeros": _zeros, "whole": _whole,
    "dominant": _dominant,
}  # fmt: skip
SHAPES = {"": (1, 1), "n x 8n": (1, 8), "8n x n": (8, 1)}


def names(n: int) -> Iterator[str]:
    """All problems of a size: each family with each of its costs; masses and forms take turns."""
    turn = 0
    kinds = list(MASSES)
    for family in POINTS:
        dims = (64,) if family == "digits" else (3,) if family == "colours" else (2, 3, 5, 8, 20)
        for d in dims if n <= 1000 else dims[:2]:
            for cost in COSTS if d <= 3 else COSTS[:5]:
                turn += 1
                for k in (0, 1, 2 + turn % 4) if d == 2 else (turn % 6,):
                    yield f"{family}:{d}/{cost}/{kinds[k]}/points"
                if n <= 3000 and d in (2, 8) and cost in COSTS[:3]:
                    yield f"{family}:{d}/{cost}/{kinds[turn % 6]}/matrix"
    for family in MATRICES if n <= 3000 else ():
        for kind in kinds:
            yield f"{family}/-/{kind}/matrix"
    for family in ("uniform:2", "uniform:8", "lattice:2", "line:3"):
        for shape in ("n x 8n", "8n x n", f"{n} x 1", f"1 x {n}", f"3 x {n}", f"{n} x 2"):
            for cost in COSTS[:2]:
                for form in ("points", "matrix"):
                    yield f"{family}/{cost}/random/{form}/{shape}"


def problem(name: str, n: int) -> Problem:
    """(cost, a, b) of a named problem."""
    family, cost, kind, form, *shape = name.split("/")
    family, _, dim = family.partition(":")
    rng = np.random.default_rng([n, *name.encode()])
    if not shape:
        rows, cols = n, n
    elif shape[0] in SHAPES:
        p, q = SHAPES[shape[0]]
        rows, cols = n * p // max(p, q), n * q // max(p, q)
    else:
        rows, cols = (int(k) for k in shape[0].split(" x "))
    if family in MATRICES:
        c: tp.PointCloud | np.ndarray = MATRICES[family](rows, cols, rng)
    else:
        x, y = POINTS[family](rows, cols, int(dim or 2), rng)
        metric, _, power = cost.partition("^")
        c = tp.PointCloud(x, y, metric, power=float(power or 1))
        if form == "matrix":
            c = c.block(0, rows)
    a, b = MASSES[kind](rows, rng), MASSES[kind](cols, rng)
    if family in ("blocks", "band"):  # so that they can be shipped at all
        b = _feasible(a, np.isfinite(c), rng)
    return c, a / a.sum(), b / a.sum() if family in ("blocks", "band") else b / b.sum()


def _feasible(a: np.ndarray, allowed: np.ndarray, rng: Rng) -> np.ndarray:
    """What arrives if every source ships to three random sinks it may reach."""
    b = np.zeros(allowed.shape[1])
    for i in np.flatnonzero(a):
        np.add.at(b, rng.choice(np.flatnonzero(allowed[i]), 3), a[i] / 3)
    return b
