"""Divergences from samples: k-nearest-neighbour KL, energy, MMD, Wasserstein, with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from inspect import signature
from typing import Any

import numpy as np
from scipy import special

import transport as tp
from divergences._estimate import Estimate
from divergences._neighbours import estimate_kl
from divergences._table import NAMES
from transport.internal import (
    Array,
    as_points,
    check_choice,
    check_count,
    check_exponent,
    namespace,
    positions,
    spelled,
    to_numpy,
)

_OF_DENSITIES = tuple(name for name in NAMES if name != "kl")
_ROWS = 1024  # rows of a distance matrix formed at a time


def _distances(x: np.ndarray, y: np.ndarray, metric: Any = "euclidean") -> np.ndarray:
    """scipy's `cdist`, whose package takes 0.1 s to import."""
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(x, y, metric))


def estimate_samples(name: str, x: Array, y: Array, **options: Any) -> Estimate:
    """A divergence of the two laws behind samples x, shape (n,) or (n, d), and y, shape (m,) or (m, d).

    Parameters
    ----------
    name : {"kl", "energy", "mmd", "wasserstein", "sliced_wasserstein"}
    confidence : float, default 0.95
        Of the interval [lower, upper]; that of kl is [lower, inf]: see `divergences._neighbours`.
    permutations : int, default 0
        Random relabellings for a p-value of P = Q (energy, mmd).
    rng : seed or Generator
    k : int, default 5
        Neighbours (kl).
    bandwidth : float, list of float or "ladder", optional
        Of the Gaussian kernel (mmd); the median distance by default. See `mmd`.
    kernel : {"gaussian", "polynomial"}
        Of mmd; "polynomial" is (x·y/d + 1)³, that of the kernel distance of image models (Bińkowski,
        Sutherland, Arbel, Gretton 2018), which has no bandwidth.
    groups : int, default 10
        Of the jackknife for the standard error (kl).
    method : {"exact", "linear"}
        Quadratic or linear time (mmd).
    p : float, default 1; diameter : float, optional
        Order of W_p and a bound on the diameter of both supports (wasserstein); the observed one by default.
    bootstrap : int, default 0
        Resamplings of both samples for an asymptotic interval (wasserstein) in place of the worst case.

    p : float, default 2; n_projections : int; directions
        Of `transport.sliced_wasserstein`, whose interval is about the mean over all directions, for the
        samples as given.

    Raises
    ------
    ValueError
        Unknown name, different dimensions, or fewer points than the estimator needs.
    """
    table: dict[str, Callable[..., Estimate]] = {
        "kl": estimate_kl,
        "energy": _energy,
        "mmd": _mmd,
        "wasserstein": _wasserstein,
        "sliced_wasserstein": _sliced,
    }
    if name not in table:
        raise ValueError(_no_estimator(name, list(table)))
    known = _options(name, table[name])
    unknown = sorted(options.keys() - known)
    if unknown:
        raise TypeError(
            f"{name} takes no option {', '.join(unknown)} here; it takes {', '.join(sorted(known))}"
        )
    x, y = positions(x, y)
    u = as_points(to_numpy(x), "x", xp=namespace(np.empty(0)))
    v = as_points(to_numpy(y), "y", xp=namespace(np.empty(0)))
    if u.shape[1] != v.shape[1]:
        raise ValueError(f"x has dimension {u.shape[1]} and y has dimension {v.shape[1]}; they must agree")
    return table[name](u, v, **options)


def _options(name: str, function: Callable[..., Estimate]) -> set[str]:
    named = {p.name for p in signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY}
    return named | ({"p", "n_projections", "directions", "rng"} if name == "sliced_wasserstein" else set())


def _no_estimator(name: str, known: list[str]) -> str:
    if name not in _OF_DENSITIES:
        return f"no estimator from samples is called {name!r}; choose one of {', '.join(map(repr, known))}"
    return (
        f"{name} of two laws cannot be told from samples with an interval that holds: it needs densities, "
        "and two samples without common points look mutually singular. Choose one of "
        f"{', '.join(map(repr, known))}; or compare counts on common bins: "
        f"edges = numpy.histogram_bin_edges(numpy.concatenate([x, y])); {name}(numpy.histogram(x, edges)[0], "
        "numpy.histogram(y, edges)[0], normalize=True), a lower bound in the limit"
    )


