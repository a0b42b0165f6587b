"""log p(x) = ELBO(q) + KL(q || p(. | x)): the identity, term by term, for discrete and Gaussian models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, special

import divergences
from generative.variational._gaussian import Gaussian, real_array
from transport.internal import Array, as_float64, as_weights


@dataclass(frozen=True)
class Decomposition:
    """The three terms, each computed by its own formula, in nats.

    Attributes
    ----------
    log_evidence : float
        log p(x).
    elbo : float
        E_q[log p(x, z) - log q(z)] <= log p(x).
    kl : float
        KL(q || p(. | x)) >= 0; infinite, with the ELBO, where q puts mass on a z that x rules out.
    """

    log_evidence: float
    elbo: float
    kl: float


def decompose(log_joint: Any, q: Any) -> Decomposition:
    """Decompose the evidence of a discrete latent-variable model.

    Parameters
    ----------
    log_joint : array_like, any shape
        ``log p(x, z)`` for the observed x and every latent state z; -inf for impossible states.
    q : array_like, same shape
        A law over the latent states, summing to 1.

    Raises
    ------
    ValueError
        Shapes differ, q is not a law, or x is impossible (all entries -inf).

    Examples
    --------
    >>> import math
    >>> terms = decompose([math.log(0.3), math.log(0.1)], [0.5, 0.5])
    >>> math.isclose(terms.log_evidence, terms.elbo + terms.kl), round(terms.kl, 6)
    (True, 0.143841)
    """
    logs, _ = as_float64(log_joint, "log_joint", xp=np)
    law, _ = as_float64(q, "q", xp=np)
    if logs.shape != law.shape:
        raise ValueError(f"q has shape {law.shape} and log_joint {logs.shape}; they must be the same")
    if bool(np.any(np.isnan(logs) | (logs == np.inf))):
        raise ValueError("log_joint holds NaN or +inf; log probabilities are < inf")
    logs, law = logs.ravel(), as_weights(law.ravel(), "q", xp=np)
    log_evidence = float(special.logsumexp(logs))
    if log_evidence == -np.inf:
        raise ValueError("log_joint is -inf everywhere: the observation has probability 0 under the model")
    used = law > 0
    elbo = float(np.sum(law[used] * (logs[used] - np.log(law[used]))))
    kl = float(divergences.kl(law, special.softmax(logs)))
    return Decomposition(log_evidence, elbo, kl)


@dataclass(frozen=True, eq=False)
class LinearGaussian:
    """z ~ prior, x | z ~ N(weights z + offset, noise): factor analysis, PPCA, the linear VAE.

    Parameters
    ----------
    prior : Gaussian
        Law of z on R^k.
    weights : array_like, shape (d, k)
    noise : array_like, shape (d, d)
        Covariance of x given z.
    offset : array_like, shape (d,), optional
        Zero by default.

    Examples
    --------
    >>> model = LinearGaussian(Gaussian([0], [[1]]), [[1], [2]], [[1, 0], [0, 1]])
    >>> model.posterior([1, 0]).cov.round(12)
    array([[0.16666667]])
    """

    prior: Gaussian
    weights: Array
    noise: Array
    offset: Any = None

    def __post_init__(self) -> None:
        weights = real_array(self.weights, "weights", 2)
        d, k = weights.shape
        if k != self.prior.dim:
            raise ValueError(f"weights has shape {weights.shape}; the prior is on R^{self.prior.dim}")
        offset = np.zeros(d) if self.offset is None else self.offset
        noise = Gaussian(offset, self.noise)  # validates both
        if noise.dim != d:
            raise ValueError(f"noise has shape {noise.cov.shape}; weights has {d} rows")
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "noise", noise.cov)
        object.__setattr__(self, "offset", noise.mean)

    def evidence(self) -> Gaussian:
        """The law of x."""
        cov = self.weights @ self.prior.cov @ self.weights.T + self.noise
        return Gaussian(self.weights @ self.prior.mean + self.offset, 0.5 * (cov + cov.T))

    def posterior(self, x: Any) -> Gaussian:
        """The law of z given ``x``, shape (d,). Bishop, PRML (2006), eq. 2.116."""
        x = real_array(x, "x", 1)
        noise = linalg.cho_factor(self.noise, lower=True)
        prior_precision = self.prior.precision()
        precision = prior_precision + self.weights.T @ linalg.cho_solve(noise, self.weights)
        cov = linalg.cho_solve(linalg.cho_factor(precision), np.eye(self.prior.dim))
        shift = self.weights.T @ linalg.cho_solve(noise, x - self.offset)
        return Gaussian(cov @ (prior_precision @ self.prior.mean + shift), 0.5 * (cov + cov.T))

    def elbo(self, x: Any, q: Gaussian) -> float:
        """E_q[log p(x | z)] - KL(q || prior)."""
        x = real_array(x, "x", 1)
        likelihood = Gaussian(self.weights @ q.mean + self.offset, self.noise)
        spread = self.weights @ q.cov @ self.weights.T
        noise = linalg.cho_factor(self.noise, lower=True)
        expected = float(likelihood.logpdf(x)) - 0.5 * float(np.trace(linalg.cho_solve(noise, spread)))
        return expected - q.kl(self.prior)

    def decompose(self, x: Any, q: Gaussian) -> Decomposition:
        """The three terms of log p(x) for the approximation ``q`` of the posterior."""
        x = real_array(x, "x", 1)
        log_evidence = float(self.evidence().logpdf(x))
        return Decomposition(log_evidence, self.elbo(x, q), q.kl(self.posterior(x)))
