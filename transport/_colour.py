"""Colour transfer: give one photograph the palette of another by exact transport in RGB.

Every distinct colour is an atom weighted by its pixels; the plan between the two palettes sends each colour
of the first image to the mean of the colours its mass goes to (the barycentric projection; Ferradans,
Papadakis, Peyre, Aujol 2014). Nothing is subsampled: 10^5 colours a side are solved exactly.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from transport._points import PointCloud
from transport._solution import Solution
from transport._solve import solve
from transport.internal import _images as images
from transport.internal._cli import Parser, Ticker, read_as
from transport.internal._files import reading
from transport.internal._images import is_image
from transport.internal._plot import pyplot
from transport.internal._whole import whole


def palette(image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct colours (k, 3), their share of the pixels (k,), and each pixel's colour index (h w,).

    Raises
    ------
    ValueError
        If ``image`` is not (h, w, 3) uint8.

    Examples
    --------
    >>> colours, shares, index = palette(np.array([[[0, 0, 0], [0, 0, 0], [255, 0, 0]]], np.uint8))
    >>> colours.tolist(), shares.round(3).tolist(), index.tolist()
    ([[0.0, 0.0, 0.0], [255.0, 0.0, 0.0]], [0.667, 0.333], [0, 0, 1])
    """
    if is_image(image):
        raise TypeError("image is a PIL image; pass numpy.asarray(image.convert('RGB'))")
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image has shape {image.shape} and dtype {image.dtype}; give (h, w, 3) uint8 RGB")
    red, green, blue = (image[..., k].astype(np.int64) for k in range(3))
    codes, index, counts = np.unique(
        (red << 16 | green << 8 | blue).ravel(), return_inverse=True, return_counts=True
    )
    colours = np.stack([codes >> 16, (codes >> 8) & 255, codes & 255], axis=1).astype(np.float64)
    return colours, counts / counts.sum(), index.ravel()


def transfer_colours(
    image: np.ndarray, style: np.ndarray, *, callback: Callable[..., Any] | None = None
) -> tuple[np.ndarray, Solution]:
    """``image`` in the colours of ``style``, and the exact transport solution between their palettes.

    Parameters
    ----------
    image : array, shape (h, w, 3), uint8
    style : array, shape (h', w', 3), uint8
    callback : callable, optional
        As in `transport.solve`.

    Raises
    ------
    ValueError
        If one of the images is not (h, w, 3) uint8.

    Examples
    --------
    >>> import numpy as np
    >>> import transport as tp
    >>> grey = np.full((2, 2, 3), 128, np.uint8)
    >>> red = np.zeros((2, 2, 3), np.uint8); red[..., 0] = 255
    >>> tp.transfer_colours(grey, red)[0][0, 0].tolist()
    [255, 0, 0]
    """
    x, a, index = palette(image)
    y, b, _ = palette(style)
    solution = solve(PointCloud(x, y, "sqeuclidean"), a, b, callback=callback)
    plan = solution.plan
    sent = np.bincount(plan.row, weights=plan.data, minlength=len(x))
    mapped = np.stack(
        [np.bincount(plan.row, weights=plan.data * y[plan.col, k], minlength=len(x)) for k in range(3)],
        axis=1,
    )
    mapped = np.divide(mapped, sent[:, None])
    pixels = np.clip(np.rint(mapped), 0, 255).astype(np.uint8)[index]
    return pixels.reshape(image.shape), solution


def main(argv: list[str]) -> int:
    """``python -m transport colours IMAGE STYLE --out OUT.png``."""
    parser = Parser(
        prog="python -m transport colours",
        description="Give IMAGE the colours of STYLE by exact transport between all their colours.",
    )
    parser.add_argument("image", nargs="?", help="a photograph (default: the two that scikit-learn ships)")
    parser.add_argument("style", nargs="?", help="where the colours come from")
    parser.add_argument("--out", metavar="OUT.png", default="colours.png", help="the picture to write")
    args = parser.parse_args(argv)
    pyplot()  # a missing library is said before the work
    if (args.image is None) != (args.style is None):
        raise ValueError("give two images, the photograph and the one with the colours")
    image, style = _photographs(args.image, args.style)
    ticker = Ticker("colour transfer")
    try:
        after, solution = transfer_colours(image, style, callback=ticker)
    finally:
        ticker.done()
    _draw(image, style, after, solution, args.out)
    n, m = solution.plan.shape
    sys.stdout.write(
        f"{n} x {m} colours, exact: mean squared shift {solution.value:.6f}, "
        f"certified gap {solution.gap:.1e}, {solution.elapsed:.1f} s\nPicture: {args.out}\n"
    )
    sizes = [
        f"{' x '.join(map(str, picture.shape[:2]))} pixels, {k} colours"
        for picture, k in ((image, n), (style, m))
    ]
    sys.stdout.write(read_as((args.image or "china.jpg", args.style or "flower.jpg"), sizes))
    return 0


def _photographs(image: str | None, style: str | None) -> tuple[np.ndarray, np.ndarray]:
    if image is None or style is None:
        try:
            from sklearn.datasets import load_sample_image
        except ImportError:
            raise ValueError("give two images, or pip install scikit-learn for its two photographs") from None
        return load_sample_image("china.jpg"), load_sample_image("flower.jpg")
    pair = []
    for path in map(Path, (image, style)):
        with reading(path):
            pair.append(images.colours(images.open_image(path), path))
    return pair[0], pair[1]


def _draw(image: np.ndarray, style: np.ndarray, after: np.ndarray, solution: Solution, out: str) -> None:
    plt = pyplot()
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.4), layout="constrained")
    n, m = solution.plan.shape
    titles = ("image", "colours wanted", f"exact transport of {n:,} to {m:,} colours")
    for axis, picture, title in zip(axes, (image, style, after), titles):
        axis.imshow(picture)
        axis.set_title(title)
        axis.set_axis_off()
    with whole(out) as file:
        figure.savefig(file, dpi=110)
    plt.close(figure)
