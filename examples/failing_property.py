"""A property-based test that fails: the textbook JS loses its digits as the laws approach each other.

`divergences.testing.check` finds the case, shrinks it and prints it as Python.
"""

from __future__ import annotations

import numpy as np
from _pictures import P, Q, out, save, sheet, size
from scipy.special import rel_entr

import divergences as dv
from divergences.testing import LawBroken, check, laws_for


def textbook_js(p: np.ndarray, q: np.ndarray) -> float:
    """KL(p | m) + KL(q | m), as it is written."""
    m = (np.asarray(p) + np.asarray(q)) / 2
    return float(np.sum(rel_entr(p, m) + rel_entr(q, m)))


def main(path: str) -> None:
    """Put it on trial, then draw its relative error beside ours."""
    for law in laws_for("js"):
        try:
            check(law, textbook_js, max_examples=size(100, 20), seed=0)
        except LawBroken as broken:
            print(broken)
            break
    apart = np.rint(0.7 * 2.0 ** (52 - np.arange(1, 45))) / 2**52  # so that p and q are exact
    errors: dict[str, list[float]] = {"textbook": [], "dv.js": []}
    for d in apart:
        p, q = np.array([0.5 + d / 2, 0.5 - d / 2]), np.array([0.5 - d / 2, 0.5 + d / 2])
        k = np.arange(1, 60)
        truth = float(np.sum(d ** (2 * k) / (k * (2 * k - 1))))  # the power series of JS, all terms positive
        for name, js in (("textbook", textbook_js), ("dv.js", dv.js)):
            errors[name].append(abs(float(js(p, q)) / truth - 1))
    figure, (axis,) = sheet(1, width=6, height=3.4)
    for (name, error), colour in zip(errors.items(), (Q, P)):
        axis.loglog(apart, np.maximum(error, 1e-17), ".-", color=colour, label=name)
    axis.set(xlabel="total variation of the two laws", ylabel="relative error of JS")
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    save(figure, path)


if __name__ == "__main__":
    main(out("failing_property"))
