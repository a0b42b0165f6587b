"""The only door for the packages above: array namespaces, kernel dispatch, validation, errors."""

from transport.internal._cached import cached_property
from transport.internal._compile import COMPILING, compilations, compiled
from transport.internal._errors import (
    ConvergenceError,
    InfeasibleError,
    InterruptedCompilation,
    InterruptedSolve,
    MagnitudeError,
)
from transport.internal._interrupt import CtrlC
from transport.internal._namespace import (
    Array,
    is_numpy,
    kernels,
    namespace,
    on_device_of,
    to_numpy,
)
from transport.internal._pool import one_thread, run_chunks, thread_count
from transport.internal._validate import (
    as_float64,
    as_points,
    as_weights,
    check_choice,
    check_count,
    check_exponent,
    check_positive,
    require_finite,
)

__all__ = [
    "COMPILING",
    "Array",
    "ConvergenceError",
    "CtrlC",
    "InfeasibleError",
    "InterruptedCompilation",
    "InterruptedSolve",
    "MagnitudeError",
    "as_float64",
    "as_points",
    "as_weights",
    "cached_property",
    "check_choice",
    "check_count",
    "check_exponent",
    "check_positive",
    "compilations",
    "compiled",
    "is_numpy",
    "kernels",
    "namespace",
    "on_device_of",
    "one_thread",
    "require_finite",
    "run_chunks",
    "thread_count",
    "to_numpy",
]
