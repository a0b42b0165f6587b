"""Expectation propagation: moment matching, one factor at a time.

Every factor t_i is replaced by an unnormalised Gaussian. Dividing it out of the approximation q leaves the
*cavity*; cavity times t_i is the *tilted* law; the new factor is the Gaussian that gives q the tilted law's
moments. Source: Minka, "Expectation propagation for approximate Bayesian inference" (2001).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import special

from generative.variational._gaussian import Gaussian, real_array
from generative.variational._limit import ApproximationError
from generative.variational._sites import QuadratureSite, Site
from transport.internal import as_points, check_count, check_positive


@dataclass(frozen=True, eq=False)
class EPResult:
    """What expectation propagation reached.

    Attributes
    ----------
    q : Gaussian
        The approximation of the posterior.
    log_evidence : float
        EP's estimate of the log normaliser; exact where the factors are Gaussian, no bound otherwise.
    site_precisions : ndarray, shape (n,)
        Precisions of the Gaussian factors; negative ones are legitimate.
    n_iter : int
        Sweeps over the sites.
    converged : bool
        Whether the last sweep moved q by at most ``tol`` and updated every site.
    change : float
        How far the last sweep moved q, in standard deviations (means) and relatively (variances).
    skipped : int
        Sites left alone in the last sweep because their update would have been improper.
    """

    q: Gaussian
    log_evidence: float
    site_precisions: np.ndarray
    n_iter: int
    converged: bool
    change: float
    skipped: int


def expectation_propagation(
    sites: Sequence[Site | Callable[[np.ndarray], np.ndarray]],
    prior: Gaussian,
    *,
    projections: Any = None,
    damping: float = 0.0,
    tol: float = 1e-9,
    max_iter: int = 200,
    throw: bool = True,
) -> EPResult:
    """Approximate ``prior(z) prod_i t_i(a_i . z)`` by a Gaussian with full covariance.

    Parameters
    ----------
    sites : sequence
        The factors t_i of one real variable: either callables ``log_factor(s)``, elementwise on an array,
        whose moments are found by quadrature, or objects with ``tilted(mean, var) -> (log Z, mean,
        var)``, such as `GaussianSite` and `ProbitSite`.
    prior : Gaussian
        On R^d.
    projections : array_like, shape (n, d), optional
        The directions a_i. May be left out for d = 1, where they are 1.
    damping : float in [0, 1)
        Share of the old factor kept at an update; 0.5 is the usual cure for oscillation.
    tol : float
        Accepted change of q over a sweep.

    Raises
    ------
    ApproximationError
        ``max_iter`` sweeps did not settle q; ``error.state`` is the result so far.
    ConvergenceError
        Quadrature of a site failed.
    ValueError
        Shapes that disagree, a factor that is NaN, +inf, or not integrable against its cavity.

    Examples
    --------
    >>> from generative.variational import GaussianSite
    >>> found = expectation_propagation([GaussianSite(2.0, 1.0)], Gaussian(0, 1))
    >>> float(found.q.mean[0]), float(found.q.cov[0, 0])
    (1.0, 0.5)
    """
    wrapped = [s if hasattr(s, "tilted") else QuadratureSite(s) for s in sites]
    if not wrapped:
        raise ValueError("sites is empty; the posterior is the prior")
    if projections is None:
        if prior.dim != 1:
            raise ValueError(f"the prior is on R^{prior.dim}: pass projections, shape (n, {prior.dim})")
        projections = np.ones((len(wrapped), 1))
    projections = real_array(projections, "projections", 2)
    if projections.shape != (len(wrapped), prior.dim):
        raise ValueError(
            f"projections has shape {projections.shape}; {len(wrapped)} sites and a prior on "
            f"R^{prior.dim} need ({len(wrapped)}, {prior.dim})"
        )
    state = _Projected(wrapped, prior, projections)
    return _sweep(state, damping=damping, tol=tol, max_iter=max_iter, throw=throw)


def clutter(
    x: Any,
    *,
    contamination: float = 0.5,
    clutter_var: float = 10.0,
    prior_var: float = 100.0,
    damping: float = 0.0,
    tol: float = 1e-9,
    max_iter: int = 200,
    throw: bool = True,
) -> EPResult:
    """EP for the clutter problem: the mean of a Gaussian sunk in background noise.

    ``z ~ N(0, prior_var I)`` and ``x_i | z ~ (1 - w) N(z, I) + w N(0, clutter_var I)``, w the
    ``contamination``; q = N(m, v I). Source: Minka (2001), section 3.2 (same defaults).

    Parameters
    ----------
    x : array_like, shape (n, d); (n,) is read as d = 1

    Raises
    ------
    ApproximationError
        ``max_iter`` sweeps did not settle q (EP need not converge here; try ``damping=0.5``).

    Examples
    --------
    >>> found = clutter([1.9, 2.1, 2.0, 1.5, 2.6, -6.0])
    >>> round(float(found.q.mean[0]), 2)
    2.02
    """
    x = as_points(x, "x", xp=np)
    if not 0 <= contamination < 1:
        raise ValueError(f"contamination = {contamination}; it must lie in [0, 1)")
    state = _Clutter(
        x,
        contamination,
        check_positive(clutter_var, "clutter_var"),
        check_positive(prior_var, "prior_var"),
    )
    return _sweep(state, damping=damping, tol=tol, max_iter=max_iter, throw=throw)


class _State(Protocol):
    """An approximation that can refine one factor in place."""

    tau: np.ndarray  # precisions of the factors, (n,)

    def update(self, i: int, keep: float) -> bool:
        """Refine factor i, keeping the share ``keep`` of the old one; False if that is improper."""

    def refresh(self) -> None:
        """Rebuild q from the factors, so that rounding does not pile up."""

    def gaussian(self) -> Gaussian: ...

    def log_evidence(self) -> float: ...


def _sweep(state: _State, *, damping: float, tol: float, max_iter: int, throw: bool) -> EPResult:
    if not 0 <= damping < 1:
        raise ValueError(f"damping = {damping}; it must lie in [0, 1): 0 is none, 0.5 is usual")
    tol, max_iter = check_positive(tol, "tol"), check_count(max_iter, "max_iter")
    q, n_iter, converged = state.gaussian(), 0, False
    while not converged and n_iter < max_iter:
        n_iter += 1
        skipped = sum(not state.update(i, damping) for i in range(len(state.tau)))
        state.refresh()
        before, q = q, state.gaussian()
        scale = np.sqrt(np.diag(q.cov))
        change = max(
            float(np.max(np.abs(q.mean - before.mean) / scale)),
            float(np.max(np.abs(q.cov - before.cov) / np.outer(scale, scale))),
        ) / (1 - damping)  # a damped step shows only this share of what is left
        converged = change <= tol and not skipped
    result = EPResult(q, state.log_evidence(), state.tau.copy(), n_iter, converged, change, skipped)
    if throw and not converged:
        why = f"; {skipped} sites had an improper cavity or update" if skipped else ""
        raise ApproximationError(
            f"expectation propagation still moves by {change:.3g} (tol={tol:.3g}) after {n_iter} sweeps"
            f"{why}. Raise damping (now {damping:g}; try {0.5 if damping < 0.5 else (1 + damping) / 2:g}) or "
            "max_iter; EP has no guarantee of converging",
            result,
        )
    return result


class _Projected:
    """Factors exp(-tau_i s^2 / 2 + nu_i s) of s = a_i . z; q has a full covariance."""

    def __init__(self, sites: Sequence[Any], prior: Gaussian, projections: np.ndarray) -> None:
        self.sites, self.prior, self.a = sites, prior, projections
        self.tau, self.nu = np.zeros(len(sites)), np.zeros(len(sites))
        self.prior_precision = prior.precision()
        self.prior_shift = self.prior_precision @ prior.mean
        self.refresh()

    def refresh(self) -> None:
        precision = self.prior_precision + (self.a.T * self.tau) @ self.a
        cov = np.linalg.inv(precision)
        self.cov = 0.5 * (cov + cov.T)
        self.mean = self.cov @ (self.prior_shift + self.a.T @ self.nu)

    def _cavity(self, i: int) -> tuple[float, float]:
        """Precision and shift (precision times mean) of s_i without factor i."""
        a = self.a[i]
        var, mean = float(a @ self.cov @ a), float(a @ self.mean)
        if abs(1 - self.tau[i] * var) < 1e-4:  # 1/var - tau would lose the digits of the cavity
            rest = np.arange(len(self.tau)) != i
            others, tau, nu = self.a[rest], self.tau[rest], self.nu[rest]
            without = self.prior_precision + (others.T * tau) @ others
            if np.linalg.eigvalsh(without)[0] > 0:
                both = np.linalg.solve(without, np.stack([a, self.prior_shift + others.T @ nu], axis=1))
                precision = 1 / float(a @ both[:, 0])
                return precision, float(a @ both[:, 1]) * precision
        return 1 / var - self.tau[i], mean / var - self.nu[i]

    def update(self, i: int, keep: float) -> bool:
        precision, shift = self._cavity(i)
        if not precision > 0:
            return False
        _, mean, var = self.sites[i].tilted(shift / precision, 1 / precision)
        dtau = (1 - keep) * (1 / var - precision - self.tau[i])
        dnu = (1 - keep) * (mean / var - shift - self.nu[i])
        spread = self.cov @ self.a[i]
        growth = 1 + dtau * float(self.a[i] @ spread)  # determinant lemma: q stays proper iff > 0
        if not growth > 0:
            return False
        gain = (dnu - dtau * float(self.a[i] @ self.mean)) / growth
        self.mean = self.mean + gain * spread
        self.cov = self.cov - (dtau / growth) * np.outer(spread, spread)
        self.tau[i] += dtau
        self.nu[i] += dnu
        return True

    def gaussian(self) -> Gaussian:
        return Gaussian(self.mean, self.cov)

    def log_evidence(self) -> float:
        """sum_i log c_i + log of the integral of prior times prod_i g_i, g_i the factors' Gaussians.

        Rasmussen & Williams (2006), eq. 3.65. Factor i is c_i g_i, c_i = Z_i / (integral of cavity_i times
        g_i); with g_i normalised where it has a mean (`_log_product`), c_i is 1 for a Gaussian site and
        no term grows with its precision.
        """
        total, cov, mean = 0.0, self.prior.cov, self.prior.mean
        for i, site in enumerate(self.sites):
            precision, shift = self._cavity(i)
            if not precision > 0:
                return -np.inf  # only in a state that has not converged: no estimate exists
            m, v = shift / precision, 1 / precision
            total += site.tilted(m, v)[0] - _log_product(np.array([m]), v, self.tau[i], self.nu[i : i + 1])
        # Factors of positive precision first: every partial product is then proper.
        for i in np.argsort(self.tau <= 0, kind="stable"):
            a, tau, nu = self.a[i], float(self.tau[i]), float(self.nu[i])
            spread = cov @ a
            m, v = float(a @ mean), float(a @ spread)
            total += _log_product(np.array([m]), v, tau, np.array([nu]))
            mean = mean + spread * ((nu - tau * m) / (1 + tau * v))
            cov = cov - np.outer(spread, spread) * (tau / (1 + tau * v))
        return float(total)


class _Clutter:
    """Factors exp(-tau_i |z|^2 / 2 + nu_i . z); q = N(m, v I)."""

    def __init__(self, x: np.ndarray, w: float, clutter_var: float, prior_var: float) -> None:
        self.x, self.w, self.clutter_var = x, w, clutter_var
        n, self.d = x.shape
        self.tau, self.nu = np.zeros(n), np.zeros((n, self.d))
        self.prior_precision = 1 / prior_var
        with np.errstate(divide="ignore"):
            self.log_noise = np.log(w) + _isotropic_logpdf(x, clutter_var)
        self.refresh()

    def refresh(self) -> None:
        self.precision = self.prior_precision + float(np.sum(self.tau))
        self.shift = np.sum(self.nu, axis=0)

    def _tilted(self, i: int, precision: float, shift: np.ndarray) -> tuple[float, np.ndarray, float]:
        """Minka (2001), eq. 3.31-3.38: log Z, mean and variance per axis."""
        v, m = 1 / precision, shift / precision
        gap = self.x[i] - m
        log_signal = np.log1p(-self.w) + float(_isotropic_logpdf(gap, v + 1))
        log_z = float(np.logaddexp(log_signal, self.log_noise[i]))
        r = float(special.expit(log_signal - self.log_noise[i]))  # probability that x_i is no clutter
        k = v / (v + 1)
        mean = m + r * k * gap
        var = v - r * k * v + r * (1 - r) * k * k * float(gap @ gap) / self.d
        return log_z, mean, var

    def _cavity(self, i: int) -> tuple[float, np.ndarray]:
        """Precision and shift without factor i, summed over the others: a difference would lose digits."""
        rest = np.arange(len(self.tau)) != i
        return self.prior_precision + float(np.sum(self.tau[rest])), np.sum(self.nu[rest], axis=0)

    def update(self, i: int, keep: float) -> bool:
        precision, shift = self._cavity(i)
        if not precision > 0:
            return False
        _, mean, var = self._tilted(i, precision, shift)
        dtau = (1 - keep) * (1 / var - precision - self.tau[i])
        dnu = (1 - keep) * (mean / var - shift - self.nu[i])
        if not self.precision + dtau > 0:
            return False
        self.tau[i] += dtau
        self.nu[i] += dnu
        self.precision += dtau
        self.shift = self.shift + dnu
        return True

    def gaussian(self) -> Gaussian:
        return Gaussian(self.shift / self.precision, np.eye(self.d) / self.precision)

    def log_evidence(self) -> float:
        """As for the projected factors, with isotropic ones."""
        total, v, m = 0.0, 1 / self.prior_precision, np.zeros(self.d)
        for i in range(len(self.tau)):
            precision, shift = self._cavity(i)
            if not precision > 0:
                return -np.inf  # only in a state that has not converged: no estimate exists
            total += self._tilted(i, precision, shift)[0]
            total -= _log_product(shift / precision, 1 / precision, float(self.tau[i]), self.nu[i])
        for i in np.argsort(self.tau <= 0, kind="stable"):
            tau, nu = float(self.tau[i]), self.nu[i]
            total += _log_product(m, v, tau, nu)
            m = m + v * (nu - tau * m) / (1 + tau * v)
            v = v / (1 + tau * v)
        return float(total)


def _isotropic_logpdf(gap: np.ndarray, var: float) -> np.ndarray:
    """log N(gap; 0, var I), over the last axis."""
    d = gap.shape[-1]
    return -0.5 * (np.sum(gap * gap, axis=-1) / var + d * np.log(2 * np.pi * var))


def _log_product(mean: np.ndarray, var: float, tau: float, nu: np.ndarray) -> float:
    """log of the integral of N(s; mean, var I) g(s), s in R^d, where 1 + tau var > 0.

    g is the law N(nu/tau, I/tau) for tau > 0 and exp(-tau |s|^2 / 2 + nu . s) otherwise.
    """
    if tau > 0:
        return float(_isotropic_logpdf(nu / tau - mean, var + 1 / tau))
    grown = 1 + tau * var
    exponent = nu @ mean + 0.5 * var * (nu @ nu) - 0.5 * tau * (mean @ mean)
    return float(exponent / grown - 0.5 * len(mean) * np.log1p(tau * var))
