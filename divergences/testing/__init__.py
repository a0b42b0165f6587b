"""For other people's test suites: strategies with true answers, laws, conformance of distances and solvers.

``pip install 'kantorovich[testing]'`` brings Hypothesis, all that is needed beyond the library.
"""

from divergences.testing._assert import assert_distances, assert_laws, assert_transport_solver
from divergences.testing._cases import (
    CloudCase,
    CouplingCase,
    GaussianCase,
    LabelledPair,
    LawCase,
    LineCase,
    MeasurePair,
    SampleCase,
    TransportProblem,
)
from divergences.testing._conformance import Report, Result, conformance
from divergences.testing._law import Demand, Law, LawBroken, check
from divergences.testing._laws import laws_for
from divergences.testing._parametric import distributions, gaussian_pairs, sample_pairs
from divergences.testing._problems import costs, couplings, known_optimal, transport_problems
from divergences.testing._strategies import (
    finite_metrics,
    labelled_histograms,
    laws,
    line_cases,
    line_pairs,
    measure_pairs,
    measures,
    metric_pairs,
    near_equal_pairs,
    point_clouds,
)

__all__ = [
    "CloudCase",
    "CouplingCase",
    "Demand",
    "GaussianCase",
    "LabelledPair",
    "Law",
    "LawBroken",
    "LawCase",
    "LineCase",
    "MeasurePair",
    "Report",
    "Result",
    "SampleCase",
    "TransportProblem",
    "assert_distances",
    "assert_laws",
    "assert_transport_solver",
    "check",
    "conformance",
    "costs",
    "couplings",
    "distributions",
    "finite_metrics",
    "gaussian_pairs",
    "known_optimal",
    "labelled_histograms",
    "laws",
    "laws_for",
    "line_cases",
    "line_pairs",
    "measure_pairs",
    "measures",
    "metric_pairs",
    "near_equal_pairs",
    "point_clouds",
    "sample_pairs",
    "transport_problems",
]
