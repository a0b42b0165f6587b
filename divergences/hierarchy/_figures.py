"""The two pictures of the report: joint ranges with their curves, and sequences on log-log axes."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence as List
from typing import Any

import numpy as np

from divergences.hierarchy._classify import Classification
from divergences.hierarchy._functions import FloatMath
from divergences.hierarchy._search import Searched
from divergences.hierarchy._sequences import SEQUENCES
from divergences.hierarchy._spaces import ThreePoints
from divergences.hierarchy._table import BOUNDS

_INK, _DOTS = "#1f2933", "#8fb3d9"
_COLOURS = {"tv": "#1b6ca8", "js": "#7b3fa0", "kl": "#c0392b", "kl_reverse": "#e08e0b", "w": "#1e8449"}
LABELS = {"tv": "TV", "js": "JS", "kl": "KL(Pₙ‖P)", "kl_reverse": "KL(P‖Pₙ)", "w": "W"}
"""How the functionals are written in the report."""


class _UnitDiameter(ThreePoints):
    """Three points with diameter 1, so that bounds with D become fixed curves."""

    def decode(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        p, q, d = super().decode(x)
        return p, q, d / d.max(1, keepdims=True)


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'kantorovich[plot]'") from error
    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _style(axes: Any, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=10, color=_INK, loc="left")
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def joint_ranges(searched: List[Searched]) -> bytes:
    """PNG: which pairs of values can occur together; curves are the bounds, dots are pairs tried."""
    clouds = {s.bound: s.cloud for s in searched}
    figure = _figure(11.5, 7.2)
    grid = figure.subplots(2, 3)
    t = np.linspace(1e-4, 1 - 1e-4, 400)

    def dots(axes: Any, *names: str) -> None:
        cloud = np.concatenate([clouds[name] for name in names if name in clouds and len(clouds[name])])
        axes.plot(*cloud.T, ".", ms=2, color=_DOTS, alpha=0.6, label="pairs tried", rasterized=True)

    def curve(axes: Any, x: np.ndarray, name: str, label: str, *space: float, dash: str = "-") -> None:
        axes.plot(x, BOUNDS[name].curve(FloatMath, x, *space), dash, lw=1.6, label=label)

    axes = grid[0, 0]
    dots(axes, "js_tv_lower", "js_tv_upper", "js_tv_square")
    curve(axes, t, "js_tv_upper", "2 log 2 · TV")
    curve(axes, t, "js_tv_lower", "lower bound, sharp at every TV")
    curve(axes, t, "js_tv_square", "TV²", dash="--")
    _style(axes, "TV and JS vanish together", "TV", "JS")

    axes = grid[0, 1]
    dots(axes, "fht", "gilardoni", "vajda")
    for name, label, dash in (
        ("fht", "least KL (FHT), sharp", "-"), ("gilardoni", "Gilardoni", "--"), ("vajda", "Vajda", "--"),
        ("pinsker", "Pinsker 2 TV²", "--"), ("bretagnolle_huber", "Bretagnolle–Huber", ":"),
    ):  # fmt: skip
        curve(axes, t, name, label, dash=dash)
    axes.set_ylim(0, 4)
    _style(axes, "KL forces TV down, not the converse", "TV", "KL")

    axes = grid[0, 2]
    dots(axes, "js_kl", "js_kl_jensen")
    k = np.linspace(0, 4, 300)
    axes.plot(k, np.minimum(math.log(2) * k, 2 * math.log(2)), lw=1.6, label="log 2 · KL, and 2 log 2")
    axes.set(xlim=(0, 4), ylim=(0, 1.5))
    _style(axes, "KL forces JS down", "KL", "JS")

    space = _UnitDiameter()
    names = frozenset({"tv", "w", "prokhorov", "bounded_lipschitz"})
    values = space.values(space.start(4000, np.random.default_rng(0)), names)
    for axes, given, title, curves in (
        (grid[1, 0], "tv", "TV forces W down, not the converse", (("w_tv", "W = D · TV"),)),
        (grid[1, 1], "prokhorov", "W and Prokhorov's distance vanish together",
         (("w_prokhorov", "(D+1) π"), ("prokhorov_w", "π²"))),
        (grid[1, 2], "bounded_lipschitz", "W and bounded-Lipschitz vanish together",
         (("w_bounded_lipschitz", "(1+D/2) β"), ("bounded_lipschitz_w", "β"))),
    ):  # fmt: skip
        axes.plot(values[given], values["w"], ".", ms=2, color=_DOTS, alpha=0.6, label="pairs tried")
        top = 2 / 3 if given == "bounded_lipschitz" else 1.0
        x = np.linspace(0, top, 200)
        for name, label in curves:
            curve(axes, x, name, label, *([1.0] if BOUNDS[name].space else []))
        axes.set_ylim(0, 1.05)
        symbol = {"tv": "TV", "prokhorov": "π (Prokhorov)", "bounded_lipschitz": "β (bounded Lipschitz)"}
        _style(axes, title, symbol[given], "W   (spaces of diameter D = 1)")
    for axes in grid.flat:
        axes.legend(fontsize=7, frameon=False, loc="upper left")
    return _png(figure)


def sequence_panels(table: dict[str, dict[str, Classification]]) -> bytes:
    """PNG: one panel a sequence, every functional against n, with the fitted law in the legend."""
    names = list(table)
    columns = 3
    rows = -(-len(names) // columns)
    figure = _figure(11.5, 2.7 * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(grid.flat, names):
        infinite = []
        for functional, found in table[name].items():
            values = np.array(found.values)
            if np.isinf(values).all():
                infinite.append(LABELS[functional])
                continue
            label = f"{LABELS[functional]} {found.limit}"
            axes.loglog(found.ns, values, "o-", ms=3, lw=1.2, color=_COLOURS[functional], label=label)
        if infinite:
            axes.plot([], [], " ", label=f"{', '.join(infinite)} = ∞ for every n")
        statement = SEQUENCES[name].statement
        _style(axes, f"{name}: {statement if len(statement) < 38 else statement[:36] + '…'}", "n", "")
        axes.legend(fontsize=6.5, frameon=True, framealpha=0.8, loc="best")
        axes.set_xscale("log", base=2)
    return _png(figure)
