"""Divergences of continuous and discrete laws: closed form where known, else numbers with an error bound."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import divergences._families  # noqa: F401  fills the registry
from divergences._atoms import sample_wasserstein
from divergences._brackets import BEYOND, checked, singular
from divergences._closed_forms import closed_form
from divergences._continuous_wasserstein import estimate_wasserstein
from divergences._entropies import cross_entropy_of_laws
from divergences._estimate import Estimate
from divergences._functionals import Functional, functional
from divergences._laws import Law, as_law
from divergences._line import integrate_line
from divergences._mixtures import as_mixture, bracket_mixtures
from divergences._samples import estimate_samples
from divergences._summation import sum_discrete
from divergences._vectors import estimate_vectors, reduced, singular_vectors
from transport.internal import (
    ConvergenceError,
    MagnitudeError,
    as_points,
    as_weights,
    namespace,
    refuse_law,
    to_numpy,
)

_EPS = float(np.finfo(np.float64).eps)
_SMALL = 1e-12  # a divergence of nearly equal laws is known to rounding of their log-densities only


def evaluate(name: str, p: Any, q: Any, **options: Any) -> float:
    """The functional ``name`` of two distributions, as a float; see `estimate`.

    Raises
    ------
    MagnitudeError
        If the value is finite but larger than any float64.
    """
    found = estimate(name, p, q, **options)
    if found.lower < found.value == math.inf and found.method.endswith(BEYOND):
        raise MagnitudeError("the divergence is finite but exceeds any float64; renyi holds its logarithm")
    return decided(name, found)


def decided(name: str, found: Estimate) -> float:
    """The value of an estimate that decides it: its interval is narrow, or only a confidence is claimed.

    Raises
    ------
    ConvergenceError
        If the interval is wider than 1e-6 of the value; it is in the message and in the error.
    """
    width = found.upper - found.lower if found.lower < found.upper else 0.0
    bracketed = found.confidence == 1.0 and found.standard_error == 0.0
    if bracketed and width > max(1e-6 * abs(found.value), _SMALL):
        error = ConvergenceError(
            f"{name} is only known to lie in [{found.lower:.9g}, {found.upper:.9g}] ({found.method}): a "
            "tail or a "
            f"singularity is not resolved. Take the interval from estimate({name!r}, P, Q), or give the "
            "law as "
            "Density(logpdf, support, breakpoints=...) with a log-density that does not underflow and "
            "singular "
            "ends at 0"
        )
        error.lower_bound, error.upper_bound = found.lower, found.upper
        raise error
    return found.value


def estimate(name: str | Callable, P: Any, Q: Any, **options: Any) -> Estimate:
    """A divergence of two laws or two samples with the interval its true value lies in.

    Parameters
    ----------
    name : str or function
        ``"kl"``, ``"js"``, ``"tv"``, ``"hellinger"``, ``"squared_hellinger"``, ``"chi2"``, ``"renyi"``, ...
        or the function of that name; ``"wasserstein"`` also between a sample and a law on the line;
        ``"energy"``, ``"mmd"`` for samples.
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
    for law, argument in ((P, "P"), (Q, "Q")):
        refuse_law(law, argument)
    if _is_sample(P) and _is_sample(Q):
        return estimate_samples(label, P, Q, **options)
    if _is_sample(P) or _is_sample(Q):
        return _sample_and_law(label, P, Q, **options)
    if label == "wasserstein":
        return estimate_wasserstein(P, Q, **options)
    law_p, law_q = as_law(P, "P"), as_law(Q, "Q")
    run: dict[str, Any] = {
        k: options.pop(k) for k in ("rtol", "rng", "n_samples", "confidence") if k in options
    }
    if label in ("entropy", "cross_entropy"):
        return cross_entropy_of_laws(law_p, law_p if Q is P else law_q)
    what = functional(label, **options)
    options = {k: v for k, v in options.items() if what.name in ("renyi", "alpha")}  # renyi at 1 is kl
    found = _by_supports(what, law_p, law_q)
    if found is None:
        found = _by_formula(what, law_p, law_q, options, float(run.get("rtol", 1e-12)))
    if found is None:
        found = _computed(what, law_p, law_q, run)
    return checked(what.name, found)


