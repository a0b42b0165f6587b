"""Data sets from files: IDX, .npy, .npz and folders of pictures, with the scaling that undoes itself."""

from __future__ import annotations

import gzip
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transport.internal._files import read_npy, read_npz, reading

LARGEST = 64  # pixels on a side that the presets are made for
_SMALLEST = 4
_IMAGE_KEYS = ("images", "x", "X", "x_train", "data", "points", "arr_0")
_LABEL_KEYS = ("labels", "y", "Y", "y_train", "label", "target", "arr_1")


@dataclass(frozen=True)
class Scaling:
    """Values of a file as ``offset + scale * v`` with v in [0, 1], of type ``dtype``.

    >>> Scaling(0.0, 255.0, "uint8").undone(np.array([0.0, 0.5, 1.01]))
    array([  0, 128, 255], dtype=uint8)
    """

    offset: float = 0.0
    scale: float = 1.0
    dtype: str = "float64"

    def undone(self, v: np.ndarray) -> np.ndarray:
        """``v`` in the values of the file; integers are rounded and cut to what their type holds."""
        x = self.offset + self.scale * v
        kind = np.dtype(self.dtype)
        if kind.kind == "b":
            return np.asarray(x >= 0.5)
        if kind.kind in "iu":
            x = np.clip(np.rint(x), np.iinfo(kind).min, np.iinfo(kind).max)
        return np.asarray(x.astype(kind))


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images (n, h, w) or (n, h, w, 3) in [0, 1], and what was done to them.

    Attributes
    ----------
    labels : (n,) array of int, or None
    classes : tuple of str
        Names of the labels, where folders gave them.
    note : str
        What was done, in words ("" for nothing).
    """

    images: np.ndarray
    scaling: Scaling
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    note: str = ""


def read_array(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """The array of an IDX, .npy or .npz file, and its labels where the file (or one beside it) has them."""
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _of_archive(path)
    array = read_npy(path) if suffix == ".npy" else read_idx(path)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{path} holds {array.dtype}, not real numbers")
    if suffix == ".npy" or array.ndim < 3:
        return array, None
    return array, _labels_beside(path, len(array))


def _of_archive(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    found = read_npz(path)
    numeric = [name for name, value in found.items() if value.dtype.kind in "biuf" and value.ndim >= 1]
    name = next((key for key in _IMAGE_KEYS if key in numeric), numeric[0] if len(numeric) == 1 else None)
    if name is None:
        raise ValueError(
            f"{path} holds {', '.join(found) or 'no arrays'}; save it with "
            "numpy.savez(path, images=array, labels=integers)"
        )
    label = next((key for key in _LABEL_KEYS if key in found and key != name), None)
    if label is None:
        return found[name], None
    return found[name], as_labels(found[label], len(found[name]), f"{path}: {label}")


def as_labels(labels: Any, n: int, name: str) -> np.ndarray:
    """``labels`` as n integers from 0 up.

    Raises
    ------
    ValueError
        Another length, values that are not whole or below 0.
    """
    labels = np.asarray(labels)
    labels = labels.reshape(len(labels), -1)[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.shape != (n,):
        raise ValueError(f"{name} has shape {labels.shape}; there are {n} samples: give one label for each")
    if labels.dtype.kind not in "biuf" or not bool(np.all(labels == np.rint(labels))) or labels.min() < 0:
        raise ValueError(
            f"{name} must hold whole numbers from 0 up; number them with "
            "numpy.unique(labels, return_inverse=True)[1]"
        )
    return labels.astype(np.int64)


def _labels_beside(path: Path, n: int) -> np.ndarray | None:
    """Of ``train-images-idx3-ubyte.gz`` those of ``train-labels-idx1-ubyte.gz``, if it lies beside it."""
    stem = path.name.replace("images", "labels").replace("idx3", "idx1")
    for name in (stem, stem.removesuffix(".gz"), stem + ".gz"):
        beside = path.with_name(name)
        if name != path.name and beside.exists():
            return as_labels(read_idx(beside), n, str(beside))
    return None


_IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_idx(path: str | Path) -> np.ndarray:
    """The array in an IDX file, gzipped or plain (two zero bytes, type, rank, sizes, values; big-endian).

    Raises
    ------
    ValueError
        Not an IDX file, or cut short.

    Examples
    --------
    >>> import os, struct, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "two.idx")
    ...     _ = Path(path).write_bytes(bytes([0, 0, 8, 1]) + struct.pack(">I", 2) + bytes([7, 9]))
    ...     read_idx(path).tolist()
    [7, 9]
    """
    path = Path(path)
    with reading(path):
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in _IDX_TYPES or not raw[3]:
        raise ValueError(
            f"{path} is neither .npy, .npz nor IDX; save it with numpy.save('data.npy', array), "
            "or give the folder of the pictures"
        )
    start = 4 + 4 * raw[3]
    shape = tuple(int(v) for v in np.frombuffer(raw[4:start], ">u4")) if len(raw) >= start else (0,)
    dtype = np.dtype(_IDX_TYPES[raw[2]])
    if len(raw) < start or len(raw) - start != math.prod(shape) * dtype.itemsize:
        raise ValueError(
            f"{path} announces shape {shape} and holds {max(len(raw) - start, 0)} bytes of values; "
            "it is damaged: fetch it again"
        )
    return np.frombuffer(raw[start:], dtype).reshape(shape).astype(dtype.newbyteorder("="))


# ---------------------------------------------------------------- arrays of images


def pictures_of(array: np.ndarray, name: str, *, size: int | None = None) -> Pictures:
    """Images from an array (n, h, w), (n, h, w, 1 or 3) or (n, 1 or 3, h, w), scaled to [0, 1].

    Integers are divided by 255 (by their largest value, if that is larger); other values that leave [0, 1]
    are stretched from least to greatest. Images larger than 64 pixels on a side, or with ``size`` given, are
    reduced.
    """
    notes = []
    if array.ndim == 4:
        if array.shape[3] not in (1, 3) and array.shape[1] in (1, 3):
            array = np.moveaxis(array, 1, 3)
            notes.append("channels first")
        if array.shape[3] not in (1, 3):
            what = "flatten the transparent ones onto a background" if array.shape[3] == 4 else "choose such"
            raise ValueError(
                f"{name} has shape {array.shape}; images need 1 or 3 channels, last or first: {what}"
            )
        array = array[..., 0] if array.shape[3] == 1 else array
    lo, hi = float(array.min()), float(array.max())
    if not (math.isfinite(lo) and math.isfinite(hi)):
        bad = np.argwhere(~np.isfinite(array.reshape(len(array), -1)))[0]
        value = array.reshape(len(array), -1)[tuple(bad)]
        raise ValueError(f"{name} holds {value} in sample {bad[0]}; remove or impute such samples")
    scaling = _scaling(array.dtype, lo, hi)
    values = (array.astype(np.float64) - scaling.offset) / scaling.scale
    if scaling.dtype.startswith("float") and (scaling.offset, scaling.scale) != (0.0, 1.0):
        notes.append(f"values from [{lo:g}, {hi:g}] to [0, 1]")
    values, note = _reduced(values, name, size)
    return Pictures(values, scaling, note=", ".join([*notes, *note]))


def _scaling(dtype: np.dtype, lo: float, hi: float) -> Scaling:
    if dtype.kind == "b":
        return Scaling(0.0, 1.0, "bool")
    if dtype.kind in "iu":
        offset = min(lo, 0.0)
        return Scaling(offset, max(255.0, hi - offset), dtype.name)
    if lo >= 0 and hi <= 1:
        return Scaling(0.0, 1.0, dtype.name)
    return Scaling(lo, hi - lo if hi > lo else 1.0, dtype.name)


def target_size(h: int, w: int, size: int | None, name: str) -> tuple[int, int]:
    """Height and width that images of (h, w) are brought to: at most 64, in the same proportion."""
    if size is not None and not _SMALLEST <= size <= LARGEST:
        raise ValueError(f"--size {size}; give a number of pixels from {_SMALLEST} to {LARGEST}")
    longest = max(h, w)
    if size is None and longest <= LARGEST:
        return h, w
    share = (size or LARGEST) / longest
    small = max(1, round(h * share)), max(1, round(w * share))
    if min(small) < _SMALLEST:
        raise ValueError(
            f"{name} holds images of {h} x {w}, {small[0]} x {small[1]} when reduced to {max(small)} pixels; "
            "cut them to a squarer form first"
        )
    return small


def _reduced(values: np.ndarray, name: str, size: int | None) -> tuple[np.ndarray, list[str]]:
    h, w = values.shape[1:3]
    if min(h, w) < 1:
        raise ValueError(f"{name} holds images of {h} x {w}; there is nothing to learn in them")
    small = target_size(h, w, size, name)
    if small == (h, w):
        return values, []
    return np.stack([resized(image.astype(np.float32), small) for image in values]), [
        f"resized from {h} x {w} to {small[0]} x {small[1]}"
    ]


def resized(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A float32 image (h, w) or (h, w, 3) at another size, each channel by Pillow's antialiased filter.

    Raises
    ------
    ValueError
        Without Pillow.
    """
    try:
        from PIL import Image
    except ImportError:
        raise ValueError("resizing images needs Pillow: pip install 'kantorovich[cli]'") from None
    channels = image[..., None] if image.ndim == 2 else image
    planes = [
        np.asarray(Image.fromarray(channels[..., c]).resize(shape[::-1], Image.Resampling.BILINEAR))
        for c in range(channels.shape[2])
    ]
    return planes[0] if image.ndim == 2 else np.stack(planes, axis=-1)
