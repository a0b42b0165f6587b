"""The one decorator of every numba kernel of the three packages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def compiled(function: Callable | None = None, **options: Any) -> Any:
    """Compile a kernel: releasing the GIL, kept on disk. For functions in a ``_kernels`` folder only.

    The compiled code comes from the package itself, where it was installed with its kernels compiled, from
    the user's cache directory, or else from numba, there and then; see `transport.internal._store` for what
    a compiled kernel is known by. A read-only array takes the code of a writable one, a small integer that of
    an int64: one signature for all. Other layouts and types of arrays are compiled anew, so convert them at
    the border (`numpy.ascontiguousarray`).

    A new kernel, or an old one called with other types, has to be recorded before it is precompiled::

        make signatures    # runs the tests, writes transport/internal/signatures.txt: commit it

    The tests fail for a kernel that they call with types that are not recorded.

    Parameters
    ----------
    function : callable
        The kernel: plain loops over arrays and numbers, in numba's subset of Python. What it uses from other
        modules has to be imported from ``_kernels`` folders: that is where changes are looked for. Made in a
        function, it may depend on that function's arguments (and on all of them): numbers or words.
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
    from transport.internal._dispatcher import dispatcher

    if function is None:
        return lambda f: dispatcher(f, options)
    return dispatcher(function, options)
