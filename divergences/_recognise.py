"""The one place where distributions are recognised: ours, and scipy's of both infrastructures."""

from __future__ import annotations

from typing import Any

from divergences._laws import Density, Law, density_law
from divergences._scipy_laws import recognise
from transport.internal import line_for_law


def as_law(P: Any, name: str) -> Law:
    """The `Law` behind ``P``.

    Raises
    ------
    TypeError
        If ``P`` is not a distribution this package knows how to read; the message says what to pass.
    """
    if isinstance(P, Law):
        return P
    if hasattr(P, "as_law"):
        return P.as_law()
    if isinstance(P, Density):
        return density_law(P, name)
    found = recognise(P, name)
    if found is not None:
        return found
    raise TypeError(line_for_law(P, name))


def is_sample(x: Any) -> bool:
    """Whether ``x`` holds numbers rather than a law."""
    return isinstance(x, (list, tuple)) or hasattr(x, "__array__") or hasattr(x, "__dlpack__")
