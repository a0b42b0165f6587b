"""One row a divergence: arrays, laws, matrices and ranges agree with it and with one another."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import divergences as dv
from divergences._table import TABLE, functional, markdown

OF_ARRAYS = [name for name, row in TABLE.items() if row.of_arrays]


@pytest.mark.parametrize("name", OF_ARRAYS)
def test_singular_parts_add_what_the_row_says(name):
    """A third of P where Q has none, a fifth of Q where P has none, and equal proportions between."""
    row = TABLE[name]
    p, q = np.array([1 / 3, 2 / 3, 0.0]), np.array([0.0, 2 / 3, 1 / 3])
    total = (row.alone_p + row.alone_q) / 3
    wanted = math.inf if math.isinf(total) else row.finish(total, math)
    assert float(getattr(dv, name)(p, q)) == pytest.approx(wanted, rel=1e-15)
    flat = stats.uniform(0, 3), stats.uniform(1, 3)  # densities of 1/3: the same three parts
    assert dv.estimate(name, *flat).value == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("name", OF_ARRAYS)
def test_the_top_is_reached_by_singular_measures(name):
    top = TABLE[name].top
    assert float(getattr(dv, name)([1.0, 0.0], [0.0, 1.0])) == pytest.approx(top, rel=1e-15)
    assert dv.estimate(name, stats.norm(), stats.poisson(3)).value == pytest.approx(top, rel=1e-15)
    assert dv.pairwise(name, np.eye(2))[0, 1] == pytest.approx(top, rel=1e-15)


@pytest.mark.parametrize("name", OF_ARRAYS)
def test_arrays_laws_and_matrices_are_one_divergence(name):
    p, q = np.array([0.2, 0.5, 0.3]), np.array([0.3, 0.3, 0.4])
    of_arrays = float(getattr(dv, name)(p, q))
    laws = (stats.rv_discrete(values=(np.arange(3), m)) for m in (p, q))
    assert dv.estimate(name, *laws).value == pytest.approx(of_arrays, rel=1e-13)
    assert dv.pairwise(name, [p], [q])[0, 0] == pytest.approx(of_arrays, rel=1e-15)
    other = float(getattr(dv, name)(q, p))
    assert TABLE[name].symmetric == (abs(other - of_arrays) < 1e-15)


def test_no_divergence_is_defined_twice():
    """Names of the table are looked up elsewhere, never listed with their ranges or finishes again."""
    for path in (Path(dv.__file__).parent).glob("_*.py"):
        if path.name in ("_table.py", "_functionals.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            keys = (
                [k.value for k in node.keys if isinstance(k, ast.Constant)]
                if isinstance(node, ast.Dict)
                else []
            )
            assert not {"tv", "js_distance"} <= set(keys), path.name


def test_orders_take_alpha_and_nothing_else():
    assert functional("renyi", alpha=1.0).name == "kl"
    with pytest.raises(TypeError, match="tv takes no option"):
        functional("tv", alpha=1.0)
    with pytest.raises(ValueError, match="choose one of"):
        functional("kullback")


def test_the_documentation_has_every_row():
    text = markdown()
    assert text.count("\n") == len(TABLE) + 2
    assert "| `js` | $KL(p\\Vert m) + KL(q\\Vert m), m = (p+q)/2$ | [0, 2 log 2] | yes |  |" in text
    assert "| `kl` | $\\sum p \\log(p/q)$ | [0, ∞] |  | P alone has mass |" in text
