"""The sliced Wasserstein distance on a sphere: the mean over its great circles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from transport._directions import _rotation
from transport._sliced import Pair, _exponent, _in_waves, as_pair
from transport.internal import check_count, namespace, thread_count


def spherical_sliced_wasserstein(
    x: Any,
    y: Any,
    *,
    a: Any = None,
    b: Any = None,
    p: float = 2.0,
    n_projections: int = 256,
    rng: Any = 0,
    normalize: bool = False,
) -> float:
    r"""Sliced Wasserstein distance of measures on the unit sphere, in radians.

    Parameters
    ----------
    x, y : array, shape (n, d) and (m, d), d >= 2
        Unit vectors.
    a, b, p, rng, normalize
        As in `sliced_wasserstein`.
    n_projections : int
        Great circles drawn, uniformly.

    Returns
    -------
    float
        :math:`(\mathrm{mean}_U\, W_p^p(P_U x, P_U y))^{1/p}` over planes U, where :math:`P_U` takes a point
        to the nearest point of the great circle in U and :math:`W_p` is that of arc length. In d = 2 exactly
        `wasserstein_circle`.

    Raises
    ------
    ValueError
        As `sliced_wasserstein`; also for points off the sphere by more than 1e-6, and d = 1.

    Notes
    -----
    Bonet, Berg, Courty, Septier, Drumetz, Pham (ICLR 2023); they measure circles of length 1: multiply by
    1/(2 pi) for theirs.

    Examples
    --------
    >>> import transport as tp
    >>> tp.spherical_sliced_wasserstein([[1.0, 0.0]], [[0.0, 1.0]]) * 2
    3.141592653589793
    """
    p = _exponent(p)
    pair = as_pair(x, y, a, b, normalize=normalize)
    count = check_count(n_projections, "n_projections")
    dim = pair.x.shape[1]
    if dim < 2:
        raise ValueError("points on a sphere need dimension 2 or more; see wasserstein_1d for the line")
    for name, points in (("x", pair.x), ("y", pair.y)):
        off = np.abs(np.linalg.norm(points, axis=1) - 1.0)
        if not float(off.max()) <= 1e-6:
            row = int(np.argmax(off))
            raise ValueError(
                f"{name}[{row}] has length {1 + off[row]:.6g} or {1 - off[row]:.6g}, not 1; "
                f"divide {name} by its norms"
            )
    generator = np.random.default_rng(rng)
    planes = [np.eye(2)] if dim == 2 else [_rotation(dim, generator, 2) for _ in range(count)]
    costs = _circle_costs(pair, planes, p)
    largest = float(costs.max())
    if largest == 0.0:
        return 0.0
    return largest * (math.fsum((costs / largest) ** p) / len(costs)) ** (1.0 / p)


def _circle_costs(pair: Pair, planes: list[np.ndarray], p: float) -> np.ndarray:
    """W_p on every great circle."""
    from transport._kernels.circle import circle_cost
    from transport._kernels.sliced import project

    xp = namespace()
    out = np.zeros(len(planes))
    zero = np.zeros(pair.x.shape[1])

    def one(slot: int, k: int) -> None:
        angles = []
        for points in (pair.x, pair.y):
            flat = np.empty((2, len(points)))
            project(points, zero, 1.0, planes[k], flat)
            angles.append(np.arctan2(flat[1], flat[0]))
        # Lengths are halves of turns: the period 2 pi is then 2 exactly, in the kernel's unit.
        u, v = (t / math.pi for t in angles)
        unit, s = circle_cost(u, v, pair.a, pair.b, p, 2.0, xp=xp)
        out[k] = math.pi * unit * s ** (1.0 / p)

    _in_waves(one, range(len(planes)), thread_count())
    return out
