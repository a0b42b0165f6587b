"""What the scripts share: the colours of P and Q, the size of the problem, where the picture goes."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

P, Q, ACCENT, GREY = "#1f5fbf", "#c8442a", "#2a8f5a", "#555555"  # as in every picture of the library
PICTURES = Path(__file__).parent.parent / "docs" / "pictures"


def size(full: int, quick: int) -> int:
    """``full``, or ``quick`` where KANTOROVICH_QUICK is set (the tests do)."""
    return quick if os.environ.get("KANTOROVICH_QUICK") else full


def out(name: str) -> str:
    """Where the picture goes: the command line's argument, or NAME.png here."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", nargs="?", default=f"{name}.png", metavar="OUT.png")
    return str(parser.parse_args().out)


def sheet(columns: int, *, width: float = 10.0, height: float = 4.0) -> tuple[Any, Any]:
    """A figure and its panels, in a row."""
    figure, axes = plt.subplots(1, columns, figsize=(width, height), layout="constrained", squeeze=False)
    return figure, axes[0]


def cloud(axis: Any, points: Any, colour: str, name: str, **style: Any) -> None:
    """Dots in the plane, without a frame."""
    axis.scatter(
        *points.T, **({"s": 14, "linewidths": 0, "color": colour, "label": name, "zorder": 2} | style)
    )
    axis.set_aspect("equal")
    axis.set_axis_off()


def arcs(axis: Any, x: Any, y: Any, plan: Any) -> None:
    """The plan as grey lines, stronger where more mass goes."""
    from matplotlib.collections import LineCollection

    lines = [(x[i], y[j]) for i, j in zip(plan.row, plan.col)]
    shade = 0.2 + 0.6 * plan.data / plan.data.max()
    axis.add_collection(LineCollection(lines, colors=[(0.35, 0.35, 0.35, s) for s in shade], linewidths=0.7))


def save(figure: Any, path: str) -> None:
    """Write and close."""
    figure.savefig(path, dpi=100)
    plt.close(figure)


def shrink(path: Path) -> None:
    """Few colours, if Pillow is there: a third of the bytes."""
    try:
        from PIL import Image
    except ImportError:
        return
    Image.open(path).convert("RGB").quantize(192).save(path, optimize=True)
