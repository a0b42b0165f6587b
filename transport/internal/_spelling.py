"""Wrong calls answered with the right spelling: positional weights, other libraries' names of arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_KNOWN = {
    "u_weights": "write a= (the weights of the first measure)",
    "v_weights": "write b= (the weights of the second measure)",
    "u_values": "write the first argument",
    "v_values": "write the second argument",
    "weights": "write a= and b=",
    "base": "answers are in nats: divide by math.log(base)",
    "metric": "write cost=",
    "M": "write the cost as the first argument",
    "C": "write the cost as the first argument",
    "order": "write p=",
    "reg": "write solver= (see transport.solve)",
    "numItermax": "write max_iter=",
    "random_state": "write rng=",
    "seed": "write rng=",
    "n_permutations": "write permutations=",
    "n_neighbors": "write k=",
    "sigma": "write bandwidth=",
    "keepdims": "index the answer instead",
}


def spelled(function: F) -> F:
    """``function``, whose wrong calls name the right spelling; right ones cost one more Python call.

    >>> @spelled
    ... def f(x, y, *, a=None, b=None): return 0
    >>> f(1, 2, u_weights=3)
    Traceback (most recent call last):
    TypeError: f() takes no u_weights=; write a= (the weights of the first measure)
    """

    @wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            frame = error.__traceback__
            if frame is None or frame.tb_next is not None:  # raised inside, not by the call itself
                raise
            message = _explained(function, args, kwargs)
            if message is None:
                raise
            raise TypeError(message) from None

    return checked  # type: ignore[return-value]


def _explained(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    parameters = inspect.signature(function).parameters
    name = function.__name__
    named = [k for k, v in parameters.items() if v.kind is inspect.Parameter.KEYWORD_ONLY]
    unknown = next((k for k in kwargs if k not in parameters), None)
    if unknown is not None:
        known = _KNOWN[unknown] if unknown in _KNOWN else f"it takes {', '.join(parameters)}"
        return f"{name}() takes no {unknown}=; {known}"
    positional = len(parameters) - len(named)
    if len(args) > positional:
        names = ", ".join(f"{k}=" for k in named)
        return (
            f"{name}() takes {positional} positional arguments and got {len(args)}; name the others: {names}"
        )
    return None
