"""Measures from files: .npy, .npz, .csv/.tsv/.txt and images. Nothing is ever unpickled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

_TEXT = {".csv": ",", ".tsv": "\t", ".txt": None}
_IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}
_POINT_KEYS = ("points", "x", "X", "positions")
_WEIGHT_KEYS = ("weights", "a", "w", "mass")


@dataclass(frozen=True, eq=False)
class Measure:
    """Atoms (n, d) with weights (n,) summing to 1; ``shape`` if they are the cells of a grid."""

    points: np.ndarray
    weights: np.ndarray
    shape: tuple[int, ...] | None = None


def load_array(path: str | Path, *, key: str | None = None) -> np.ndarray:
    """The numbers in a file, as float64. Images become brightness in [0, 255].

    Raises
    ------
    ValueError
        Missing or unreadable file, unknown suffix, an .npz with several arrays and no ``key``, pickled data.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if not path.exists():
        raise ValueError(f"{path} does not exist; give a .npy, .npz, .csv or image file")
    try:
        if suffix == ".npy":
            return _numbers(np.load(path, allow_pickle=False), path)
        if suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return _numbers(archive[_pick_key(archive.files, key, path)], path)
        if suffix in _TEXT:
            return _numbers(_read_text(path, _TEXT[suffix]), path)
        if suffix in _IMAGES:
            return _read_image(path)
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    raise ValueError(f"{path}: unknown suffix {suffix!r}; give a .npy, .npz, .csv or image file")


def _numbers(array: np.ndarray, path: Path) -> np.ndarray:
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{path} holds {array.dtype}, not real numbers")
    return array.astype(np.float64)


def _pick_key(names: list[str], key: str | None, path: Path) -> str:
    if key is None and len(names) == 1:
        return names[0]
    if key in names:
        return str(key)
    raise ValueError(f"{path} holds {', '.join(names)}; save the one array you mean on its own")


def _read_text(path: Path, delimiter: str | None) -> np.ndarray:
    """Numbers in columns; one header line is skipped if it is not numeric."""
    with path.open(encoding="utf-8-sig") as lines:
        first = lines.readline()
    cells = first.replace(",", " ").split() if delimiter in (",", None) else first.split(delimiter)
    try:
        [float(cell) for cell in cells if cell.strip()]
        skip = 0
    except ValueError:
        skip = 1
    table = np.loadtxt(path, delimiter=delimiter, skiprows=skip, ndmin=2, encoding="utf-8-sig")
    return table[:, 0] if table.shape[1] == 1 else table


def _read_image(path: Path) -> np.ndarray:
    try:
        from PIL import Image
    except ImportError:
        raise ValueError("reading images needs Pillow: pip install 'kantorovich[cli]'") from None
    with Image.open(path) as image:
        return np.asarray(image.convert("L"), dtype=np.float64)


def grid_measure(values: np.ndarray) -> Measure:
    """A non-negative array as a measure on its cell indices (unit: one cell); empty cells are dropped."""
    values = np.asarray(values, dtype=np.float64)
    if values.size == 0 or not np.isfinite(values).all() or values.min() < 0 or values.sum() <= 0:
        raise ValueError("a histogram or image needs finite entries >= 0, not all of them 0")
    points = np.argwhere(values > 0).astype(np.float64)
    weights = values[values > 0]
    return Measure(points, weights / weights.sum(), values.shape)


def load_measure(path: str | Path, *, kind: str = "auto") -> Measure:
    """A file as a measure.

    Parameters
    ----------
    kind : {"auto", "points", "grid"}
        "grid": entries are masses on cells. "points": rows are atoms, equally weighted, or the arrays
        ``points`` and ``weights`` of an .npz. "auto": images are grids, everything else points.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if kind == "grid" or (kind == "auto" and suffix in _IMAGES):
        return grid_measure(load_array(path))
    if suffix == ".npz" and path.exists():
        with np.load(path, allow_pickle=False) as archive:
            point_key = next((k for k in _POINT_KEYS if k in archive.files), None)
            weight_key = next((k for k in _WEIGHT_KEYS if k in archive.files), None)
        if point_key and weight_key:
            weights = load_array(path, key=weight_key)
            return _points(load_array(path, key=point_key), weights, path)
    return _points(load_array(path), None, path)


def _points(points: np.ndarray, weights: np.ndarray | None, path: Path) -> Measure:
    if points.ndim == 1:
        points = points[:, None]
    if points.ndim != 2 or 0 in points.shape:
        raise ValueError(f"{path} has shape {points.shape}; points come one a row, shape (n, d)")
    if weights is None:
        weights = np.full(len(points), 1.0 / len(points))
    if weights.shape != (len(points),):
        raise ValueError(f"{path} has {weights.size} weights for {len(points)} points")
    return Measure(points, weights / weights.sum())
