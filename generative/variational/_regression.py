"""Bayesian linear regression with a Gamma law on the prior precision: variational and exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from generative.variational._gaussian import real_array
from generative.variational._limit import ApproximationError
from generative.variational._quadrature import expect
from transport.internal import check_count, check_positive


@dataclass(frozen=True, eq=False)
class VariationalRegression:
    """``q(w, alpha) = N(w; mean, cov) Gamma(alpha; a, b)`` and what it approximates.

    Attributes
    ----------
    mean, cov : ndarray, shapes (M,) and (M, M)
        Law of the weights under q.
    a, b : float
        Shape and rate of the law of the precision alpha under q.
    expected_alpha : float
        a / b.
    elbo : float
        The variational lower bound of ``log_evidence``.
    log_evidence : float
        log p(t), exact to quadrature over alpha (relative error about 1e-14).
    kl : float
        ``log_evidence - elbo`` = KL(q || posterior).
    exact_alpha : float
        E[alpha | t] under the exact posterior.
    alphas : ndarray, shape (n_iter + 1,)
        ``expected_alpha`` after each iteration, the start first.
    beta : float
        Noise precision, as given.
    n_iter : int
    converged : bool
    """

    mean: np.ndarray
    cov: np.ndarray
    a: float
    b: float
    expected_alpha: float
    elbo: float
    log_evidence: float
    kl: float
    exact_alpha: float
    alphas: np.ndarray
    beta: float
    n_iter: int
    converged: bool

    def predict(self, features: Any) -> tuple[np.ndarray, np.ndarray]:
        """Predictive mean and variance of t at ``features``, shape (n, M). PRML eq. 10.105-10.106."""
        features = real_array(features, "features", 2)
        if features.shape[1] != self.mean.shape[0]:
            raise ValueError(f"features has {features.shape[1]} columns; the fit has {self.mean.shape[0]}")
        return features @ self.mean, 1 / self.beta + np.sum(features @ self.cov * features, axis=1)


def linear_regression(
    features: Any,
    targets: Any,
    *,
    beta: float | None = None,
    tau: float | None = None,
    a0: float = 0.01,
    b0: float = 0.01,
    start: float = 1.0,
    tol: float = 1e-14,
    max_iter: int = 1000,
    throw: bool = True,
) -> VariationalRegression:
    """Variational linear regression: t = features w + noise, w ~ N(0, I / alpha), alpha ~ Gamma(a0, b0).

    Iterates ``S = (E[alpha] I + beta F'F)^-1``, ``m = beta S F't``, ``a = a0 + M/2``,
    ``b = b0 + (m'm + tr S) / 2``, ``E[alpha] = a / b``. Source: Bishop, PRML (2006), section 10.3.

    Parameters
    ----------
    features : array_like, shape (n, M)
    targets : array_like, shape (n,)
    beta : float
        Known precision of the noise.
    tau : float
        ``beta`` under the name that other notes give it; give one of the two.
    a0, b0 : float
        Shape and rate of the Gamma prior of alpha.
    start : float
        First E[alpha].
    tol : float
        Accepted relative change of E[alpha] over an iteration.

    Raises
    ------
    ApproximationError
        ``max_iter`` iterations did not settle E[alpha]; ``error.state`` is the result so far.

    Examples
    --------
    >>> fit = linear_regression([[1, 0], [1, 1], [1, 2], [1, 3]], [1, 2, 2, 4], beta=4)
    >>> round(fit.expected_alpha, 12), round(fit.elbo, 12), round(fit.log_evidence, 12)
    (1.183769572561, -9.721891679885, -9.685301436095)
    """
    phi, t = real_array(features, "features", 2), real_array(targets, "targets", 1)
    if phi.shape[0] != t.shape[0] or 0 in phi.shape:
        raise ValueError(
            f"features has shape {phi.shape} and targets {t.shape}; they must be (n, M) and (n,)"
        )
    if beta is None or tau is not None:
        if beta is not None or tau is None:
            raise TypeError("give the precision of the noise once: beta=, or tau= as other notes call it")
        beta = tau
    beta, a0, b0 = check_positive(beta, "beta"), check_positive(a0, "a0"), check_positive(b0, "b0")
    tol, max_iter = check_positive(tol, "tol"), check_count(max_iter, "max_iter")
    spectrum = _Spectrum(phi, t, beta)
    a = a0 + 0.5 * phi.shape[1]
    alphas, converged = [check_positive(start, "start")], False
    while not converged and len(alphas) <= max_iter:
        b = b0 + 0.5 * spectrum.second_moment(alphas[-1])
        alphas.append(a / b)
        converged = abs(alphas[-1] - alphas[-2]) <= tol * alphas[-1]
    alpha = alphas[-2]  # q(w) belongs to the E[alpha] before the last update of q(alpha)
    elbo = spectrum.elbo(alpha, a=a, b=b, a0=a0, b0=b0)
    log_evidence, exact_alpha = spectrum.evidence(a0, b0)
    mean, cov = spectrum.weights(alpha)
    fit = VariationalRegression(
        mean=mean,
        cov=cov,
        a=a,
        b=b,
        expected_alpha=alphas[-1],
        elbo=elbo,
        log_evidence=log_evidence,
        kl=max(log_evidence - elbo, 0.0),
        exact_alpha=exact_alpha,
        alphas=np.array(alphas),
        beta=beta,
        n_iter=len(alphas) - 1,
        converged=converged,
    )
    if throw and not converged:
        raise ApproximationError(
            f"E[alpha] still changes by {abs(alphas[-1] / alphas[-2] - 1):.3g} (relative) after "
            f"max_iter={max_iter} iterations; raise max_iter or tol",
            fit,
        )
    return fit


class _Spectrum:
    """The regression in the eigenbasis of F'F, where every alpha costs O(M)."""

    def __init__(self, phi: np.ndarray, t: np.ndarray, beta: float) -> None:
        self.n, self.m = phi.shape
        self.beta = beta
        left, sigma, right = np.linalg.svd(phi, full_matrices=False)
        self.rank = len(sigma)  # directions beyond it have eigenvalue 0
        self.values = beta * sigma**2
        self.pulls = beta * sigma * (left.T @ t)
        self.basis = right.T
        # Length of t outside the columns of F, in difference form: t't - |U't|^2 would cancel.
        self.outside = float(np.sum(np.square(t - left @ (left.T @ t))))
        self.inside = np.square(left.T @ t)

    def second_moment(self, alpha: float) -> float:
        """E[w'w] = m'm + tr S for q(w) at this alpha."""
        spread = 1 / (alpha + self.values)
        return float(np.sum(np.square(spread * self.pulls)) + np.sum(spread) + (self.m - self.rank) / alpha)

    def weights(self, alpha: float) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of q(w)."""
        spread = 1 / (alpha + self.values)
        cov = (self.basis * (spread - 1 / alpha)) @ self.basis.T + np.eye(self.m) / alpha
        if self.rank == self.m:
            cov = (self.basis * spread) @ self.basis.T
        return self.basis @ (spread * self.pulls), 0.5 * (cov + cov.T)

    def elbo(self, alpha: float, *, a: float, b: float, a0: float, b0: float) -> float:
        """The lower bound for q(w) at ``alpha`` and q(alpha) = Gamma(a, b). PRML eq. 10.107-10.112."""
        spread = 1 / (alpha + self.values)
        misfit = self.outside + float(
            np.sum(self.inside * np.square(alpha * spread))  # 1 - values * spread = alpha * spread
            + np.sum(self.values * spread) / self.beta
        )
        mean_alpha, mean_log = a / b, float(special.digamma(a) - np.log(b))
        likelihood = 0.5 * self.n * np.log(self.beta / (2 * np.pi)) - 0.5 * self.beta * misfit
        prior = 0.5 * self.m * (mean_log - np.log(2 * np.pi)) - 0.5 * mean_alpha * self.second_moment(alpha)
        hyper = a0 * np.log(b0) + (a0 - 1) * mean_log - b0 * mean_alpha - special.gammaln(a0)
        logdet = float(np.sum(np.log(spread))) - (self.m - self.rank) * np.log(alpha)
        entropy_w = 0.5 * (logdet + self.m * (1 + np.log(2 * np.pi)))
        entropy_alpha = special.gammaln(a) - (a - 1) * special.digamma(a) - np.log(b) + a
        return float(likelihood + prior + hyper + entropy_w + entropy_alpha)

    def evidence(self, a0: float, b0: float) -> tuple[float, float]:
        """log p(t) and E[alpha | t], by the trapezoid rule in u = log alpha.

        ``p(t | alpha) = N(t; 0, I / beta + F F' / alpha)`` has the eigenvalues
        ``(alpha + values) / (alpha beta)``; the measure is ``Gamma(alpha; a0, b0) alpha du``.
        """
        fixed = 0.5 * (self.n * np.log(self.beta / (2 * np.pi)) - self.beta * self.outside)

        def log_density(u: np.ndarray) -> np.ndarray:
            with np.errstate(over="ignore"):
                alpha = np.exp(u)[:, None]
                share = alpha / (alpha + self.values)  # 1 / (1 + values / alpha)
            share = np.where(np.isfinite(alpha), share, 1.0)
            with np.errstate(divide="ignore", over="ignore"):
                likelihood = 0.5 * np.sum(np.log(share) - self.beta * self.inside * share, axis=1)
                gamma = a0 * np.log(b0) - special.gammaln(a0) + a0 * u - b0 * np.exp(u)
            return fixed + likelihood + gamma

        nodes = expect(log_density, -20.0, 20.0)
        return nodes.log_total, float(nodes.weights @ np.exp(nodes.x))
