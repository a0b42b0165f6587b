"""Telling a distribution from an array, and the way of laws, without importing what they need before."""

from __future__ import annotations

from typing import Any

import numpy as np

from transport.internal import refuse_law


def is_distribution(x: Any) -> bool:
    """Whether ``x`` knows its own density: a frozen scipy distribution, a `Density`, ...

    Judged by its methods alone (``logpdf``, ``logpmf`` or ``pdf``).

    Raises
    ------
    TypeError
        For a law of another library (``log_prob``), with SciPy's spelling of it.
    """
    if type(x) is np.ndarray or type(x) is list:
        return False
    if any(callable(getattr(x, name, None)) for name in ("logpdf", "logpmf", "pdf")):
        return True
    refuse_law(x, "law")
    return False


def of_laws(name: str, P: Any, Q: Any, **options: Any) -> float:
    """The functional ``name`` of two distributions; see `estimate`."""
    # Quadrature and families are loaded with the first law: divergences of arrays do not wait for them.
    from divergences._pipe import evaluate

    return evaluate(name, P, Q, **options)
