"""KL from two samples: nearest neighbours for densities, frequencies for atoms, and a lower bound that holds.

From samples alone KL has no upper bound: mass of P that has not been seen may lie where Q has next to none.
It has a lower one: for any set A chosen without looking at half of the data, KL(P‖Q) >= kl(P(A), Q(A)), the
binary divergence (data processing), and the other half bounds both probabilities exactly (Clopper and Pearson
1934).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from divergences._estimate import Estimate
from transport.internal import check_count

_THRESHOLDS = (-1.5, 0.0, 1.5)  # of the estimated log(p/q): the sets A
_FEW = 0.05  # share of repeated points that rounding of a continuous law may explain


def estimate_kl(
    x: np.ndarray, y: np.ndarray, *, k: int = 5, confidence: float = 0.95, groups: int = 10, rng: Any = 0
) -> Estimate:
    """KL of the laws behind x (n, d) and y (m, d), its value in [lower, inf].

    Points that never repeat are taken for draws of densities: k nearest neighbours. If most points repeat,
    the laws are on atoms: KL of the frequencies, infinite where y lacks an atom of x.

    Raises
    ------
    ValueError
        Too few points, ``confidence`` outside (0, 1), or samples that repeat in part.
    """
    k = check_count(k, "k")
    groups = check_count(groups, "groups", 2)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence = {confidence}; it must lie strictly between 0 and 1")
    for z, name in ((x, "x"), (y, "y")):
        least = groups * max(2, (k + 2) // (groups - 1) + 1)
        if len(z) < least:
            raise ValueError(f"{name} has {len(z)} points; this estimator needs at least {least}")
    atoms = _atoms(x, y, k)
    if atoms is None:
        value, error = _from_neighbours(x, y, k, groups)
        method = f"{k} nearest neighbours; the lower bound holds, an upper one does not exist"
    else:
        x, y = (place[:, None].astype(float) for place in atoms)
        value, error = _from_frequencies(*atoms)
        method = "frequencies of atoms; an atom not seen yet could make it infinite"
        if math.isinf(value):
            method = "frequencies of atoms: x has some that y lacks"
    lower = _lower_bound(x, y, confidence, np.random.default_rng(rng), k, atomic=atoms is not None)
    return Estimate(
        max(value, lower), lower, math.inf, method, len(x) + len(y), confidence, standard_error=error
    )


def _atoms(x: np.ndarray, y: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray] | None:
    """The atom (a number) of each point, or None for samples of densities."""
    _, place, counts = np.unique(np.concatenate([x, y]), axis=0, return_inverse=True, return_counts=True)
    place, total = place.reshape(-1), len(x) + len(y)
    repeated = int(counts[counts > 1].sum())
    if repeated <= _FEW * total and counts.max() < k:
        return None
    if 2 * len(counts) <= total:
        return place[: len(x)], place[len(x) :]
    raise ValueError(
        f"{repeated} of the {total} points of x and y repeat: neither draws of densities nor of atoms alone. "
        "If they were rounded to a step h, spread them again: x + rng.uniform(-h/2, h/2, x.shape), y alike; "
        "if the laws have atoms, compare counts: kl(numpy.histogram(x, edges)[0], ..., normalize=True)"
    )


def _from_frequencies(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """KL of the frequencies, and its standard error by the delta method."""
    size = 1 + max(x.max(), y.max())
    p, q = (np.bincount(z, minlength=size) / len(z) for z in (x, y))
    if np.any((p > 0) & (q == 0)):
        return math.inf, 0.0
    p, q = p[p > 0], q[p > 0]
    log = np.log(p / q)
    value = math.fsum(p * log)
    spread = float(p @ (log - value) ** 2) / len(x) + max(0.0, float(p * p @ (1 / q)) - 1) / len(y)
    return max(0.0, value), math.sqrt(spread)


def _from_neighbours(x: np.ndarray, y: np.ndarray, k: int, groups: int) -> tuple[float, float]:
    """Wang, Kulkarni, Verdú 2009 (eq. 25): balls reaching k neighbours in both samples, digamma-corrected.

    One radius for both counts cancels most of the bias. The standard error, by the delete-group jackknife, is
    the spread of the estimate; the bias that is left, downwards where P reaches beyond Q's points and growing
    with the dimension, is not in it.
    """
    of_x, of_y = np.arange(len(x)) % groups, np.arange(len(y)) % groups
    parts = np.array([_knn(x[of_x != g], y[of_y != g], k) for g in range(groups)])
    error = math.sqrt((groups - 1) / groups * float(np.sum((parts - parts.mean()) ** 2)))
    return max(0.0, _knn(x, y, k)), error


def _knn(x: np.ndarray, y: np.ndarray, k: int) -> float:
    from scipy.spatial import KDTree

    n, m = len(x), len(y)
    tree_x, tree_y = KDTree(x), KDTree(y)
    near_x = np.asarray(tree_x.query(x, k=[k + 1])[0])[:, 0]  # the point itself comes first
    near_y = np.asarray(tree_y.query(x, k=[k])[0])[:, 0]
    radius = np.maximum(near_x, near_y)
    # the k-th neighbour itself must be counted although its distance was rounded
    reach = radius * (1 + 4e-16)
    inside_x = tree_x.query_ball_point(x, reach, return_length=True) - 1
    inside_y = tree_y.query_ball_point(x, reach, return_length=True)
    terms = special.psi(np.maximum(inside_x, 1)) - special.psi(np.maximum(inside_y, 1))
    return math.fsum(terms) / n + math.log(m / (n - 1))


def _lower_bound(
    x: np.ndarray, y: np.ndarray, confidence: float, rng: np.random.Generator, k: int, *, atomic: bool
) -> float:
    """A number below KL with probability ``confidence``, for independent draws of any two laws."""
    (seen_x, new_x), (seen_y, new_y) = (np.array_split(z[rng.permutation(len(z))], 2) for z in (x, y))
    score = _score_of_atoms if atomic else _score_of_points
    s, t = (score(z, seen_x, seen_y, k) for z in (new_x, new_y))
    risk = (1 - confidence) / (4 * len(_THRESHOLDS))  # two ways round, two probabilities in each
    best = 0.0
    for threshold in _THRESHOLDS:
        for inside_x, inside_y in ((s > threshold, t > threshold), (s <= threshold, t <= threshold)):
            p = _at_least(int(inside_x.sum()), len(s), risk)
            q = 1 - _at_least(int((~inside_y).sum()), len(t), risk)
            if p > q > 0:
                best = max(
                    best, p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q)) if q < 1 else 0.0
                )
    return best


def _at_least(hits: int, trials: int, risk: float) -> float:
    """A lower confidence bound of a probability."""
    return float(special.betaincinv(hits, trials - hits + 1, risk)) if hits else 0.0


def _score_of_points(z: np.ndarray, x: np.ndarray, y: np.ndarray, k: int) -> np.ndarray:
    """log(p/q) at z from the distances to the k-th neighbours; any score gives a bound that holds."""
    from scipy.spatial import KDTree

    near = [np.asarray(KDTree(w).query(z, k=[min(k, len(w))])[0])[:, 0] for w in (x, y)]
    tiny = 1e-300
    return z.shape[1] * (np.log(near[1] + tiny) - np.log(near[0] + tiny)) + math.log(len(y) / len(x))


def _score_of_atoms(z: np.ndarray, x: np.ndarray, y: np.ndarray, k: int) -> np.ndarray:
    """log(p/q) at z from the counts, half a count added to each."""
    size = 1 + int(max(w.max() for w in (x, y, z)))
    counts = [np.bincount(w[:, 0].astype(np.intp), minlength=size) + 0.5 for w in (x, y)]
    at = z[:, 0].astype(np.intp)
    return np.log(counts[0][at] / len(x)) - np.log(counts[1][at] / len(y))
