"""POT."""

from __future__ import annotations

from typing import Any

import ot


def emd2(cost: Any, a: Any, b: Any) -> Any:
    """The value alone."""
    return ot.emd2(a, b, cost, numItermax=10**9)


def emd(cost: Any, a: Any, b: Any) -> Any:
    """The plan; its price is the value."""
    return ot.emd(a, b, cost, numItermax=10**9)


def solve(cost: Any, a: Any, b: Any) -> Any:
    """``ot.solve`` without regularisation."""
    found = ot.solve(cost, a, b)
    return {"value": found.value, "plan": found.plan, "potentials": found.potentials}


def sinkhorn(cost: Any, a: Any, b: Any) -> Any:
    """The plan at reg = 1e-3 of the largest cost: entropic, so its price lies above the optimum."""
    return ot.sinkhorn(a, b, cost, reg=1e-3 * cost.max())


def sinkhorn_log(cost: Any, a: Any, b: Any) -> Any:
    """The same in the log domain."""
    return ot.sinkhorn(a, b, cost, reg=1e-3 * cost.max(), method="sinkhorn_log")
