"""Two batches of cells: map one onto the other, and carry its labels over.

`sol.map()` sends every cell of P to the mean of the cells its mass goes to; `sol.transfer(labels)` gives
every cell of Q the class most of its mass comes from.
"""

from __future__ import annotations

import numpy as np
from _pictures import P, Q, cloud, out, save, sheet, size

import transport as tp

CENTRES = np.array([[0.0, 0.0], [3.0, 0.5], [1.2, 2.8]])


def main(path: str) -> None:
    """Three kinds of cells; the second batch is turned, stretched and shifted."""
    rng, n = np.random.default_rng(0), size(240, 60)
    labels, truth = rng.integers(0, 3, n), rng.integers(0, 3, n)
    x = CENTRES[labels] + 0.35 * rng.standard_normal((n, 2))
    y = CENTRES[truth] + 0.35 * rng.standard_normal((n, 2))
    turn = np.array([[np.cos(0.35), -np.sin(0.35)], [np.sin(0.35), np.cos(0.35)]])
    y = 1.15 * y @ turn.T + [1.0, 0.8]
    sol = tp.solve(tp.PointCloud(x, y))
    found = sol.transfer(labels)
    right = np.mean(found.labels == truth)
    print(f"{right:.1%} of {n} labels carried over rightly, W2 = {sol.value**0.5:.3f}")
    figure, (first, second, third) = sheet(3, height=3.2)
    cloud(first, x, P, "P")
    cloud(first, y, Q, "Q")
    first.legend(frameon=False, loc="upper left")
    first.set_title("two batches")
    moved = sol.map()
    step = moved - x
    second.quiver(*x.T, *step.T, angles="xy", scale_units="xy", scale=1, width=0.003, color="0.6")
    cloud(second, moved, P, "P, mapped")
    second.set_title("P mapped onto Q")
    for k, marker in enumerate("o^s"):
        chosen = found.labels == k
        third.scatter(*y[chosen].T, marker=marker, s=18, color=Q, alpha=0.35 + 0.3 * k, linewidths=0)
    third.scatter(*y[found.labels != truth].T, marker="x", color="k", s=30, label="wrong")
    third.set_title(f"labels carried over: {right:.0%} right")
    third.legend(frameon=False, loc="lower right")
    third.set_aspect("equal")
    third.set_axis_off()
    save(figure, path)


if __name__ == "__main__":
    main(out("cell_labels"))
