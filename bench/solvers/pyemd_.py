"""pyemd: from one histogram to another on the union of the bins, as it wants them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyemd


def emd(cost: Any, a: Any, b: Any) -> Any:
    """A square problem on the n + m atoms of both sides."""
    n, m = cost.shape
    square = np.zeros((n + m, n + m))
    square[:n, n:], square[n:, :n] = cost, np.asarray(cost).T
    first, second = np.concatenate([a, np.zeros(m)]), np.concatenate([np.zeros(n), b])
    return pyemd.emd(first, second, square)
