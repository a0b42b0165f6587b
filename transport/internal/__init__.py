"""The only door for the packages above: array namespaces, kernel dispatch, validation, errors."""

from transport.internal._cached import cached_property
from transport.internal._clock import OutOfTime, check_time, clock, keep, time_left, until
from transport.internal._compilations import COMPILING, compilations
from transport.internal._compile import compiled
from transport.internal._door import door
from transport.internal._errors import (
    ConvergenceError,
    DuplicateEntriesWarning,
    InfeasibleError,
    InterruptedCompilation,
    InterruptedSolve,
    MagnitudeError,
)
from transport.internal._interrupt import CtrlC
from transport.internal._labels import column_labels, measures, row_labels, weights_like
from transport.internal._metrics import FROM_SCIPY, METRICS, metric_name, powered, scipy_metric
from transport.internal._namespace import (
    Array,
    is_numpy,
    kernels,
    namespace,
    on_device_of,
    to_numpy,
)
from transport.internal._pool import one_thread, run_chunks, thread_count
from transport.internal._recognise import library, line_for_law, refuse_law
from transport.internal._spelling import spelled
from transport.internal._times import positions
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
from transport.internal._version import VERSION
from transport.internal._whole import whole

__all__ = [
    "VERSION",
    "COMPILING",
    "Array",
    "ConvergenceError",
    "CtrlC",
    "DuplicateEntriesWarning",
    "FROM_SCIPY",
    "METRICS",
    "InfeasibleError",
    "InterruptedCompilation",
    "InterruptedSolve",
    "MagnitudeError",
    "OutOfTime",
    "as_float64",
    "as_points",
    "as_weights",
    "cached_property",
    "check_choice",
    "check_time",
    "clock",
    "keep",
    "time_left",
    "until",
    "column_labels",
    "check_count",
    "check_exponent",
    "check_positive",
    "compilations",
    "compiled",
    "door",
    "is_numpy",
    "kernels",
    "library",
    "line_for_law",
    "measures",
    "metric_name",
    "namespace",
    "on_device_of",
    "one_thread",
    "positions",
    "powered",
    "refuse_law",
    "require_finite",
    "row_labels",
    "run_chunks",
    "scipy_metric",
    "spelled",
    "thread_count",
    "to_numpy",
    "weights_like",
    "whole",
]
