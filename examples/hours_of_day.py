"""Hours of the day lie on a circle: from 23:00 to 1:00 it is two hours, not twenty-two."""

from __future__ import annotations

import numpy as np
from _pictures import P, Q, out, plt, save, size

import transport as tp


def main(path: str) -> None:
    """Two samples of hours, the plan between them, and both distances."""
    rng = np.random.default_rng(0)
    n = size(40, 20)
    x, y = rng.normal(22.5, 1.0, n) % 24, rng.normal(1.0, 1.0, n) % 24
    round_the_clock, line = tp.wasserstein_circle(x, y, period=24), tp.wasserstein_1d(x, y)
    print(f"W1 on the circle {round_the_clock:.2f} h, on a line {line:.2f} h")
    plan = tp.solve(tp.Circle(x, y, period=24)).plan
    figure, axis = plt.subplots(figsize=(5, 4.2), layout="constrained", subplot_kw={"projection": "polar"})
    axis.set_theta_zero_location("N")
    axis.set_theta_direction(-1)
    turn = 2 * np.pi / 24
    for i, j in zip(plan.row, plan.col):
        end = x[i] + (y[j] - x[i] + 12) % 24 - 12  # the short way
        axis.plot(np.linspace(x[i], end, 20) * turn, np.linspace(1.0, 1.25, 20), color="0.6", lw=0.8)
    axis.scatter(x * turn, np.full(n, 1.0), color=P, s=16, zorder=2, label="P: last summer")
    axis.scatter(y * turn, np.full(n, 1.25), color=Q, s=16, zorder=2, label="Q: this summer")
    axis.set_xticks(np.arange(0, 24, 3) * turn, [f"{h}:00" for h in range(0, 24, 3)])
    axis.set(ylim=(0, 1.35), yticks=[], title=f"W₁ = {round_the_clock:.2f} h (on a line: {line:.2f} h)")
    axis.legend(frameon=False, loc="center", fontsize=8)
    save(figure, path)


if __name__ == "__main__":
    main(out("hours_of_day"))
