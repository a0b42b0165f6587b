"""Sheets of images (Pillow, imported when asked for): samples, neighbours, paths; training as a film."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from generative import _checkpoint
from transport.internal import whole

_GAP, _GREY = 2, 128
_PIXELS = 56  # a small image is enlarged to about this many
STRIP = "strip.npz"
_ROWS, _TIMES = 10, 12


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise ValueError("sheets of images need Pillow: pip install 'kantorovich[cli]'") from None
    return Image


def in_bytes(images: np.ndarray, *, ink: bool = False) -> np.ndarray:
    """Images in [0, 1] as uint8; ``ink`` draws dark on white."""
    values = np.rint(255 * np.clip(images, 0.0, 1.0)).astype(np.uint8)
    return 255 - values if ink else values


def page(images: np.ndarray, columns: int) -> np.ndarray:
    """Uint8 images (n, h, w) or (n, h, w, 3) in rows of ``columns``, enlarged by whole numbers."""
    n, h, w = images.shape[:3]
    scale = max(1, _PIXELS // max(h, w))
    rows = -(-n // columns)
    tall, wide = h * scale + _GAP, w * scale + _GAP
    out = np.full((rows * tall + _GAP, columns * wide + _GAP, *images.shape[3:]), _GREY, dtype=np.uint8)
    for k, image in enumerate(images):
        top, left = _GAP + (k // columns) * tall, _GAP + (k % columns) * wide
        big = image.repeat(scale, axis=0).repeat(scale, axis=1)
        out[top : top + h * scale, left : left + w * scale] = big
    return out


def save_page(images: np.ndarray, path: Path, *, columns: int, ink: bool = False) -> Path:
    """`page` of images in [0, 1], as a file."""
    picture = _pillow().fromarray(page(in_bytes(images, ink=ink), columns))
    with whole(path) as file:
        picture.save(file, optimize=True)
    return path


def neighbours(
    made: np.ndarray, training: np.ndarray, nearest: np.ndarray, *, columns: int = 10
) -> np.ndarray:
    """Samples in rows, and below each its nearest training image; at most five such rows."""
    shown = min(len(made), 5 * columns)
    rows = []
    for start in range(0, shown, columns):
        here = slice(start, min(start + columns, shown))
        pad = columns - (here.stop - here.start)
        for block in (made[here], training[nearest[here]]):
            blank = np.full((pad, *made.shape[1:]), 0.5)
            rows.append(np.concatenate([block, blank]))
    return np.concatenate(rows)


class Strip:
    """The same latent variables while a run goes on: ``strip.npz``, ``progress.png``, ``training.gif``.

    Parameters
    ----------
    folder : Path
    step : int
        Where the run is: frames of later steps, left by another run, are dropped.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        self.folder, self.steps = folder, np.zeros(0, dtype=np.int64)
        self.frames: np.ndarray | None = None
        path = folder / STRIP
        if step and path.exists():
            try:
                found, _ = _checkpoint.read(path)
            except ValueError:  # a damaged strip is drawn anew, from here on
                return
            kept = found["steps"] <= step
            self.steps, self.frames = found["steps"][kept], found["frames"][kept]

    def add(self, step: int, images: np.ndarray, *, ink: bool = False) -> None:
        """One more frame: images (n, ...) in [0, 1]; the pictures are drawn anew."""
        frame = in_bytes(images[:_ROWS], ink=ink)[None]
        if self.frames is not None and self.frames.shape[1:] != frame.shape[1:]:
            self.frames = None
        if self.frames is None:
            self.steps, self.frames = np.zeros(0, dtype=np.int64), frame[:0]
        before = self.steps < step
        self.steps = np.append(self.steps[before], step)
        self.frames = np.concatenate([self.frames[before], frame])
        _checkpoint.write(self.folder / STRIP, {"steps": self.steps, "frames": self.frames}, {})
        self._draw()

    def _draw(self) -> None:
        assert self.frames is not None
        image = _pillow()
        count = len(self.frames)
        chosen = np.unique(np.linspace(0, count - 1, min(count, _TIMES)).round().astype(int))
        # Rows are latent variables, columns times.
        table = self.frames[chosen].swapaxes(0, 1).reshape(-1, *self.frames.shape[2:])
        with whole(self.folder / "progress.png") as file:
            image.fromarray(page(table, len(chosen))).save(file, optimize=True)
        films = [image.fromarray(page(frame, 5)) for frame in self.frames]
        times = [300] * (count - 1) + [2000]
        with whole(self.folder / "training.gif") as file:
            films[0].save(file, save_all=True, append_images=films[1:], duration=times, loop=0)
