"""Where problems and solvers mark themselves: files of a folder here, modules of installed packages."""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from collections.abc import Iterable


def load(package: str, path: Iterable[str]) -> None:
    """Import every file of ``package`` (its ``__path__``) and what the entry points of its name give."""
    for module in pkgutil.iter_modules(path):
        importlib.import_module(f"{package}.{module.name}")
    for point in importlib.metadata.entry_points(group=package):
        point.load()
