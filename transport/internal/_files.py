"""Numbers from files: .npy, .npz, .csv/.tsv/.txt and images. Nothing is ever unpickled.

What the numbers mean is decided in `transport.internal._measures`.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transport.internal import _images as images
from transport.internal._tables import Table, read_table
from transport.internal._times import exact_float64

_TEXT = {".csv", ".tsv", ".txt"}
_POINT_KEYS = ("points", "x", "X", "positions")
_WEIGHT_KEYS = ("weights", "a", "w", "mass")
_MASS_NAMES = {
    *("weights", "weight", "w", "mass", "masses", "count", "counts", "freq", "frequency", "proportion"),
    *("prob", "probability", "share", "len", "n"),
}


@dataclass(frozen=True, eq=False)
class Contents:
    """What a file holds, before anything is made of it.

    Attributes
    ----------
    values : float64 array
    source : {"image", "table", "array"}
    names, labels : tuple of str or None
        Of the columns and of the rows.
    weights : (n,) array or None
        Of rows that are points.
    suspect : str
        A column that may be something else than a coordinate ("" for none), in words.
    """

    path: Path
    values: np.ndarray
    source: str
    names: tuple[str, ...] | None = None
    labels: tuple[str, ...] | None = None
    weights: np.ndarray | None = None
    suspect: str = ""


@contextmanager
def reading(path: Any) -> Iterator[None]:
    """Whatever a reader makes of a damaged file leaves as one ValueError that names it, without warnings.

    The readers are other people's parsers of hostile bytes (zip, zlib, image formats): on such bytes they
    raise whatever their internals raise, so every `Exception` is one of "cannot read".
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except MemoryError:
        raise ValueError(f"cannot read {path}: it announces more data than fits into memory") from None
    except Exception as error:
        text = str(error) or type(error).__name__
        if isinstance(error, ValueError) and str(path) in text:
            raise
        raise ValueError(f"cannot read {path}: {text}") from error


def _read_member(stream: Any, size: int, name: str) -> np.ndarray:
    """The array of an .npy stream of ``size`` bytes; the header is believed only as far as these go."""
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = header(stream)
    if dtype.hasobject:
        raise ValueError(f"{name} holds pickled objects; save an array of numbers")
    needed = dtype.itemsize
    for axis in shape:
        needed *= axis
    if not 0 <= needed <= size - stream.tell() or any(axis < 0 for axis in shape):
        raise ValueError(f"{name} announces shape {shape} of {dtype} and holds {size} bytes: it is damaged")
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)


def read_npy(path: Path) -> np.ndarray:
    """The array in an .npy file, of whatever dtype but object."""
    with reading(path), path.open("rb") as stream:
        return _read_member(stream, path.stat().st_size, path.name)


def read_npz(path: Path, keys: list[str] | None = None) -> dict[str, np.ndarray]:
    """Some arrays (None: all) of an .npz archive, by name."""
    with reading(path), zipfile.ZipFile(path) as archive:
        found: dict[str, np.ndarray] = {}
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if info.filename.endswith(".npy") and (keys is None or name in keys):
                with archive.open(info) as stream:
                    found[name] = _read_member(stream, info.file_size, name)
                    if stream.read(1):  # to the end: the checksum is compared there
                        raise ValueError(f"{name} is longer than its header says")
        return found


def _names_in(path: Path) -> list[str]:
    with reading(path), zipfile.ZipFile(path) as archive:
        names = [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]
        if not names:
            raise ValueError(f"{path} holds no arrays; save them with numpy.savez(path, points=x, weights=w)")
        return names


def _existing(path: str | Path) -> Path:
    path = Path(path)
    with reading(path):
        if not path.exists():
            raise ValueError(f"{path} does not exist; give a .npy, .npz, .csv or image file")
        if path.is_dir():
            raise ValueError(f"{path} is a folder; give a .npy, .npz, .csv or image file")
    return path


def load(
    path: str | Path,
    *,
    columns: str | None = None,
    weights: str | None = None,
    heading: bool | None = None,
) -> Contents:
    """The numbers in a file.

    Parameters
    ----------
    columns : str, optional
        Which columns of a table (names or numbers from 1, separated by commas), or which array of an .npz.
    weights : str, optional
        The column, or the array of an .npz, with the weights of the points.
    heading : bool, optional
        Whether the first row of a text file names the columns; found out by default.

    Raises
    ------
    ValueError
        Missing, damaged or foreign file; pickled data; a cell that is no number; no such column.
    """
    path = _existing(path)
    suffix = path.suffix.lower()
    if suffix in images.SUFFIXES:
        _refuse_columns(path, columns, weights)
        with reading(path):
            return Contents(path, images.brightness(images.open_image(path), path), "image")
    if suffix == ".npy":
        array = _numbers(read_npy(path), path)
        if array.ndim != 2:
            _refuse_columns(path, columns, weights)
            return Contents(path, array, "array")
        width = range(1, array.shape[1] + 1)
        return _chosen(path, array, tuple(map(str, width)), columns, weights)
    if suffix == ".npz":
        return _load_npz(path, columns, weights)
    if suffix in _TEXT:
        with reading(path):
            return _of_table(read_table(path, heading=heading), columns, weights)
    raise ValueError(f"{path}: unknown suffix {suffix!r}; give a .npy, .npz, .csv or image file")