@spelled
def energy(x: Array, y: Array) -> float:
    r"""Squared energy distance :math:`2E|X-Y| - E|X-X'| - E|Y-Y'| \ge 0`, as the unbiased U-statistic.

    Székely, Rizzo 2013. May be slightly negative for samples of one law; `estimate("energy", x, y)` adds a
    standard error and, on request, a permutation p-value.

    Examples
    --------
    >>> energy([0.0, 2.0], [5.0, 9.0])
    6.0
    """
    return estimate_samples("energy", x, y).value


@spelled
def mmd(x: Array, y: Array, *, bandwidth: Any = None, method: str = "exact") -> float:
    r"""Squared maximum mean discrepancy with the kernel :math:`e^{-|x-y|^2/2h^2}`, unbiased.

    Gretton et al. 2012: ``method="exact"`` is their eq. 3 (quadratic time), ``"linear"`` their Lemma 14.
    ``bandwidth`` h is the median distance of the pooled sample (of 1000 points) by default. Of several, a
    list or ``"ladder"`` (1/4, 1/2, 1, 2, 4 times the median), the kernels are averaged.

    Examples
    --------
    >>> round(mmd([0.0, 0.1, 0.2], [5.0, 5.1, 5.2], bandwidth=1.0), 6)
    1.98014
    """
    return estimate_samples("mmd", x, y, bandwidth=bandwidth, method=method).value


def _interval(
    value: float, se: float, confidence: float, method: str, n: int, p_value: float | None = None
) -> Estimate:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence = {confidence}; it must lie strictly between 0 and 1")
    half = float(special.ndtri(0.5 + confidence / 2)) * se
    return Estimate(value, value - half, value + half, method, n, confidence, se, p_value)


def _need(n: int, least: int, name: str) -> None:
    if n < least:
        raise ValueError(f"{name} has {n} points; this estimator needs at least {least}")


# ---------------------------------------------------------------- energy and MMD: two U-statistics


def _row_sums(
    kernel: Callable[[np.ndarray, np.ndarray], np.ndarray], a: np.ndarray, b: np.ndarray
) -> np.ndarray:
    return np.concatenate([kernel(a[i : i + _ROWS], b).sum(axis=1) for i in range(0, len(a), _ROWS)])


def _two_sample(
    kernel: Callable[[np.ndarray, np.ndarray], np.ndarray],
    own: Callable[[np.ndarray], Any],
    x: np.ndarray,
    y: np.ndarray,
) -> tuple[float, float]:
    """E k(X,X') + E k(Y,Y') - 2E k(X,Y), unbiased, and its standard error; own(x) = k(x, x) of each row.

    The error is that of the Hoeffding projections, which vanish when P = Q: there use the permutation
    p-value instead.
    """
    n, m = len(x), len(y)
    xx = (_row_sums(kernel, x, x) - own(x)) / (n - 1)
    yy = (_row_sums(kernel, y, y) - own(y)) / (m - 1)
    xy, yx = _row_sums(kernel, x, y) / m, _row_sums(kernel, y, x) / n
    value = float(xx.mean() + yy.mean() - 2 * xy.mean())
    variance = np.var(2 * (xx - xy), ddof=1) / n + np.var(2 * (yy - yx), ddof=1) / m
    return value, math.sqrt(float(variance))


def _permutation(
    statistic: Callable[[np.ndarray, np.ndarray], float], x: np.ndarray, y: np.ndarray, times: int, rng: Any
) -> float | None:
    """(1 + number of relabellings at least as extreme)/(1 + times): exact under exchangeability."""
    if not times:
        return None
    check_count(times, "permutations")
    generator = np.random.default_rng(rng)
    both, n = np.concatenate([x, y]), len(x)
    seen = statistic(x, y)
    hits = 0
    for _ in range(times):
        order = generator.permutation(len(both))
        hits += statistic(both[order[:n]], both[order[n:]]) >= seen - 1e-12 * abs(seen)
    return (1 + hits) / (1 + times)


def _energy(
    x: np.ndarray, y: np.ndarray, *, confidence: float = 0.95, permutations: int = 0, rng: Any = 0
) -> Estimate:
    _need(min(len(x), len(y)), 2, "the smaller sample")

    def statistic(a: np.ndarray, b: np.ndarray) -> float:
        return _two_sample(lambda s, t: -_distances(s, t), lambda s: 0.0, a, b)[0]

    value, se = _two_sample(lambda s, t: -_distances(s, t), lambda s: 0.0, x, y)
    p_value = _permutation(statistic, x, y, permutations, rng)
    return _interval(value, se, confidence, "energy U-statistic", len(x) + len(y), p_value)


