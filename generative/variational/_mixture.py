"""The best Gaussian to a Gaussian mixture: KL(q || p) seeks a mode, KL(p || q) covers the mass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, special

from generative.variational._gaussian import Gaussian, real_array
from generative.variational._limit import ApproximationError
from transport.internal import Array, as_weights, check_choice, check_count, check_positive


@dataclass(frozen=True, eq=False)
class Mixture:
    """The law ``sum_k weights[k] N(means[k], covs[k])`` on R^d.

    Parameters
    ----------
    weights : array_like, shape (K,)
        Non-negative, summing to 1.
    means : array_like, shape (K, d); (K,) is read as d = 1
    covs : array_like, shape (K, d, d); (K,) is read as variances in d = 1

    Raises
    ------
    ValueError
        Bad weights, shapes that disagree, a covariance that is not positive definite.

    Examples
    --------
    >>> p = Mixture([0.5, 0.5], [-4, 4], [1, 1])
    >>> p.cov()
    array([[17.]])
    """

    weights: Array
    means: Array
    covs: Array

    def __post_init__(self) -> None:
        means = np.asarray(self.means)
        means = real_array(means[:, None] if means.ndim == 1 else means, "means", 2)
        k, d = means.shape
        covs = np.asarray(self.covs)
        covs = real_array(covs[:, None, None] if covs.ndim == 1 else covs, "covs", 3)
        if covs.shape != (k, d, d):
            raise ValueError(
                f"covs has shape {covs.shape} for {k} means in R^{d}; it must be ({k}, {d}, {d})"
            )
        weights = as_weights(self.weights, "weights", xp=np, size=k)
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "means", means)
        object.__setattr__(self, "covs", covs)
        object.__setattr__(self, "_parts", tuple(Gaussian(m, c) for m, c in zip(means, covs, strict=True)))
        object.__setattr__(self, "_precisions", np.array([part.precision() for part in self.components]))

    @property
    def components(self) -> tuple[Gaussian, ...]:
        """The K Gaussians."""
        return self._parts  # type: ignore[attr-defined]

    @property
    def dim(self) -> int:
        """The dimension d."""
        return int(self.means.shape[1])

    def mean(self) -> np.ndarray:
        """Expectation, shape (d,)."""
        return self.weights @ self.means

    def cov(self) -> np.ndarray:
        """Covariance within plus between components, shape (d, d)."""
        gap = self.means - self.mean()
        return np.einsum("k,kij->ij", self.weights, self.covs) + (gap.T * self.weights) @ gap

    def _log_parts(self, x: np.ndarray) -> np.ndarray:
        """Log of each weighted component, shape (K, n)."""
        with np.errstate(divide="ignore"):
            logs = np.log(self.weights)
        return logs[:, None] + np.array([part.logpdf(x) for part in self.components])

    def logpdf(self, x: Any) -> np.ndarray:
        """Log density at ``x``, shape (n, d); the result has shape (n,)."""
        return special.logsumexp(self._log_parts(np.asarray(x, dtype=np.float64)), axis=0)

    def score(self, x: Any) -> tuple[np.ndarray, np.ndarray]:
        """Log density, shape (n,), and its gradient in ``x``, shape (n, d)."""
        x = np.asarray(x, dtype=np.float64)
        parts = self._log_parts(x)
        logs = special.logsumexp(parts, axis=0)
        shares = np.exp(parts - logs)
        pulls = np.einsum("kij,knj->kni", self._precisions, self.means[:, None] - x)  # type: ignore[attr-defined]
        return logs, np.einsum("kn,kni->ni", shares, pulls)

    def sample(self, n: int, *, rng: Any) -> np.ndarray:
        """``n`` draws, shape (n, d); ``rng`` is a seed or a `numpy.random.Generator`."""
        rng = np.random.default_rng(rng)
        labels = rng.choice(len(self.weights), size=check_count(n, "n"), p=self.weights)
        lowers = np.array([part.cholesky() for part in self.components])
        return self.means[labels] + np.einsum(
            "nij,nj->ni", lowers[labels], rng.standard_normal((n, self.dim))
        )


@dataclass(frozen=True, eq=False)
class LocalMinimum:
    """A minimum of the divergence over Gaussians: ``q``, its ``kl``, and the ``starts`` that fell into it."""

    q: Gaussian
    kl: float
    starts: int


@dataclass(frozen=True, eq=False)
class GaussianFit:
    """What `fit_gaussian` found.

    Attributes
    ----------
    q : Gaussian
        The best approximation found.
    kl : float
        Its divergence, in the direction asked for.
    minima : tuple of LocalMinimum
        All distinct minima reached, best first. One, exactly, for ``divergence="forward"``.
    converged : bool
        Whether every start reached a point of zero gradient.
    """

    q: Gaussian
    kl: float
    minima: tuple[LocalMinimum, ...]
    converged: bool


def fit_gaussian(
    p: Mixture,
    *,
    divergence: str = "reverse",
    n_starts: int = 8,
    n_nodes: int | None = None,
    rng: Any = 0,
    tol: float = 1e-7,
    max_iter: int = 500,
    throw: bool = True,
) -> GaussianFit:
    """The Gaussian closest to a mixture.

    ``divergence="forward"`` minimises KL(p || q): the minimiser is unique and has the mean and covariance
    of p; it covers all the mass. ``"reverse"`` minimises KL(q || p) over mean and full covariance by BFGS
    from each component, from the moments of p, and from ``n_starts`` random draws of p. It has local
    minima, typically one a mode and sometimes a wide one across modes; all those met are reported.
    Source: Bishop, PRML (2006), section 10.1.2 and figure 10.3.

    Parameters
    ----------
    n_nodes : int, optional
        Nodes per axis of the trapezoid rule behind the expectations: by default 1025 for d = 1, 129 for
        d = 2. For d >= 3 the expectations are over a fixed Sobol set of 4096 (or ``n_nodes``) normals.
    rng : int or numpy.random.Generator
        Draws the random starts (and for d >= 3 scrambles the Sobol set).
    tol : float
        Accepted gradient of the divergence, in nats per standard deviation.

    Raises
    ------
    ApproximationError
        A start did not reach ``tol`` within ``max_iter`` BFGS steps; ``error.state`` has what was reached.

    Examples
    --------
    >>> p = Mixture([0.5, 0.5], [-4, 4], [1, 1])
    >>> float(fit_gaussian(p, divergence="forward").q.cov[0, 0])
    17.0
    >>> [round(float(m.q.mean[0]), 2) for m in fit_gaussian(p).minima[:2]]
    [-4.0, 4.0]
    """
    check_choice(divergence, "divergence", ("reverse", "forward"))
    tol, max_iter = check_positive(tol, "tol"), check_count(max_iter, "max_iter")
    rng = np.random.default_rng(rng)
    nodes, weights = _standard_nodes(p.dim, n_nodes, rng)
    moments = Gaussian(p.mean(), p.cov())
    if divergence == "forward":
        kl = sum(
            w * _mean_log_ratio(p, moments, part, nodes, weights)
            for w, part in zip(p.weights, p.components, strict=True)
            if w > 0
        )
        best = LocalMinimum(moments, max(float(kl), 0.0), 1)
        return GaussianFit(best.q, best.kl, (best,), True)
    starts = [*p.components, moments]
    if check_count(n_starts, "n_starts", 0):
        starts += [Gaussian(x, moments.cov * rng.uniform(0.01, 1)) for x in p.sample(n_starts, rng=rng)]
    objective = _objective(p, nodes, weights)
    ends, steepest = [], 0.0
    for start in starts:
        x = _descend(objective, _pack(start), tol, max_iter)
        kl, gradient = objective(x)
        steepest = max(steepest, float(np.max(np.abs(gradient))))
        ends.append((max(kl, 0.0), _unpack(x, p.dim)))
    minima = _distinct(ends)
    found = GaussianFit(minima[0].q, minima[0].kl, minima, steepest <= tol)
    if throw and not found.converged:
        raise ApproximationError(
            f"the gradient is still {steepest:.3g} after max_iter={max_iter} steps; raise max_iter or tol, "
            "or n_nodes if components are much narrower than p",
            found,
        )
    return found


def _standard_nodes(d: int, n: int | None, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Nodes z, shape (N, d), and weights, shape (N,), of an expectation over N(0, I)."""
    if d > 2:
        from scipy.stats import qmc  # slow to import, and only needed here

        count = check_count(4096 if n is None else n, "n_nodes", 2)
        cube = qmc.Sobol(d, rng=rng).random(count)
        z = special.ndtri(np.clip(cube, 1e-12, 1 - 1e-12))
        return z, np.full(count, 1 / count)
    count = check_count((1025 if d == 1 else 129) if n is None else n, "n_nodes", 9)
    # Trapezoid rule: exponentially accurate for analytic integrands with Gaussian decay.
    axis = np.linspace(-9, 9, count) if d == 1 else np.linspace(-8, 8, count)
    mass = np.exp(-0.5 * axis * axis)
    mass /= mass.sum()
    grid = np.meshgrid(*[axis] * d, indexing="ij")
    weights = mass if d == 1 else np.outer(mass, mass).ravel()
    return np.stack([g.ravel() for g in grid], axis=1), weights


