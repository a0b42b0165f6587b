"""Pictures of plans (matplotlib, imported when asked for)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from transport.internal._measures import Measure
from transport.internal._whole import whole

if TYPE_CHECKING:
    from transport._solution import Solution


P_COLOUR, Q_COLOUR = "#1f5fbf", "#c8442a"  # in every picture


def pyplot() -> Any:
    """matplotlib.pyplot without a display, or a ValueError that says what to install."""
    try:
        import matplotlib
    except ImportError:
        raise ValueError("pictures need matplotlib: pip install 'kantorovich[plot]'") from None
    matplotlib.use("Agg", force=False)
    from matplotlib import pyplot

    return pyplot


def interpolate(p: Measure, q: Measure, solution: Solution, t: float) -> np.ndarray:
    """The displacement interpolation at time ``t`` in [0, 1], as an image on the grid of ``p``.

    Every parcel of mass P_ij sits at (1 - t) x_i + t y_j (McCann 1997) and is shared bilinearly among the
    four cells around it.
    """
    if p.shape is None or len(p.shape) != 2:
        raise ValueError("displacement interpolation is drawn for two images")
    height, width = p.shape if q.shape is None else np.maximum(p.shape, q.shape)
    plan = solution.plan
    where = (1 - t) * p.points[plan.row] + t * q.points[plan.col]
    image = np.zeros((height + 1, width + 1))
    corner = np.floor(where).astype(int)
    part = where - corner
    for dy in (0, 1):
        for dx in (0, 1):
            share = np.abs(1 - dy - part[:, 0]) * np.abs(1 - dx - part[:, 1])
            np.add.at(image, (corner[:, 0] + dy, corner[:, 1] + dx), share * plan.data)
    return image[:-1, :-1]


def draw_plan(p: Measure, q: Measure, solution: Solution, path: str | Path, *, title: str = "") -> None:
    """Draw the plan between two measures in the plane (or on a line) to an image file."""
    plt = pyplot()
    figure, axis = plt.subplots(figsize=(6, 6), layout="constrained")
    _plan_panel(axis, p, q, solution)
    axis.set_title(title)
    with whole(path) as file:
        figure.savefig(file, dpi=150)
    plt.close(figure)


def _plan_panel(axis: Any, p: Measure, q: Measure, solution: Solution) -> None:
    from matplotlib.collections import LineCollection

    x, y = _in_plane(p.points), _in_plane(q.points)
    plan = solution.plan
    order = np.argsort(plan.data)[-20_000:]  # more arcs than that are a grey blur
    segments = np.stack([x[plan.row[order]], y[plan.col[order]]], axis=1)
    strength = plan.data[order] / plan.data.max()
    colours = np.zeros((len(order), 4))
    colours[:, :3] = 0.35
    colours[:, 3] = 0.15 + 0.75 * strength
    axis.add_collection(LineCollection(list(segments), colors=colours, linewidths=0.8))
    for cloud, weights, colour, name in ((x, p.weights, P_COLOUR, "P"), (y, q.weights, Q_COLOUR, "Q")):
        size = 4 + 60 * weights / max(weights.max(), 1e-300)
        axis.scatter(*cloud.T, s=size, c=colour, alpha=0.75, linewidths=0, label=name, zorder=2)
    axis.legend(loc="best", frameon=False)
    axis.set_aspect("equal")
    if p.shape is not None:
        axis.invert_yaxis()
    axis.autoscale_view()


def _in_plane(points: np.ndarray) -> np.ndarray:
    """(column, row) for grids, (x, 0) on a line, the first two coordinates otherwise."""
    if points.shape[1] == 1:
        return np.column_stack([points[:, 0], np.zeros(len(points))])
    return points[:, 1::-1] if points.shape[1] == 2 else points[:, :2]


def draw_digits(p: Measure, q: Measure, solution: Solution, path: str | Path, *, title: str = "") -> None:
    """Two images, the plan between them, and the displacement interpolation, on one sheet."""
    plt = pyplot()
    figure = plt.figure(figsize=(11, 7.2), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[2.2, 1])
    first, middle, last = top.subplots(1, 3, width_ratios=[1, 1.25, 1])
    for axis, t, name in ((first, 0.0, "P"), (last, 1.0, "Q")):
        axis.imshow(interpolate(p, q, solution, t), cmap="gray_r")
        axis.set_title(name)
        axis.set_axis_off()
    _plan_panel(middle, p, q, solution)
    middle.set_title("optimal plan (W₂)")
    middle.set_axis_off()
    bottom.suptitle("displacement interpolation: the mass moves instead of fading", fontsize=11)
    frames = bottom.subplots(1, 7)
    for axis, t in zip(frames, np.linspace(0, 1, 7)):
        axis.imshow(interpolate(p, q, solution, float(t)), cmap="gray_r")
        axis.set_title(f"t = {t:.2f}", fontsize=9)
        axis.set_axis_off()
    figure.suptitle(title)
    with whole(path) as file:
        figure.savefig(file, dpi=130)
    plt.close(figure)
