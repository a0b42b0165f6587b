"""Checkpoints: one file of arrays and JSON, complete or absent, checked when read. Never pickle."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from transport.internal import to_numpy

_FORMAT = 1
_META = "meta"


def flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    """A nested dict, list or tuple as ``{"a/b/0": leaf}``.

    >>> flatten({"a": {"b": [1, 2]}})
    {'a/b/0': 1, 'a/b/1': 2}
    """
    if isinstance(tree, dict):
        pairs = [(str(key), value) for key, value in tree.items()]
    elif isinstance(tree, (list, tuple)):
        pairs = [(str(i), value) for i, value in enumerate(tree)]
    else:
        return {prefix: tree}
    out: dict[str, Any] = {}
    for key, value in pairs:
        out |= flatten(value, f"{prefix}/{key}" if prefix else key)
    return out


def refill(form: Any, flat: dict[str, Any], prefix: str = "") -> Any:
    """The inverse of `flatten`, given a tree of the same form."""
    if isinstance(form, dict):
        return {k: refill(v, flat, f"{prefix}/{k}" if prefix else str(k)) for k, v in form.items()}
    if isinstance(form, (list, tuple)):
        return type(form)(refill(v, flat, f"{prefix}/{i}" if prefix else str(i)) for i, v in enumerate(form))
    return flat[prefix]


def _digest(arrays: dict[str, np.ndarray]) -> str:
    sha = hashlib.sha256()
    for name in sorted(arrays):
        x = np.ascontiguousarray(arrays[name])
        sha.update(f"{name}:{x.dtype.str}:{x.shape};".encode())
        sha.update(x.tobytes())
    return sha.hexdigest()


def write(path: str | os.PathLike[str], tree: Any, meta: dict[str, Any]) -> None:
    """Write arrays (and Python numbers) of ``tree`` and the JSON-able ``meta`` to ``path``, atomically.

    The bytes go to a temporary file beside it, reach the disk, and only then take its name: a process
    killed at any moment leaves the old file or the new one, whole.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.asarray(to_numpy(leaf)) for name, leaf in flatten(tree).items()}
    header = json.dumps({"format": _FORMAT, "sha256": _digest(arrays), "meta": meta})
    arrays[_META] = np.frombuffer(header.encode(), dtype=np.uint8)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable, where the system can."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """``(arrays by name, meta)`` of a checkpoint.

    Raises
    ------
    FileNotFoundError
    ValueError
        If the file is no checkpoint, is damaged (its checksum differs) or of a newer format.
    """
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(arrays.pop(_META).tobytes().decode())
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path} is no checkpoint, or is damaged: {error}") from error
    if header["format"] != _FORMAT:
        raise ValueError(f"{path} has format {header['format']}; this version reads format {_FORMAT}")
    if header["sha256"] != _digest(arrays):
        raise ValueError(f"{path} is damaged: its checksum differs. Restore it from a copy")
    return arrays, header["meta"]