def _mean_log_ratio(p: Mixture, q: Gaussian, part: Gaussian, nodes: np.ndarray, weights: np.ndarray) -> float:
    """E_part[log p - log q]."""
    x = part.mean + nodes @ part.cholesky().T
    return float(weights @ (p.logpdf(x) - q.logpdf(x)))


def _pack(q: Gaussian) -> np.ndarray:
    """Mean, log of the diagonal of the Cholesky factor, and what is below the diagonal."""
    lower = q.cholesky()
    return np.concatenate([q.mean, np.log(np.diag(lower)), lower[np.tril_indices(q.dim, -1)]])


def _lower(x: np.ndarray, d: int) -> np.ndarray:
    lower = np.diag(np.exp(x[d : 2 * d]))
    lower[np.tril_indices(d, -1)] = x[2 * d :]
    return lower


def _unpack(x: np.ndarray, d: int) -> Gaussian:
    lower = _lower(x, d)
    return Gaussian(x[:d], lower @ lower.T)


def _objective(
    p: Mixture, nodes: np.ndarray, weights: np.ndarray
) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """KL(q || p) and its gradient in the packed parameters.

    With x = m + L z and z ~ N(0, I): ``KL = -d/2 (1 + log 2 pi) - sum log L_ii - E log p(x)``, whence
    ``dKL/dm = -E s(x)`` and ``dKL/dL = -E s(x) z' - diag(1 / L_ii)``, s the gradient of log p.
    """
    d = p.dim
    entropy = 0.5 * d * (1 + np.log(2 * np.pi))
    below = np.tril_indices(d, -1)

    def value_and_gradient(x: np.ndarray) -> tuple[float, np.ndarray]:
        lower = _lower(x, d)
        logs, scores = p.score(x[:d] + nodes @ lower.T)
        value = -entropy - float(np.sum(x[d : 2 * d])) - float(weights @ logs)
        pull = (scores.T * weights) @ nodes
        slope = -np.concatenate(
            [weights @ scores, np.diag(pull) * np.diag(lower) + 1, pull[below]], dtype=np.float64
        )
        return value, slope

    return value_and_gradient


