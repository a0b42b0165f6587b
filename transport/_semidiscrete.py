"""Semi-discrete transport, a density against atoms, squared distance: exact on a line or in a plane.

The semi-dual g ↦ Σ b_j g_j + ∫ min_j(|x - y_j|² - g_j) dP is concave; its gradient is b minus the masses of
the Laguerre cells, its Hessian the facet masses. In the plane both are integrated exactly on a density of
pixels and maximised by damped Newton steps (Kitagawa, Mérigot, Thibert 2019). Any g gives a lower bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from transport._critic import Bound
from transport._samplers import as_sampler
from transport.internal import (
    Array,
    ConvergenceError,
    as_float64,
    as_points,
    as_weights,
    check_count,
    namespace,
    require_finite,
    to_numpy,
)

_XP = namespace(np.empty(0))
_EPS = float(np.finfo(float).eps)


class PixelDensity:
    """A density constant on the pixels of a box: an image, a histogram, or (one pixel) the uniform law.

    Parameters
    ----------
    masses : array, shape (n,) on the line or (rows, cols) in the plane
        Non-negative; normalised to 1. Row 0 is the lowest y, column 0 the lowest x.
    box : pair, or ((x0, x1), (y0, y1))

    Examples
    --------
    >>> PixelDensity([[1.0]], ((0, 2), (0, 1))).dim
    2
    """

    def __init__(self, masses: Array, box: Any) -> None:
        m, _ = as_float64(to_numpy(masses) if hasattr(masses, "shape") else masses, "masses", xp=_XP)
        require_finite(m, "masses", xp=_XP)
        if m.ndim not in (1, 2) or m.size == 0:
            raise ValueError(
                f"masses has shape {m.shape}; pixels live on a line (n,) or in a plane (rows, cols)"
            )
        if m.min() < 0 or not m.sum() > 0:
            raise ValueError(
                f"masses must be >= 0 with a positive total; smallest {m.min()}, total {m.sum()}"
            )
        self.box = np.asarray(box, dtype=float).reshape(-1, 2)
        if len(self.box) != m.ndim or not np.all(self.box[:, 0] < self.box[:, 1]):
            raise ValueError(f"box = {box!r}; give {m.ndim} pair(s) (lower, upper) with lower < upper")
        self.dim = m.ndim
        self.masses = m / m.sum()
        self.widths = (self.box[:, 1] - self.box[:, 0]) / np.array(m.shape[::-1])


@dataclass(frozen=True, eq=False)
class SemiDiscrete:
    """Semi-discrete optimal transport for the squared distance.

    Attributes
    ----------
    value : float
        The transport cost W2².
    lower_bound, upper_bound : float
        Semi-dual and repaired primal values; for sampled P the first is a confidence `Bound`, the second inf.
    potential : ndarray, shape (m,)
        g; x belongs to the cell of argmin_j |x - y_j|² - g_j.
    masses : ndarray, shape (m,)
        P-masses of the cells, to be compared with the weights.
    n_iter : int
    y : ndarray, shape (m, d)
    """

    value: float
    lower_bound: float
    upper_bound: float
    potential: np.ndarray
    masses: np.ndarray
    n_iter: int
    y: np.ndarray

    def assign(self, x: Array) -> np.ndarray:
        """Index of the atom each point is sent to, shape (n,): the optimal map."""
        return _assign(as_points(to_numpy(x), "x", xp=_XP), self.y, self.potential)[1]


def semidiscrete(
    P: Any,
    y: Array,
    b: Array = None,
    *,
    tol: float = 1e-9,
    max_iter: int = 100,
    n_samples: int = 1 << 16,
    n_steps: int = 5000,
    confidence: float = 0.99,
    rng: Any = 0,
) -> SemiDiscrete:
    """Transport a density to atoms at squared-distance cost.

    Parameters
    ----------
    P : PixelDensity, or sampler, distribution, array (see `critic`)
        Exact for pixels; otherwise averaged stochastic ascent (Genevay et al. 2016), judged on fresh draws.
    y : array, shape (m, d)
        Atoms, distinct.
    b : array, shape (m,), optional
        Their weights > 0, uniform by default.
    tol : float
        Largest error of a cell's mass, relative to 1 (exact methods).
    max_iter : int
        Newton steps.
    n_samples, n_steps, confidence, rng
        Fresh draws, ascent steps, confidence of the lower bound (sampled P only).

    Raises
    ------
    ConvergenceError
        If Newton's method stalls above ``tol``.
    ValueError
        Coinciding atoms, zero weights, dimensions that differ.

    Examples
    --------
    >>> import transport as tp
    >>> square = tp.PixelDensity([[1.0]], ((0, 1), (0, 1)))
    >>> s = tp.semidiscrete(square, [[0.25, 0.5], [0.75, 0.5]])
    >>> round(s.value, 12), s.masses.round(12).tolist()
    (0.104166666667, [0.5, 0.5])
    """
    y = np.ascontiguousarray(as_points(to_numpy(y) if hasattr(y, "shape") else y, "y", xp=_XP))
    b = as_weights(b, "b", xp=_XP, size=len(y))
    if b.min() <= 0:
        raise ValueError("b has a zero weight; drop atoms without mass")
    if len(np.unique(y, axis=0)) < len(y):
        raise ValueError("y has coinciding atoms; merge them and add their weights")
    if not isinstance(P, PixelDensity):
        return _stochastic(P, y, b, check_count(n_steps, "n_steps"), n_samples, confidence, rng)
    if P.dim != y.shape[1]:
        raise ValueError(f"P lives in dimension {P.dim} and y in {y.shape[1]}; they must agree")
    return _line(P, y, b) if P.dim == 1 else _plane(P, y, b, tol, max_iter)


def _assign(x: np.ndarray, y: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """min_j |x - y_j|² - g_j and its argument, in blocks."""
    from scipy.spatial.distance import cdist

    parts = []
    for i in range(0, len(x), 4096):
        c = cdist(x[i : i + 4096], y, "sqeuclidean") - g
        j = np.argmin(c, axis=1)
        parts.append((c[np.arange(len(j)), j], j))
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


# ---------------------------------------------------------------- on the line


def _line(P: PixelDensity, y: np.ndarray, b: np.ndarray) -> SemiDiscrete:
    """Monotone rearrangement: cells are the intervals between quantiles of P."""
    order = np.argsort(y[:, 0], kind="stable")
    z, w = y[order, 0], b[order]
    edges = P.box[0, 0] + P.widths[0] * np.arange(P.masses.size + 1)
    rise = np.concatenate([[0.0], np.cumsum(P.masses)])
    rise /= rise[-1]
    levels = np.concatenate([[0.0], np.cumsum(w)])
    levels /= levels[-1]
    keep = np.concatenate([np.diff(rise) > 0, [True]])  # empty pixels hold no quantile
    cuts = np.interp(levels[1:-1], rise[keep], edges[keep])
    points = np.unique(np.concatenate([edges, cuts]))
    density = P.masses / P.widths[0]
    middle = 0.5 * (points[1:] + points[:-1])
    rho = density[np.clip(((middle - edges[0]) / P.widths[0]).astype(int), 0, density.size - 1)]
    owner = np.searchsorted(cuts, middle)
    d0, d1 = points[:-1] - z[owner], points[1:] - z[owner]
    length = np.diff(points)
    value = math.fsum(rho * length * (d0 * d0 + d0 * d1 + d1 * d1) / 3)
    masses = np.bincount(owner, rho * length, minlength=len(z))
    step = (cuts - z[1:]) ** 2 - (cuts - z[:-1]) ** 2
    g = np.empty(len(z))
    g[order] = np.concatenate([[0.0], np.cumsum(step)])
    out = np.empty(len(z))
    out[order] = masses
    slack = 64 * _EPS * (value + float(np.max(np.abs(edges[[0, -1]][:, None] - z)) ** 2))
    return SemiDiscrete(value, max(0.0, value - slack), value + slack, g, out, 0, y)


# ---------------------------------------------------------------- in the plane


def _neighbours(y: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs whose cells may touch, as CSR: edges of the regular triangulation (lifted atoms' lower hull)."""
    from scipy.spatial import ConvexHull, QhullError

    n = len(y)
    if n > 12:
        center = y.mean(axis=0)
        z = y - center
        height = np.sum(z * z, axis=1) - g
        try:
            hull = ConvexHull(np.column_stack([z, height - height.mean()]))
        except QhullError:  # atoms on a line or a circle: every pair is asked
            hull = None
        if hull is not None:
            faces = hull.simplices[hull.equations[:, 2] < 1e-12]
            i = faces[:, [0, 1, 2, 1, 2, 0]].ravel()
            j = faces[:, [1, 2, 0, 0, 1, 2]].ravel()
            pairs = sparse.coo_matrix((np.ones(len(i)), (i, j)), shape=(n, n)).tocsr()
            inside = np.diff(pairs.indptr) == 0
            if inside.any():  # hidden atoms have empty cells: cutting by all vertices shows it
                seen = np.flatnonzero(~inside)
                rows = np.repeat(np.flatnonzero(inside), len(seen))
                extra = sparse.coo_matrix(
                    (np.ones(len(rows)), (rows, np.tile(seen, inside.sum()))), shape=(n, n)
                )
                pairs = (pairs + extra).tocsr()
            pairs.sort_indices()
            return pairs.indptr.astype(np.int64), pairs.indices.astype(np.int64)
    others = np.array([[k for k in range(n) if k != j] for j in range(n)], dtype=np.int64).reshape(-1)
    return np.arange(n + 1, dtype=np.int64) * (n - 1), others


