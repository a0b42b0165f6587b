"""W1 of two laws known by samples: a 1-Lipschitz critic from below, a coupling from above, each with 99 %."""

from __future__ import annotations

import numpy as np
from _pictures import ACCENT, GREY, P, Q, out, save, sheet, size

import transport as tp


def first(n: int, rng: np.random.Generator) -> np.ndarray:
    """Uniform on a square."""
    return rng.uniform(0, 1, (n, 2))


def second(n: int, rng: np.random.Generator) -> np.ndarray:
    """The square moved by (1, 0.5): W1 is the length of that."""
    return rng.uniform(0, 1, (n, 2)) + [1.0, 0.5]


def main(path: str) -> None:
    """The critic's level sets, and the bounds as the samples grow."""
    rng = np.random.default_rng(0)
    counts = size((64, 256, 1024), (32, 64))
    lower, upper = [], []
    for n in counts:
        found = tp.critic(first, second, n_samples=n, n_steps=size(200, 10), n_evaluation=size(1 << 16, 4096))
        lower.append(float(found.lower_bound(confidence=0.99)))
        upper.append(float(tp.coupling_bound(first, second, n_samples=n)))
        print(f"n = {n}: {lower[-1]:.4f} <= W1 = {np.hypot(1, 0.5):.4f} <= {upper[-1]:.4f}")
    figure, (left, right) = sheet(2, height=3.4)
    u, v = np.meshgrid(np.linspace(-0.3, 2.3, 120), np.linspace(-0.3, 1.8, 100))
    heights = np.reshape(found.function(np.column_stack([u.ravel(), v.ravel()])), u.shape)
    left.contour(u, v, heights, 16, colors=GREY, linewidths=0.6)
    for law, colour, name in ((first, P, "P"), (second, Q, "Q")):
        left.scatter(*law(300, rng).T, s=5, color=colour, label=name)
    left.set(aspect="equal", title="level sets of the critic")
    left.legend(frameon=False)
    left.set_axis_off()
    right.fill_between(counts, lower, upper, color=ACCENT, alpha=0.25)
    right.plot(counts, lower, "o-", color=ACCENT, label="critic: lower bound")
    right.plot(counts, upper, "s-", color=ACCENT, label="coupling: upper bound")
    right.axhline(np.hypot(1, 0.5), color="k", lw=1, label="W₁")
    right.set(xscale="log", xlabel="samples of each law")
    right.legend(frameon=False)
    right.spines[["top", "right"]].set_visible(False)
    save(figure, path)


if __name__ == "__main__":
    main(out("critic_bound"))
