"""Sliced distances: closed forms, SciPy on every projection, the laws of a distance, honest errors."""

from __future__ import annotations

import math
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

import divergences as dv
import transport as tp

KINDS = ("independent", "orthogonal", "quasi")


def clouds(seed, n=17, m=11, d=3):
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(n, d)),
        rng.normal(size=(m, d)) + 0.5,
        rng.dirichlet(np.ones(n)),
        rng.dirichlet(np.ones(m)),
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "d"), [(17, 3), (11, 70), (300, 5), (600, 2)])
def test_every_projection_is_scipys_distance(weighted, n, d):
    x, y, a, b = clouds(n, n, 11, d)
    found = tp.estimate_sliced(x, y, **({"a": a, "b": b} if weighted else {}), p=1, n_projections=9)
    for theta, value in zip(found.directions, found.distances):
        truth = wasserstein_distance(x @ theta, y @ theta, *((a, b) if weighted else ()))
        assert value == pytest.approx(truth, rel=1e-12)
    assert found.value == pytest.approx(found.distances.mean(), rel=1e-14)
    assert found.standard_error == pytest.approx(found.distances.std(ddof=1) / 3, rel=1e-12)


@pytest.mark.parametrize("p", [1.5, 2, 3, 80])
def test_powers_of_equal_samples(p):
    x, y, _, _ = clouds(3, 20, 20, 4)
    found = tp.estimate_sliced(x, y, p=p, n_projections=5)
    moves = [np.abs(np.sort(x @ t) - np.sort(y @ t)) for t in found.directions]
    largest = max(move.max() for move in moves)
    truth = largest * np.mean([np.mean((move / largest) ** p) for move in moves]) ** (1 / p)
    assert found.value == pytest.approx(truth, rel=1e-12)
    assert float(found) == found.value == tp.sliced_wasserstein(x, y, p=p, n_projections=5)


@pytest.mark.parametrize("d", [2, 3, 7])
def test_two_points_in_closed_form(d):
    """SW_2 of two points is their distance over sqrt(d): exact for whole orthonormal blocks."""
    rng = np.random.default_rng(d)
    x, y = rng.normal(size=(2, 1, d))
    truth = np.linalg.norm(x - y) / math.sqrt(d)
    assert tp.sliced_wasserstein(x, y, directions="orthogonal", n_projections=4 * d) == pytest.approx(
        truth, rel=1e-13
    )
    for kind in KINDS:
        found = [tp.estimate_sliced(x, y, directions=kind, n_projections=200, rng=seed) for seed in range(30)]
        scores = [(f.value - truth) / max(f.standard_error, 1e-13 * truth) for f in found]
        assert np.sqrt(np.mean(np.square(np.clip(scores, -6, 6)))) < 1.8  # about 1.2 for 8 groups (Student)
        assert np.mean([f.standard_error for f in found]) < 0.08 * truth


def test_evenly_spread_directions_are_more_accurate():
    x, y, _, _ = clouds(5, 40, 30, 3)
    for d in (2, 3):
        truth = tp.sliced_wasserstein(x[:, :d], y[:, :d], directions="quasi", n_projections=8000)
        errors = {
            kind: np.std([
                tp.sliced_wasserstein(x[:, :d], y[:, :d], directions=kind, n_projections=128, rng=s) - truth
                for s in range(12)
            ])
            for kind in KINDS
        }  # fmt: skip
        assert errors["quasi"] < 0.5 * errors["independent"]


