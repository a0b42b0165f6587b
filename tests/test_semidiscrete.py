"""Semi-discrete transport: exact cells against brute force, the LP on a grid, closed forms, and sampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

import transport as tp

UNIT = ((0, 1), (0, 1))
square = tp.PixelDensity([[1.0]], UNIT)


def test_two_atoms_by_hand():
    s = tp.semidiscrete(square, [[0.25, 0.5], [0.75, 0.5]])
    assert s.value == pytest.approx(0.25 / 12 + 1 / 12 - 0.25 / 12 + 1 / 48, rel=1e-12)
    # weights (w, 1-w): the wall is at x = w, and the cells are rectangles
    w = 0.3
    s = tp.semidiscrete(square, [[0.25, 0.5], [0.75, 0.5]], [w, 1 - w])
    true = ((w - 0.25) ** 3 + 0.25**3 + 0.25**3 + (0.75 - w) ** 3) / 3 + 1 / 12
    assert s.value == pytest.approx(true, rel=1e-12)
    assert s.assign([[w - 1e-6, 0.1], [w + 1e-6, 0.9]]).tolist() == [0, 1]


@given(st.integers(0, 2**32), st.integers(1, 60), st.sampled_from(["inside", "outside", "line", "grid"]))
@settings(max_examples=25)
def test_cell_masses_and_bounds(seed, m, where):
    rng = np.random.default_rng(seed)
    y = rng.uniform(size=(m, 2)) * [3, 2]
    if where == "outside":
        y = 0.2 * y + [5, -4]
    elif where == "line":
        y[:, 1] = 1.0
    elif where == "grid":
        y = np.stack(np.meshgrid(np.arange(4.0), np.arange(3.0)), axis=-1).reshape(-1, 2)
    b = rng.uniform(0.2, 1, size=len(y))
    b /= b.sum()
    image = rng.uniform(size=(5, 7))
    P = tp.PixelDensity(image, ((0, 3), (0, 2)))
    s = tp.semidiscrete(P, y, b)
    assert np.abs(s.masses - b).max() <= 1e-9
    assert s.lower_bound <= s.value <= s.upper_bound
    assert s.upper_bound - s.lower_bound <= 1e-6 * s.value + 1e-9
    # brute force: the same cells, each pixel cut into 40 x 40
    k = 40
    u = (np.arange(7 * k) + 0.5) / k * (3 / 7)
    v = (np.arange(5 * k) + 0.5) / k * (2 / 5)
    points = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)
    weight = np.repeat(np.repeat(image, k, 0), k, 1).ravel()
    weight /= weight.sum()
    owner = s.assign(points)
    found = np.bincount(owner, weight, minlength=len(y))
    assert np.abs(found - b).max() < 0.02
    cost = float(weight @ np.sum((points - y[owner]) ** 2, axis=1))
    assert s.value == pytest.approx(cost, rel=0.02, abs=2e-4)


def test_matches_the_exact_lp_on_a_grid_to_its_discretisation():
    """|W2(P, ν) - W2(P_h, ν)| <= W2(P, P_h) = h/√6 for the grid of pixel centres."""
    rng = np.random.default_rng(1)
    y, k = rng.uniform(size=(12, 2)), 32
    image = rng.uniform(size=(4, 4))
    exact = tp.semidiscrete(tp.PixelDensity(image, UNIT), y).value ** 0.5
    at = (np.arange(k) + 0.5) / k
    points = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)
    a = np.repeat(np.repeat(image, k // 4, 0), k // 4, 1).ravel()
    grid = tp.solve(cdist(points, y, "sqeuclidean"), a / a.sum(), np.full(12, 1 / 12)).value ** 0.5
    assert abs(exact - grid) <= 1 / k / 6**0.5
    assert abs(exact - grid) < 1e-3  # in fact second order


def test_empty_pixels_and_hundreds_of_atoms():
    rng = np.random.default_rng(0)
    image = rng.uniform(size=(12, 16))
    image[image < 0.4] = 0
    s = tp.semidiscrete(tp.PixelDensity(image, ((0, 4), (0, 3))), rng.uniform(size=(300, 2)) * [4, 3])
    assert np.abs(s.masses - 1 / 300).max() <= 1e-9
    assert s.upper_bound - s.lower_bound <= 1e-6 * s.value


@given(st.sampled_from([1e-6, 1.0, 1e6]), st.floats(-1e3, 1e3))
@settings(max_examples=10)
def test_scale_and_shift(scale, shift):
    y = np.array([[0.1, 0.2], [0.9, 0.3], [0.4, 0.8], [0.5, 0.5]])
    base = tp.semidiscrete(square, y)
    box = (np.array(UNIT) + shift) * scale
    moved = tp.semidiscrete(tp.PixelDensity([[1.0]], box), (y + shift) * scale)
    assert moved.value == pytest.approx(base.value * scale**2, rel=1e-9)


def test_on_the_line():
    # uniform to midpoints of n equal bins: W2² = 1/12n²
    n = 10
    s = tp.semidiscrete(tp.PixelDensity([1.0], (0, 1)), (np.arange(n) + 0.5) / n)
    assert s.value == pytest.approx(1 / (12 * n * n), rel=1e-12)
    np.testing.assert_allclose(s.masses, 1 / n, rtol=1e-12)
    rng = np.random.default_rng(0)
    image, y, b = rng.uniform(size=9), rng.normal(size=6), rng.uniform(0.1, 1, 6)
    image[3] = 0
    P = tp.PixelDensity(image, (-1, 2))
    s = tp.semidiscrete(P, y, b / b.sum())
    np.testing.assert_allclose(s.masses, b / b.sum(), atol=1e-14)
    # brute force by quantiles
    u = (np.arange(200_000) + 0.5) / 200_000
    x = np.interp(u, np.concatenate([[0], np.cumsum(image)]) / image.sum(), np.linspace(-1, 2, 10))
    order = np.argsort(y)
    z = y[order][np.searchsorted(np.cumsum(b[order] / b.sum()), u)]
    assert s.value == pytest.approx(np.mean((x - z) ** 2), rel=1e-5)
    owner = s.assign(x)
    assert np.mean(y[owner] == z) > 0.9999
    # the semi-dual of the returned potential is the value: no gap
    dual = np.mean(np.min((x[:, None] - y) ** 2 - s.potential, axis=1)) + s.potential @ (b / b.sum())
    assert dual == pytest.approx(s.value, rel=1e-4)


def test_stochastic_bound_is_below_the_exact_value():
    rng = np.random.default_rng(0)
    y = rng.uniform(size=(20, 2))
    exact = tp.semidiscrete(square, y).value
    s = tp.semidiscrete(lambda n, rng: rng.uniform(size=(n, 2)), y, n_steps=3000)
    assert s.lower_bound <= exact
    assert s.value == pytest.approx(exact, rel=0.05)
    assert np.abs(s.masses - 1 / 20).max() < 0.02
    assert s.upper_bound == np.inf


def test_refusals():
    with pytest.raises(ValueError, match="coinciding"):
        tp.semidiscrete(square, [[0.1, 0.1], [0.1, 0.1]])
    with pytest.raises(ValueError, match="zero weight"):
        tp.semidiscrete(square, [[0.1, 0.1], [0.2, 0.1]], [1.0, 0.0])
    with pytest.raises(ValueError, match="must agree"):
        tp.semidiscrete(square, [0.1, 0.2])
    with pytest.raises(ValueError, match="lower < upper"):
        tp.PixelDensity([[1.0]], ((0, 0), (0, 1)))
    with pytest.raises(ValueError, match=">= 0"):
        tp.PixelDensity([1.0, -1.0], (0, 1))


@pytest.mark.parametrize("masses", [[1, 0], [0, 1], [0, 1, 0, 0, 2, 0], [1, 0, 0, 0, 1], [0, 0, 3]])
@pytest.mark.parametrize("atoms", [[0.1, 0.9], [0.5], [0.0, 0.3, 0.31, 2.0], [-1.0, 0.2]])
def test_empty_pixels_on_a_line(masses, atoms):
    """Against the integral of the squared distance of quantiles, by fine midpoints in mass."""
    y = np.array(atoms)
    b = np.arange(1, len(y) + 1) / (len(y) * (len(y) + 1) / 2)
    s = tp.semidiscrete(tp.PixelDensity(masses, (0, 1)), y[:, None], b)
    u = (np.arange(400_000) + 0.5) / 400_000
    m = np.array(masses, float)
    full = np.flatnonzero(m)
    rise = np.concatenate([[0], np.cumsum(m[full]) / m.sum()])
    k = np.searchsorted(rise, u) - 1
    x = (full[k] + (u - rise[k]) / np.diff(rise)[k]) / len(m)
    to = y[np.minimum(np.searchsorted(np.cumsum(b), u), len(y) - 1)]
    assert s.value == pytest.approx(np.mean((x - to) ** 2), rel=1e-5)
    assert s.upper_bound - s.lower_bound <= 1e-12 * (1 + s.value)
    assert s.lower_bound <= s.value <= s.upper_bound
    np.testing.assert_allclose(s.masses, b, atol=1e-12)


@pytest.mark.parametrize("background", [1e-3, 1e-6, 1e-9, 1e-12])
def test_faint_backgrounds_converge(background):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        image = np.full((12, 12), background)
        for _ in range(3):
            i, j = rng.integers(0, 10, 2)
            image[i : i + 2, j : j + 2] += rng.random()
        s = tp.semidiscrete(tp.PixelDensity(image, ((0, 1), (0, 1))), rng.random((12, 2)))
        assert np.abs(s.masses - 1 / 12).max() <= 1e-9
        assert s.upper_bound - s.lower_bound <= 1e-7
