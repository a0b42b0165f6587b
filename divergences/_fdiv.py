"""f-divergences and entropies of arrays of masses, in nats.

Conventions shared by every function here. ``p`` and ``q`` have shape (..., n): masses >= 0 of the same
n atoms along ``axis`` (None: the whole array is one measure); the other axes broadcast and stay. Each
measure must sum to 1 to rounding in its own dtype, ``|sum - 1| <= 4 n eps``, or ``normalize=True`` is
passed; the answer is that of the proportions ``p/sum(p)``, ``q/sum(q)`` of the stored numbers. Frozen
scipy distributions and densities go to `divergences._pipe`. Labelled tables (pandas, polars, xarray)
that carry the same labels in another order are matched by label; different labels are refused. Bad input is
refused with ``ValueError`` (NaN, inf, negative, empty, no mass, unequal lengths) or ``TypeError`` (masked,
complex, object arrays); the answer is never NaN, and infinite only where the mathematics says so.
"""

from __future__ import annotations

from typing import Any

from divergences._dispatch import is_distribution, of_laws
from divergences._evaluate import divergence, measured
from divergences._table import TABLE
from transport.internal import Array, spelled


def _value(name: str, p: Any, q: Any, axis: int | None, normalize: bool) -> Array:
    """The row ``name`` of the table, of arrays or of laws."""
    if is_distribution(p) or is_distribution(q):
        return of_laws(name, p, q)
    row = TABLE[name]
    rows, value = divergence(row.term, p, q, axis=axis, normalize=normalize, upper=row.largest)
    return rows.shaped(row.finish(value, rows.xp))


@spelled
def kl(p: Any, q: Any, *, axis: int | None = -1, normalize: bool = False) -> Array:
    r"""Kullback–Leibler divergence :math:`\sum p \log(p/q)`, in [0, inf].

    Parameters
    ----------
    p, q : array, shape (..., n), or distributions
        Masses of the same atoms; see the conventions in `divergences._fdiv`.
    axis : int or None
        The axis of the atoms; None takes all entries as one measure.
    normalize : bool
        Divide each measure by its total instead of insisting on 1.

    Returns
    -------
    array, shape (...)
        In nats; inf where some ``q = 0 < p``.

    Raises
    ------
    ValueError, TypeError
        For entries or totals that are not those of a measure.

    Notes
    -----
    Summed as :math:`\sum q\,\phi(p/q)`, :math:`\phi(t) = t\log t - t + 1 \ge 0`, with
    :math:`\log(p/q) = 2\,\mathrm{artanh}\frac{p-q}{p+q}` near equality: no term cancels, so a
    divergence of 1e-24 keeps its digits.

    Examples
    --------
    >>> float(kl([0.5, 0.5], [0.25, 0.75]))
    0.14384103622589045
    """
    return _value("kl", p, q, axis, normalize)


@spelled
def js(p: Any, q: Any, *, axis: int | None = -1, normalize: bool = False) -> Array:
    r"""Jensen–Shannon divergence :math:`KL(p\|m) + KL(q\|m)`, :math:`m = (p+q)/2`, in [0, 2 log 2].

    Without the factor ½: the GAN value at the best discriminator is exactly ``js - log 4``. SciPy's
    ``jensenshannon`` is ``sqrt(js/2)``, our `js_distance`. Arguments and errors are those of `kl`.

    Notes
    -----
    Topsøe's capacitory discrimination, with s = p + q and u = \|p - q\|/s:
    :math:`\tfrac12\sum s\,[(1+u)\log(1+u) + (1-u)\log(1-u)]` (JIPAM 2001), by its power series for
    u <= 1/2.

    Examples
    --------
    >>> float(js([1.0, 0.0], [0.0, 1.0]))
    1.3862943611198906
    """
    return _value("js", p, q, axis, normalize)


@spelled
def js_distance(p: Any, q: Any, *, axis: int | None = -1, normalize: bool = False) -> Array:
    r"""The Jensen–Shannon metric :math:`\sqrt{JS/2}`, in [0, sqrt(log 2)]; SciPy's ``jensenshannon``.

    Arguments and errors are those of `kl`.

    Examples
    --------
    >>> float(js_distance([1.0, 0.0], [0.0, 1.0]))
    0.8325546111576977
    """
    return _value("js_distance", p, q, axis, normalize)


