"""Precision, recall, density, coverage, neighbours: by hand, by definition, by trees and by products."""

from __future__ import annotations

import numpy as np
import pytest

from generative import _neighbours
from generative._neighbours import Manifold, manifold, nearest, squared_distances


def by_definition(real, made, k):
    """Word for word, in difference form: the loops of the papers."""

    def reach(points):
        return [sorted(np.linalg.norm(points - p, axis=1))[k] * (1 + 1e-9) for p in points]

    r, s = reach(real), reach(made)
    inside = np.array([[np.linalg.norm(x - y) <= r[i] for i, x in enumerate(real)] for y in made])
    back = np.array([[np.linalg.norm(x - y) <= s[j] for j, y in enumerate(made)] for x in real])
    density = inside.sum() / (k * len(made))
    return Manifold(inside.any(axis=1).mean(), back.any(axis=1).mean(), density, inside.any(axis=0).mean())


@pytest.mark.parametrize("dim", [1, 3, 12])
@pytest.mark.parametrize("k", [1, 4])
def test_manifold_is_the_definition(dim, k):
    rng = np.random.default_rng(dim)
    real, made = rng.normal(size=(40, dim)), rng.normal(0.6, 0.8, size=(30, dim))
    found, right = manifold(real, made, k=k), by_definition(real, made, k)
    for name in ("precision", "recall", "density", "coverage"):
        assert getattr(found, name) == pytest.approx(getattr(right, name), abs=1e-12), name


@pytest.mark.parametrize("wide", [False, True])
def test_hand_cases(wide, monkeypatch):
    if wide:  # the same cases by matrix products
        monkeypatch.setattr(_neighbours, "TREE_DIM", 0)
    # Real at 0, 1, 2, 3 (balls of radius 1), model at 10: outside all; its own balls (radius 1) hold no real.
    real = np.arange(4.0)[:, None]
    assert manifold(real, real + 10, k=1) == Manifold(0.0, 0.0, 0.0, 0.0)
    # One model point repeated at a real one: balls of radius 0 about it recall that one real point only; it
    # lies in the balls of 0, 1 and 2.
    stuck = manifold(real, np.ones((5, 1)), k=1)
    assert stuck == Manifold(1.0, 0.25, 3.0, 0.75)
    # Repeated real points have balls of radius 0, on which the point itself lies.
    twice = np.repeat(real, 2, axis=0)
    assert manifold(twice, twice, k=1) == Manifold(1.0, 1.0, 2.0, 1.0)
    # An outlier's wide ball lifts precision, not density (Naeem et al., figure 2): far samples all inside it.
    far = np.concatenate([real, [[100.0]]])
    lifted = manifold(far, np.linspace(60, 90, 6)[:, None], k=1)
    assert lifted.precision == 1.0
    assert lifted.coverage == 0.2


def test_products_and_trees_agree_far_from_the_origin():
    rng = np.random.default_rng(0)
    real, made = 1e6 + rng.normal(size=(200, 3)), 1e6 + rng.normal(size=(150, 3))
    tree = manifold(real, made)
    high = manifold(np.pad(real, ((0, 0), (0, 20))), np.pad(made, ((0, 0), (0, 20))))
    assert tree == high


def test_squared_distances_keep_their_digits():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(30, 50))
    y = np.concatenate([x[:10], x[:10] + 1e-9 * rng.normal(size=(10, 50)), rng.normal(size=(9, 50))])
    right = ((x[:, None] - y) ** 2).sum(axis=2)
    np.testing.assert_allclose(squared_distances(x, y), right, rtol=1e-10)
    assert squared_distances(x, y)[3, 3] == 0


@pytest.mark.parametrize("dim", [2, 30])
def test_nearest(dim):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(50, dim)), rng.normal(size=(70, dim))
    far, rows = nearest(x, y)
    right = np.linalg.norm(x[:, None] - y, axis=2)
    np.testing.assert_array_equal(rows, right.argmin(axis=1))
    np.testing.assert_allclose(far, right.min(axis=1), rtol=1e-12)


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match="5 points; k = 5 neighbours need 6"):
        manifold(np.zeros((5, 2)), np.zeros((9, 2)))
