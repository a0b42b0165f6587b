"""The exact solver on cost matrices against POT's network simplex and, for assignments, SciPy and lapjv.

Same process, same matrices, interleaved, medians, after one untimed call each. Our time is the whole of
`transport.solve`, certificate included; POT runs ``emd2`` with numItermax raised (its default stops early).

    python -m bench.exact            # sizes up to 2000: ten minutes
    python -m bench.exact --full     # up to 8000: an hour on two cores
    python -m bench.exact small warm # some parts only
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

import transport
from bench.measure import Timing, interleaved
from bench.report import arguments, parse, save

Instance = tuple[np.ndarray, np.ndarray, np.ndarray]


def weights(rng: np.random.Generator, n: int) -> np.ndarray:
    """Dirichlet(1)."""
    return rng.dirichlet(np.ones(n))


def plane(n: int, *, uniform: bool, metric: str = "sqeuclidean") -> Instance:
    """Uniform points in the square."""
    rng = np.random.default_rng(n)
    c = cdist(rng.random((n, 2)), rng.random((n, 2)), metric)
    even = np.full(n, 1 / n)
    return (c, even, even) if uniform else (c, weights(rng, n), weights(rng, n))


def gaussians(n: int, dim: int = 50) -> Instance:
    """Two different Gaussians in high dimension, Dirichlet weights."""
    rng = np.random.default_rng(n)
    mix = 0.5 * np.eye(dim) + 0.7 * rng.standard_normal((dim, dim)) / np.sqrt(dim)
    x, y = rng.standard_normal((n, dim)), rng.standard_normal((n, dim)) @ mix + rng.standard_normal(dim)
    return cdist(x, y, "sqeuclidean"), weights(rng, n), weights(rng, n)


def independent(n: int, *, uniform: bool) -> Instance:
    """Independent uniform costs."""
    rng = np.random.default_rng(n)
    even = np.full(n, 1 / n)
    return (rng.random((n, n)), *((even, even) if uniform else (weights(rng, n), weights(rng, n))))


def smooth_image(n: int) -> Instance:
    """Two smooth random images on a grid of n pixels, squared distances."""
    side = round(np.sqrt(n))
    rng = np.random.default_rng(n)
    t = (np.arange(side) + 0.5) / side
    p, q = (v.ravel() for v in np.meshgrid(t, t, indexing="ij"))

    def image() -> np.ndarray:
        waves = sum(
            rng.standard_normal() / (1 + j * j + k * k) * np.cos(np.pi * (j * p + k * q) + rng.uniform(0, 6))
            for j in range(5)
            for k in range(5)
        )
        levels = np.round(254 * (waves - waves.min()) / np.ptp(waves)) + 1
        return levels / levels.sum()

    grid = np.stack([p, q], axis=1)
    return cdist(grid, grid, "sqeuclidean"), image(), image()


def hard(n: int) -> Iterator[tuple[str, Instance]]:
    """Families in which solvers stumble."""
    rng = np.random.default_rng(n)
    x, y = rng.random((n, 2)), rng.random((n, 2))
    a, b, even = weights(rng, n), weights(rng, n), np.full(n, 1 / n)
    centres = rng.random((20, 2))
    near = lambda: centres[rng.integers(0, 20, n)] + 0.01 * rng.standard_normal((n, 2))  # noqa: E731
    yield "clusters", (cdist(near(), near(), "sqeuclidean"), a, b)
    scales = 10.0 ** rng.uniform(-4, 0, (n, 1))
    yield "mixed scales", (cdist(x * scales, y * scales[::-1], "sqeuclidean"), a, b)
    lattice = rng.integers(0, 12, (2, n, 2)).astype(float)
    yield "duplicates", (cdist(*lattice, "sqeuclidean"), even, even)
    yield "collinear", (np.abs(x[:, :1] - y[:, 0]), a, b)
    far = x.copy()
    far[:3] += 1e6
    yield "far outliers", (cdist(far, y, "sqeuclidean"), a, b)
    yield "far translation, Euclidean", (cdist(x, y + 5.0), even, even)
    yield "n x 8n", (cdist(x[: n // 8], y, "sqeuclidean"), weights(rng, n // 8), b)


def instances(full: bool) -> Iterator[tuple[str, str, int, Instance]]:
    """(part, family, n, instance)."""
    for n in (20, 50, 100, 200, 300, 500):
        yield "small", "plane, weighted", n, plane(n, uniform=False)
        yield "small", "plane, uniform", n, plane(n, uniform=True)
        yield "small", "independent", n, independent(n, uniform=False)
    for n in (1000, 2000, 4000, 8000) if full else (1000, 2000):
        yield "matrix", "plane, weighted", n, plane(n, uniform=False)
        yield "matrix", "plane, uniform", n, plane(n, uniform=True)
        yield "matrix", "plane, Euclidean", n, plane(n, uniform=False, metric="euclidean")
        yield "matrix", "Gaussians, d=50", n, gaussians(n)
        yield "matrix", "independent", n, independent(n, uniform=False)
        yield "matrix", "smooth image", n, smooth_image(n)
    for n in (4000, 8000) if full else (2000,):
        yield "assignment", "independent", n, independent(n, uniform=True)
        yield "assignment", "plane", n, plane(n, uniform=True)
    for name, instance in hard(3000 if full else 1000):
        yield "hard", name, len(instance[2]), instance


def rivals(part: str, c: np.ndarray, a: np.ndarray, b: np.ndarray) -> dict[str, Callable[[], float]]:
    """Name -> call returning the optimal value."""
    import ot

    ours: dict[str, Callable[[], float]] = {"ours": lambda: transport.solve(c, a, b).value}
    if part == "assignment":
        ours["SciPy"] = lambda: c[linear_sum_assignment(c)].mean()
        try:
            from lapjv import lapjv
        except ImportError:
            return ours
        ours["lapjv"] = lambda: c[np.arange(len(c)), lapjv(c)[0]].mean()
        return ours
    ours["POT"] = lambda: ot.emd2(a, b, c, numItermax=10**9)
    return ours


def warm(n: int) -> Iterator[tuple[str, Instance, Any]]:
    """(what changed by 1 %, instance, solution of the unperturbed one)."""
    for name, (c, a, b) in (("plane", plane(n, uniform=False)), ("Gaussians", gaussians(n))):
        before = transport.solve(c, a, b)
        rng = np.random.default_rng(0)
        yield f"{name}: costs", (c * (1 + 0.01 * rng.standard_normal(c.shape)), a, b), before
        moved = a * (1 + 0.01 * rng.standard_normal(n))
        yield f"{name}: masses", (c, moved * (a.sum() / moved.sum()), b), before


def main() -> None:
    """Run the parts asked for and print a table."""
    parser = arguments(__doc__)
    parser.add_argument("parts", nargs="*", default=["small", "matrix", "assignment", "hard", "warm"])
    parser.add_argument("--full", action="store_true", help="sizes up to 8000")
    options = parse(parser)
    rows: list[list[str]] = []

    def note(part: str, family: str, n: int, *, name: str, ours: Timing, other: Timing) -> None:
        off = abs(ours.answer - other.answer) / max(abs(other.answer), 1e-300)
        rows.append([part, family, str(n), f"{ours.median:.2g}", name, f"{other.median:.2g}"])
        rows[-1] += [f"{other.median / ours.median:.1f}", f"{off:.0e}"]
        print("  ".join(rows[-1]), flush=True)

    for part, family, n, (c, a, b) in instances(options.full):
        if part in options.parts:
            calls = rivals(part, c, a, b)
            times = interleaved(calls, repeats=3 if n >= 1000 else 15, warm_up=n < 4000, budget=20)
            ours = times.pop("ours")
            for name, other in times.items():
                note(part, family, n, name=name, ours=ours, other=other)
    if "warm" in options.parts:
        for family, (c, a, b), before in warm(4000 if options.full else 2000):
            calls = {
                "warm": lambda c=c, a=a, b=b, before=before: transport.solve(c, a, b, warm=before).value,
                "cold": lambda c=c, a=a, b=b: transport.solve(c, a, b).value,
            }
            times = interleaved(calls, repeats=5)
            note("warm", family, len(a), name="cold", ours=times["warm"], other=times["cold"])
    save(
        "exact",
        rows,
        ["part", "family", "n", "ours, s", "rival", "s", "ratio", "values differ by"],
        to=options,
    )


if __name__ == "__main__":
    main()
