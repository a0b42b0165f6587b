"""What the strategies hand out: arrays, the exact numbers behind them, and Python that rebuilds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from divergences.testing._truth import true_divergence


def literal(x: Any) -> str:
    """``x`` as Python that rebuilds it exactly: arrays as ``np.array([...])``, with inf as ``np.inf``."""
    if isinstance(x, (int, float, str, bool, type(None))):
        return repr(x)
    array = np.asarray(x)
    text = repr(array.tolist()).replace("inf", "np.inf").replace("nan", "np.nan")
    kind = "" if array.dtype.kind in "fi" and array.dtype.itemsize == 8 else f", dtype=np.{array.dtype}"
    return f"np.array({text}{kind})"


def assignment(**values: Any) -> str:
    """``name = value; ...`` for a case."""
    return "; ".join(f"{name} = {literal(value)}" for name, value in values.items())


@dataclass(frozen=True, eq=False)
class MeasurePair:
    """Two laws on the same atoms.

    Attributes
    ----------
    p, q : array, shape (n,)
        Masses in the array library asked for; each has exact total 1.
    exact : (law, law)
        The same masses as fractions.
    relation : str
        How they were drawn.
    """

    p: Any
    q: Any
    exact: tuple[tuple[Fraction, ...], tuple[Fraction, ...]]
    relation: str

    def true(self, name: str) -> float:
        """The divergence ``name`` ("kl", "js", "tv", "hellinger", ...) of the pair, from the fractions."""
        return true_divergence(name, *self.exact)

    def __repr__(self) -> str:
        return assignment(p=self.p, q=self.q)


@dataclass(frozen=True, eq=False)
class LabelledPair:
    """Two histograms with labels, in different orders and not all in common.

    Attributes
    ----------
    p, q : dict
        Label to mass.
    aligned : MeasurePair
        The same on the sorted union of the labels, absent ones with mass 0: what a right answer is about.
    """

    p: dict[str, float]
    q: dict[str, float]
    aligned: MeasurePair

    def true(self, name: str) -> float:
        """The divergence ``name`` of the aligned pair."""
        return self.aligned.true(name)

    def __repr__(self) -> str:
        return f"p = {self.p!r}; q = {self.q!r}"


@dataclass(frozen=True, eq=False)
class LineCase:
    """Two weighted samples on the line and their exact distances.

    Attributes
    ----------
    x, y : array, shape (n,) and (m,)
        Points, in any order.
    a, b : array, shape (n,) and (m,)
        Masses; each has exact total 1.
    value : Fraction
        W1.
    squared : Fraction
        The square of W2.
    """

    x: Any
    y: Any
    a: Any
    b: Any
    value: Fraction
    squared: Fraction

    def __repr__(self) -> str:
        return assignment(x=self.x, y=self.y, a=self.a, b=self.b)


@dataclass(frozen=True, eq=False)
class TransportProblem:
    """Costs, weights, and the exact optimal value.

    Attributes
    ----------
    cost : array, shape (n, m)
    a, b : array, shape (n,) and (m,)
        Non-negative, each of exact total 1.
    value : Fraction
        The least cost, proved by equality of primal and dual in integers (or by construction).
    plan : array, shape (n, m), or None
        An optimal plan, where the construction knows one.
    potentials : (f, g) or None
        Optimal potentials, f_i + g_j <= cost_ij, where the construction knows them.
    """

    cost: Any
    a: Any
    b: Any
    value: Fraction
    plan: Any = None
    potentials: tuple[Any, Any] | None = None

    def __repr__(self) -> str:
        return assignment(cost=self.cost, a=self.a, b=self.b)


@dataclass(frozen=True, eq=False)
class CouplingCase:
    """A plan with exact marginals, not optimal for any particular cost.

    Attributes
    ----------
    plan : array, shape (n, m)
    a, b : array, shape (n,) and (m,)
        Its row and column sums, exact.
    """

    plan: Any
    a: Any
    b: Any

    def __repr__(self) -> str:
        return assignment(plan=self.plan)


@dataclass(frozen=True, eq=False)
class CloudCase:
    """A weighted point cloud.

    Attributes
    ----------
    x : array, shape (n, d)
        Coordinates in sixteenths.
    a : array, shape (n,)
        Masses of exact total 1.
    """

    x: Any
    a: Any

    def __repr__(self) -> str:
        return assignment(x=self.x, a=self.a)


@dataclass(frozen=True, eq=False)
class SampleCase:
    """Two unweighted samples on the line.

    Attributes
    ----------
    x, y : array, shape (n,) and (m,)
        At least two points each.
    energy : Fraction
        2 E|X-Y| - E|X-X'| - E|Y-Y'| over pairs of different points (the unbiased statistic).
    """

    x: Any
    y: Any
    energy: Fraction

    def __repr__(self) -> str:
        return assignment(x=self.x, y=self.y)


@dataclass(frozen=True, eq=False)
class GaussianCase:
    """Two Gaussians and the optimal map between them.

    Attributes
    ----------
    mean_p, mean_q : array, shape (d,)
    cov_p, cov_q : array, shape (d, d)
        Covariances; cov_q is exactly matrix @ cov_p @ matrix.
    matrix : array, shape (d, d)
        Symmetric and positive definite: x -> mean_q + matrix (x - mean_p) is the optimal map.
    squared : Fraction
        The square of W2: |mean_p - mean_q|^2 + tr(cov_p) + tr(cov_q) - 2 tr(matrix cov_p).
    """

    mean_p: Any
    cov_p: Any
    mean_q: Any
    cov_q: Any
    matrix: Any
    squared: Fraction

    def __repr__(self) -> str:
        return assignment(mean_p=self.mean_p, cov_p=self.cov_p, mean_q=self.mean_q, cov_q=self.cov_q)


@dataclass(frozen=True, eq=False)
class LawCase:
    """A frozen law of `scipy.stats`.

    Attributes
    ----------
    law : frozen distribution
    family : str
        Its name in `scipy.stats`.
    arguments : tuple of float
        Shape parameters.
    loc, scale : float
        Discrete laws have scale 1.
    mean, variance : float
        By the family's formulas; inf where they diverge.
    """

    law: Any
    family: str
    arguments: tuple[float, ...]
    loc: float
    scale: float
    mean: float
    variance: float

    def __repr__(self) -> str:
        discrete = hasattr(self.law.dist, "pmf")
        words = [*map(repr, self.arguments), f"loc={self.loc!r}"]
        words += [] if discrete else [f"scale={self.scale!r}"]
        return f"import scipy.stats; law = scipy.stats.{self.family}({', '.join(words)})"


def floats(exact: Sequence[Any], xp: Any = None) -> Any:
    """Fractions, nested or not and exact as floats, as a float64 array of ``xp`` (NumPy by default)."""
    array = np.array(exact, dtype=np.float64)
    return array if xp is None else xp.asarray(array.tolist(), dtype=xp.float64)
