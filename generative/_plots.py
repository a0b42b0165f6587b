"""Pictures of samples and training curves (matplotlib, imported when asked for)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from transport.internal import _plot, whole

P_COLOUR, Q_COLOUR = _plot.P_COLOUR, _plot.Q_COLOUR
ACCENT, GREY = "#2a8f5a", "#555555"


def pyplot() -> Any:
    """matplotlib.pyplot, drawing to files.

    Raises
    ------
    ValueError
        matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        raise ValueError("pictures need matplotlib: pip install 'kantorovich[plot]'") from None
    matplotlib.use("Agg", force=False)
    from matplotlib import pyplot as plt

    return plt


def save(figure: Any, path: str | Path) -> Path:
    """Write the figure and release it."""
    path = Path(path)
    with whole(path) as file:
        figure.savefig(file, dpi=150)
    pyplot().close(figure)
    return path


def tidy(axis: Any) -> None:
    """Only the two spines that carry ticks."""
    axis.spines[["top", "right"]].set_visible(False)


def sheet(images: np.ndarray, columns: int = 10) -> np.ndarray:
    """Images (n, h, w) or (n, h, w, 3) side by side in rows of ``columns``, one pixel apart, as one image."""
    n, h, w = images.shape[:3]
    rows = -(-n // columns)
    page = np.full((rows * (h + 1) - 1, columns * (w + 1) - 1, *images.shape[3:]), np.nan)
    for k, image in enumerate(images):
        top, left = (k // columns) * (h + 1), (k % columns) * (w + 1)
        page[top : top + h, left : left + w] = image
    return page


def draw_samples(
    data: np.ndarray, made: np.ndarray, path: str | Path, *, image: Any = None, ink: bool = True
) -> Path:
    """Data and samples of a model, (n, d) each, side by side: sheets of images, or points on equal axes.

    Grey images are drawn dark on white with ``ink``.
    """
    plt = pyplot()
    figure, axes = plt.subplots(1, 2, figsize=(11, 5.9), layout="constrained")
    if image is not None:
        for axis, rows, title in zip(axes, (data, made), ("data", "model"), strict=True):
            page = sheet(rows[:100].reshape(-1, *image))
            page = np.clip(np.nan_to_num(page, nan=0.35), 0, 1)
            axis.imshow(page, cmap="gray_r" if ink else "gray", vmin=0, vmax=1, interpolation="nearest")
            axis.set(title=title, xticks=[], yticks=[])
        return save(figure, path)
    if data.shape[1] == 1:
        bins = np.histogram_bin_edges(data, bins=60)
        for axis, rows, title, colour in _pairs(axes, data, made):
            axis.hist(rows[:, 0], bins=bins, density=True, color=colour)
            axis.set(title=title, xlabel="x")
    else:
        lo, hi = np.quantile(data[:, :2], (0.001, 0.999), axis=0)
        lo, hi = lo - 0.12 * (hi - lo), hi + 0.12 * (hi - lo)
        for axis, rows, title, colour in _pairs(axes, data, made):
            axis.scatter(rows[:, 0], rows[:, 1], s=4, color=colour, alpha=0.4, linewidths=0)
            axis.set(title=title, xlim=(lo[0], hi[0]), ylim=(lo[1], hi[1]))
            if data.shape[1] == 2:
                axis.set_aspect("equal")
            else:
                axis.set(xlabel=f"feature 1 of {data.shape[1]}", ylabel="feature 2")
    for axis in axes:
        tidy(axis)
    return save(figure, path)


def _pairs(axes: Any, data: np.ndarray, made: np.ndarray) -> list[tuple[Any, np.ndarray, str, str]]:
    return [(axes[0], data, "data", P_COLOUR), (axes[1], made, "model", Q_COLOUR)]


_DISTANCES = (("w1", ACCENT), ("w2", P_COLOUR))
_LABELS = {
    "value": "value of the game",
    "generator_cost": "generator's cost",
    "critic_cost": "critic's cost",
    "elbo": "ELBO, training",
    "held_out_elbo": "ELBO, held out",
    "held_out_log_likelihood": "log-likelihood, held out",
    "held_out_value": "value, held out",
    "js_discriminator": "JS the discriminator sees",
    "js_estimate": "JS, estimated from samples",
    "w1_critic": "W₁ by the critic (value / slope found)",
    "w1_critic_lower": "W₁, proved by the critic",
}
_TRAINING = ("value", "critic_cost", "generator_cost", "elbo")
_MEASURED = (
    "js_discriminator",
    "js_estimate",
    "w1_critic",
    "w1_critic_lower",
    "held_out_elbo",
    "held_out_log_likelihood",
)


def draw_history(history: list[dict[str, float]], path: str | Path) -> Path:
    """Training costs, exact distances above their real-vs-real floor, and what the model itself believes."""
    figure, axes = pyplot().subplots(1, 3, figsize=(15, 4.4), layout="constrained")
    for name in _TRAINING:
        _curve(axes[0], history, name, lw=1)
    axes[0].set(title="Training")
    for name, colour in _DISTANCES:
        label = f"exact {name[0].upper()}{'₁' if name == 'w1' else '₂'}"
        _curve(axes[1], history, name, color=colour, label=label, marker="o", ms=3)
        _curve(
            axes[1], history, f"{name}_floor", color=colour, ls="--", lw=1, label="floor: real against real"
        )
    axes[1].set(title="Distance to held-out data")
    if _known(history, "w1"):
        axes[1].set_yscale("log")
    for name in _MEASURED:
        _curve(axes[2], history, name, marker="o", ms=3)
    if _known(history, "w1_critic"):
        _curve(axes[2], history, "w1", color=ACCENT, label="exact W₁")
    axes[2].set(title="What the model itself says")
    for axis in axes:
        axis.set_xlabel("step")
        tidy(axis)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(frameon=False, fontsize=9)
    return save(figure, path)


def _known(history: list[dict[str, float]], name: str) -> bool:
    return any(name in record for record in history)


def _curve(axis: Any, history: list[dict[str, float]], name: str, **style: Any) -> None:
    pairs = [(record["step"], record[name]) for record in history if name in record]
    if pairs:
        axis.plot(*np.array(pairs).T, **{"label": _LABELS.get(name, name), **style})
