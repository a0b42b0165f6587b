"""Gaussians and their factorised approximations, under both Kullback-Leibler divergences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg

from generative.variational._limit import ApproximationError
from transport.internal import Array, as_float64, check_count, check_positive, require_finite


def real_array(x: Any, name: str, ndim: int) -> np.ndarray:
    """A finite, read-only float64 copy of ``x`` with ``ndim`` axes; scalars gain the axes they lack."""
    values, _ = as_float64(x, name, xp=np)
    if values.ndim < ndim and values.size == 1:
        values = values.reshape((1,) * ndim)
    if values.ndim != ndim:
        raise ValueError(f"{name} has shape {values.shape}; it must have {ndim} axes")
    require_finite(values, name, xp=np)
    values = np.array(values)
    values.flags.writeable = False
    return values


@dataclass(frozen=True, eq=False)
class Gaussian:
    """The normal law N(mean, cov) on R^d.

    Parameters
    ----------
    mean : array_like, shape (d,)
    cov : array_like, shape (d, d)
        Symmetric and positive definite. Scalars are read as d = 1.

    Raises
    ------
    ValueError
        Shapes that disagree, entries that are not finite, a covariance that is not symmetric or not
        positive definite.

    Examples
    --------
    >>> p = Gaussian([0, 0], [[1, 0.9], [0.9, 1]])
    >>> round(mean_field(p).kl(p), 12)  # -1/2 log(1 - rho^2)
    0.830365603411
    """

    mean: Array
    cov: Array

    def __post_init__(self) -> None:
        mean = real_array(self.mean, "mean", 1)
        cov = real_array(self.cov, "cov", 2)
        d = mean.shape[0]
        if cov.shape != (d, d):
            raise ValueError(f"cov has shape {cov.shape} for a mean of {d} entries; it must be ({d}, {d})")
        skew = float(np.max(np.abs(cov - cov.T), initial=0.0))
        if skew > 1e-10 * float(np.max(np.abs(cov), initial=0.0)):
            raise ValueError(f"cov differs from its transpose by {skew:.3g}; pass (cov + cov.T) / 2")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "cov", cov)
        self.cholesky()

    @property
    def dim(self) -> int:
        """The dimension d."""
        return int(self.mean.shape[0])

    def cholesky(self) -> np.ndarray:
        """The lower factor L with ``L @ L.T == cov``, shape (d, d)."""
        try:
            return np.linalg.cholesky(self.cov)
        except np.linalg.LinAlgError:
            smallest = float(np.linalg.eigvalsh(self.cov)[0])
            raise ValueError(
                f"cov is not positive definite (smallest eigenvalue {smallest:.3g}); "
                "drop the degenerate directions or add a small multiple of the identity"
            ) from None

    def precision(self) -> np.ndarray:
        """The inverse covariance, shape (d, d)."""
        return linalg.cho_solve((self.cholesky(), True), np.eye(self.dim))

    def logpdf(self, x: Any) -> np.ndarray:
        """Log density at ``x``, shape (..., d); the result has shape (...)."""
        lower = self.cholesky()
        delta = np.asarray(x, dtype=np.float64) - self.mean
        z = linalg.solve_triangular(lower, delta.reshape(-1, self.dim).T, lower=True)
        logdet = 2 * np.sum(np.log(np.diag(lower)))
        logs = -0.5 * (np.sum(z * z, axis=0) + logdet + self.dim * np.log(2 * np.pi))
        return logs.reshape(delta.shape[:-1])

    def sample(self, n: int, *, rng: Any) -> np.ndarray:
        """``n`` draws, shape (n, d); ``rng`` is a seed or a `numpy.random.Generator`."""
        z = np.random.default_rng(rng).standard_normal((check_count(n, "n"), self.dim))
        return self.mean + z @ self.cholesky().T

    def kl(self, other: Gaussian) -> float:
        """KL(self || other) in nats.

        With lambda the eigenvalues of cov relative to the other's,
        ``KL = 1/2 sum(lambda - 1 - log lambda) + 1/2 |mean difference|^2`` in the other's metric. The
        lambda - 1 come from the difference of the covariances, so near-equal laws lose no digits and the
        result is never negative.
        """
        if other.dim != self.dim:
            raise ValueError(f"other has dimension {other.dim}, this law has {self.dim}")
        lower = other.cholesky()
        half = linalg.solve_triangular(lower, self.cov - other.cov, lower=True)
        excess = np.linalg.eigvalsh(linalg.solve_triangular(lower, half.T, lower=True))
        shift = linalg.solve_triangular(lower, self.mean - other.mean, lower=True)
        excess = np.maximum(excess, np.finfo(float).eps - 1)  # rounding must not cross log 0
        return float(0.5 * (np.sum(excess - np.log1p(excess)) + shift @ shift))


def mean_field(p: Gaussian) -> Gaussian:
    """The product law q minimising KL(q || p): ``N(mean_i, 1 / precision_ii)``.

    It is too narrow: the variances are those of each coordinate *given* the others.
    Source: Bishop, PRML (2006), eq. 10.12-10.15.

    Examples
    --------
    >>> mean_field(Gaussian([0, 0], [[1, 0.6], [0.6, 1]])).cov.diagonal().round(12)
    array([0.64, 0.64])
    """
    return Gaussian(p.mean, np.diag(1 / np.diag(p.precision())))


def moment_match(p: Gaussian) -> Gaussian:
    """The product law q minimising KL(p || q): the product of the marginals, ``N(mean_i, cov_ii)``.

    Source: Bishop, PRML (2006), eq. 10.17.

    Examples
    --------
    >>> moment_match(Gaussian([0, 0], [[1, 0.6], [0.6, 1]])).cov.diagonal()
    array([1., 1.])
    """
    return Gaussian(p.mean, np.diag(np.diag(p.cov)))


@dataclass(frozen=True, eq=False)
class CoordinateAscent:
    """What `coordinate_ascent` found.

    Attributes
    ----------
    q : Gaussian
        The factorised approximation, with diagonal covariance.
    kl : float
        KL(q || p).
    means : ndarray, shape (n_iter + 1, d)
        The means after each sweep, the start first.
    kls : ndarray, shape (n_iter + 1,)
        KL(q || p) after each sweep; never increases.
    rate : float
        Spectral radius of one sweep on the error of the mean: rho^2 for two coordinates of correlation rho.
    n_iter : int
        Sweeps made.
    converged : bool
        Whether the error of the mean is below ``tol`` standard deviations of p.
    """

    q: Gaussian
    kl: float
    means: np.ndarray
    kls: np.ndarray
    rate: float
    n_iter: int
    converged: bool


def coordinate_ascent(
    p: Gaussian, *, start: Any = None, tol: float = 1e-12, max_iter: int = 10_000, throw: bool = True
) -> CoordinateAscent:
    """Mean-field variational inference on a Gaussian, one coordinate at a time.

    Each update ``m_i <- mean_i - sum_{j != i} L_ij (m_j - mean_j) / L_ii``, L the precision, maximises the
    ELBO in q_i with the rest fixed (Bishop, PRML (2006), eq. 10.13). A sweep is one Gauss-Seidel step, so
    the error of the mean contracts by ``rate`` a sweep.

    Parameters
    ----------
    start : array_like, shape (d,), optional
        The first means; by default one standard deviation above ``p.mean`` in every coordinate.
    tol : float
        Accepted error of the mean, in standard deviations of p.
    max_iter : int
        Sweeps allowed.
    throw : bool
        Whether to raise when ``max_iter`` is reached; otherwise the result says ``converged=False``.

    Raises
    ------
    ApproximationError
        ``max_iter`` sweeps were not enough; ``error.state`` is the result so far.

    Examples
    --------
    >>> found = coordinate_ascent(Gaussian([0, 0], [[1, 0.9], [0.9, 1]]), start=[1, 1])
    >>> round(found.rate, 12), bool(found.converged)
    (0.81, True)
    """
    tol, max_iter = check_positive(tol, "tol"), check_count(max_iter, "max_iter")
    precision = p.precision()
    first = p.mean + np.sqrt(np.diag(p.cov)) if start is None else real_array(start, "start", 1)
    if first.shape != p.mean.shape:
        raise ValueError(f"start has {first.shape[0]} entries; p has dimension {p.dim}")
    lower, upper = np.tril(precision), np.triu(precision, 1)
    sweep = -linalg.solve_triangular(lower, upper, lower=True)
    # The iteration runs on the error, not on the mean: a large p.mean then costs no digits.
    errors = [first - p.mean]
    norms = [_norm(errors[0], precision)]
    while norms[-1] > tol and len(errors) <= max_iter:
        errors.append(sweep @ errors[-1])
        norms.append(_norm(errors[-1], precision))
    floor = mean_field(p)
    q = Gaussian(p.mean + errors[-1], floor.cov)
    kls = floor.kl(p) + 0.5 * np.square(norms)
    found = CoordinateAscent(
        q=q,
        kl=float(kls[-1]),
        means=p.mean + np.array(errors),
        kls=kls,
        rate=float(np.max(np.abs(np.linalg.eigvals(sweep)))),
        n_iter=len(errors) - 1,
        converged=norms[-1] <= tol,
    )
    if throw and not found.converged:
        raise ApproximationError(
            f"the mean is still {norms[-1]:.3g} standard deviations off after max_iter={max_iter} sweeps, "
            f"each of which contracts it by {found.rate:.6g}; raise max_iter or tol",
            found,
        )
    return found


def _norm(error: np.ndarray, precision: np.ndarray) -> float:
    """Length of ``error`` in standard deviations of p: sqrt(e' L e)."""
    return float(np.sqrt(max(error @ precision @ error, 0.0)))
