"""For other people's test suites: Hypothesis strategies over measures, with true answers, and laws.

``pip install 'kantorovich[test]'`` brings Hypothesis; the assertions need nothing beyond the library.
"""

from divergences.testing._assert import assert_distances, assert_laws, assert_transport_solver
from divergences.testing._strategies import (
    finite_metrics,
    laws,
    line_pairs,
    metric_pairs,
    near_equal_pairs,
    transport_problems,
)

__all__ = [
    "assert_distances",
    "assert_laws",
    "assert_transport_solver",
    "finite_metrics",
    "laws",
    "line_pairs",
    "metric_pairs",
    "near_equal_pairs",
    "transport_problems",
]
