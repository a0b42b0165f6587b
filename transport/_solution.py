"""The one answer type of every transport solver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from transport._answer import Arcs, Potentials, Status
from transport._certificate import completed
from transport._exact_certificate import ExactCertificate, certify_exactly
from transport._gradient import Gradient
from transport._problem import Problem
from transport._projection import Labels, barycentric_map, transfer
from transport.internal import Array, cached_property, on_device_of


@dataclass(frozen=True, eq=False, repr=False)
class Solution:
    """An optimal-transport answer and its certificate.

    Attributes
    ----------
    value : float
        <C, plan>: the cost of the returned plan (for W_p, take the p-th root).
    plan : sparse COO array, shape (n, m)
        At most n + m - 1 entries from the exact solver; ``plan.toarray()`` for the dense matrix.
    potentials : Potentials
        (f, g), feasible: f_i + g_j <= C_ij in exact arithmetic on the stored floats. Those of atoms without
        mass, which prove nothing, may be worked out on first use.
    lower_bound, upper_bound : float
        lower_bound <= true optimum <= upper_bound, recomputed from potentials and plan.
    marginal_error : float
        Largest absolute deviation of the plan's row and column sums from a and b.
    status : Status
    n_iter : int
        Iterations (pivots, for the exact solver).
    elapsed : float
        Seconds, certificate included.
    stats : mapping
        What was chosen and what it took.
    """

    value: float
    arcs: Arcs
    duals: tuple[np.ndarray, np.ndarray]
    lower_bound: float
    upper_bound: float
    marginal_error: float
    status: Status
    n_iter: int
    elapsed: float
    stats: Mapping[str, Any] = field(default_factory=dict)
    problem: Problem | None = None

    @cached_property
    def plan(self) -> Any:
        """The plan as a sparse COO array, made on first use."""
        return self.arcs.to_sparse()

    @cached_property
    def potentials(self) -> Potentials:
        """The potentials on the input's device, made on first use."""
        f, g = self.duals
        if self.problem is not None and self.problem.core is not None:  # there the others were left out
            f, g = completed(self.problem, f, g)
        return Potentials(on_device_of(f, self.arcs.like), on_device_of(g, self.arcs.like))

    @property
    def gap(self) -> float:
        """upper_bound - lower_bound, the certified uncertainty; 0 is a proof of optimality."""
        return self.upper_bound - self.lower_bound

    def certify(self, *, exact: bool = True) -> ExactCertificate:
        """Redo the certificate in rational arithmetic on the stored floats: a proof.

        See `transport.ExactCertificate`. Cost O(n m) big-number operations: about 1 s for 500 x 500.

        Raises
        ------
        ValueError
            If ``exact`` is False: the floating-point certificate is already in this object.
        """
        if not exact:
            raise ValueError(
                "certify(exact=False) has nothing to do: lower_bound and upper_bound are that certificate"
            )
        return certify_exactly(self)

    def map(self, x_new: Any = None, *, y: Any = None) -> Array:
        """Where each source goes on average: the barycentric projection sum_j P_ij y_j / sum_j P_ij.

        Parameters
        ----------
        x_new : array, shape (k, d), optional
            Points to move instead of the sources: each takes the displacement T(x_i) - x_i of the nearest
            source x_i with mass (Ferradans et al. 2014). So does a source without mass.
        y : array, shape (m, d), optional
            What to average, where the cost knows no points, or something else than the sinks' positions.

        Returns
        -------
        array, shape (n, d) or (k, d)

        Raises
        ------
        ValueError
            Where positions are needed and the cost is not one between points.

        Examples
        --------
        >>> import transport as tp
        >>> sol = tp.solve(tp.PointCloud([[0.0], [1.0]], [[5.0], [6.0]]))
        >>> sol.map().tolist(), sol.map([[0.9]]).tolist()
        ([[5.0], [6.0]], [[5.9]])
        """
        return barycentric_map(self, x_new, y)

    def transfer(self, labels: Any) -> Labels:
        """Labels of the sources, shape (n,), carried along by the plan.

        Returns
        -------
        Labels
            ``labels`` (m,), ``shares`` (m, k) of each class in every sink's mass, ``classes`` (k,). A sink
            without mass takes the label its potential points to.

        Raises
        ------
        ValueError
            If there is not one label for each source.

        Examples
        --------
        >>> import transport as tp
        >>> tp.solve([[0.0, 2.0], [1.0, 0.0]]).transfer(["cat", "dog"]).labels.tolist()
        ['cat', 'dog']
        """
        return transfer(self, labels)

    def gradient(self) -> Gradient:
        """Derivatives of the optimal value in a, b, the costs and the points; see `transport.Gradient`.

        Examples
        --------
        >>> import transport as tp
        >>> tp.solve(tp.PointCloud([[0.0], [1.0]], [[3.0], [4.0]])).gradient().x.tolist()
        [[-3.0], [-3.0]]
        """
        return Gradient(self)

    def __repr__(self) -> str:
        n, m = self.arcs.shape
        return (
            f"Solution(value={self.value:.12g}, in [{self.lower_bound:.17g}, {self.upper_bound:.17g}], "
            f"{n}x{m}, {self.arcs.count} arcs, {self.status.name}, {self.elapsed:.3g} s)"
        )
