"""Charts as inline SVG, by hand: a log-log chart of lines, and steps for profiles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 560, 340
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 14, 44
# colours that stay apart for the colour-blind (Okabe and Ito), ours in the first
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#666666", "#8b5a2b")
DASHES = ("", "6 3", "2 3", "8 3 2 3")
Line = Sequence[tuple[float, float]]


def style(k: int) -> tuple[str, str]:
    """(colour, dashes) of the k-th line."""
    return COLOURS[k % len(COLOURS)], DASHES[k // len(COLOURS) % len(DASHES)]


class Axis:
    """A scale from values to pixels, logarithmic or not, and its ticks."""

    def __init__(self, low: float, high: float, first: float, last: float, *, log: bool) -> None:
        self.log = log
        if log:
            low, high = math.log10(low), math.log10(high)
        if high - low < 1e-9:
            low, high = low - 0.5, high + 0.5
        self.low, self.high, self.first, self.last = low, high, first, last

    def at(self, value: float) -> float:
        """Pixels."""
        value = math.log10(value) if self.log else value
        return self.first + (value - self.low) / (self.high - self.low) * (self.last - self.first)

    def ticks(self) -> list[tuple[float, str]]:
        """(value, label)."""
        if not self.log:
            return [(v / 5, f"{v / 5:g}") for v in range(6) if self.low <= v / 5 <= self.high + 1e-9]
        steps = (1,) if self.high - self.low > 2 else (1, 2, 5)
        values = [
            s * 10.0**e for e in range(math.floor(self.low) - 1, math.ceil(self.high) + 1) for s in steps
        ]
        return [(v, label(v)) for v in values if self.low - 1e-9 <= math.log10(v) <= self.high + 1e-9]


def label(value: float) -> str:
    """A tick's label: 0.001, 10, 20k."""
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    if value >= 1000:
        return f"{value / 1000:g}k"
    return f"{value:g}" if value >= 1e-4 else f"1e{round(math.log10(value))}"


def _frame(x: Axis, y: Axis, titles: tuple[str, str]) -> list[str]:
    parts = []
    for value, text in x.ticks():
        at = x.at(value)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{text}</text>')
    for value, text in y.ticks():
        at = y.at(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{text}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(titles[0])}</text>')
    turn = f'transform="rotate(-90 14 {HEIGHT / 2 - 12})"'
    parts.append(f'<text x="14" y="{HEIGHT / 2 - 12}" text-anchor="middle" {turn}>{escape(titles[1])}</text>')
    return parts


def _legend(lines: Mapping[str, str]) -> str:
    items = []
    for k, (name, note) in enumerate(lines.items()):
        colour, dashes = style(k)
        line = (
            f'<line x2="26" y1="4" y2="4" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dashes}"/>'
        )
        text = escape(name) + (f" <em>{escape(note)}</em>" if note else "")
        items.append(f'<li><svg width="26" height="8">{line}</svg> {text}</li>')
    return f'<ul class="legend">{"".join(items)}</ul>'


def chart(
    lines: Mapping[str, Line],
    titles: tuple[str, str],
    *,
    notes: Mapping[str, str] | None = None,
    steps: bool = False,
) -> str:
    """A figure: lines of (x, y), both axes logarithmic; with ``steps`` y is a share from 0 to 1."""
    points = [point for line in lines.values() for point in line if point[1] > 0]
    if not points:
        return ""
    xs, ys = zip(*points)
    x = Axis(1.0 if steps else min(xs), max(*xs, 10.0) if steps else max(xs), LEFT, WIDTH - RIGHT, log=True)
    low, high = (0.0, 1.0) if steps else (min(ys), max(ys))
    y = Axis(low, high, HEIGHT - BOTTOM, TOP, log=not steps)
    parts = _frame(x, y, titles)
    for k, line in enumerate(lines.values()):
        colour, dashes = style(k)
        drawn = [
            (x.at(a), y.at(b))
            for a, b in (_staircase(line, max(*xs, 10.0)) if steps else line)
            if b > 0 or steps
        ]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in drawn)
        width = 3.5 if k == 0 else 1.8
        drawing = f'fill="none" stroke="{colour}" stroke-width="{width}" stroke-dasharray="{dashes}"'
        parts.append(f'<polyline {drawing} points="{path}"/>')
        if not steps:
            parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in drawn]
    name = escape(f"{titles[1]} against {titles[0]}")
    frame = f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}">'
    legend = _legend({key: (notes or {}).get(key, "") for key in lines})
    return f"<figure>{frame}{''.join(parts)}</svg>{legend}</figure>"


def _staircase(line: Line, end: float) -> list[tuple[float, float]]:
    out: list[tuple[float, float]] = [(1.0, 0.0)]
    for ratio, share in line:
        out += [(ratio, out[-1][1]), (ratio, share)]
    return [*out, (end, out[-1][1])]
