"""The barycentre of Gaussians, with a certified interval from quadratic potentials."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from transport._barycenters.fixed import check_weights
from transport._gaussian import _covariance, _mean, bures_wasserstein
from transport.internal import ConvergenceError, check_count, check_positive, namespace

_EPS = 2.0**-52


@dataclass(frozen=True, eq=False)
class GaussianBarycenter:
    """N(mean, cov) and an interval for the least objective sum_k w_k W_2^2(q, N_k) of any law q."""

    mean: np.ndarray
    cov: np.ndarray
    lower_bound: float
    upper_bound: float
    n_iter: int

    @property
    def value(self) -> float:
        """The objective of N(mean, cov)."""
        return self.upper_bound


def gaussian_barycenter(
    means: Any,
    covs: Any,
    weights: Any = None,
    *,
    tol: float = 1e-10,
    max_iter: int = 10_000,
    throw: bool = True,
) -> GaussianBarycenter:
    r"""The W_2 barycentre of Gaussians N(means[k], covs[k]), a Gaussian itself.

    Parameters
    ----------
    means : sequence of arrays, shape (d,)
    covs : sequence of arrays, shape (d, d)
        Symmetric and positive semidefinite, at least one positive definite.
    weights : array, shape (k,), optional
        w_k >= 0, summing to 1; equal by default.
    tol : float
        Width of the interval over the part of the objective that covariances make, relative to the mean
        trace.
    max_iter : int
    throw : bool
        Raise ConvergenceError where it stays wider (default), or return what there is.

    Returns
    -------
    GaussianBarycenter

    Raises
    ------
    ValueError, TypeError
        As `bures_wasserstein`; no covariance of full rank.
    ConvergenceError
        ``max_iter`` was reached first; carries the interval.

    Notes
    -----
    The fixed point S <- S^(-1/2) (sum_k w_k (S^(1/2) C_k S^(1/2))^(1/2))^2 S^(-1/2) of Álvarez-Esteban, del
    Barrio, Cuesta-Albertos, Matrán (2016). Below: positive T_k with sum_k w_k T_k = 1, made from the maps
    S -> C_k, give potentials x·(1 - T_k)x and so the bound sum_k w_k tr C_k (1 - T_k^(-1)).

    Examples
    --------
    >>> import numpy as np, transport as tp
    >>> found = tp.gaussian_barycenter([[0.0], [4.0]], [[[1.0]], [[9.0]]])
    >>> found.mean.tolist(), round(float(found.cov[0, 0]), 9), round(found.value, 9)
    ([2.0], 4.0, 5.0)
    """
    means, covs = list(means), list(covs)
    shares = check_weights(weights, len(means), False)
    if len(covs) != len(means):
        raise ValueError(f"means has {len(means)} entries and covs {len(covs)}; their numbers must match")
    tol, max_iter = check_positive(tol, "tol"), check_count(max_iter, "max_iter")
    m = [_mean(one, f"means[{k}]", xp=namespace(one)) for k, one in enumerate(means)]
    if len({len(one) for one in m}) > 1:
        raise ValueError(f"means have dimensions {[len(one) for one in m]}; they must live in one space")
    c = [_covariance(one, f"covs[{k}]", len(m[0]), xp=namespace(one)) for k, one in enumerate(covs)]
    unit = max((float(np.trace(one)) for one in c), default=0.0) or 1.0
    unit = 2.0 ** math.frexp(unit)[1]
    kept = [(w, one / unit) for w, one in zip(shares, c) if w > 0]
    mean = shares @ np.array(m)
    between = math.fsum(w * float(np.sum((one - mean) ** 2)) for w, one in zip(shares, m))
    cov, lower, upper, done = _fixed_point(kept, tol, max_iter)
    found = GaussianBarycenter(
        mean, cov * unit, float(between + lower * unit), float(between + upper * unit), done
    )
    if throw and upper - lower > tol * sum(w * float(np.trace(one)) for w, one in kept):
        error = ConvergenceError(
            f"the interval [{found.lower_bound!r}, {found.upper_bound!r}] is wider than tol after {done} "
            "iterations: raise max_iter or tol, or take it with throw=False"
        )
        error.lower_bound, error.upper_bound = found.lower_bound, found.upper_bound
        raise error
    return found


def _fixed_point(
    kept: list[tuple[float, np.ndarray]], tol: float, max_iter: int
) -> tuple[np.ndarray, float, float, int]:
    s: np.ndarray = np.sum([w * c for w, c in kept], axis=0)
    full = [w for w, c in kept if np.linalg.eigvalsh(c)[0] > 16 * len(c) * _EPS * np.trace(c)]
    if not full:
        if not any(np.any(c) for _, c in kept):
            return s, 0.0, 0.0, 0
        raise ValueError("no covariance has full rank; restrict the laws to a subspace where one has")
    size = math.fsum(float(w) * float(np.trace(c)) for w, c in kept)
    best = (s, -math.inf, math.inf)
    done = 0
    while done < max_iter:
        done += 1
        root, inverse = _roots(s)
        maps = [inverse @ _root(root @ c @ root) @ inverse for _, c in kept]
        mean_map: np.ndarray = np.sum([w * t for (w, _), t in zip(kept, maps)], axis=0)
        lower = max(best[1], _dual(kept, maps, mean_map))
        upper = math.fsum(float(w) * _squared(s, c) for w, c in kept)
        best = (s if upper < best[2] else best[0], lower, min(upper, best[2]))
        if best[2] - best[1] <= tol * size:
            break
        s = mean_map @ s @ mean_map
        s = (s + s.T) / 2
    return best[0], min(best[1], best[2]), best[2], done


def _squared(s: np.ndarray, c: np.ndarray) -> float:
    zero = np.zeros(len(s))
    return bures_wasserstein(zero, s, zero, c) ** 2


def _dual(kept: list[tuple[float, np.ndarray]], maps: list[np.ndarray], mean_map: np.ndarray) -> float:
    """The bound of the notes, for the T_k = (1 - t) M^(-1/2) T_k M^(-1/2) + t with the best t of a few."""
    _, inverse = _roots(mean_map)
    scaled = [inverse @ t @ inverse for t in maps]
    eye = np.eye(len(mean_map))
    best = -math.inf
    for t in (0.0, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1.0):
        total = 0.0
        for (w, c), one in zip(kept, scaled):
            values, vectors = np.linalg.eigh((1 - t) * one + t * eye)
            if values[0] <= 16 * len(c) * _EPS * values[-1]:
                total = -math.inf
                break
            # sum_k w_k T_k = 1 to rounding only: the roots' error is paid for with the condition number
            within = np.einsum("ij,jk,ki->i", vectors.T, c, vectors)
            total += w * float(within @ (1 - 1 / values))
            total -= w * 32 * len(c) * _EPS * float(within @ (1 + 1 / values)) / float(values[0])
        best = max(best, total)
    return best


def _root(a: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh((a + a.T) / 2)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def _roots(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A^(1/2) and A^(-1/2)."""
    values, vectors = np.linalg.eigh((a + a.T) / 2)
    values = np.sqrt(np.maximum(values, values[-1] * 2.0**-100))
    return np.asarray((vectors * values) @ vectors.T), np.asarray((vectors / values) @ vectors.T)
