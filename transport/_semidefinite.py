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
    if cholesky(a) is not None:
        return True
    columns = factor(a)
    return bool(np.max(np.abs(columns @ columns.T - a)) <= 64 * _EPS)


def cholesky(a: np.ndarray) -> np.ndarray | None:
    """L, lower triangular in Fortran order, with A = LLᵀ; None without one."""
    from scipy.linalg import lapack

    # a is symmetric: its transpose is the same matrix in the order that LAPACK wants, without a copy
    lower, failed = lapack.dpotrf(a.T if a.flags.c_contiguous else a, lower=1, clean=1)
    return None if failed else lower


def factor(a: np.ndarray) -> np.ndarray:
    """L, (d, rank), with A = LLᵀ, by Cholesky with pivots: no square root of noise.

    What is left of a diagonal entry counts as zero below 4 d eps of that entry, so that grading survives:
    diag(1, 1e-20) has rank 2. LAPACK's tolerance is one number: the diagonal is scaled to [1, 4) first, by
    powers of two.
    """
    from scipy.linalg import lapack

    d = len(a)
    diagonal = np.diag(a)
    whole = cholesky(a)
    if whole is not None and np.all(np.diag(whole) ** 2 > 4 * d * _EPS * diagonal):
        return whole  # of full rank by the same rule, without pivots a third of the time
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
    from scipy.linalg import blas

    lower = cholesky(a)
    if lower is None:
        return None
    traces = math.fsum(np.diag(a)) + math.fsum(np.diag(b))
    size = _of_matrix(b)
    doubt = _SAFE * _EPS * _of_matrix(a) * size
    # The smallest pivot bounds the smallest eigenvalue from above, the geometric mean of all of them that of
    # the eigenvalues: no eigenvalues where the sum of doubt / root must fail.
    pivots = np.diag(lower)
    least, mean = float(np.min(pivots)), math.exp(float(np.mean(np.log(pivots))))
    if not 0 < 2 * doubt * max(1 / least, len(a) / mean) <= _TOL * traces * math.sqrt(size):
        return None
    half = blas.dtrmm(1.0, lower, b.T if b.flags.c_contiguous else b, side=1, lower=1)
    product = blas.dtrmm(1.0, lower, half, lower=1, trans_a=1, overwrite_b=1)
    found = np.linalg.eigvalsh(product.T)  # in NumPy's order; the eigenvalues are the same
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
