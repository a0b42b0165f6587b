"""Which pairs (TV, JS) are possible: random laws between the two sharp curves of the theorem.

The curves are read off `divergences.hierarchy.bounds_between`; extremal pairs lie on them.
"""

from __future__ import annotations

import numpy as np
from _pictures import ACCENT, GREY, out, save, sheet, size

import divergences as dv
from divergences.hierarchy import bounds_between


def main(path: str) -> None:
    """Random pairs on two to six atoms, in one panel; W against TV on [0, 1] in the other."""
    rng, n = np.random.default_rng(0), size(600, 60)
    tv, js, w = [], [], []
    for _ in range(n):
        atoms = rng.integers(2, 7)
        p, q = (rng.dirichlet(np.full(atoms, 10 ** rng.uniform(-1.3, 0.5))) for _ in range(2))
        p, q = p / p.sum(), q / q.sum()
        tv.append(dv.tv(p, q))
        js.append(dv.js(p, q))
        at = np.sort(rng.random(atoms))
        w.append(dv.wasserstein(at, at, a=p, b=q))
    figure, (left, right) = sheet(2, height=3.4)
    t = np.linspace(0, 1, 60)
    for axis, name, values, label in ((left, "js", js, "JS"), (right, "w", w, "W₁ on [0, 1]")):
        between = bounds_between("tv", name, diameter=1.0) if name == "w" else bounds_between("tv", name)
        axis.scatter(tv, values, s=6, color=GREY, linewidths=0, alpha=0.6)
        axis.plot(t, [between.lower(s) for s in t], color=ACCENT, lw=2)
        axis.plot(t, [between.upper(s) for s in t], color=ACCENT, lw=2)
        axis.set(xlabel="TV", ylabel=label)
        axis.spines[["top", "right"]].set_visible(False)
        low = np.array([between.lower(s) for s in tv])
        high = np.array([between.upper(s) for s in tv])
        outside = int(np.sum((np.array(values) < low - 1e-9) | (np.array(values) > high + 1e-9)))
        print(f"{label}: {outside} of {n} pairs outside the curves")
    save(figure, path)


if __name__ == "__main__":
    main(out("hierarchy_range"))