def _sample_and_law(label: str, P: Any, Q: Any, *, p: float = 1.0, weights: Any = None) -> Estimate:
    """W_p on the line between the measure of a sample and a law; other functionals have no such value."""
    x, law = (P, as_law(Q, "Q")) if _is_sample(P) else (Q, as_law(P, "P"))
    if label != "wasserstein":
        raise ValueError(
            f"{label} of a sample and a law: a sample is a sum of atoms, which a density gives no mass, "
            "so that every "
            "f-divergence takes the largest value it has. Compare samples: estimate("
            f"{label!r}, x, law.rvs(n, random_state=rng)); or counts with masses: {label}(counts, "
            "law.pmf(values), "
            "normalize=True); or take wasserstein(x, law)"
        )
    points = as_points(to_numpy(x), "x", xp=namespace(np.empty(0)))
    if points.shape[1] != 1 or law.kind == "vector":
        raise ValueError(
            f"wasserstein between a sample in dimension {points.shape[1]} and a law in dimension "
            f"{law.dim} is "
            "computed on the line only; draw a sample of the law, or take transport.semidiscrete for a "
            "PixelDensity"
        )
    size = len(points)
    w = np.full(size, 1 / size) if weights is None else as_weights(weights, "a", xp=np, size=size)
    return sample_wasserstein(points[:, 0], np.asarray(w, dtype=float), law, p)


def _by_supports(what: Functional, p: Law, q: Law) -> Estimate | None:
    """What the kinds and the dimensions of the supports decide."""
    if p.dim != q.dim or ("vector" in (p.kind, q.kind) and p.kind != q.kind):
        raise ValueError(
            f"P has dimension {p.dim} and Q has dimension {q.dim}; they must live in the same space"
        )
    if p.kind != q.kind:  # an atom has density zero
        return singular(what, "mutually singular: atoms against a density")
    if p.kind == "vector":
        return singular_vectors(what, p, q)
    if p.lattice is not None and q.lattice is not None:
        gap = p.lattice - q.lattice
        if abs(gap - round(gap)) > 4 * _EPS * (abs(p.lattice) + abs(q.lattice)):
            return singular(what, "mutually singular: shifted lattices")
    return None


def _by_formula(what: Functional, p: Law, q: Law, options: dict[str, Any], rtol: float) -> Estimate | None:
    if p.genuine and q.genuine and p.family == q.family and _same(p.params, q.params):
        return Estimate(0.0, 0.0, 0.0, "closed form: equal laws", 0)
    p, q = reduced(p, q)
    exact = closed_form(what.name, (p.family, p.params), (q.family, q.params), **options)
    if exact is None:
        return None
    value = max(0.0, exact[0])
    found = Estimate(value, max(0.0, exact[0] - exact[1]), value + exact[1], "closed form", 0)
    if p.kind != "continuous" or exact[1] <= rtol * exact[0] or math.isinf(exact[0]):
        return found
    return _narrower(found, integrate_line(what, p, q, rtol))


def _same(a: Any, b: Any) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def _computed(what: Functional, p: Law, q: Law, run: dict[str, Any]) -> Estimate:
    rtol = float(run.pop("rtol", 1e-12))
    if p.kind == "continuous":
        return integrate_line(what, p, q, rtol)
    if p.kind == "discrete":
        return sum_discrete(what, p, q)
    p, q = reduced(p, q)
    return _within_bracket(what.name, p, q, estimate_vectors(what, p, q, **run))


def _within_bracket(name: str, p: Law, q: Law, sampled: Estimate) -> Estimate:
    """KL and JS of Gaussian mixtures: the sampled value, inside bounds that hold with certainty."""
    if "gaussian_mixture" not in (p.family, q.family):
        return sampled
    f, g = as_mixture(p), as_mixture(q)
    if f is None or g is None or name not in ("kl", "js"):
        return sampled
    low, high = bracket_mixtures(name, f, g)
    value = min(max(sampled.value, low), high)
    return Estimate(
        value, low, high, "mixture bracket, value by qmc", sampled.n_evaluations, 1.0, sampled.standard_error
    )


def entropies(name: str, P: Any, Q: Any) -> float:
    """Entropy of P (Q is P) or cross-entropy of P and Q, as a float."""
    if _is_sample(P) or _is_sample(Q):
        raise TypeError(f"{name} takes two distributions or two arrays of masses, not one of each")
    law = as_law(P, "P")
    return decided(name, cross_entropy_of_laws(law, law if Q is P else as_law(Q, "Q")))


def _is_sample(x: Any) -> bool:
    return isinstance(x, (list, tuple)) or hasattr(x, "__array__") or hasattr(x, "__dlpack__")


def _narrower(a: Estimate, b: Estimate) -> Estimate:
    return a if a.upper - a.lower <= b.upper - b.lower else b
