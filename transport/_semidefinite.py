"""Positive semidefinite matrices: proofs, factors by rank, and the fidelity tr(A^(1/2) B A^(1/2))^(1/2).

Both ways to the fidelity return the distance only where a bound on their own rounding proves it to `_TOL`.
Beyond their rounding lies that of the factors A = LLᵀ (1 + O(eps)) entry by entry, which is as large as the
effect of rounding the entries of A.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

_EPS = float(np.finfo(np.float64).eps)
_TOL = 2e-12  # of W², hence 1e-12 of W
_STEPS = 12  # of the power iteration for a norm
_SAFE = 4.0  # a symmetric eigenvalue's error over eps times the norm: LAPACK's is about 1


def is_semidefinite(a: np.ndarray) -> bool:
    """Whether a Cholesky factor proves it, to 64 eps of the largest entry (1); False proves nothing."""
    from scipy.linalg import lapack

    if lapack.dpotrf(a, lower=1)[1] == 0:
        return True
    columns = factor(a)
    return bool(np.max(np.abs(columns @ columns.T - a)) <= 64 * _EPS)


def factor(a: np.ndarray) -> np.ndarray:
    """L, (d, rank), with A = LLᵀ, by Cholesky with pivots: no square root of noise.

    What is left of a diagonal entry counts as zero below 4 d eps of that entry, so that grading survives:
    diag(1, 1e-20) has rank 2. LAPACK's tolerance is one number: the diagonal is scaled to [1, 4) first, by
    powers of two.
    """
    from scipy.linalg import lapack

    d = len(a)
    diagonal = np.diag(a)
    half = np.where(diagonal > 0, (np.frexp(np.where(diagonal > 0, diagonal, 1.0))[1] - 1) // 2, 0)
    scaled = np.ldexp(a, -(half[:, None] + half[None, :]))
    scaled[diagonal <= 0, :] = scaled[:, diagonal <= 0] = 0.0
    if not scaled.any():
        return np.zeros((d, 1))
    lower, pivots, rank, _ = lapack.dpstrf(scaled, tol=4 * d * _EPS, lower=1)
    columns = np.zeros((d, rank))
    columns[pivots - 1] = np.tril(lower)[:, :rank]
    return np.ldexp(columns, half[:, None])


def norm(apply: Callable[[np.ndarray], np.ndarray], start: np.ndarray) -> float:
    """Twice a power iteration's estimate of the largest eigenvalue of ``apply``."""
    v, size = start, 0.0
    for _ in range(_STEPS):
        length = float(np.linalg.norm(v))
        if length == 0.0:
            return 0.0
        v = apply(v / length)
        size = max(size, float(np.linalg.norm(v)))
    return 2.0 * size


def _of_matrix(a: np.ndarray) -> float:
    return norm(lambda v: a @ v, a[:, int(np.argmax(np.diag(a)))])


def _of_factor(p: np.ndarray) -> float:
    largest = int(np.argmax(np.sum(p * p, axis=1)))
    return norm(lambda v: p @ (p.T @ v), p @ p[largest])


def by_eigenvalues(a: np.ndarray, b: np.ndarray) -> float | None:
    """W from tr A + tr B - 2 Σ √λ, λ the eigenvalues of LᵀBL; None where rounding may show.

    Each λ is off by at most δ = 4 eps |A| |B|, its root by δ / √λ or by √(2 δ): small unless λ is, so this
    is the way of well-conditioned A and B.
    """
    from scipy.linalg import blas, lapack

    lower, failed = lapack.dpotrf(a, lower=1, clean=1)
    if failed:
        return None
    traces = math.fsum(np.diag(a)) + math.fsum(np.diag(b))
    size = _of_matrix(b)
    doubt = _SAFE * _EPS * _of_matrix(a) * size
    # The smallest pivots bound the smallest eigenvalue from above: no eigenvalues where they must fail.
    least = float(np.min(np.diag(lower))) ** 2 * size
    if not 0 < 2 * doubt / math.sqrt(least) <= _TOL * traces:
        return None
    product = blas.dtrmm(1.0, lower, blas.dtrmm(1.0, lower, b, side=1, lower=1), lower=1, trans_a=1)
    found = np.linalg.eigvalsh(product)
    roots = np.sqrt(np.maximum(found, 0.0))
    error = np.minimum(math.sqrt(2 * doubt), doubt / np.maximum(roots, 1e-300))
    return _proved(traces, math.fsum(roots), float(np.sum(error)))


def by_singular_values(p: np.ndarray, q: np.ndarray) -> float | None:
    """W from tr A + tr B - 2 Σ σ, σ the singular values of KᵀL, whatever the conditions; else None.

    Each σ is off by at most 4 eps |K| |L|; W is lost where the traces cancel.
    """
    product = q.T @ p
    if product.shape[0] < product.shape[1]:
        product = product.T
    traces = float(np.sum(p * p) + np.sum(q * q))
    size = math.sqrt(_of_factor(p)) * math.sqrt(_of_factor(q))
    found: Any = np.linalg.svd(product, compute_uv=False)
    return _proved(traces, math.fsum(found), _SAFE * _EPS * size * len(found))


def _proved(traces: float, fidelity: float, error: float) -> float | None:
    square = traces - 2 * fidelity
    return math.sqrt(square) if square > 0 and 2 * error + 8 * _EPS * traces <= _TOL * square else None
