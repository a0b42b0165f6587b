"""The one decorator of every numba kernel of the three packages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def compiled(function: Callable | None = None, **options: Any) -> Any:
    """Compile a kernel: releasing the GIL, kept on disk. For functions in a ``_kernels`` folder only.

    Parameters
    ----------
    function : callable
        The kernel: plain loops over arrays and numbers, in numba's subset of Python.
    **options
        numba's own: ``inline="always"`` for a helper used once (one compilation less), ``fastmath={...}``,
        ``error_model="numpy"``. Never ``cache``, ``nogil``, ``parallel`` or a signature.

    Examples
    --------
    ::

        from transport.internal import compiled

        @compiled
        def total(x):
            ...

        @compiled(inline="always")
        def square(t):
            return t * t
    """
    import numba

    decorate = numba.njit(cache=True, nogil=True, **options)
    return decorate if function is None else decorate(function)
