"""The inf-convolution kernel in pure array API: the specification."""

from __future__ import annotations

from typing import Any

import array_api_compat as aac


def inf_convolution(x: Any, y: Any, h: Any) -> tuple[Any, Any]:
    """(min_j h_j + |x_i - y_j|, its first minimiser): shapes (n,), (n,)."""
    xp = aac.array_namespace(x, y, h)
    gap = x[:, None, :] - y[None, :, :]
    total = h[None, :] + xp.sqrt(xp.sum(gap * gap, axis=2))
    return xp.min(total, axis=1), xp.argmin(total, axis=1)
