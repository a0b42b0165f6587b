"""Problems that solvers get wrong or slow: tiny and huge costs, decades, near ties, outliers, forbidden arcs.

The geometric and matrix families of `bench.problems.families` are here too, as ``hard/NAME``.
"""

from __future__ import annotations

import numpy as np

from bench.problems import Problem, equal, families, family, generator, masses


def _uniform(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return masses(rng.dirichlet(np.ones(n))), masses(rng.dirichlet(np.ones(n)))


@family("tiny", smoke=("64",), adversarial=("64", "300", "300:exponent=-24", "300:exponent=-80"))
def tiny(n: int, *, exponent: int = -50, seed: int = 0) -> Problem:
    """Independent costs times 2^exponent: the units are smaller than an absolute tolerance."""
    rng = generator("tiny", n, seed)
    return Problem(*_uniform(n, rng), given=rng.random((n, n)) * 2.0**exponent)


@family("huge", adversarial=("300", "300:exponent=300"))
def huge(n: int, *, exponent: int = 60, seed: int = 0) -> Problem:
    """Independent costs times 2^exponent."""
    rng = generator("huge", n, seed)
    return Problem(*_uniform(n, rng), given=rng.random((n, n)) * 2.0**exponent)


@family("decades", adversarial=("64", "300"))
def decades(n: int, *, span: int = 12, seed: int = 0) -> Problem:
    """Costs over ``span`` powers of ten."""
    rng = generator("decades", n, seed)
    return Problem(*_uniform(n, rng), given=10.0 ** rng.uniform(-span / 2, span / 2, (n, n)))


@family("mass-decades", smoke=("64",), adversarial=("64", "300"))
def mass_decades(n: int, *, span: int = 12, seed: int = 0) -> Problem:
    """Masses over ``span`` powers of ten, points of the square."""
    rng = generator("mass-decades", n, seed)
    a, b = (masses(10.0 ** rng.uniform(-span, 0, n), bits=50) for _ in range(2))
    return Problem(a, b, x=rng.random((n, 2)), y=rng.random((n, 2)), metric="sqeuclidean")


@family("outlier", adversarial=("64", "300", "300:distance=1e12"))
def outlier(n: int, *, distance: float = 1e7, seed: int = 0) -> Problem:
    """One point far away: the rest of the problem is below the rounding of its cost."""
    rng = generator("outlier", n, seed)
    x, y = rng.random((n, 2)), rng.random((n, 2))
    x[0] += distance
    return Problem(*_uniform(n, rng), x=x, y=y, metric="euclidean")


@family("big-M", smoke=("64",), adversarial=("64", "300"))
def big_m(n: int, *, big: float = 1e20, seed: int = 0) -> Problem:
    """Arcs that one would rather forbid, at a cost of ``big``; a plan without them exists."""
    rng = generator("big-M", n, seed)
    cost = np.where(rng.random((n, n)) < 0.8, big, rng.random((n, n)))
    ways = rng.permutation(n)
    cost[np.arange(n), ways] = 1.0 + rng.random(n)
    a = masses(rng.dirichlet(np.ones(n)))
    b = np.empty(n)
    b[ways] = a
    return Problem(a, b, given=cost)


@family("forbidden", smoke=("64",), adversarial=("64", "300"))
def forbidden(n: int, *, seed: int = 0) -> Problem:
    """The same, forbidden by infinite costs."""
    made = big_m(n, seed=seed)
    assert made.given is not None
    return Problem(made.a, made.b, given=np.where(made.given > 1e19, np.inf, made.given))


@family("near-ties", adversarial=("300",))
def near_ties(n: int, *, width: float = 1e-10, seed: int = 0) -> Problem:
    """Costs 1 to 1 + width."""
    rng = generator("near-ties", n, seed)
    return Problem(*_uniform(n, rng), given=1.0 + width * rng.random((n, n)))


@family("ties", adversarial=("300",))
def ties(n: int, *, seed: int = 0) -> Problem:
    """Lattice points with equal masses: every vertex of the polytope is degenerate."""
    rng = generator("ties", n, seed)
    x, y = (rng.integers(0, 12, (n, 2)).astype(float) for _ in range(2))
    return Problem(equal(n), equal(n), x=x, y=y, metric="sqeuclidean")


@family("offsets", adversarial=("300",))
def offsets(n: int, *, size: float = 1e9, seed: int = 0) -> Problem:
    """Potentials of 1e9 hidden in the costs: they cancel in every comparison of plans."""
    rng = generator("offsets", n, seed)
    cost = rng.random((n, n)) + size * rng.random((n, 1)) + size * rng.random(n)
    return Problem(*_uniform(n, rng), given=cost)


@family("tiny-moves", adversarial=("64", "300"))
def tiny_moves(n: int, *, width: float = 1e-9, seed: int = 0) -> Problem:
    """Every point moves by about ``width`` within a square of side 1."""
    rng = generator("tiny-moves", n, seed)
    x = rng.random((n, 2))
    y = (x + width * rng.standard_normal((n, 2)))[rng.permutation(n)]
    return Problem(equal(n), equal(n), x=x, y=y, metric="euclidean")


@family("staircase", adversarial=("300", "1000"))
def staircase(n: int, *, seed: int = 0) -> Problem:
    """Costs |i - j|^3 between masses that grow against each other: long augmenting chains for a simplex."""
    i = np.arange(float(n))
    a, b = masses(i + 1), masses(n - i)
    return Problem(a, b, given=np.abs(i[:, None] - i) ** 3)


@family("hard/clusters", adversarial=("300", "1000"))
def hard_clusters(
    n: int, *, kind: str = "clusters 1e-12", cost: str = "euclidean^1.5", d: int = 2
) -> Problem:
    """Of `bench.problems.families`: twelve clusters 1e-12 wide, and with kind= any other of its points."""
    rng = generator("hard", kind, n, d)
    x, y = families.POINTS[kind](n, n, d, rng)
    metric, _, power = cost.partition("^")
    return Problem(*_uniform(n, rng), x=x, y=y, metric=metric, power=float(power or 1))


@family(
    "hard/matrix",
    adversarial=("300:kind=cauchy", "300:kind=30 decades", "300:kind=row scales", "300:kind=signed"),
)
def hard_matrix(n: int, *, kind: str = "cauchy") -> Problem:
    """Of `bench.problems.families`: its matrices by kind=."""
    rng = generator("hard", kind, n)
    return Problem(*_uniform(n, rng), given=families.MATRICES[kind](n, n, rng))