def _cells(
    P: PixelDensity, y: np.ndarray, g: np.ndarray, rho: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Any]:
    """Masses, costs, and the Laplacian of facet masses (minus the Hessian)."""
    from transport._kernels.laguerre import cells

    indptr, index = _neighbours(y, g)
    mass, cost, facet = np.empty(len(g)), np.empty(len(g)), np.empty(len(index))
    bad = cells(y, g, indptr, index, rho, P.box[0, 0], P.box[1, 0], *P.widths, mass, cost, facet)
    if bad >= 0:
        raise ConvergenceError(f"the cell of atom {bad} has more than 500 edges; perturb the atoms slightly")
    off = sparse.csr_matrix((facet, index, indptr), shape=(len(g), len(g)))
    off = 0.5 * (off + off.T)
    return mass, cost, sparse.diags(np.asarray(off.sum(axis=1)).ravel()) - off


def _plane(P: PixelDensity, y: np.ndarray, b: np.ndarray, tol: float, max_iter: int) -> SemiDiscrete:
    # Work in a unit box centred at 0: g and costs scale by the square of the unit.
    unit, center = float(np.max(P.box[:, 1] - P.box[:, 0])), P.box.mean(axis=1)
    Q = PixelDensity(P.masses, (P.box - center[:, None]) / unit)
    z = (y - center) / unit
    full = Q.masses / np.prod(Q.widths)
    flat = np.full_like(full, 1 / np.prod(Q.box[:, 1] - Q.box[:, 0]))
    g = _start(Q, z)
    steps = 0
    # Newton needs every cell to have mass. Where pixels are empty, begin with a share of the uniform density
    # and withdraw it in stages until the cells of the true density have mass too.
    share = 1.0 if full.min() < 1e-3 * full.max() else 0.0
    while share > 0:
        rho = (1 - share) * full + share * flat
        g, _, _, used = _newton(Q, z, b, g, rho, 1e-3 * float(b.min()), max_iter)
        steps += used
        share = 0.0 if share < 1e-9 or _cells(Q, z, g, full)[0].min() > 0 else share / 4
    g, mass, cost, used = _newton(Q, z, b, g, full, tol / 4, max_iter)
    steps += used
    gap = float(np.abs(mass - b).max())
    dual = float(cost.sum() + g @ (b - mass))
    reach = 2.0 + float(np.max(np.sum(z * z, axis=1))) * 2  # >= |x - y|² on the box
    slack = 64 * _EPS * (float(cost.sum()) + float(np.abs(g) @ b) + reach)
    lower, upper = dual - slack, float(cost.sum()) + 0.5 * float(np.abs(mass - b).sum()) * reach + slack
    found = SemiDiscrete(
        dual * unit**2, max(0.0, lower) * unit**2, upper * unit**2, g * unit**2, mass, steps, y
    )
    if gap > tol:
        raise ConvergenceError(
            f"cell masses are off by {gap:.2g} > tol = {tol:g} after {steps} Newton steps; W2² lies in "
            f"[{found.lower_bound:.12g}, {found.upper_bound:.12g}]. Raise tol or max_iter"
        )
    return found


