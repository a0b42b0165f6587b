"""The certificate in one picture: the plan between two clouds, and the interval that closes around W₂².

The lower bound comes from potentials, the upper one from plans; a callback sees both after every round.
"""

from __future__ import annotations

import numpy as np
from _pictures import ACCENT, P, Q, arcs, cloud, out, save, sheet, size

import transport as tp


def main(path: str) -> None:
    """Solve a small problem for the plan and a large one for the bounds."""
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((40, 2)), rng.standard_normal((40, 2)) * [0.5, 1.2] + [4, 0.5]
    figure, (left, right) = sheet(2, width=10, height=3.8)
    arcs(left, x, y, tp.solve(tp.PointCloud(x, y)).plan)
    cloud(left, x, P, "P")
    cloud(left, y, Q, "Q")
    left.legend(frameon=False)
    n, seen = size(4000, 300), []
    tp.solve(tp.PointCloud(rng.random((n, 2)), rng.random((n, 2))))  # loads what is compiled
    clouds = tp.PointCloud(rng.random((n, 2)), rng.random((n, 2)) ** 2)
    sol = tp.solve(clouds, callback=lambda p: seen.append(dict(p.details, at=p.elapsed)) and None)
    rounds = [s for s in seen if "gap" in s] or [{"at": 0.0, "gap": sol.value, "upper_bound": sol.value}]
    times = [s["at"] for s in rounds] + [sol.elapsed]
    gaps = [s["gap"] / s["upper_bound"] for s in rounds] + [sol.gap / sol.value]
    print(f"W2^2 = {sol.value:.12g}, certified to {gaps[-1]:.0e}, {sol.elapsed:.2f} s, {n} x {n}")
    right.semilogy(times, np.maximum(gaps, 1e-16), "o-", color=ACCENT)
    right.axhline(1e-9, color="0.7", lw=1)
    right.set(
        xlabel="seconds", ylabel="(upper - lower) / upper", title=f"certified interval, {n} x {n} points"
    )
    right.spines[["top", "right"]].set_visible(False)
    save(figure, path)


if __name__ == "__main__":
    main(out("certificate"))
