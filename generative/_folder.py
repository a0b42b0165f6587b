"""A folder of pictures as a data set: any mode Pillow knows, cut to one shape, labels from sub-folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from generative._reading import LARGEST, Pictures, Scaling, resized, target_size
from transport.internal._files import reading
from transport.internal._images import SUFFIXES, brightness, open_image

_GREY = ("1", "L", "I", "I;16", "I;16B", "I;16L", "I;16N")
_CONVERTIBLE = ("CMYK", "YCbCr", "HSV", "LAB", "RGBX")


def read_folder(folder: Path, *, size: int | None = None) -> Pictures:
    """All pictures of ``folder``, or of its sub-folders, whose names are then the labels.

    Grey if all of them are, else RGB. Pictures of one shape stay whole (reduced to 64 pixels on the longer
    side, or to ``size``); pictures of several shapes are cut to the square in their middle and brought to one
    size.

    Raises
    ------
    ValueError
        Fewer than two pictures, or one that cannot be read: with its name and the remedy.
    """
    paths, labels, classes = _listed(folder)
    if len(paths) < 2:
        raise ValueError(
            f"{folder} holds {len(paths)} pictures ({', '.join(sorted(SUFFIXES))}) and no "
            "sub-folders of them; learning needs at least 2"
        )
    images = [_decoded(path) for path in paths]
    shapes = {image.shape[:2] for image in images}
    notes = []
    if len(shapes) == 1:
        h, w = next(iter(shapes))
        target = target_size(h, w, size, str(folder))
        if target != (h, w):
            notes.append(f"resized from {h} x {w} to {target[0]} x {target[1]}")
    else:
        side = min(min(shape) for shape in shapes)
        if side < 4:
            worst = paths[int(np.argmin([min(image.shape[:2]) for image in images]))]
            raise ValueError(f"{worst} is less than 4 pixels wide or high; remove it")
        side = target_size(side, side, size, str(folder))[0] if size or side > LARGEST else side // 4 * 4
        target = (side, side)
        images = [_middle(image) for image in images]
        notes.append(f"of {len(shapes)} shapes, their middle squares brought to {side} x {side}")
    images = [image if image.shape[:2] == target else resized(image, target) for image in images]
    if any(image.ndim == 3 for image in images):
        images = [image if image.ndim == 3 else np.stack([image] * 3, axis=-1) for image in images]
    stack = np.clip(np.stack(images), 0.0, 1.0)
    return Pictures(stack, Scaling(0.0, 255.0, "uint8"), labels, classes, ", ".join(notes))


def _listed(folder: Path) -> tuple[list[Path], np.ndarray | None, tuple[str, ...]]:
    own = _pictures_in(folder)
    if own:
        return own, None, ()
    inside = [(sub, _pictures_in(sub)) for sub in sorted(folder.iterdir()) if sub.is_dir()]
    inside = [(sub, found) for sub, found in inside if found]
    paths = [path for _, found in inside for path in found]
    labels = np.repeat(np.arange(len(inside)), [len(found) for _, found in inside])
    if len(inside) < 2:
        return paths, None, ()
    return paths, labels.astype(np.int64), tuple(sub.name for sub, _ in inside)


def _pictures_in(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def _decoded(path: Path) -> np.ndarray:
    """Float32 in [0, 1], (h, w) for grey, (h, w, 3) for colour."""
    with reading(path):
        image = open_image(path)
        if image.mode in _GREY:
            values = brightness(image, path)
            top = _white(image, values)
            return np.asarray(values / top, dtype=np.float32)
        if image.mode == "F":
            raise ValueError(f"{path} has floating-point levels without a known white; save them as .npy")
        if image.mode in _CONVERTIBLE:
            image = image.convert("RGB")
        rgb = np.asarray(image.convert("RGB"), dtype=np.float32) / 255
    grey = bool(np.all(rgb[..., 0] == rgb[..., 1]) and np.all(rgb[..., 1] == rgb[..., 2]))
    return rgb[..., 0] if grey else rgb


def _white(image: Any, values: np.ndarray) -> float:
    levels = image.info.get("levels", 0)
    if levels:
        return float(levels)
    if image.mode in ("1", "L"):
        return 255.0
    return max(65535.0, float(values.max()))


def _middle(image: np.ndarray) -> np.ndarray:
    h, w = image.shape[:2]
    side = min(h, w)
    top, left = (h - side) // 2, (w - side) // 2
    return image[top : top + side, left : left + side]
