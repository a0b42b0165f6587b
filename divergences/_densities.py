"""Divergences of continuous and discrete laws: closed form where known, else numbers with an error bound."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import divergences._families  # noqa: F401  fills the registry
from divergences._closed_forms import closed_form
from divergences._estimate import Estimate
from divergences._functionals import Functional, functional
from divergences._laws import _LOG_TINY, Law, as_law
from divergences._quadrature import Integral, integrate, rays
from transport.internal import MagnitudeError

_EPS = float(np.finfo(np.float64).eps)
_ULPS = 8 * _EPS  # relative accuracy granted to a log-density


def evaluate(name: str, p: Any, q: Any, **options: Any) -> float:
    """The functional ``name`` of two distributions, as a float; see `estimate`.

    Raises
    ------
    MagnitudeError
        If the value is finite but larger than any float64.
    """
    found = estimate(name, p, q, **options)
    if found.lower < found.value == math.inf and found.method.endswith("double range"):
        raise MagnitudeError("the divergence is finite but exceeds any float64; renyi holds its logarithm")
    return found.value


def estimate(name: str | Callable, P: Any, Q: Any, **options: Any) -> Estimate:
    """A divergence of two laws or two samples with the interval its true value lies in.

    Parameters
    ----------
    name : str or function
        ``"kl"``, ``"js"``, ``"tv"``, ``"hellinger"``, ``"squared_hellinger"``, ``"chi2"``, ``"renyi"``, ...
        or the function of that name; ``"energy"``, ``"mmd"``, ``"wasserstein"`` for samples.
    P, Q : distribution or array
        Frozen ``scipy.stats`` distributions (old or new infrastructure, discrete, ``multivariate_normal``),
        `Density`, `GaussianMixture`; or two samples, shape (n,) or (n, d).
    **options
        ``alpha`` of ``renyi``; ``rtol``: relative width asked of the interval (default 1e-12; quadrature);
        ``rng``, ``n_samples``, ``confidence`` where sampling is needed. For samples see `estimate_samples`.

    Returns
    -------
    Estimate

    Notes
    -----
    In one dimension: a registered closed form if its rounding error is below ``rtol``; else
    adaptive Gauss-Kronrod quadrature with the conservative error |K21 - G10| plus the effect of rounding in
    the log-densities, bounded by their sensitivities and by how far P and Q integrate from 1. Infinite
    answers are recognised from supports and from tails that are not summable. In higher dimension:
    randomised quasi-Monte Carlo with a Student interval (``confidence`` < 1).

    Raises
    ------
    ValueError
        If a density does not integrate to 1 (missed peak: pass ``breakpoints``), or is NaN somewhere.
    TypeError
        If P or Q is no distribution, or an option is unknown.

    Examples
    --------
    >>> from scipy import stats
    >>> e = estimate("js", stats.norm(0, 1), stats.norm(1, 1))
    >>> e.method, round(e.value, 12)
    ('quadrature', 0.222842964369)
    >>> bool(e.lower <= 0.222842964369472359 <= e.upper)
    True
    """
    label = name if isinstance(name, str) else str(getattr(name, "__name__", name))
    if _is_sample(P) and _is_sample(Q):
        from divergences._samples import estimate_samples

        return estimate_samples(label, P, Q, **options)
    if label == "wasserstein":
        from divergences._continuous_wasserstein import estimate_wasserstein

        return estimate_wasserstein(P, Q, **options)
    law_p, law_q = as_law(P, "P"), as_law(Q, "Q")
    if law_p.kind != law_q.kind or law_p.dim != law_q.dim:
        return _mismatch(label, law_p, law_q, options)
    run = {k: options.pop(k) for k in ("rtol", "rng", "n_samples", "confidence") if k in options}
    what = functional(label, **options)
    if what.name == "kl":  # renyi with alpha = 1
        options = {}
    rtol = float(run.pop("rtol", 1e-12))
    exact = closed_form(what.name, (law_p.family, law_p.params), (law_q.family, law_q.params), **options)
    if exact is not None:
        value = max(0.0, exact[0])
        found = Estimate(value, max(0.0, exact[0] - exact[1]), value + exact[1], "closed form", 0)
        if law_p.kind != "continuous" or exact[1] <= rtol * exact[0] or math.isinf(exact[0]):
            return found
        return _narrower(found, _quadrature(what, law_p, law_q, rtol))
    if law_p.kind == "continuous":
        return _quadrature(what, law_p, law_q, rtol)
    if law_p.kind == "discrete":
        from divergences._summation import sum_discrete

        return sum_discrete(what, law_p, law_q)
    from divergences._vectors import estimate_vectors

    sampled = estimate_vectors(what, law_p, law_q, **run)
    return _within_bracket(what.name, law_p, law_q, sampled)


def _within_bracket(name: str, p: Law, q: Law, sampled: Estimate) -> Estimate:
    """KL and JS of Gaussian mixtures: the sampled value, inside bounds that hold with certainty."""
    if "gaussian_mixture" not in (p.family, q.family):
        return sampled
    from divergences._mixtures import as_mixture, bracket_mixtures

    f, g = as_mixture(p), as_mixture(q)
    if f is None or g is None or name not in ("kl", "js"):
        return sampled
    low, high = bracket_mixtures(name, f, g)
    value = min(max(sampled.value, low), high)
    return Estimate(
        value, low, high, "mixture bracket, value by qmc", sampled.n_evaluations, 1.0, sampled.standard_error
    )


def _is_sample(x: Any) -> bool:
    return isinstance(x, (list, tuple)) or hasattr(x, "__array__") or hasattr(x, "__dlpack__")


def _narrower(a: Estimate, b: Estimate) -> Estimate:
    return a if a.upper - a.lower <= b.upper - b.lower else b


def _mismatch(label: str, p: Law, q: Law, options: dict[str, Any]) -> Estimate:
    """An atom has density zero: a discrete and a continuous law on the line are mutually singular."""
    if p.dim != q.dim or "vector" in (p.kind, q.kind):
        raise ValueError(
            f"P has dimension {p.dim} and Q has dimension {q.dim}; they must live in the same space"
        )
    what = functional(label, **{k: v for k, v in options.items() if k == "alpha"})
    value = _singular(what)
    return Estimate(value, value, value, "mutually singular", 0)


def _singular(what: Functional) -> float:
    infinite = what.singular_p or what.singular_q
    return math.inf if infinite else what.finish(what.largest)


def bracket(
    what: Functional, value: float, error: float, upper: float | None = None
) -> tuple[float, float, float]:
    """(value, lower, upper) of finish(integral), from the integral and its error bound."""
    high = min(what.largest, value + error) if upper is None else upper
    low = min(max(0.0, value - error), what.largest)
    value = min(max(value, low), high)
    done = [what.finish(x) if math.isfinite(x) else math.inf for x in (value, low, high)]
    # the last rounding, of finish itself
    return done[0], done[1] * (1 - 4 * _EPS), done[2] * (1 + 4 * _EPS)


def _infinite(what: Functional, p: Law, q: Law) -> bool:
    """Whether the supports alone make the answer infinite."""
    if what.singular_p and (p.lower < q.lower or p.upper > q.upper):
        return True
    return what.singular_q and (q.lower < p.lower or q.upper > p.upper)


def _quadrature(what: Functional, p: Law, q: Law, rtol: float) -> Estimate:
    if _infinite(what, p, q):
        return Estimate(math.inf, math.inf, math.inf, "supports", 0)
    if p.upper <= q.lower or q.upper <= p.lower:
        value = _singular(what)
        return Estimate(value, value, value, "supports", 0)
    worst = np.zeros(2)  # largest |∂g/∂log p|/p met where P has mass, and the same of Q
    clipped, uncovered = [False], [False]

    def integrand(center: np.ndarray, offset: np.ndarray) -> np.ndarray:
        lp, lq = _clip(p, center, offset), _clip(q, center, offset)
        g, dp, dq = what.parts(lp, lq)
        here = np.abs(offset)
        dens_p, dens_q = np.exp(lp), np.exp(lq)
        for i, (dens, slope) in enumerate(((dens_p, dp), (dens_q, dq))):
            met = dens * here > 1e-13
            if met.any():
                worst[i] = max(worst[i], float(np.max(slope[met] / dens[met])))
        # Density zero here and positive there: an infinite answer, unless -inf is x² overflowing far out.
        near = here < 1e100 * scale
        if what.singular_p and (near & np.isneginf(lq) & (dens_p > 0)).any():
            uncovered[0] = True
        if what.singular_q and (near & np.isneginf(lp) & (dens_q > 0)).any():
            uncovered[0] = True
        # q known only as "below e^-745": the integrand may be larger by an unknown amount
        for law, log_law, other, singular in (
            (q, lq, dens_p, what.singular_p),
            (p, lp, dens_q, what.singular_q),
        ):
            if singular and law.underflows and (other * here)[log_law == _LOG_TINY].sum() > 1e-300:
                clipped[0] = True
        off_p, off_q = (
            _ULPS * (1 + np.where(dens > 0, np.abs(log), 0)) for dens, log in ((dens_p, lp), (dens_q, lq))
        )
        # The first order of a rounded log-density, and the second: all there is where p and q round alike.
        noise = dp * off_p + dq * off_q + dens_p * off_p**2 + dens_q * off_q**2
        rows = [g, dens_p, dens_q, noise, dp, dq]
        return np.stack([*rows, np.sign(dens_p - dens_q)] if what.kinks else rows)

    scale = math.sqrt(p.scale) * math.sqrt(q.scale)
    line = rays(min(p.lower, q.lower), max(p.upper, q.upper), [*p.centers, *q.centers], scale)
    done = integrate(integrand, line, rtol=min(rtol / 4, 1e-13), kinks=what.kinks)
    if uncovered[0]:
        return Estimate(math.inf, math.inf, math.inf, "supports", done.n_evaluations)
    _require_mass(done)
    return _assemble(what, done, worst, clipped[0])


def _clip(law: Law, center: np.ndarray, offset: np.ndarray) -> np.ndarray:
    value = law.log_density(center, offset)
    if not law.underflows:
        return value
    x = center + offset
    return np.where(np.isneginf(value) & (x > law.lower) & (x < law.upper), _LOG_TINY, value)


def _require_mass(done: Integral) -> None:
    if done.tail in ("infinite", "overflow"):
        return
    for k, name in ((1, "P"), (2, "Q")):
        mass, error = float(done.values[k]), float(done.errors[k])
        if abs(mass - 1) > 1e-6 + error:
            raise ValueError(
                f"{name}'s density integrates to {mass:.9g}, not 1: it is not normalised, or mass hides in "
                "a peak the quadrature did not see (pass Density(..., breakpoints=[its position])), or "
                "beside a singularity that floating-point positions cannot approach (shift it to 0)"
            )


def _assemble(what: Functional, done: Integral, worst: np.ndarray, clipped: bool) -> Estimate:
    n = done.n_evaluations
    if done.tail == "infinite":
        return Estimate(math.inf, math.inf, math.inf, "quadrature: divergent tail", n)
    if done.tail == "overflow":
        top = what.finish(1e308)
        return Estimate(math.inf, top, math.inf, "quadrature: beyond the double range", n)
    value, error = float(done.values[0]), float(done.errors[0])
    error += float(done.values[3])
    for k in (0, 1):  # a log-density wrong by a constant, or mass lost next to a singularity
        defect = abs(float(done.values[1 + k]) - 1) + float(done.errors[1 + k])
        error += defect * (float(done.values[4 + k]) + float(worst[k]) * (defect > 1e-12))
    unclear = done.tail == "unclear" or clipped
    v, low, high = bracket(what, value, error, math.inf if unclear else None)
    return Estimate(v, low, high, "quadrature", n)