def _mmd(
    x: np.ndarray,
    y: np.ndarray,
    *,
    bandwidth: Any = None,
    kernel: str = "gaussian",
    method: str = "exact",
    confidence: float = 0.95,
    permutations: int = 0,
    rng: Any = 0,
) -> Estimate:
    check_choice(method, "method", ("exact", "linear"))
    if check_choice(kernel, "kernel", ("gaussian", "polynomial")) == "polynomial":
        if bandwidth is not None or method != "exact":
            raise ValueError("kernel = 'polynomial' has no bandwidth and no linear method; leave them out")
        return _polynomial_mmd(x, y, confidence=confidence, permutations=permutations, rng=rng)
    _need(min(len(x), len(y)), 4 if method == "linear" else 2, "the smaller sample")
    widths = _bandwidths(bandwidth, x, y)
    scales = [-0.5 / h**2 for h in widths]

    def gaussian(squares: np.ndarray) -> np.ndarray:
        return np.mean([np.exp(scale * squares) for scale in scales], axis=0)

    if method == "linear":

        def linear(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
            n = min(len(a), len(b)) // 2 * 2
            a1, a2, b1, b2 = a[0:n:2], a[1:n:2], b[0:n:2], b[1:n:2]
            k = [gaussian(np.sum((s - t) ** 2, axis=1)) for s, t in ((a1, a2), (b1, b2), (a1, b2), (a2, b1))]
            h = k[0] + k[1] - k[2] - k[3]
            return float(h.mean()), float(h.std(ddof=1)) / math.sqrt(len(h))

        two = linear
    else:

        def two(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
            return _two_sample(lambda s, t: gaussian(_distances(s, t, "sqeuclidean")), lambda s: 1.0, a, b)

    value, se = two(x, y)
    p_value = _permutation(lambda a, b: two(a, b)[0], x, y, permutations, rng)
    label = f"mmd, {method}, h={', '.join(f'{h:.6g}' for h in widths)}"
    return _interval(value, se, confidence, label, len(x) + len(y), p_value)


_LADDER = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the median distance


def _bandwidths(given: Any, x: np.ndarray, y: np.ndarray) -> list[float]:
    """The bandwidths whose kernels are averaged: those given, or multiples of the median distance."""
    ladder = isinstance(given, str)
    if ladder:
        check_choice(given, "bandwidth", ("ladder",))
    if given is not None and not ladder:
        widths = [float(h) for h in np.atleast_1d(np.asarray(given, dtype=float)).ravel()]
        if not widths or not all(h > 0 and math.isfinite(h) for h in widths):
            raise ValueError(f"bandwidth = {given}; it must be positive and finite, one number or a list")
        return widths
    from scipy.spatial.distance import pdist

    pool = np.concatenate([x, y])
    median = float(np.median(pdist(pool[:: max(1, len(pool) // 1000)]))) or 1.0
    return [median * share for share in (_LADDER if ladder else (1.0,))]


def _polynomial_mmd(
    x: np.ndarray, y: np.ndarray, *, confidence: float, permutations: int, rng: Any
) -> Estimate:
    d = x.shape[1]

    def two(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
        return _two_sample(
            lambda s, t: (s @ t.T / d + 1) ** 3, lambda s: (np.sum(s * s, axis=1) / d + 1) ** 3, a, b
        )

    with np.errstate(over="ignore", invalid="ignore"):
        value, se = two(x, y)
        if not (math.isfinite(value) and math.isfinite(se)):
            raise ValueError("the polynomial kernel overflows: divide x and y by their common spread first")
        p_value = _permutation(lambda a, b: two(a, b)[0], x, y, permutations, rng)
    return _interval(value, se, confidence, "mmd, exact, polynomial kernel", len(x) + len(y), p_value)


# ---------------------------------------------------------------- Wasserstein


def _cost(x: np.ndarray, y: np.ndarray, p: float) -> float:
    """W_p^p of two uniform samples, exact."""
    if x.shape[1] == 1:
        a, b = np.sort(x[:, 0]), np.sort(y[:, 0])
        levels = np.unique(np.concatenate([np.arange(len(a) + 1) * len(b), np.arange(len(b) + 1) * len(a)]))
        middle = levels[:-1]
        gaps = np.abs(a[middle // len(b)] - b[middle // len(a)]) ** p
        return float(np.diff(levels) @ gaps) / (len(a) * len(b))
    if p == 1:
        return float(tp.solve(tp.PointCloud(x, y, "euclidean")).value)
    return float(tp.solve(_distances(x, y) ** p).value)


def _wasserstein(
    x: np.ndarray,
    y: np.ndarray,
    *,
    p: float = 1.0,
    confidence: float = 0.95,
    diameter: float | None = None,
    bootstrap: int = 0,
    rng: Any = 0,
) -> Estimate:
    """W_p of the samples, with an interval for W_p of the laws.

    By convexity E W_p^p(P̂, Q̂) >= W_p^p(P, Q), and E W_p^p(P̂_n, P) <= E W_p^p of two half-samples; by
    McDiarmid all are within terms like D^p √(log(1/δ)/2n) of their means, D the diameter. So: above, the
    plug-in value plus its fluctuation; below, the plug-in value minus the two self-distances (triangle
    inequality). Conservative, no asymptotics; without ``diameter``, D is assumed to be the one observed.
    """
    p = check_exponent(p)
    if math.isinf(p):
        raise ValueError("p = inf has no such interval; take a finite p")
    _need(min(len(x), len(y)), 4, "the smaller sample")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence = {confidence}; it must lie strictly between 0 and 1")
    if bootstrap:
        return _bootstrapped(x, y, p, confidence=confidence, times=bootstrap, rng=rng)
    pool = np.concatenate([x, y])
    if diameter is None:
        diameter = float(np.linalg.norm(pool.max(axis=0) - pool.min(axis=0)))
        method = "plug-in; assumes supports within the observed box"
    else:
        method = "plug-in; McDiarmid"
    log = math.log(6 / (1 - confidence))  # a union bound over six one-sided events
    reach = diameter**p
    generator = np.random.default_rng(rng)
    selves = []
    for z in (x, y):
        order = generator.permutation(len(z))
        half = len(z) // 2
        seen = _cost(z[order[:half]], z[order[half : 2 * half]], p)
        spread = reach * math.sqrt(log / (2 * len(z))) + 2 * reach * math.sqrt(log / (4 * half))
        selves.append(min(reach, seen + spread) ** (1 / p))
    value = _cost(x, y, p)
    slack = reach * math.sqrt(log / 2 * (1 / len(x) + 1 / len(y)))
    upper = min(reach, value + slack) ** (1 / p)
    root = value ** (1 / p)
    lower = max(0.0, root - sum(selves))
    return Estimate(root, min(lower, root), max(upper, root), method, len(pool), confidence)


def _bootstrapped(
    x: np.ndarray, y: np.ndarray, p: float, *, confidence: float, times: int, rng: Any
) -> Estimate:
    """The basic bootstrap of W_p^p: its deviation under resampling stands for that of the samples.

    Asymptotic, for laws that differ (Sommerfeld, Munk 2018; del Barrio, Loubes 2019): the plug-in value has a
    Gaussian limit there, around its own mean. At P = Q, or where the plug-in is biased (many dimensions), the
    coverage is not the one named; the worst case without ``bootstrap`` holds everywhere.
    """
    times = check_count(times, "bootstrap", 20)
    generator = np.random.default_rng(rng)
    seen = _cost(x, y, p)
    draws = np.empty(times)
    for i in range(times):
        u, v = (z[generator.integers(0, len(z), len(z))] for z in (x, y))
        draws[i] = _cost(u, v, p) - seen
    tail = (1 - confidence) / 2
    low, high = seen - np.quantile(draws, [1 - tail, tail])
    ends = [max(0.0, float(v)) ** (1 / p) for v in (min(low, seen), seen, max(high, seen))]
    # the delta method: dW = dW^p / (p W^(p-1)); where W is 0 there is no such error
    error = float(np.std(draws, ddof=1)) / (p * ends[1] ** (p - 1)) if ends[1] > 0 else 0.0
    return Estimate(
        ends[1], ends[0], ends[2], f"plug-in; bootstrap of {times}", len(x) + len(y), confidence, error
    )


def _sliced(x: np.ndarray, y: np.ndarray, *, confidence: float = 0.95, **options: Any) -> Estimate:
    """The mean over directions of the sphere, from those drawn."""
    found = tp.estimate_sliced(x, y, **options)
    answer = _interval(found.value, found.standard_error, confidence, "projections", len(found.distances))
    return replace(answer, lower=max(0.0, answer.lower))