@spelled
def tv(p: Any, q: Any, *, axis: int | None = -1, normalize: bool = False) -> Array:
    r"""Total variation :math:`\sup_B |P(B) - Q(B)| = \tfrac12\sum|p - q|`, in [0, 1].

    Arguments and errors are those of `kl`.

    Examples
    --------
    >>> float(tv([0.5, 0.5, 0.0], [0.0, 0.5, 0.5]))
    0.5
    """
    return _value("tv", p, q, axis, normalize)


@spelled
def squared_hellinger(p: Any, q: Any, *, axis: int | None = -1, normalize: bool = False) -> Array:
    r"""Squared Hellinger distance :math:`\tfrac12\sum(\sqrt p - \sqrt q)^2`, in [0, 1].

    Arguments and errors are those of `kl`. Summed as
    :math:`\tfrac12\sum\left(\frac{p-q}{\sqrt p+\sqrt q}\right)^2`, free of cancellation.

    Examples
    --------
    >>> round(float(squared_hellinger([0.5, 0.5], [0.02, 0.98])), 14)
    0.2
    """
    return _value("squared_hellinger", p, q, axis, normalize)


@spelled
def hellinger(p: Any, q: Any, *, axis: int | None = -1, normalize: bool = False) -> Array:
    r"""Hellinger distance :math:`\sqrt{\tfrac12\sum(\sqrt p - \sqrt q)^2}`, in [0, 1].

    Arguments and errors are those of `kl`.

    Examples
    --------
    >>> float(hellinger([1.0, 0.0], [0.0, 1.0]))
    1.0
    """
    return _value("hellinger", p, q, axis, normalize)


@spelled
def jeffreys(p: Any, q: Any, *, axis: int | None = -1, normalize: bool = False) -> Array:
    r"""Jeffreys' divergence :math:`KL(p\|q) + KL(q\|p) = \sum (p-q)\log(p/q)`, in [0, inf].

    Arguments and errors are those of `kl`; infinite unless both measures have the same support.

    Examples
    --------
    >>> round(float(jeffreys([0.5, 0.5], [0.25, 0.75])), 14)
    0.27465307216703
    """
    return _value("jeffreys", p, q, axis, normalize)


@spelled
def cross_entropy(p: Any, q: Any, *, axis: int | None = -1, normalize: bool = False) -> Array:
    r"""Cross-entropy :math:`-\sum p\log q = H(p) + KL(p\|q)`, in [0, inf].

    Arguments and errors are those of `kl`. Of densities it is :math:`-\int p\log q`, of any sign or infinite.

    Examples
    --------
    >>> float(cross_entropy([0.5, 0.5], [0.25, 0.75]))
    0.8369882167858358
    """
    if is_distribution(p) or is_distribution(q):
        return of_laws("cross_entropy", p, q)
    rows, _ = measured(p, q, axis=axis, normalize=normalize)
    sums = rows.scan("surprise", level=False, high=rows.mass_q, low=rows.low_q)
    return rows.shaped((sums[:, 0] + sums[:, 1]) / rows.mass_p)


@spelled
def entropy(p: Any, *, axis: int | None = -1, normalize: bool = False) -> Array:
    r"""Shannon entropy :math:`-\sum p\log p`, in [0, log n].

    Arguments and errors are those of `kl`. Of a density it is the differential entropy
    :math:`-\int p\log p`, of any sign, by quadrature with an interval.
    ``kl(p, q) = cross_entropy(p, q) - entropy(p)`` to rounding.

    Notes
    -----
    :math:`\sum p\log(1/p)` with :math:`1 - p` taken from the total at twice the working precision, so
    that nearly certain laws keep their digits.

    Examples
    --------
    >>> float(entropy([0.5, 0.5]))
    0.6931471805599453
    """
    if is_distribution(p):
        return of_laws("entropy", p, p)
    rows, _ = measured(p, p, axis=axis, normalize=normalize)
    sums = rows.scan("surprise", level=False, high=rows.mass_p, low=rows.low_p)
    return rows.shaped((sums[:, 0] + sums[:, 1]) / rows.mass_p)
