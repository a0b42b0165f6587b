"""Shortlists of columns gathered strip by strip (numba)."""

from __future__ import annotations

from transport.internal import compiled


@compiled
def gather_nearest_in_cols(tile, f, first, rows, vals, costs):
    """Merge a strip into the k smallest c_ij - f_i of every column; its rows are first, first + 1, ...

    ``rows, vals, costs`` (m, k) are ascending, by row where values tie: the order of the strips does not
    matter.
    """
    k = rows.shape[1]
    for i in range(tile.shape[0]):
        for j in range(tile.shape[1]):
            r = tile[i, j] - f[i]
            worst = vals[j, k - 1]
            if r < worst or (r == worst and first + i < rows[j, k - 1]):
                q = k - 1
                while q > 0 and (vals[j, q - 1] > r or (vals[j, q - 1] == r and rows[j, q - 1] > first + i)):
                    vals[j, q] = vals[j, q - 1]
                    rows[j, q] = rows[j, q - 1]
                    costs[j, q] = costs[j, q - 1]
                    q -= 1
                vals[j, q] = r
                rows[j, q] = first + i
                costs[j, q] = tile[i, j]
