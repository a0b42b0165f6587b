"""The convergence hierarchy of divergences, as inequalities with constants, verified so that it could fail.

Arjovsky, Chintala and Bottou (2017), Theorem 2, on a compact metric space: (1) TV -> 0 iff JS -> 0;
(2) W -> 0 iff weak convergence; (3) KL -> 0 or reverse KL -> 0 implies (1); (4) (1) implies (2).
"""

from divergences.hierarchy._bound import Bound, Check, Verdict
from divergences.hierarchy._classify import Classification, Kind, Limit, classify_values
from divergences.hierarchy._continuous_pairs import GaussianPair, StepPair
from divergences.hierarchy._convert import Conversion, Range, bounds_between
from divergences.hierarchy._instance import Functionals, Instance
from divergences.hierarchy._interval import Interval
from divergences.hierarchy._pair import FUNCTIONALS, Pair
from divergences.hierarchy._report import write_report
from divergences.hierarchy._search import Searched, worst_case
from divergences.hierarchy._sequences import SEQUENCES, Sequence
from divergences.hierarchy._table import BOUNDS
from divergences.hierarchy._verify import Claim, Kill, Report, classify, truth_table, verify
from divergences.hierarchy._weak import bounded_lipschitz, prokhorov

__all__ = [
    "Bound",
    "bounded_lipschitz",
    "BOUNDS",
    "bounds_between",
    "Check",
    "Claim",
    "Classification",
    "classify",
    "classify_values",
    "Conversion",
    "FUNCTIONALS",
    "Functionals",
    "GaussianPair",
    "Instance",
    "Interval",
    "Kill",
    "Kind",
    "Limit",
    "Pair",
    "prokhorov",
    "Range",
    "Report",
    "Searched",
    "Sequence",
    "SEQUENCES",
    "StepPair",
    "truth_table",
    "Verdict",
    "verify",
    "worst_case",
    "write_report",
]
