"""Shapes that move instead of fading: displacement interpolation along the exact plan between two images.

Every parcel P_ij of the plan is, at time t, at (1 - t) x_i + t y_j (McCann 1997).
"""

from __future__ import annotations

import numpy as np
from _pictures import out, save, sheet, size
from scipy.ndimage import gaussian_filter

import transport as tp


def shapes(side: int) -> tuple[np.ndarray, np.ndarray]:
    """A disc and a star with five rays, both of total mass 1."""
    v, u = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    radius, angle = np.hypot(u, v), np.arctan2(u, v)
    disc, star = radius < 0.55, radius < 0.5 + 0.35 * np.cos(5 * angle)
    return disc / disc.sum(), star / star.sum()


def main(path: str) -> None:
    """Seven times between P and Q."""
    side = size(64, 16)
    p, q = shapes(side)
    sol = tp.solve(tp.Grid((side, side)), p.ravel(), q.ravel())
    print(f"W2 = {sol.value**0.5:.6f} pixels, {sol.plan.nnz} parcels, certified to {sol.gap:.0e}")
    x, y = (np.column_stack(np.unravel_index(k, (side, side))) for k in (sol.plan.row, sol.plan.col))
    figure, axes = sheet(7, height=1.9)
    for axis, t in zip(axes, np.linspace(0, 1, 7)):
        at = (1 - t) * x + t * y + 0.5
        image, *_ = np.histogram2d(*at.T, bins=side, range=[(0, side)] * 2, weights=sol.plan.data)
        image = gaussian_filter(image, 0.9)  # parcels have the size of a pixel
        axis.imshow(image, cmap="gray_r")
        axis.set_title({0: "P", 6: "Q"}.get(round(6 * t), f"t = {t:.2f}"), fontsize=9)
        axis.set_axis_off()
    save(figure, path)


if __name__ == "__main__":
    main(out("shape_interpolation"))
