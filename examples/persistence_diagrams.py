"""Distance of persistence diagrams: a point goes to a point of the other or to its own place on the diagonal.

Everything else is forbidden: +inf in the cost matrix.
"""

from __future__ import annotations

import numpy as np
from _pictures import P, Q, out, save, sheet

import transport as tp


def diagram_cost(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n + m, n + m): points of x and diagonal copies of y against points of y and diagonal copies of x."""
    n, m = len(x), len(y)
    cost = np.zeros((n + m, n + m))
    cost[:n, :m] = np.abs(x[:, None] - y).max(axis=2)
    cost[:n, m:] = np.where(np.eye(n) == 1, (x[:, 1] - x[:, 0])[:, None] / 2, np.inf)
    cost[n:, :m] = np.where(np.eye(m) == 1, (y[:, 1] - y[:, 0])[None] / 2, np.inf)
    return cost


def main(path: str) -> None:
    """Two noisy circles and one: two far points and noise near the diagonal."""
    rng = np.random.default_rng(3)
    noise = [np.column_stack([b, b + rng.exponential(0.04, len(b))]) for b in (rng.random(9), rng.random(7))]
    x = np.vstack([[[0.15, 0.9], [0.3, 0.75]], noise[0]])
    y = np.vstack([[[0.2, 0.95]], noise[1]])
    n, m = len(x), len(y)
    sol = tp.solve(diagram_cost(x, y), np.ones(n + m), np.ones(n + m))
    print(f"W1 of the diagrams = {sol.value:.6f}, certified to {sol.gap:.0e}")
    figure, (axis,) = sheet(1, width=4.6, height=4.4)
    on_diagonal = lambda z: np.full(2, z.mean())  # noqa: E731
    for i, j in zip(sol.plan.row, sol.plan.col):
        if i >= n and j >= m:
            continue
        start = x[i] if i < n else on_diagonal(y[j])
        end = y[j] if j < m else on_diagonal(x[i])
        axis.plot(*np.transpose([start, end]), color="0.55", lw=1)
    axis.plot([0, 1], [0, 1], color="0.8", lw=1)
    axis.scatter(*x.T, color=P, s=22, zorder=2, label="P")
    axis.scatter(*y.T, color=Q, s=22, zorder=2, label="Q")
    axis.set(xlabel="birth", ylabel="death", title=f"W₁ = {sol.value:.3f}", aspect="equal")
    axis.legend(frameon=False, loc="lower right")
    axis.spines[["top", "right"]].set_visible(False)
    save(figure, path)


if __name__ == "__main__":
    main(out("persistence_diagrams"))
