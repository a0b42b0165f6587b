"""The critic of two samples in the plane, drawn: level sets, gradient field, points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from transport.internal import as_points, namespace, to_numpy
from transport.internal._plot import P_COLOUR, Q_COLOUR
from transport.internal._whole import whole


def draw_critic(critic: Any, x: Any, y: Any, path: str | Path) -> None:
    """Draw the level sets of ``critic`` over samples x and y, shapes (n, 2) and (m, 2), into ``path``.

    Level sets are one unit of distance apart when that fits, so that a unit-slope critic shows evenly spaced
    lines along transport rays; arrows follow -∇f, the direction in which mass of P moves.

    Raises
    ------
    ValueError
        If the points are not in the plane.
    ImportError
        Without matplotlib (``pip install kantorovich[plot]``).
    """
    xp = namespace(np.empty(0))
    u, v = (as_points(to_numpy(z), name, xp=xp) for z, name in ((x, "x"), (y, "y")))
    if u.shape[1] != 2 or v.shape[1] != 2:
        raise ValueError(f"a picture needs points in the plane; x has dimension {u.shape[1]}, y {v.shape[1]}")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    both = np.concatenate([u, v])
    low, high = both.min(axis=0), both.max(axis=0)
    margin = 0.08 * float(np.max(high - low)) or 1.0
    axes_x, axes_y = (np.linspace(low[i] - margin, high[i] + margin, 201) for i in (0, 1))
    grid = np.stack(np.meshgrid(axes_x, axes_y), axis=-1).reshape(-1, 2)
    values = to_numpy(critic(grid)).reshape(201, 201)
    sparse = grid.reshape(201, 201, 2)[5::12, 5::12].reshape(-1, 2)
    arrows = -to_numpy(critic.gradient(sparse))
    figure = Figure(figsize=(7, 6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(aspect="equal")
    filled = axes.contourf(axes_x, axes_y, values, levels=24, cmap="RdBu", alpha=0.75)
    axes.contour(axes_x, axes_y, values, levels=24, colors="k", linewidths=0.3)
    axes.quiver(*sparse.T, *arrows.T, color="0.35", width=0.0015, scale=40)
    axes.scatter(u[:2000, 0], u[:2000, 1], s=6, color=P_COLOUR, edgecolors="w", linewidths=0.2, label="P")
    axes.scatter(v[:2000, 0], v[:2000, 1], s=6, color=Q_COLOUR, edgecolors="w", linewidths=0.2, label="Q")
    axes.legend(loc="upper right", framealpha=0.9)
    bound = getattr(critic, "lower_bound", None)
    if bound is not None:
        low_w = bound(confidence=0.99)
        axes.set_title(f"W1(P, Q) ≥ {float(low_w):.4g} with 99 % confidence", fontsize=10)
    figure.colorbar(filled, ax=axes, label="f")
    with whole(path) as file:
        figure.savefig(file, dpi=150)
