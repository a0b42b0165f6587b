"""Distances by name, other than W_p: functions of two measures that can be pickled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transport._sliced import sliced_wasserstein


@dataclass(frozen=True)
class Sliced:
    """Sliced Wasserstein over the same 256 directions for every pair."""

    p: float

    def __call__(self, mu: Any, nu: Any) -> Any:
        """SW_p."""
        (x, a), (y, b) = mu, nu
        return sliced_wasserstein(x, y, a=a, b=b, p=self.p, n_projections=256, rng=0)


NAMED: dict[str, Callable[[float], Callable[[Any, Any], Any]]] = {"sliced": Sliced}
