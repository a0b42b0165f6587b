"""The Jensen-Shannon divergence of any number of measures with weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from divergences._brackets import assembled
from divergences._dispatch import is_distribution
from divergences._fdiv import kl
from divergences._functionals import Functional
from divergences._laws import Law
from divergences._line import integrate_line
from divergences._recognise import as_law
from divergences._summation import sum_discrete
from divergences._table import functional
from transport.internal import as_float64, namespace


def jensen_shannon(
    measures: Sequence[Any],
    *,
    weights: Any = None,
    axis: int = -1,
    normalize: bool = False,
) -> Any:
    r"""Jensen-Shannon divergence :math:`\sum_i w_i KL(P_i\|M)`, :math:`M = \sum_i w_i P_i`, of many laws.

    It is the entropy of the mixture less the mean entropy, in [0, entropy of the weights]. Of two measures
    with equal weights it is half of `js`, which has no factor 1/2.

    Parameters
    ----------
    measures : sequence of k arrays of shape (..., n), or of k distributions on the line
        All arrays or all distributions.
    weights : array, shape (k,), optional
        Non-negative, summing to 1; equal by default.
    axis, normalize
        Of arrays, as in `kl`.

    Returns
    -------
    array, shape (...), or float
        In nats.

    Raises
    ------
    ValueError, TypeError
        For weights or measures that are none; for laws in space, and lattices shifted against one another.

    Notes
    -----
    Lin, Divergence measures based on the Shannon entropy (1991). Discrete and continuous laws are mutually
    singular, so that the weights' entropy between the two groups adds to the divergences within them.

    Examples
    --------
    >>> round(float(jensen_shannon([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]])), 12)
    1.098612288668
    >>> from scipy import stats
    >>> round(jensen_shannon([stats.norm(m) for m in (-1, 0, 1)], weights=[0.25, 0.5, 0.25]), 10)
    0.2024430965
    """
    items = list(measures)
    if not items:
        raise ValueError("measures is empty; pass at least one array or distribution")
    w = np.full(len(items), 1 / len(items)) if weights is None else np.asarray(weights, dtype=float)
    if w.shape != (len(items),) or not (w >= 0).all() or not abs(w.sum() - 1) <= 1e-12 * len(w):
        raise ValueError(f"weights = {weights!r}; pass {len(items)} non-negative numbers that sum to 1")
    kinds = {is_distribution(m) for m in items}
    if len(kinds) > 1:
        raise TypeError("measures holds arrays and distributions; pass all of one kind")
    if kinds == {True}:
        if normalize:
            raise TypeError("normalize is for arrays; distributions are normalised")
        return _of_laws([as_law(m, f"measures[{i}]") for i, m in enumerate(items)], w / w.sum())
    return _of_arrays(items, w / w.sum(), axis, normalize)


def _of_arrays(items: list[Any], w: np.ndarray, axis: int, normalize: bool) -> Any:
    xp = namespace(*items)
    arrays = [as_float64(m, f"measures[{i}]", xp=xp)[0] for i, m in enumerate(items)]
    for p in arrays:
        kl(p, p, axis=axis, normalize=normalize)  # every check of a measure
    arrays = [p / xp.sum(p, axis=axis, keepdims=True) for p in arrays]
    middle: Any = sum(float(v) * p for v, p in zip(w, arrays))
    total: Any = 0.0
    for v, p in zip(w, arrays):
        if v > 0:
            part: Any = kl(p, middle, axis=axis, normalize=True)
            total = total + float(v) * part
    return total


def _of_laws(laws: list[Law], w: np.ndarray) -> float:
    kept = [(law, float(v)) for law, v in zip(laws, w) if v > 0]
    if any(law.kind == "vector" for law, _ in kept):
        raise ValueError(
            "jensen_shannon of laws is computed on the line; in space pass two at a time to js, or "
            "arrays of masses"
        )
    if any(law.period is not None for law, _ in kept):
        raise ValueError(
            "jensen_shannon of laws is computed on the line; pass scipy.stats.vonmises_line for circles"
        )
    total = 0.0
    for kind in ("continuous", "discrete"):
        group = [(law, v) for law, v in kept if law.kind == kind]
        share = math.fsum(v for _, v in group)
        if group:
            total += share * _within([law for law, _ in group], [v / share for _, v in group])
            total -= share * math.log(share)
    return max(0.0, total)


def _within(laws: list[Law], w: list[float]) -> float:
    if len(laws) == 1:
        return 0.0
    middle = mixture(laws, w)
    total = 0.0
    compute: Callable[..., Any] = sum_discrete if laws[0].kind == "discrete" else _quadrature
    for law, v in zip(laws, w):
        # KL(P_i | M) <= -log w_i: no tail makes it infinite
        part = Functional("kl to a mixture", functional("kl").parts, lambda x: x, largest=-math.log(v))
        total += v * assembled(compute(part, law, middle)).value
    return total


def _quadrature(what: Functional, p: Law, q: Law) -> Any:
    return integrate_line(what, p, q, 1e-12)


def mixture(laws: list[Law], w: list[float]) -> Law:
    """The mixture of laws of one kind on the line."""
    lattices = [law.lattice for law in laws if law.lattice is not None]
    if lattices and any(abs((v - lattices[0]) - round(v - lattices[0])) > 1e-9 for v in lattices):
        raise ValueError(
            "the discrete laws live on shifted lattices, mutually singular; give them one loc modulo 1"
        )

    def log_density(*where: np.ndarray) -> np.ndarray:
        parts = [math.log(v) + law.log_density(*where) for law, v in zip(laws, w)]
        return np.asarray(np.logaddexp.reduce(np.stack(parts), axis=0))

    listed = [law.atoms for law in laws if law.atoms is not None]
    ends = [e for law in laws for e in (law.lower, law.upper) if math.isfinite(e)]
    centers = tuple(c for law in laws for c in law.centers)
    lower, upper = min(law.lower for law in laws), max(law.upper for law in laws)
    return replace(
        laws[0],
        family="",
        genuine=False,
        quantiles=None,
        params={},
        log_density=log_density,
        lower=lower,
        upper=upper,
        known_lower=min(law.known_lower for law in laws),
        known_upper=max(law.known_upper for law in laws),
        centers=(*centers, *(e for e in ends if lower < e < upper))
        if laws[0].kind == "continuous"
        else centers,
        scale=math.exp(math.fsum(v * math.log(law.scale) for law, v in zip(laws, w))),
        underflows=any(law.underflows for law in laws),
        rounded=any(law.rounded for law in laws),
        grain=max(law.grain for law in laws),
        atoms=np.unique(np.concatenate(listed)) if listed else None,
        lattice=lattices[0] if lattices else None,
        name="the mixture",
    )
