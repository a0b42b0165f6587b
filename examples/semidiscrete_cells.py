"""A density and sites: cells of given mass, so that together they transport the density most cheaply.

Think of schools of given size: who goes where, so that the mean squared way is least.
"""

from __future__ import annotations

import numpy as np
from _pictures import Q, out, save, sheet, size

import transport as tp


def main(path: str) -> None:
    """A town with two centres, twelve sites of equal capacity."""
    side = size(80, 20)
    v, u = np.mgrid[0 : 1 : side * 1j, 0 : 1 : side * 1j]
    town = (
        np.exp(-30 * ((u - 0.3) ** 2 + (v - 0.35) ** 2))
        + np.exp(-20 * ((u - 0.72) ** 2 + (v - 0.6) ** 2))
        + 0.1
    )
    sites = np.random.default_rng(2).random((size(12, 4), 2))
    found = tp.semidiscrete(tp.PixelDensity(town, ((0, 1), (0, 1))), sites)
    print(f"mean squared way {found.value:.6f} in [{found.lower_bound:.6f}, {found.upper_bound:.6f}];")
    print(f"masses of the cells: {found.masses.min():.9f} to {found.masses.max():.9f}")
    figure, (axis,) = sheet(1, width=4.6, height=4.4)
    axis.imshow(town, origin="lower", extent=(0, 1, 0, 1), cmap="Blues")
    fine = np.linspace(0, 1, size(400, 60))
    grid = np.stack(np.meshgrid(fine, fine), axis=-1).reshape(-1, 2)
    cells = found.assign(grid).reshape(len(fine), -1)
    edges = (np.diff(cells, axis=0, prepend=cells[:1]) != 0) | (
        np.diff(cells, axis=1, prepend=cells[:, :1]) != 0
    )
    axis.scatter(*grid[edges.ravel()].T, s=0.6, color="0.25", linewidths=0)
    axis.scatter(*sites.T, color=Q, s=26, zorder=2)
    axis.set_axis_off()
    save(figure, path)


if __name__ == "__main__":
    main(out("semidiscrete_cells"))
