"""Laguerre cells of atoms on pixels in the plane, and the potentials that give them their masses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import sparse

from transport._pixels import PixelDensity
from transport.internal import ConvergenceError


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


def cells(
    P: PixelDensity, y: np.ndarray, g: np.ndarray, rho: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Any]:
    """Masses, costs, and the Laplacian of facet masses (minus the Hessian)."""
    from transport._kernels.laguerre import cells as cut

    indptr, index = _neighbours(y, g)
    mass, cost, facet = np.empty(len(g)), np.empty(len(g)), np.empty(len(index))
    bad = cut(y, g, indptr, index, rho, P.box[0, 0], P.box[1, 0], *P.widths, mass, cost, facet)
    if bad >= 0:
        raise ConvergenceError(f"the cell of atom {bad} has more than 500 edges; perturb the atoms slightly")
    off = sparse.csr_matrix((facet, index, indptr), shape=(len(g), len(g)))
    off = 0.5 * (off + off.T)
    return mass, cost, sparse.diags(np.asarray(off.sum(axis=1)).ravel()) - off


def continued(
    Q: PixelDensity,
    z: np.ndarray,
    b: np.ndarray,
    g: np.ndarray,
    densities: tuple[np.ndarray, np.ndarray],
    max_iter: int,
) -> tuple[np.ndarray, int]:
    """Potentials for a density with (nearly) empty pixels, near enough for Newton's method, and the steps.

    Newton needs every cell to have mass, and to keep a good part of it. So a share of the uniform density is
    added and withdrawn in stages; a stage that Newton's method does not finish is cut in half.
    """
    full, flat = densities
    share, factor, steps, goal = 1.0, 0.25, 0, 1e-3 * float(b.min())
    good = g, share
    while share > 1e-13:
        rho = (1 - share) * full + share * flat
        new, mass, _, used = newton(Q, z, b, g, rho, goal, max_iter)
        steps += used
        if np.abs(mass - b).max() <= goal or share == 1.0:
            good = new, share
            factor = max(factor**1.5, 1e-2) if share < 1.0 else factor
        elif factor > 0.9:
            return new, steps
        else:
            share, factor = good[1], math.sqrt(factor)
        g = good[0]
        if np.abs(cells(Q, z, g, full)[0] - b).max() <= 0.5 * float(b.min()):
            break  # near enough
        share *= factor
    return g, steps


def inner_potential(P: PixelDensity, z: np.ndarray) -> np.ndarray:
    """Potentials whose cells are the Voronoi cells of the atoms shrunk into the box: none is empty."""
    half = 0.5 * (P.box[:, 1] - P.box[:, 0])
    middle = 0.5 * (z.max(axis=0) + z.min(axis=0))
    spread = float(np.max(np.abs(z - middle) / half))
    s = min(1.0, 0.9 / max(spread, 1e-300))
    inside = s == 1.0 and bool(np.all(np.abs(z) <= half))
    w = z if inside else s * (z - middle)
    return np.zeros(len(z)) if inside else np.sum(z * z, axis=1) - np.sum(w * w, axis=1) / s


def newton(
    P: PixelDensity, z: np.ndarray, b: np.ndarray, g: np.ndarray, rho: np.ndarray, goal: float, max_iter: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Damped Newton: halve the step until no cell is empty and the residual falls (KMT 2019, Alg. 1)."""
    from scipy.sparse.linalg import spsolve

    mass, cost, laplacian = cells(P, z, g, rho)
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
            new = cells(P, z, g + t * step, rho)
            if new[0].min() >= floor and np.linalg.norm(b - new[0]) <= (1 - t / 2) * size:
                break
            t /= 2
            if t < 1e-8:
                return g, mass, cost, k
        g = g + t * step
        mass, cost, laplacian = new
    return g, mass, cost, max_iter