def _descend(
    objective: Callable[[np.ndarray], tuple[float, np.ndarray]], x: np.ndarray, tol: float, max_iter: int
) -> np.ndarray:
    """A local minimum below ``x``: BFGS, then a Newton step, which needs no digits of the value.

    BFGS started on a ridge (by symmetry) ends in a saddle; a step along the direction of negative
    curvature leaves it.
    """
    options: Any = {"gtol": tol / 10, "maxiter": max_iter}
    for _ in range(5):
        x = optimize.minimize(objective, x, args=(), jac=True, method="BFGS", options=options).x
        curvatures, directions = np.linalg.eigh(_hessian(objective, x))
        if curvatures[0] < -1e-6:
            x = x + 0.3 * directions[:, 0]
            continue
        gradient = objective(x)[1]
        if np.max(np.abs(gradient)) > tol / 10 and curvatures[0] > 1e-9:
            x = x - directions @ (directions.T @ gradient / curvatures)
        break
    return x


def _hessian(objective: Callable[[np.ndarray], tuple[float, np.ndarray]], x: np.ndarray) -> np.ndarray:
    """Central differences of the gradient; error about 1e-10."""
    h = 1e-5
    rows = [(objective(x + h * e)[1] - objective(x - h * e)[1]) / (2 * h) for e in np.eye(x.size)]
    return 0.5 * (np.array(rows) + np.array(rows).T)


def _distinct(ends: list[tuple[float, Gaussian]]) -> tuple[LocalMinimum, ...]:
    """Merge ends whose laws coincide (symmetric KL below 1e-6), best first; ties by the mean."""
    groups: list[tuple[float, Gaussian, int]] = []
    for kl, q in sorted(ends, key=lambda end: (round(end[0], 8), end[1].mean.round(6).tolist())):
        for i, (value, known, count) in enumerate(groups):
            if q.kl(known) + known.kl(q) < 1e-6:
                groups[i] = (value, known, count + 1)
                break
        else:
            groups.append((kl, q, 1))
    return tuple(LocalMinimum(q, kl, count) for kl, q, count in groups)
