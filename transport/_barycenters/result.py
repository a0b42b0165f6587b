"""What a barycentre comes back as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from transport._answer import Status
from transport._solution import Solution
from transport.internal import Array


@dataclass(frozen=True, eq=False, repr=False)
class Barycenter:
    """A barycentre and what is proved about it.

    The objective of a measure q is sum_k w_k V(q, a_k), V the optimal transport cost (W_2 squared, unless
    another cost was asked for).

    Attributes
    ----------
    measure : array
        Its masses, summing to 1: in the shape of the given images, or one for each point of the support.
    points : array, shape (n, d), or None
        The support, where it was free.
    value : float
        The objective of ``measure``, by exact transport to every given measure.
    lower_bound, upper_bound : float
        lower_bound <= least objective of any measure (on the given support, or in space) <= upper_bound;
        the upper one is that of ``measure``.
    solutions : tuple of Solution
        From ``measure`` to every given measure; None for those of weight 0.
    status : Status
        OPTIMAL if the interval is as narrow as asked.
    n_iter : int
        Products with the plans' kernels, or sweeps of the free support.
    elapsed : float
        Seconds, certificate included.
    """

    measure: Array
    value: float
    lower_bound: float
    upper_bound: float
    solutions: tuple[Solution | None, ...]
    status: Status
    n_iter: int
    elapsed: float
    points: Array = None
    stats: Mapping[str, Any] = field(default_factory=dict)

    @property
    def gap(self) -> float:
        """upper_bound - lower_bound."""
        return self.upper_bound - self.lower_bound

    def __repr__(self) -> str:
        return (
            f"Barycenter(value={self.value:.10g}, in [{self.lower_bound:.10g}, {self.upper_bound:.10g}], "
            f"{self.measure.shape}, {self.status.name}, {self.elapsed:.3g} s)"
        )
