"""The optimal discriminator between two laws."""

from __future__ import annotations

from typing import Any

import numpy as np

from divergences._dispatch import is_distribution
from divergences._evaluate import measured
from transport.internal import Array


def optimal_discriminator(p: Any, q: Any, x: Any = None, *, normalize: bool = False) -> Array:
    r"""The best discriminator :math:`D^* = p/(p + q)` of two laws (Goodfellow et al. 2014, Proposition 1).

    Parameters
    ----------
    p, q : array, shape (..., n), or distributions
        Masses of the same n atoms (last axis), or two laws of one kind.
    x : array
        Where to evaluate, for laws only: (n,) on the line, (n, d) in space.
    normalize : bool
        Of arrays, as in `kl`.

    Returns
    -------
    array, shape (..., n) or (n,)
        The probability that a draw at that place came from p, both being equally likely: in [0, 1], and 1/2
        where neither has mass. With it the value of the GAN game is ``js(p, q) - log 4``.

    Raises
    ------
    ValueError, TypeError
        As `kl`; an array and a law, or ``x`` missing or not wanted.

    Notes
    -----
    Of laws by the logistic function of ``log p - log q``: exact where both densities underflow.

    Examples
    --------
    >>> optimal_discriminator([0.5, 0.5, 0.0], [0.0, 0.5, 0.5])
    array([1. , 0.5, 0. ])
    """
    laws = is_distribution(p), is_distribution(q)
    if laws[0] != laws[1]:
        raise TypeError(
            "optimal_discriminator takes two distributions or two arrays of masses, not one of each"
        )
    if not laws[0]:
        if x is not None:
            raise ValueError(
                "x says where to evaluate densities; arrays of masses are known at their atoms: drop x"
            )
        rows, _ = measured(p, q, axis=-1, normalize=normalize)
        xp = rows.xp
        a = rows.p * (rows.scale_p / rows.mass_p)[:, None]
        b = rows.q * (rows.scale_q / rows.mass_q)[:, None]
        total = a + b
        found = xp.where(total > 0, a / xp.where(total > 0, total, xp.ones_like(total)), 0.5 + 0.0 * total)
        return xp.reshape(found, (*rows.shape, a.shape[-1]))
    if x is None:
        raise ValueError("x is missing: of two laws, say where to evaluate, optimal_discriminator(P, Q, x)")
    points = np.asarray(x, dtype=float)
    if not np.isfinite(points).all():
        raise ValueError("x is not finite everywhere; give places on the line or in space")
    # The densities of laws are read by the same rules as in `estimate`.
    return _of_laws(p, q, points)


def _of_laws(P: Any, Q: Any, x: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    logs = []
    for law in (P, Q):
        log = law.logpdf if hasattr(law, "logpdf") else law.logpmf
        with np.errstate(divide="ignore"):
            value = np.asarray(log(x), dtype=float)
        if np.isnan(value).any():
            raise ValueError("a log-density is NaN at one of the points; return -inf where it vanishes")
        logs.append(value)
    neither = np.isneginf(logs[0]) & np.isneginf(logs[1])
    with np.errstate(invalid="ignore"):
        found = expit(np.where(neither, 0.0, logs[0] - logs[1]))
    return np.asarray(found)