def test_directions_are_unit_and_uniform():
    from transport._directions import directions

    for kind in KINDS:
        for d in (2, 3, 5):
            drawn = [directions(kind, 33, d, seed) for seed in range(60)]
            every = np.concatenate([v.vectors for v in drawn])
            assert all(sum(v.groups) == len(v.vectors) == 33 for v in drawn)
            np.testing.assert_allclose(np.linalg.norm(every, axis=1), 1, rtol=1e-14)
            assert np.abs(every.T @ every / len(every) - np.eye(d) / d).max() < 0.03


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.sampled_from([1.0, 2.0, 3.0]), st.integers(1, 4))
def test_laws(seed, n, p, copies):
    """What peers break: copies of an atom, order, scale, units of integers, equal measures."""
    rng = np.random.default_rng(seed)
    x, y = rng.integers(-8, 9, (n, 2)), rng.integers(-8, 9, (n + 1, 2))
    run = {"p": p, "n_projections": 7, "rng": seed % 5}
    value = tp.sliced_wasserstein(x, y, **run)
    order = rng.permutation(n)
    assert tp.sliced_wasserstein(x[order], y, **run) == pytest.approx(value, rel=1e-14)
    assert tp.sliced_wasserstein(np.repeat(x, copies, 0), y, **run) == pytest.approx(value, rel=1e-13)
    share = np.repeat(np.full(n, 1 / (n * copies)), copies)
    assert tp.sliced_wasserstein(np.repeat(x, copies, 0), y, a=share, **run) == pytest.approx(
        value, rel=1e-13
    )
    assert tp.sliced_wasserstein(y, x, **run) == pytest.approx(value, rel=1e-13)
    for k in (-60, 3, 200):
        assert tp.sliced_wasserstein(x * 2.0**k, y * 2.0**k, **run) == value * 2.0**k
    assert tp.sliced_wasserstein(x.astype(float), y.astype(float), **run) == value
    assert tp.sliced_wasserstein((x + 8).astype(np.uint8), (y + 8).astype(np.uint8), **run) == pytest.approx(
        value, rel=1e-12
    )
    assert tp.sliced_wasserstein(x, x[order], **run) == 0.0
    assert tp.sliced_wasserstein(x, np.repeat(x, copies, 0), **run) == 0.0
    assert tp.sliced_wasserstein(x, y + [40, 0], directions=[[1, 0]], p=p) > tp.sliced_wasserstein(
        x, y, directions=[[1, 0]], p=p
    )
    assert value <= dv.wasserstein(x, y, p=p) * (1 + 1e-12)


def test_small_moves_far_from_the_origin():
    x, _, _, _ = clouds(1)
    far = np.round(x * 2**20) / 2**20 + 2.0**26
    for h in (2.0**-10, 2.0**-24):
        assert tp.sliced_wasserstein(far, far + [h, 0, 0], directions=[[1, 0, 0]]) == pytest.approx(
            h, rel=1e-9
        )


def test_bitwise_the_same_on_any_number_of_threads_and_in_any_layout(monkeypatch):
    x, y, a, b = clouds(9, 500, 400, 6)
    found = [tp.estimate_sliced(x, y, a=a, b=b).distances]
    for threads in ("1", "3", "7"):
        monkeypatch.setenv("KANTOROVICH_NUM_THREADS", threads)
        found.append(tp.estimate_sliced(np.asfortranarray(x), y[::-1][::-1], a=a, b=b).distances)
    assert all(np.array_equal(found[0], other) for other in found)


def test_memory_is_bounded():
    x = np.random.default_rng(0).random((150_000, 4))
    y = x + 1.0
    tp.sliced_wasserstein(x[:99], y[:99])
    tracemalloc.start()
    tp.sliced_wasserstein(x, y, n_projections=40)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 120e6


def test_one_group_tells_nothing_about_the_error():
    x, y, _, _ = clouds(2)
    assert tp.estimate_sliced(x, y, n_projections=1).standard_error == math.inf
    assert tp.estimate_sliced(x, y, n_projections=3, directions="orthogonal").standard_error == math.inf
    assert tp.estimate_sliced(x[:, 0], y[:, 0]).standard_error == 0.0


def test_estimate_holds_the_mean_over_the_sphere():
    x, y = [[0.0, 0.0, 0.0]], [[1.0, 2.0, 2.0]]
    hits = 0
    for seed in range(40):
        found = dv.estimate("sliced_wasserstein", x, y, n_projections=64, rng=seed)
        hits += found.lower <= math.sqrt(3) <= found.upper
        assert found.lower <= found.value <= found.upper
        assert found.standard_error > 0
    assert 34 <= hits <= 40


def test_another_array_library_gives_the_same_number():
    import array_api_strict as xp

    x, y, _, _ = clouds(4)
    assert tp.sliced_wasserstein(xp.asarray(x), xp.asarray(y)) == tp.sliced_wasserstein(x, y)