def _start(P: PixelDensity, z: np.ndarray) -> np.ndarray:
    """Potentials whose cells are the Voronoi cells of the atoms shrunk into the box: none is empty."""
    half = 0.5 * (P.box[:, 1] - P.box[:, 0])
    middle = 0.5 * (z.max(axis=0) + z.min(axis=0))
    spread = float(np.max(np.abs(z - middle) / half))
    s = min(1.0, 0.9 / max(spread, 1e-300))
    inside = s == 1.0 and bool(np.all(np.abs(z) <= half))
    w = z if inside else s * (z - middle)
    return np.zeros(len(z)) if inside else np.sum(z * z, axis=1) - np.sum(w * w, axis=1) / s


def _newton(
    P: PixelDensity, z: np.ndarray, b: np.ndarray, g: np.ndarray, rho: np.ndarray, goal: float, max_iter: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Damped Newton: halve the step until no cell is empty and the residual falls (KMT 2019, Alg. 1)."""
    from scipy.sparse.linalg import spsolve

    mass, cost, laplacian = _cells(P, z, g, rho)
    floor = 0.5 * min(float(b.min()), float(mass.min()))
    for k in range(max_iter):
        residual = b - mass
        size = float(np.linalg.norm(residual))
        if float(np.abs(residual).max()) <= goal or len(b) == 1:
            return g, mass, cost, k
        step = np.zeros(len(g))
        # Cells that touch only across empty pixels share no facet mass: a trace of the identity joins them.
        ridge = 1e-13 * float(laplacian.diagonal().max()) * sparse.identity(len(g) - 1)
        step[1:] = spsolve(sparse.csc_matrix(laplacian)[1:, 1:] + ridge, residual[1:])
        t = 1.0
        while True:
            new = _cells(P, z, g + t * step, rho)
            if new[0].min() >= floor and np.linalg.norm(b - new[0]) <= (1 - t / 2) * size:
                break
            t /= 2
            if t < 1e-8:
                return g, mass, cost, k
        g = g + t * step
        mass, cost, laplacian = new
    return g, mass, cost, max_iter


# ---------------------------------------------------------------- anywhere, by sampling


def _stochastic(
    P: Any, y: np.ndarray, b: np.ndarray, n_steps: int, n_samples: int, confidence: float, rng: Any
) -> SemiDiscrete:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence = {confidence}; it must lie strictly between 0 and 1")
    draw = as_sampler(P, "P")
    train, judge = np.random.default_rng(rng).spawn(2)
    x = draw(256, train)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"P lives in dimension {x.shape[1]} and y in {y.shape[1]}; they must agree")
    g, mean = np.zeros(len(y)), np.zeros(len(y))
    scale = float(np.median(_assign(x, y, g)[0])) + 1e-300
    batch = 64
    for k in range(1, n_steps + 1):
        _, j = _assign(draw(batch, train), y, g)
        g = g + scale * len(y) ** 0.5 / math.sqrt(k) * (b - np.bincount(j, minlength=len(y)) / batch)
        mean += (g - mean) / min(k, max(1, n_steps // 2))  # average of about the last half
    from scipy.special import ndtri

    values, j = _assign(draw(check_count(n_samples, "n_samples", 2), judge), y, mean)
    dual = float(values.mean() + b @ mean)
    low = dual - float(ndtri(confidence)) * float(values.std(ddof=1)) / math.sqrt(n_samples)
    bound = Bound(
        max(0.0, low), confidence=confidence, estimate=dual, method="studentised: assumes normal means",
        n_samples=n_samples,
    )  # fmt: skip
    masses = np.bincount(j, minlength=len(y)) / n_samples
    return SemiDiscrete(dual, bound, math.inf, mean, masses, n_steps, y)
