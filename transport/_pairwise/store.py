"""Where the numbers go: arrays in memory, or memory-mapped files with a journal of finished tiles.

The journal is a text file next to ``D.npy``. Its first line says what is computed (a hash of inputs, options
and version) and how it is cut into tiles; each further line is a finished tile, written and synchronised
after the tile's numbers were. A line cut short by a kill is not a line. So at any moment the tiles in the
journal are in the files, and the others are computed again.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import zlib
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypeAlias

import numpy as np

from transport._solver.memory import require

FORMAT = "kantorovich pairwise 1"
Failures: TypeAlias = dict[tuple[int, int], str]
_LITTLE = 0.25  # seconds between two synchronisations


def require_room(shape: tuple[int, int], out: Path | None) -> None:
    """MemoryError or OSError, with the bytes and a remedy, if three arrays of this shape do not fit."""
    need = 3 * 8 * shape[0] * shape[1]
    what = f"distances and bounds of {shape[0]} x {shape[1]} measures"
    if out is None:
        require(need, what, "pass out='D.npy' to keep them on disk, or nearest=k, which needs no matrix")
        return
    have = shutil.disk_usage(out.parent).free + sum(p.stat().st_size for p in paths(out) if p.exists())
    if need > have:
        raise OSError(f"{what} take {need} bytes on disk and {have} are free in {out.parent}; use nearest=k")


def paths(out: Path) -> list[Path]:
    """The three files: D.npy, D.lower.npy, D.upper.npy."""
    return [out, out.with_suffix(".lower.npy"), out.with_suffix(".upper.npy")]


class Table:
    """Three arrays, and which tiles are in them."""

    def __init__(self, shape: tuple[int, int], side: int) -> None:
        self.shape, self.side = shape, side
        self.done: set[int] = set()
        self.failures: Failures = {}
        self.arrays: list[np.ndarray] = [np.full(shape, fill) for fill in (np.nan, -np.inf, np.inf)]

    def write(
        self, tile: int, numbers: Any, rows: slice, cols: slice, failures: dict, *, mirror: bool
    ) -> None:
        """The numbers (3, ., .) of a tile, and their mirror image."""
        for array, part in zip(self.arrays, numbers):
            array[rows, cols] = part
            if mirror:
                array[cols, rows] = part.T
        self.failures.update(failures)
        self.done.add(tile)

    def sync(self) -> None:
        """Nothing to do in memory."""

    def __enter__(self) -> Table:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sync()


class FileTable(Table):
    """The same on disk, to be gone on with after any death.

    Raises ValueError if the files there belong to something else and ``resume`` is set, or if another process
    writes them.
    """

    def __init__(self, shape: tuple[int, int], side: int, out: Path, key: str, *, resume: bool) -> None:
        self.shape, self.side, self.out, self.key = shape, side, out, key
        self.done, self.failures = set(), {}
        self.journal_path = out.with_suffix(".journal")
        self._waiting: list[str] = []
        self._last = 0.0
        if resume and out.exists() and not self.journal_path.exists():
            raise ValueError(f"{out} exists and has no journal; give another name, or pass resume=False")
        self.journal: IO[str] = self.journal_path.open("a+", encoding="utf-8")
        try:
            _lock(self.journal, out)
            header, tiles = self._read()
            if header is not None and resume:
                self._go_on(header, tiles)
            else:
                self._begin()
        except BaseException:
            self.journal.close()
            raise

    def _read(self) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
        self.journal.seek(0)
        lines, length = [], 0
        for line in self.journal.read().splitlines(keepends=True):
            body, _, check = line.rstrip("\n").rpartition(" ")
            if not line.endswith("\n") or check != f"{zlib.crc32(body.encode()):08x}":
                break
            lines.append(json.loads(body))
            length += len(line.encode())
        self.journal.truncate(length)
        return (lines[0] if lines else None), lines[1:]

    def _go_on(self, header: dict[str, Any], tiles: list[dict[str, Any]]) -> None:
        if header["key"] != self.key or header["shape"] != list(self.shape):
            raise ValueError(
                f"{self.out} was begun with other measures, options or another version; "
                "give another name, or pass resume=False to write over it"
            )
        self.side = int(header["side"])
        missing = [p for p in paths(self.out) if not p.exists()]
        if missing:
            raise ValueError(
                f"{self.out} has a journal but {missing[0]} is gone; pass resume=False to start anew"
            )
        self.arrays = [np.lib.format.open_memmap(p, mode="r+") for p in paths(self.out)]
        for tile in tiles:
            self.done.add(tile["tile"])
            self.failures.update({(i, j): text for i, j, text in tile["failures"]})

    def _begin(self) -> None:
        """The journal is there before the files are: files without one are somebody else's."""
        self.journal.truncate(0)
        self.arrays = []
        for path, fill in zip(paths(self.out), (np.nan, -np.inf, np.inf)):
            array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float64, shape=self.shape)
            array[...] = fill
            self.arrays.append(array)
        self._log({"format": FORMAT, "key": self.key, "shape": list(self.shape), "side": self.side})
        self.sync()

    def _log(self, entry: dict[str, Any]) -> None:
        body = json.dumps(entry, separators=(",", ":"))
        self._waiting.append(f"{body} {zlib.crc32(body.encode()):08x}\n")

    def write(
        self, tile: int, numbers: Any, rows: slice, cols: slice, failures: dict, *, mirror: bool
    ) -> None:
        """As `Table.write`; journalled at the next `sync`."""
        super().write(tile, numbers, rows, cols, failures, mirror=mirror)
        self._log({"tile": tile, "failures": [[i, j, text] for (i, j), text in failures.items()]})
        if time.monotonic() - self._last > _LITTLE:
            self.sync()
            self._last = time.monotonic()

    def sync(self) -> None:
        """Numbers first, then the lines that vouch for them."""
        if not self._waiting:
            return
        for array in self.arrays:
            assert isinstance(array, np.memmap)
            array.flush()
        self.journal.write("".join(self._waiting))
        self._waiting = []
        self.journal.flush()
        os.fsync(self.journal.fileno())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sync()
        self.journal.close()


def _lock(file: IO[str], out: Path) -> None:
    with contextlib.suppress(ImportError):  # not on Windows
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(f"another process is writing {out}; wait for it or give another name") from None
