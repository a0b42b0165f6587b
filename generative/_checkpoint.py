"""Checkpoints: one file of arrays and JSON, complete or absent, checked when read. Never pickle."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

from transport.internal import to_numpy
from transport.internal._files import read_npz

_FORMAT = 1
_META = "meta"
_SUFFIX = ".tmp"


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
    killed at any moment leaves the old file or the new one, whole. What it leaves of the temporary file is
    removed by the next `write` or `read` of ``path`` on the same machine.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    arrays = {name: np.asarray(to_numpy(leaf)) for name, leaf in flatten(tree).items()}
    header = json.dumps({"format": _FORMAT, "sha256": _digest(arrays), "meta": meta})
    arrays[_META] = np.frombuffer(header.encode(), dtype=np.uint8)
    temporary = path.parent / f"{_prefix(path)}{os.getpid()}{_SUFFIX}"
    try:
        with open(temporary, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _prefix(path: Path) -> str:
    """Of the temporary files of ``path`` that this machine writes; their number is the process's."""
    return f".{path.name}.{platform.node()}."


def _sweep(path: Path) -> None:
    """Remove the temporary files of writers that are no more."""
    for left in path.parent.glob(glob.escape(_prefix(path)) + "*" + _SUFFIX):
        number = left.name.removeprefix(_prefix(path)).removesuffix(_SUFFIX)
        if number.isdigit() and not _lives(int(number)):
            with contextlib.suppress(OSError):  # another process was faster, or may
                left.unlink()


def _lives(process: int) -> bool:
    if os.name != "posix":  # elsewhere signal 0 ends a process
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


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
    path = Path(path)
    _sweep(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    try:
        arrays = read_npz(path)
        header = json.loads(arrays.pop(_META).tobytes().decode())
        version, digest, meta = header["format"], header["sha256"], dict(header["meta"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is no checkpoint, or is damaged: {error}") from error
    if version != _FORMAT:
        raise ValueError(f"{path} has format {version}; this version reads format {_FORMAT}")
    if digest != _digest(arrays):
        raise ValueError(f"{path} is damaged: its checksum differs. Restore it from a copy")
    return arrays, meta
