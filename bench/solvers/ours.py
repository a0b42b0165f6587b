"""kantorovich."""

from __future__ import annotations

from typing import Any

import transport as tp


def exact(cost: Any, a: Any, b: Any) -> Any:
    """`transport.solve` as it stands."""
    return tp.solve(cost, a, b)
