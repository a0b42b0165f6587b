"""A solver on trial: somebody's plans, judged by our certificate, as the costs get smaller.

`tp.certify` needs no trust in whoever made the plan: it recomputes its cost and a lower bound.
"""

from __future__ import annotations

import warnings

import numpy as np
import ot
from _pictures import P, Q, out, save, sheet, size

import transport as tp


def main(path: str) -> None:
    """POT's `emd` on one problem times ever smaller powers of two: the plan should not change at all."""
    n = size(60, 20)
    cost, uniform = np.random.default_rng(0).random((n, n)), np.full(n, 1 / n)
    scales, theirs, ours = 2.0 ** -np.arange(0, 61, 4), [], []
    for scale in scales:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plan = ot.emd(uniform, uniform, cost * scale)
        judged = tp.certify(cost * scale, uniform, uniform, plan=plan)
        best = tp.solve(cost * scale, uniform, uniform)
        theirs.append(max(judged.upper_bound / best.lower_bound - 1, 1e-16))
        ours.append(max(best.gap / best.value, 1e-16))
        if scale in (scales[0], scales[-1]):
            print(f"costs times {scale:.0e}: POT's plan is {judged.status.name}, ours {best.status.name}")
    figure, (axis,) = sheet(1, width=6, height=3.4)
    axis.loglog(scales, theirs, "o-", color=Q, label=f"ot.emd {ot.__version__}: cost above the optimum")
    axis.loglog(scales, ours, "s-", color=P, label="tp.solve: certified gap")
    axis.set(xlabel="costs times", ylabel="relative excess")
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    save(figure, path)


if __name__ == "__main__":
    main(out("solver_on_trial"))