def _refuse_columns(path: Path, columns: str | None, weights: str | None) -> None:
    if columns is not None or weights is not None:
        raise ValueError(f"{path} has no columns; leave --column and --weights out")


def _numbers(array: np.ndarray, path: Path) -> np.ndarray:
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{path} holds {array.dtype}, not real numbers")
    if array.size == 0 or array.ndim == 0:
        raise ValueError(f"{path} holds an array of shape {array.shape}; a measure needs at least one atom")
    values = exact_float64(array, str(path))
    if not np.isfinite(values).all():
        where = ", ".join(map(str, np.argwhere(~np.isfinite(values))[0].tolist()))
        raise ValueError(f"{path}: entry [{where}] is not finite; remove or impute it")
    return values


def _chosen(
    path: Path, array: np.ndarray, names: tuple[str, ...], columns: str | None, weights: str | None
) -> Contents:
    """Columns of an array, by number."""
    picked = [_number(path, c, names) for c in _split(columns)] if columns else list(range(len(names)))
    masses = None
    if weights is not None:
        mass = _number(path, weights, names)
        masses = array[:, mass]
        picked = [k for k in picked if columns or k != mass]
    if columns is None and weights is None:
        return Contents(path, array, "array", suspect=_suspect(array, None))
    return Contents(path, _narrow(array[:, picked]), "array", weights=masses)


def _split(columns: str) -> list[str]:
    return [name.strip() for name in columns.split(",") if name.strip()]


def _number(path: Path, column: str, names: tuple[str, ...]) -> int:
    if column not in names:
        raise ValueError(f"{path} has no column {column!r}; it has 1 to {len(names)}")
    return names.index(column)


def _load_npz(path: Path, columns: str | None, weights: str | None) -> Contents:
    names = _names_in(path)
    if columns is None:
        point_key = next((k for k in _POINT_KEYS if k in names), None)
        weight_key = weights or next((k for k in _WEIGHT_KEYS if k in names), None)
        if point_key and weight_key:
            columns, weights = point_key, weight_key
        elif len(names) == 1:
            columns = names[0]
        else:
            raise ValueError(f"{path} holds {', '.join(names)}; say which you mean: --column {names[0]}")
    missing = next((k for k in (columns, weights) if k is not None and k not in names), None)
    if missing is not None:
        raise ValueError(f"{path} has no array {missing!r}; it holds {', '.join(names)}")
    found = read_npz(path, [k for k in (columns, weights) if k is not None])
    values = _numbers(found[columns], path)
    masses = None if weights is None else _numbers(found[weights], path)
    suspect = "" if masses is not None or values.ndim != 2 else _suspect(values, None)
    return Contents(path, values, "array", weights=masses, suspect=suspect)


def _of_table(table: Table, columns: str | None, weights: str | None) -> Contents:
    masses = None
    mass = None if weights is None else table.place(weights)
    if mass is not None:
        masses = table.numbers([mass])[:, 0]
    if columns is not None:
        picked = [table.place(name) for name in _split(columns)]
    else:
        picked = [k for k in range(int(table.indexed), table.width) if k != mass]
    if not picked:
        raise ValueError(f"{table.path}: no column is left for the points; name them with --column")
    values = table.numbers(picked)
    names = tuple(table.names[k] for k in picked) if table.names else None
    labels = None if table.labels is None or len(set(table.labels)) < len(table.rows) else table.labels
    explicit = columns is not None or masses is not None
    return Contents(
        table.path,
        _narrow(values),
        "table",
        names=names,
        labels=labels,
        weights=masses,
        suspect="" if explicit else _suspect(values, names),
    )


def _narrow(values: np.ndarray) -> np.ndarray:
    return values[:, 0] if values.shape[1] == 1 else values


def _suspect(values: np.ndarray, names: tuple[str, ...] | None) -> str:
    """A column that is rather an index or masses than a coordinate, in words."""
    n, d = values.shape
    if d < 2 or n < 2:
        return ""
    if names:
        for name in names:
            if name.lower() in _MASS_NAMES:
                return f"column {name!r} may hold masses (--weights {name}, or --column {name} alone)"
    first = values[:, 0]
    rest = ",".join(names[1:]) if names else ",".join(map(str, range(2, d + 1)))
    if n > 2 and np.array_equal(first - first[0], np.arange(n)) and first[0] in (0, 1):
        return f"the first column counts the rows (--column {rest} leaves it out)"
    if d == 2 and n > 2 and np.all(np.diff(first) > 0) and values.min() >= 0:
        return f"the first column may name bins (--column {rest} takes their masses)"
    return ""
