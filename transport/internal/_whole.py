"""Files that are whole or not there: written under another name, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path to write to, with the same suffix; what is there at the end takes the name ``path``.

    On an error (a full disk, Ctrl-C) nothing is left, and an older file of that name stays as it was. Devices
    and pipes are written to as they are.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, whole(f"{folder}/a.txt") as file:
    ...     _ = file.write_text("all of it")
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        yield target
        return
    temporary = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    try:
        yield temporary
        if target.exists():
            os.chmod(temporary, target.stat().st_mode & 0o777)
        os.replace(temporary, target)
    except FileNotFoundError as error:  # of the folder: name what was asked for
        raise type(error)(error.errno, os.strerror(error.errno or 2), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
