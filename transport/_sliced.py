"""Sliced Wasserstein distances: the mean, or the largest, over one-dimensional projections."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from transport._directions import Directions
from transport._directions import directions as _directions
from transport.internal import (
    MagnitudeError,
    as_points,
    as_weights,
    check_exponent,
    namespace,
    run_chunks,
    thread_count,
    to_numpy,
)

_BUFFERS = 96 << 20  # bytes of projections held at a time, all threads together
_MOST = 32  # projections a block: the cost of reading the points is spread over them


class Pair(NamedTuple):
    """Two measures in one frame: coordinates are (points * scale - centre), of order 1."""

    x: np.ndarray
    y: np.ndarray
    a: np.ndarray | None
    b: np.ndarray | None
    centre: np.ndarray
    scale: float


@dataclass(frozen=True, eq=False)
class Sliced:
    """A sliced distance and how sure it is.

    Attributes
    ----------
    value : float
        (mean_k W_p(k)^p)^(1/p) over the projections used, in the unit of the points.
    standard_error : float
        Of ``value``, from the spread between independently drawn projections (or groups of them); 0 in one
        dimension, inf where fewer than two groups were drawn.
    distances : array, shape (k,)
        W_p of the projections on each direction, exact.
    directions : array, shape (k, d)
        Unit vectors.
    p : float
    """

    value: float
    standard_error: float
    distances: np.ndarray
    directions: np.ndarray
    p: float
    pair: Pair = field(repr=False)

    def __float__(self) -> float:
        return self.value

    def gradient(self) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives of ``value`` in the points, shape (n, d) and (m, d), along the directions used.

        Exact wherever no two projections coincide; 0 where the distance is 0.

        Examples
        --------
        >>> import transport as tp
        >>> found = tp.estimate_sliced([[0.0, 0.0]], [[3.0, 4.0]], directions=[[1.0, 0.0]])
        >>> [-float(t) + 0.0 for t in found.gradient()[0][0]]
        [1.0, 0.0]
        """
        by_x, by_y = np.zeros(self.pair.x.shape), np.zeros(self.pair.y.shape)
        if self.value == 0.0:
            return by_x, by_y
        masses = uniform(self.pair)
        count = len(self.directions)
        for theta in self.directions:
            pulls = pull(self.pair, theta, masses, self.p, self.value * self.pair.scale)[1:]
            for out, part in zip((by_x, by_y), pulls):
                out += part[:, None] * (theta / (self.p * count))
        return by_x, by_y

    def __repr__(self) -> str:
        return f"Sliced({self.value:.12g} ± {self.standard_error:.2g}, {len(self.distances)} directions)"


def sliced_wasserstein(
    x: Any,
    y: Any,
    *,
    a: Any = None,
    b: Any = None,
    p: float = 2.0,
    n_projections: int | None = None,
    directions: Any = "independent",
    rng: Any = 0,
    normalize: bool = False,
) -> float:
    r"""Sliced Wasserstein distance :math:`(\mathrm{mean}_\theta W_p^p(\theta\cdot x, \theta\cdot y))^{1/p}`.

    Parameters
    ----------
    x, y : array, shape (n, d) and (m, d); (n,) is read as d = 1
    a, b : array, shape (n,) and (m,), optional
        Weights, each summing to 1; equal weights by default.
    p : float
        Exponent in [1, inf).
    n_projections : int, optional
        Number of directions drawn, 256 by default.
    directions : {"independent", "orthogonal", "quasi"} or array, shape (k, d)
        Uniform on the sphere; in orthonormal blocks of d; evenly spread (8 independent randomisations of
        a lattice, a spiral or Sobol points for d = 2, 3, more); or given (rows are scaled to length 1).
    rng : seed or Generator
    normalize : bool
        Divide the weights by their total instead of insisting on 1.

    Returns
    -------
    float
        In the unit of the points. On the line exactly `wasserstein_1d`. The expectation of its p-th power
        over the directions is that of the mean over the whole sphere; `estimate_sliced` adds the standard
        error of that mean.

    Raises
    ------
    ValueError
        Empty or non-finite points, dimensions that differ, p < 1 or p = inf, weights that are not those of
        a probability, n_projections < 1, a direction of length 0.
    TypeError
        Masked, complex or object arrays.
    MagnitudeError
        If the distance is larger than any float64.

    Notes
    -----
    Bonneel, Rabin, Peyré, Pfister (2015). Memory beyond the input: about 100 MB at most, as long as one
    projection of both measures takes less than that; the points are neither copied nor centred in memory.
    Time O(k (n d + n log n)), k directions, on all cores. Equal points have bitwise equal projections, so
    that equal measures, in whatever order, are at distance 0.

    Examples
    --------
    >>> import transport as tp
    >>> round(tp.sliced_wasserstein([[0.0, 0.0]], [[3.0, 4.0]], directions="orthogonal"), 12)
    3.535533905933
    >>> tp.sliced_wasserstein([0.0, 1.0], [2.0, 5.0], p=1)
    3.0
    """
    return estimate_sliced(
        x,
        y,
        a=a,
        b=b,
        p=p,
        n_projections=n_projections,
        directions=directions,
        rng=rng,
        normalize=normalize,
    ).value


