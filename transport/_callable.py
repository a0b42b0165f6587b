"""A cost given as a function of two blocks of points: evaluated strip by strip, never stored whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from transport._cost import Unstructured, rounded_down, row_blocks
from transport._solver.tuning import TUNING
from transport.internal import (
    as_float64,
    as_points,
    cached_property,
    check_time,
    namespace,
    positions,
    row_labels,
    to_numpy,
)

_SAMPLE = 16
_SAME = 1e-9  # of the largest entry: BLAS may round by block, a cost normalised by block is caught


class FunctionCost(Unstructured):
    """The cost ``function(x, y)`` between two sets of points, for any vectorised function.

    ``PointCloud(x, y, function)`` makes one. The function is called on blocks: ``u`` of shape (k, d) and
    ``v`` of shape (l, d), read-only float64 NumPy arrays, and returns the (k, l) costs: real numbers of any
    sign, +inf for a forbidden arc. It is taken at its word once: C[i, :] is what it returns for the strip of
    rows that holds i, and the certificate is about these values.

    Parameters
    ----------
    x : array, shape (n, d) or (n,)
    y : array, shape (m, d) or (m,)
    function : callable
        An entry must not depend on the rest of its block (no normalising, no random numbers).
    thread_safe : bool
        Whether the function may be called from several threads at once; all cores then work.

    Raises
    ------
    ValueError
        Empty or non-finite points, differing dimensions; a block of the wrong shape, with NaN or -inf, or
        whose entries depend on the block.
    TypeError
        ``function`` is not callable, or returns something else than real numbers.

    Notes
    -----
    A solve evaluates every pair 5 to 12 times; memory is a block of 2^18 costs (one row, if that is longer)
    for each thread, what the function itself takes for one, and about 3 kB a point.

    Examples
    --------
    >>> import numpy as np, transport as tp
    >>> def travel(u, v):  # uphill counts double
    ...     rise = v[None, :, 0] - u[:, None, 0]
    ...     return np.where(rise > 0, 2 * rise, -rise)
    >>> tp.solve(tp.PointCloud([[0.0], [3.0]], [[1.0], [2.0]], travel)).value
    1.5
    """

    relative_error = 0.0

    def __init__(
        self, x: Any, y: Any, function: Callable[[Any, Any], Any], *, thread_safe: bool = False
    ) -> None:
        if not callable(function):
            raise TypeError(f"function is {function!r}; it must be callable on two blocks of points")
        self.labels = row_labels(x), row_labels(y)
        x, y = positions(x, y)
        xp = namespace(x, y)
        self.like = x
        self.x, self.y = (
            np.ascontiguousarray(to_numpy(as_points(z, name, xp=xp))) for z, name in ((x, "x"), (y, "y"))
        )
        if self.x.shape[1] != self.y.shape[1]:
            raise ValueError(
                f"x has dimension {self.x.shape[1]} and y has {self.y.shape[1]}; they must live in one space"
            )
        self.function = function
        self.thread_safe = bool(thread_safe)
        self.strip_entries = TUNING.strip_entries
        self._name = getattr(function, "__qualname__", None) or type(function).__name__
        self._check_blocks_agree()

    def _check_blocks_agree(self) -> None:
        """Evaluate a sample of pairs in two ways."""
        rows, cols = (np.unique(np.linspace(0, k - 1, _SAMPLE).astype(int)) for k in self.shape)
        whole = self.between(rows, cols)
        parts = np.block([[self.between(r, c) for c in np.array_split(cols, min(2, len(cols)))]
                          for r in np.array_split(rows, min(3, len(rows)))])  # fmt: skip
        finite = np.isfinite(whole)
        scale = float(np.abs(whole[finite]).max(initial=0.0))
        with np.errstate(invalid="ignore"):
            bad = (finite != np.isfinite(parts)) | (finite & (np.abs(whole - parts) > _SAME * scale))
        if bad.any():
            i, j = np.argwhere(bad)[0]
            raise ValueError(
                f"the cost function {self._name} gave {whole[i, j]} for x[{rows[i]}], y[{cols[j]}] in one "
                f"block and {parts[i, j]} in another; an entry must depend on its two points only"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        return len(self.x), len(self.y)

    @cached_property
    def _summary(self) -> tuple[float, bool]:
        """(largest finite magnitude, whether some entry is +inf), by a pass over all blocks."""
        largest, forbidden = 0.0, False
        for _, _, values in self._strips():
            finite = np.isfinite(values)
            forbidden |= not finite.all()
            largest = max(largest, float(np.abs(values[finite]).max(initial=0.0)))
        return largest, forbidden

    @property
    def magnitude(self) -> float:
        """Largest finite |C_ij|."""
        return self._summary[0]

    @property
    def has_forbidden(self) -> bool:
        """Whether some entry is +inf."""
        return self._summary[1]

    def strips(self) -> list[tuple[int, int]]:
        """The ranges of rows in which the function is evaluated, always the same."""
        return list(row_blocks(*self.shape, self.strip_entries))

    def _strips(self, keep: np.ndarray | None = None) -> Iterator[tuple[int, int, np.ndarray]]:
        """(start, stop, costs), only the strips that hold a row of ``keep``."""
        for start, stop in self.strips():
            if keep is None or keep[start:stop].any():
                check_time()
                yield start, stop, self.block(start, stop)

    def block(self, start: int, stop: int) -> np.ndarray:
        """C[start:stop], shape (stop - start, m)."""
        return self._call(slice(start, stop), slice(None), f"x[{start}:{stop}] and all of y")

    def between(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """C[rows][:, cols], shape (k, l), in one call."""
        return self._call(rows, cols, f"{len(rows)} rows of x and {len(cols)} of y")

    def _call(self, rows: slice | np.ndarray, cols: slice | np.ndarray, where: str) -> np.ndarray:
        from transport._kernels.costs import scan_costs

        what = f"the cost function {self._name} on {where}"
        u, v = self.x[rows], self.y[cols]
        u.flags.writeable = v.flags.writeable = False
        try:
            answer = self.function(u, v)
        except Exception as error:
            error.add_note(f"raised by {what}")
            raise
        values, _ = as_float64(answer, f"the result of {what}", xp=namespace(answer))
        values = to_numpy(values)
        if values.shape != (len(u), len(v)):
            raise ValueError(
                f"{what} returned shape {tuple(values.shape)} instead of {(len(u), len(v))}; it must return "
                "one cost for each pair of a row of its first block and a row of its second"
            )
        values = np.ascontiguousarray(values)
        bad = scan_costs(values)[2]
        if bad >= 0:
            i, j = divmod(int(bad), len(v))
            row, col = np.arange(len(self.x))[rows][i], np.arange(len(self.y))[cols][j]
            raise ValueError(
                f"{what} gave {values[i, j]} for x[{row}], y[{col}]; "
                "costs must be numbers, or +inf for a forbidden arc"
            )
        return values

    def entries(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """C[rows, cols], from the strips that hold them."""
        order = np.argsort(rows, kind="stable")
        out = np.empty(len(rows))
        keep = np.zeros(len(self.x), bool)
        keep[rows] = True
        for start, stop, values in self._strips(keep):
            at = order[np.searchsorted(rows, start, sorter=order) : np.searchsorted(rows, stop, sorter=order)]
            out[at] = values[rows[at] - start, cols[at]]
        return out

    def c_transform(self, f: np.ndarray) -> np.ndarray:
        """g_j = min_i C_ij - f_i, rounded down; one pass over all blocks."""
        g = np.full(len(self.y), np.inf)
        keep = f > -np.inf
        for start, stop, values in self._strips(keep):
            inside = keep[start:stop]
            left = f[start:stop][inside, None]
            np.minimum(g, (values[inside] - left).min(axis=0), out=g)
        return rounded_down(g)

    def row_transform(self, g: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """f_i = min_j C_ij - g_j for the given rows, rounded down."""
        f = np.empty(len(self.x))
        keep = np.zeros(len(self.x), bool)
        keep[rows] = True
        for start, stop, values in self._strips(keep):
            f[start:stop] = (values - g).min(axis=1)
        return rounded_down(f[rows])

    def transpose(self) -> FunctionCost:
        """The same cost seen from y."""
        function = self.function
        return FunctionCost(self.y, self.x, lambda v, u: function(u, v).T, thread_safe=self.thread_safe)
