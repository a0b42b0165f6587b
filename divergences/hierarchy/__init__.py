"""The convergence hierarchy of divergences, as inequalities with constants, verified so that it could fail.

Arjovsky, Chintala and Bottou (2017), Theorem 2, on a compact metric space: (1) TV -> 0 iff JS -> 0;
(2) W -> 0 iff weak convergence; (3) KL -> 0 or reverse KL -> 0 implies (1); (4) (1) implies (2).
"""

from divergences.hierarchy._bound import Bound, Check, Verdict
from divergences.hierarchy._continuous_pairs import GaussianPair, StepPair
from divergences.hierarchy._convert import Conversion, Range, bounds_between
from divergences.hierarchy._interval import Interval
from divergences.hierarchy._pair import FUNCTIONALS, Pair
from divergences.hierarchy._table import BOUNDS
from divergences.hierarchy._weak import bounded_lipschitz, prokhorov

__all__ = [
    "BOUNDS",
    "Bound",
    "Check",
    "Conversion",
    "FUNCTIONALS",
    "GaussianPair",
    "Interval",
    "Pair",
    "Range",
    "StepPair",
    "Verdict",
    "bounded_lipschitz",
    "bounds_between",
    "prokhorov",
]