def estimate_sliced(
    x: Any,
    y: Any,
    *,
    a: Any = None,
    b: Any = None,
    p: float = 2.0,
    n_projections: int | None = None,
    directions: Any = "independent",
    rng: Any = 0,
    normalize: bool = False,
) -> Sliced:
    """`sliced_wasserstein` with its standard error and the distance along every direction.

    Parameters, errors and method: see there. The standard error is that of a Monte Carlo mean over the
    sphere, carried through the p-th root to first order; given directions count as independent draws.

    Returns
    -------
    Sliced

    Examples
    --------
    >>> import transport as tp
    >>> found = tp.estimate_sliced([[0.0, 0.0]], [[3.0, 4.0]], n_projections=1000)
    >>> abs(found.value - 12.5**0.5) < 4 * found.standard_error
    True
    """
    p = _exponent(p)
    pair = as_pair(x, y, a, b, normalize=normalize)
    chosen = _directions(directions, n_projections, pair.x.shape[1], rng)
    return _summary(projected_distances(pair, chosen.vectors, p), chosen, p, pair)


def _exponent(p: Any) -> float:
    p = check_exponent(p)
    if math.isinf(p):
        raise ValueError("p = inf is not available here; a large p (say 50) is close to it")
    return p


def as_pair(x: Any, y: Any, a: Any, b: Any, *, normalize: bool) -> Pair:
    """Both measures, validated, on the host, with the frame in which their coordinates are of order 1.

    The centre is 0 unless the points lie far from it, compared with their spread: where it is not, taking
    it away is exact (Sterbenz), and the digits of small differences survive the projection.
    """
    xp = namespace(x, y, a, b)
    x, y = as_points(x, "x", xp=xp), as_points(y, "y", xp=xp)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"x has dimension {x.shape[1]} and y has {y.shape[1]}; they must live in one space")
    if a is not None:
        a = to_numpy(as_weights(a, "a", xp=xp, size=x.shape[0], normalize=normalize))
    if b is not None:
        b = to_numpy(as_weights(b, "b", xp=xp, size=y.shape[0], normalize=normalize))
    x, y = (np.ascontiguousarray(to_numpy(z)) for z in (x, y))
    top = np.maximum(x.max(axis=0), y.max(axis=0))
    bottom = np.minimum(x.min(axis=0), y.min(axis=0))
    middle, half = top / 2 + bottom / 2, top / 2 - bottom / 2
    with np.errstate(over="ignore"):
        middle = np.where(np.abs(middle) > 4 * half, middle, 0.0)
    size = float(np.max(np.maximum(np.abs(top - middle), np.abs(bottom - middle)) / 2))
    scale = 1.0 if size == 0.0 else 2.0 ** max(-1022, min(1021, -math.frexp(size)[1] - 1))
    return Pair(x, y, a, b, middle * scale, scale)


