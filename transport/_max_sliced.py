"""The largest projected Wasserstein distance over all directions, by ascent from several starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from transport._directions import directions as _directions
from transport._sliced import Pair, _exponent, as_pair, projected_distances, pull, uniform
from transport.internal import check_count

_TRIED = 8  # random directions looked at for every start taken from them


@dataclass(frozen=True, eq=False)
class MaxSliced:
    """The best direction found and the distance along it.

    Attributes
    ----------
    value : float
        W_p of the projections on ``direction``: a lower bound of the maximum over all directions, and so of
        W_p in space.
    direction : array, shape (d,)
        A unit vector.
    starts : array, shape (k,)
        Where the ascent from each start ended, best first: values that agree speak for the maximum.
    """

    value: float
    direction: np.ndarray
    starts: np.ndarray

    def __float__(self) -> float:
        return self.value

    def __repr__(self) -> str:
        return f"MaxSliced({self.value:.12g}, a lower bound; {len(self.starts)} starts)"


def max_sliced_wasserstein(
    x: Any,
    y: Any,
    *,
    a: Any = None,
    b: Any = None,
    p: float = 2.0,
    n_starts: int = 8,
    rng: Any = 0,
    normalize: bool = False,
) -> MaxSliced:
    r"""A lower bound of :math:`\max_\theta W_p(\theta\cdot x, \theta\cdot y)` over unit vectors.

    Parameters
    ----------
    x, y, a, b, p, rng, normalize
        As in `sliced_wasserstein`.
    n_starts : int
        Random starts (the best of 8 times as many directions), besides the difference of the means and the
        principal axes along which the second moments differ most.

    Returns
    -------
    MaxSliced
        The problem is not concave: the value is a lower bound of the maximum, never claimed to be it.

    Raises
    ------
    ValueError, TypeError
        As `sliced_wasserstein`; n_starts < 1.

    Notes
    -----
    Deshpande et al. (CVPR 2019). L-BFGS on v -> W_p^p(v·x, v·y) / |v|^p, whose gradient at a fixed monotone
    coupling is exact wherever the coupling is unique.

    Examples
    --------
    >>> import transport as tp
    >>> found = tp.max_sliced_wasserstein([[0.0, 0.0]], [[3.0, 4.0]])
    >>> round(found.value, 9), [round(abs(t), 6) for t in found.direction.tolist()]
    (5.0, [0.6, 0.8])
    """
    p = _exponent(p)
    pair = as_pair(x, y, a, b, normalize=normalize)
    count = check_count(n_starts, "n_starts")
    dim = pair.x.shape[1]
    frame = _Ascent(pair, p)
    if dim == 1:
        best, values = np.ones(1), np.zeros(1)
    else:
        tried = _directions("independent", _TRIED * count, dim, rng).vectors
        order = np.argsort(-projected_distances(pair, tried, p), kind="stable")
        ends = np.array([frame.climb(start) for start in [*frame.special(), *tried[order[:count]]]])
        values = projected_distances(pair, ends, p)
        ends, values = ends[np.argsort(-values, kind="stable")], -np.sort(-values)
        best = ends[0]
    value = float(projected_distances(pair, best[None], p)[0]) / pair.scale
    return MaxSliced(value, best, values / pair.scale if dim > 1 else np.array([value]))


class _Ascent:
    """The objective in the frame's coordinates, with its gradient."""

    def __init__(self, pair: Pair, p: float) -> None:
        self.p = p
        self.x, self.y = (z * pair.scale - pair.centre for z in (pair.x, pair.y))
        self.a, self.b = uniform(pair)
        self.pair = pair

    def special(self) -> list[np.ndarray]:
        """The difference of the means, and the axes along which second moments differ most."""
        shift = self.a @ self.x - self.b @ self.y
        found = [shift / np.linalg.norm(shift)] if np.any(shift) else []
        if self.x.shape[1] <= 512:
            left, right = (
                (z - w @ z).T @ (w[:, None] * (z - w @ z)) for z, w in ((self.x, self.a), (self.y, self.b))
            )
            values, vectors = np.linalg.eigh(left - right)
            most = np.argsort(-np.abs(values), kind="stable")[:2]
            found += [vectors[:, k] for k in most]
        return found

    def climb(self, start: np.ndarray) -> np.ndarray:
        """The unit vector at which the ascent from ``start`` ends."""
        from scipy.optimize import minimize

        size = max(-self.value(start)[0], 2.0**-900)
        answer = minimize(
            lambda v: tuple(part / size for part in self.value(v)),
            start,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 200, "ftol": 1e-14, "gtol": 1e-9},
        )
        end = answer.x / np.linalg.norm(answer.x)
        return end if np.all(np.isfinite(end)) else start

    def value(self, v: np.ndarray) -> tuple[float, np.ndarray]:
        """-W_p^p(u·x, u·y) at u = v/|v|, and its derivative in v."""
        length = float(np.linalg.norm(v))
        u = v / length
        cost, by_x, by_y = pull(self.pair, u, (self.a, self.b), self.p, 1.0)
        slope = by_x @ self.x + by_y @ self.y
        return -cost, -(slope - (slope @ u) * u) / length
