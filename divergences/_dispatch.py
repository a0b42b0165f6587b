"""Telling a distribution from an array, without importing any library of distributions."""

from __future__ import annotations

from typing import Any


def is_distribution(x: Any) -> bool:
    """Whether ``x`` knows its own density: a frozen scipy distribution, a `Density`, ...

    Judged by its methods alone (``logpdf``, ``logpmf`` or ``pdf``).
    """
    return any(callable(getattr(x, name, None)) for name in ("logpdf", "logpmf", "pdf"))