def projected_distances(pair: Pair, vectors: np.ndarray, p: float) -> np.ndarray:
    """W_p of the projections on each unit vector, shape (k,), in the frame's unit."""
    from transport._kernels.sliced import line_cost_serial, project

    n, m, count = len(pair.x), len(pair.y), len(vectors)
    threads = max(1, min(thread_count(), _BUFFERS // (4 * 8 * (n + m))))
    fitting = min(_MOST, _BUFFERS // (threads * 8 * (n + m))) // 4 * 4  # four at a time in the kernel
    rows = max(1, min(fitting, -(-count // threads)))
    out = np.zeros(count)
    buffers = [(np.empty((rows, n)), np.empty((rows, m))) for _ in range(threads)]

    def block(slot: int, start: int) -> None:
        u, v = buffers[slot]
        part = np.ascontiguousarray(vectors[start : start + rows])
        project(pair.x, pair.centre, pair.scale, part, u)
        project(pair.y, pair.centre, pair.scale, part, v)
        for k in range(len(part)):
            unit, s = line_cost_serial(u[k], v[k], pair.a, pair.b, p)
            out[start + k] = unit * (s if p == 1.0 else s ** (1.0 / p))

    _in_waves(block, range(0, count, rows), threads)
    return out


def uniform(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """The weights, equal ones where none were given."""
    n, m = len(pair.x), len(pair.y)
    a = np.full(n, 1.0 / n) if pair.a is None else pair.a / math.fsum(pair.a)
    b = np.full(m, 1.0 / m) if pair.b is None else pair.b / math.fsum(pair.b)
    return a, b


def pull(
    pair: Pair, theta: np.ndarray, masses: tuple[np.ndarray, np.ndarray], p: float, unit: float
) -> tuple[float, np.ndarray, np.ndarray]:
    """Of (W_p(theta·x, theta·y) / unit)^p: its value, and unit times its derivatives in the projections."""
    from transport._kernels.sliced import coupled, project

    flat = [np.empty((1, len(z))) for z in (pair.x, pair.y)]
    for points, out in zip((pair.x, pair.y), flat):
        project(points, pair.centre, pair.scale, theta[None], out)
    rows, cols, mass = coupled(flat[0][0], flat[1][0], *masses)
    move = (flat[0][0][rows] - flat[1][0][cols]) / unit
    slope = mass * p * np.abs(move) ** (p - 1.0) * np.sign(move)
    return (
        float(mass @ np.abs(move) ** p),
        np.bincount(rows, weights=slope, minlength=len(pair.x)),
        -np.bincount(cols, weights=slope, minlength=len(pair.y)),
    )


def _in_waves(block: Callable[[int, int], None], starts: range, width: int) -> None:
    """``block(slot, start)`` for every start, at most ``width`` at a time: that is what bounds the memory."""
    for first in range(0, len(starts), width):
        wave = starts[first : first + width]

        def task(begin: int, end: int, wave: range = wave) -> None:
            for k in range(begin, end):
                block(k, wave[k])

        run_chunks(task, len(wave), slice_size=1)


def _summary(distances: np.ndarray, chosen: Directions, p: float, pair: Pair) -> Sliced:
    """Mean of the p-th powers, its root, and the standard error from the spread between groups."""
    largest = float(distances.max())
    powers = (distances / largest) ** p if largest > 0 else np.zeros(len(distances))
    mean = math.fsum(powers) / len(powers)
    value = largest * mean ** (1.0 / p) if p != 1.0 else largest * mean
    sizes = np.array(chosen.groups)
    if len(sizes) == 0 or largest == 0:
        error = 0.0
    elif len(sizes) == 1:
        error = math.inf
    else:
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        means = np.add.reduceat(powers, starts) / sizes
        share = sizes / sizes.sum()
        spread = math.sqrt(float(share**2 @ (means - mean) ** 2) * len(sizes) / (len(sizes) - 1))
        error = value * spread / (p * mean)
    unit = 1.0 / pair.scale
    with np.errstate(over="ignore"):
        value, distances = value * unit, distances * unit
    if math.isinf(value):
        raise MagnitudeError("the distance is larger than any float64; divide x and y by their largest entry")
    return Sliced(value, error * unit, distances, chosen.vectors, p, pair)