# ---------------------------------------------------------------- the largest projection


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_the_largest_projection_in_the_plane(p):
    for seed in range(2):
        x, y, a, b = clouds(seed, 9, 7, 2)
        found = tp.max_sliced_wasserstein(x, y, a=a, b=b, p=p)
        angles = np.linspace(0, np.pi, 401)
        scan = [
            tp.wasserstein_1d(x @ [np.cos(t), np.sin(t)], y @ [np.cos(t), np.sin(t)], a=a, b=b, p=p)
            for t in angles
        ]
        assert found.value >= max(scan)
        along = tp.wasserstein_1d(x @ found.direction, y @ found.direction, a=a, b=b, p=p)
        assert found.value == pytest.approx(along, rel=1e-12)
        assert found.value <= dv.wasserstein(x, y, a=a, b=b, p=p) * (1 + 1e-12)
        assert found.starts[0] == found.value
        assert np.all(np.diff(found.starts) <= 0)


def test_a_direction_that_random_ones_miss():
    """The measures differ on one axis of forty only, where W_2 is 5."""
    rng = np.random.default_rng(0)
    half = rng.normal(size=(200, 40))
    x = np.concatenate([half, -half])
    x[:, 7] = 0.0
    y = x.copy()
    y[:, 7] = np.repeat([-5.0, 5.0], 200)
    found = tp.max_sliced_wasserstein(x, y, n_starts=2)
    assert found.value >= 5.0 * (1 - 1e-9)
    assert tp.estimate_sliced(x, y).distances.max() < 3.5


def test_the_largest_projection_scales_and_vanishes():
    x, y, _, _ = clouds(6)
    value = tp.max_sliced_wasserstein(x, y, n_starts=2).value
    assert tp.max_sliced_wasserstein(1024 * x, 1024 * y, n_starts=2).value == 1024 * value
    assert tp.max_sliced_wasserstein(x, x[::-1]).value == 0.0
    assert tp.max_sliced_wasserstein([0.0, 1.0], [2.0, 5.0], p=1).value == 3.0


# ---------------------------------------------------------------- spheres


def test_the_circle_itself():
    rng = np.random.default_rng(0)
    s, t = rng.uniform(-np.pi, np.pi, 12), rng.uniform(-np.pi, np.pi, 9)
    x, y = (np.column_stack([np.cos(z), np.sin(z)]) for z in (s, t))
    for p in (1, 2):
        truth = tp.wasserstein_circle(s, t, p=p, period=2 * np.pi)
        assert tp.spherical_sliced_wasserstein(x, y, p=p) == pytest.approx(truth, rel=1e-12)


def test_antipodes_are_half_a_turn_apart_on_every_great_circle():
    x = np.random.default_rng(1).normal(size=(1, 5))
    x /= np.linalg.norm(x)
    assert tp.spherical_sliced_wasserstein(x, -x, n_projections=20) == pytest.approx(np.pi, rel=1e-14)
    assert tp.spherical_sliced_wasserstein(x, x, n_projections=20) == 0.0


def test_mean_over_great_circles_by_quadrature():
    """Two points at a right angle on S^2: the mean of the projected arc over planes, by another formula."""
    rng = np.random.default_rng(2)
    normals = rng.normal(size=(200_000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    e, f = np.eye(3)[:2]
    u, v = (z - normals * (normals @ z)[:, None] for z in (e, f))
    cosine = np.sum(u * v, axis=1) / (np.linalg.norm(u, axis=1) * np.linalg.norm(v, axis=1))
    truth = np.mean(np.arccos(np.clip(cosine, -1, 1)))
    assert tp.spherical_sliced_wasserstein([e], [f], p=1, n_projections=4000) == pytest.approx(
        truth, rel=0.03
    )


@pytest.mark.parametrize("points", [[[0.5, 0.5]], [[2.0, 0.0, 0.0]], [1.0]])
def test_points_off_the_sphere_are_refused(points):
    with pytest.raises(ValueError, match=r"norms|dimension"):
        tp.spherical_sliced_wasserstein(points, points)


def test_a_distance_beyond_float64_is_an_error_and_nothing_else():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(tp.MagnitudeError):
            tp.sliced_wasserstein([[1e308, 1e308]], [[-1e308, -1e308]])
