"""The way of two laws to an `Estimate`: a pipe with one visit to each room.

1. `_recognise`: what is given becomes two `Law` objects.
2. `_supports`: circles cut open, flats reduced, singular parts decided.
3. `_closed_forms`, or else `_line` (quadrature), `_summation` or `_vectors` (sampling).
4. `_brackets`: the interval is assembled and checked.

Samples and Wasserstein distances leave the pipe at the door: `_samples`, `_atoms`, `_continuous_wasserstein`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import divergences._families  # noqa: F401  fills the registry
from divergences._atoms import sample_wasserstein
from divergences._brackets import BEYOND, Measured, assembled, checked
from divergences._closed_forms import closed_form
from divergences._continuous_wasserstein import estimate_wasserstein
from divergences._entropies import cross_entropy_of_laws
from divergences._estimate import Estimate
from divergences._functionals import Functional
from divergences._laws import Law
from divergences._line import integrate_line
from divergences._mixtures import as_mixture, bracket_mixtures
from divergences._recognise import as_law, is_sample
from divergences._samples import estimate_samples
from divergences._summation import sum_discrete
from divergences._supports import decide
from divergences._table import functional
from divergences._vectors import estimate_vectors
from transport.internal import (
    ConvergenceError,
    MagnitudeError,
    as_points,
    as_weights,
    namespace,
    refuse_law,
    to_numpy,
)

_SMALL = 1e-12  # a divergence of nearly equal laws is known to rounding of their log-densities only


def evaluate(name: str, P: Any, Q: Any, **options: Any) -> float:
    """The functional ``name`` of two distributions, as a float; see `estimate`.

    Raises
    ------
    MagnitudeError
        If the value is finite but larger than any float64.
    """
    if name in ("entropy", "cross_entropy") and (is_sample(P) or is_sample(Q)):
        raise TypeError(f"{name} takes two distributions or two arrays of masses, not one of each")
    found = estimate(name, P, Q, **options)
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
            f"{name} is only known to lie in [{found.lower:.9g}, {found.upper:.9g}] ({found.method}): a tail "
            f"or a singularity is not resolved. Take the interval from estimate({name!r}, P, Q), or give the "
            "law as Density(logpdf, support, breakpoints=...) with a log-density that does not underflow and "
            "singular ends at 0"
        )
        error.lower_bound, error.upper_bound = found.lower, found.upper
        raise error
    return found.value


def estimate(
    name: str | Callable,
    P: Any,
    Q: Any,
    *,
    alpha: float | None = None,
    p: float | None = None,
    rtol: float | None = None,
    rng: int | np.random.Generator | None = None,
    n_samples: int | None = None,
    confidence: float | None = None,
    weights: Any = None,
    k: int | None = None,
    groups: int | None = None,
    permutations: int | None = None,
    bandwidth: Any = None,
    kernel: str | None = None,
    method: str | None = None,
    diameter: float | None = None,
    bootstrap: int | None = None,
    n_projections: int | None = None,
    directions: Any = None,
) -> Estimate:
    """A divergence of two laws or two samples with the interval its true value lies in.

    Parameters
    ----------
    name : str or function
        Of laws: ``"kl"``, ``"js"``, ``"js_distance"``, ``"tv"``, ``"hellinger"``, ``"squared_hellinger"``,
        ``"bhattacharyya"``, ``"chi2"``, ``"jeffreys"``, ``"alpha"``, ``"renyi"``, ``"entropy"``,
        ``"cross_entropy"``, ``"wasserstein"`` (also between a sample and a law on the line). Of samples:
        ``"kl"``, ``"energy"``, ``"mmd"``, ``"wasserstein"``, ``"sliced_wasserstein"``. Or the function of
        that name.
    P, Q : distribution or array
        Frozen ``scipy.stats`` distributions (old or new infrastructure, discrete, ``multivariate_normal``),
        `Density`, `GaussianMixture`; or two samples, shape (n,) or (n, d).
    alpha : float
        Order of ``alpha`` and ``renyi`` (of which 2 is the default).
    p : float, default 1
        Order of ``wasserstein``; 2 by default for ``sliced_wasserstein``.
    rtol : float, default 1e-12
        Relative width asked of the interval, where there is a quadrature.
    rng : seed or Generator, default 0
        Where something is drawn: laws in space, permutations, halves of samples, directions.
    n_samples : int, default 65536
        Points of the quasi-Monte Carlo sum for laws in space.
    confidence : float
        Of the interval: 0.99 by default for laws in space, 0.95 for samples.
    weights : array, shape (n,)
        Of the sample, in ``wasserstein`` between a sample and a law.
    k, groups : int, default 5 and 10
        Neighbours, and groups of the jackknife (``kl`` of samples).
    permutations : int, default 0
        Random relabellings for a p-value of P = Q (``energy``, ``mmd``).
    bandwidth : float, list of float or "ladder"
        Of the Gaussian kernel (``mmd``); the median distance by default. See `mmd`.
    kernel : {"gaussian", "polynomial"}
        Of ``mmd``.
    method : {"exact", "linear"}
        Quadratic or linear time (``mmd``).
    diameter : float
        A bound on the diameter of both supports (``wasserstein`` of samples); else the observed one.
    bootstrap : int, default 0
        Resamplings for an asymptotic interval of ``wasserstein`` of samples, in place of the worst case.
    n_projections, directions
        As in `transport.sliced_wasserstein` (``sliced_wasserstein``).

    Returns
    -------
    Estimate

    Raises
    ------
    ValueError
        If a density does not integrate to 1 (missed peak: pass ``breakpoints``), or is NaN somewhere.
    TypeError
        If P or Q is no distribution, or an option is not one of this divergence.

    Notes
    -----
    In one dimension: a registered closed form if its rounding error is below ``rtol``; else
    adaptive Gauss-Kronrod quadrature with the conservative error |K21 - G10| plus the effect of rounding in
    the log-densities, bounded by their sensitivities and by how far P and Q integrate from 1. Infinite
    answers are recognised from supports and from tails that are not summable. In higher dimension:
    randomised quasi-Monte Carlo with a Student interval (``confidence`` < 1).

    Examples
    --------
    >>> from scipy import stats
    >>> e = estimate("js", stats.norm(0, 1), stats.norm(1, 1))
    >>> e.method, round(e.value, 12)
    ('quadrature', 0.222842964369)
    >>> bool(e.lower <= 0.222842964369472359 <= e.upper)
    True
    """
    given = locals().copy()
    options = {key: value for key, value in list(given.items())[3:] if value is not None}
    label = name if isinstance(name, str) else str(getattr(name, "__name__", name))
    for law, argument in ((P, "P"), (Q, "Q")):
        refuse_law(law, argument)
    if is_sample(P) and is_sample(Q):
        return estimate_samples(label, P, Q, **options)
    if is_sample(P) or is_sample(Q):
        return _sample_and_law(label, P, Q, **_only(label, options, "p", "weights"))
    if label == "wasserstein":
        return estimate_wasserstein(P, Q, **_only(label, options, "p", "rtol"))
    return _of_laws(label, P, Q, options)


_RUN = ("rtol", "rng", "n_samples", "confidence")


def _only(label: str, options: dict[str, Any], *known: str) -> dict[str, Any]:
    """``options``, if all are ``known``."""
    unknown = sorted(options.keys() - set(known))
    if unknown:
        raise TypeError(
            f"{label} takes no option {', '.join(unknown)} here; it takes {', '.join(known) or 'none'}"
        )
    return options


def _of_laws(label: str, P: Any, Q: Any, options: dict[str, Any]) -> Estimate:
    """The pipe."""
    p, q = as_law(P, "P"), as_law(Q, "Q")
    run = {k: v for k, v in options.items() if k in _RUN}
    if label in ("entropy", "cross_entropy"):
        _only(label, options, *_RUN)
        return cross_entropy_of_laws(p, p if Q is P else q)
    what = functional(label, **{k: v for k, v in options.items() if k not in run})
    order = {k: v for k, v in options.items() if k == "alpha" and what.name != "kl"}  # renyi at 1 is kl
    rtol = float(run.pop("rtol", 1e-12))
    p, q, found = decide(what, p, q)
    if found is None:
        found = _by_formula(what, p, q, order)
    if found is None or _is_coarse(found, p, rtol):
        found = _narrower(found, _computed(what, p, q, rtol, run))
    return checked(what.name, found)


def _by_formula(what: Functional, p: Law, q: Law, order: dict[str, float]) -> Estimate | None:
    if p.genuine and q.genuine and p.family == q.family and _same(p.params, q.params):
        return Estimate(0.0, 0.0, 0.0, "closed form: equal laws", 0)
    exact = closed_form(what.name, (p.family, p.params), (q.family, q.params), **order)
    if exact is None:
        return None
    value, error = exact
    return Estimate(max(0.0, value), max(0.0, value - error), max(0.0, value) + error, "closed form", 0)


def _same(a: Any, b: Any) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def _is_coarse(found: Estimate, p: Law, rtol: float) -> bool:
    """Whether a quadrature may know the value better than a formula that cancels."""
    formula = found.method == "closed form" and p.kind == "continuous" and math.isfinite(found.value)
    return formula and found.upper - found.value > rtol * found.value


def _narrower(a: Estimate | None, b: Estimate) -> Estimate:
    return a if a is not None and a.upper - a.lower <= b.upper - b.lower else b


def _computed(what: Functional, p: Law, q: Law, rtol: float, run: dict[str, Any]) -> Estimate:
    found: Measured | Estimate
    if p.kind == "continuous":
        found = integrate_line(what, p, q, rtol)
    elif p.kind == "discrete":
        found = sum_discrete(what, p, q)
    else:
        found = _within_bracket(what.name, p, q, estimate_vectors(what, p, q, **run))
    return assembled(found)


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


def _sample_and_law(label: str, P: Any, Q: Any, *, p: float = 1.0, weights: Any = None) -> Estimate:
    """W_p on the line between the measure of a sample and a law; other functionals have no such value."""
    x, law = (P, as_law(Q, "Q")) if is_sample(P) else (Q, as_law(P, "P"))
    if label != "wasserstein":
        raise ValueError(
            f"{label} of a sample and a law: a sample is a sum of atoms, which a density gives no mass, so "
            "that every f-divergence takes the largest value it has. Compare samples: estimate("
            f"{label!r}, x, law.rvs(n, random_state=rng)); or counts with masses: {label}(counts, "
            "law.pmf(values), normalize=True); or take wasserstein(x, law)"
        )
    points = as_points(to_numpy(x), "x", xp=namespace(np.empty(0)))
    if points.shape[1] != 1 or law.kind == "vector":
        raise ValueError(
            f"wasserstein between a sample in dimension {points.shape[1]} and a law in dimension {law.dim} "
            "is computed on the line only; draw a sample of the law, or take transport.semidiscrete for a "
            "PixelDensity"
        )
    size = len(points)
    w = np.full(size, 1 / size) if weights is None else as_weights(weights, "a", xp=np, size=size)
    return sample_wasserstein(points[:, 0], np.asarray(w, dtype=float), law, p)
