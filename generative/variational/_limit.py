"""The error of an iteration that was stopped, with the state it had reached."""

from __future__ import annotations

from typing import Any

from transport.internal import ConvergenceError


class ApproximationError(ConvergenceError):
    """A limit was reached before the approximation settled.

    Attributes
    ----------
    state : object
        The result so far, of the type the function returns, with ``converged=False``.
        ``throw=False`` returns it instead of raising.
    """

    def __init__(self, message: str, state: Any) -> None:
        super().__init__(message)
        self.state = state
