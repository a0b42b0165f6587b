"""Drift between two tables: how far each column has moved, and whether that is chance."""

from __future__ import annotations

import numpy as np
from _pictures import P, Q, out, save, sheet, size

import divergences as dv

COLUMNS = ("age", "income", "visits")


def tables(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Last month's and this month's customers; income has drifted, visits have spread."""
    rng = np.random.default_rng(0)
    old, new = (
        np.column_stack(
            [rng.normal(40, 12, n), rng.lognormal(3 + shift, 0.5, n), rng.gamma(4 / wide, wide, n)]
        )
        for shift, wide in ((0.0, 1.0), (0.25, 2.0))
    )
    return old, new


def main(path: str) -> None:
    """One panel a column."""
    old, new = tables(size(1000, 100))
    figure, axes = sheet(3, height=2.8)
    for axis, name, x, y in zip(axes, COLUMNS, old.T, new.T):
        moved = dv.wasserstein(x, y)
        test = dv.estimate("energy", x, y, permutations=size(199, 19), rng=0)
        print(f"{name:7} W1 = {moved:.3f} (in its unit), p = {test.p_value:.3f}")
        edges = np.histogram_bin_edges(np.concatenate([x, y]), 30)
        axis.hist(x, edges, color=P, alpha=0.6, label="P: last month")
        axis.hist(y, edges, color=Q, alpha=0.6, label="Q: this month")
        axis.set_title(f"{name}: W₁ = {moved:.2f}, p = {test.p_value:.3f}", fontsize=10)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.set_yticks([])
    axes[0].legend(frameon=False, fontsize=8)
    save(figure, path)


if __name__ == "__main__":
    main(out("table_drift"))
