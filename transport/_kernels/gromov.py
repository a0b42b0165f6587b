"""W_2^2 between all pairs of rows of two sorted tables (numba)."""

from __future__ import annotations

import numpy as np

from transport.internal import compiled


@compiled
def local_costs(one, mass_one, two, mass_two):
    """out[i, j] = W_2^2 of the atoms one[i], masses mass_one[i], and two[j], mass_two[j]; rows are sorted."""
    n, m = one.shape[0], two.shape[0]
    out = np.empty((n, m))
    for i in range(n):
        for j in range(m):
            k = 0
            q = 0
            left = mass_one[i, 0]
            right = mass_two[j, 0]
            total = 0.0
            while True:
                gap = one[i, k] - two[j, q]
                if left <= right:
                    total += left * gap * gap
                    right -= left
                    k += 1
                    if k == n:
                        break
                    left = mass_one[i, k]
                else:
                    total += right * gap * gap
                    left -= right
                    q += 1
                    if q == m:
                        break
                    right = mass_two[j, q]
            out[i, j] = total
    return out
