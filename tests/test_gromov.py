"""Gromov-Wasserstein: enumeration of small spaces, bounds, isometries, the fused problem."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import transport as tp


def space(seed, n, d=2):
    x = np.random.default_rng(seed).random((n, d))
    return np.sqrt(np.sum((x[:, None] - x) ** 2, axis=-1))


def distortion(plan, C1, C2):
    gap = (C1[:, None, :, None] - C2[None, :, None, :]) ** 2
    return float(np.einsum("ij,kl,ijkl->", plan, plan, gap))


def test_small_spaces_against_every_permutation():
    """Squared Euclidean distances make the objective concave: some optimum is a permutation."""
    hits = 0
    for seed in range(6):
        C1, C2 = space(seed, 6) ** 2, space(seed + 50, 6, 3) ** 2
        truth = min(
            distortion(np.eye(6)[list(order)] / 6, C1, C2) for order in itertools.permutations(range(6))
        )
        found = tp.gromov_wasserstein(C1, C2, n_starts=40)
        assert found.lower_bound <= truth * (1 + 1e-12)
        assert truth * (1 - 1e-9) <= found.value
        hits += found.value <= truth * (1 + 1e-9)
        assert found.value == pytest.approx(distortion(found.plan, C1, C2), rel=1e-9)
        assert found.starts[0] >= found.value == min(found.starts)
    assert hits >= 4


@pytest.mark.parametrize("weighted", [False, True])
def test_bounds_hold_and_the_value_is_that_of_the_plan(weighted):
    rng = np.random.default_rng(1)
    for seed in range(4):
        C1, C2 = space(seed, 7), space(seed + 9, 5, 3)
        a, b = (rng.dirichlet(np.ones(7)), rng.dirichlet(np.ones(5))) if weighted else (None, None)
        found = tp.gromov_wasserstein(C1, C2, a, b)
        np.testing.assert_allclose(found.plan.sum(1), 1 / 7 if a is None else a, atol=1e-14)
        np.testing.assert_allclose(found.plan.sum(0), 1 / 5 if b is None else b, atol=1e-14)
        assert found.value == pytest.approx(distortion(found.plan, C1, C2), rel=1e-9)
        assert 0 < found.lower_bound <= found.value == found.upper_bound
        assert set(found.stats) == {"FLB", "SLB", "TLB"}
        assert found.stats["TLB"] >= found.stats["FLB"] * (1 - 1e-9)  # Mémoli 2011, Theorem 6.1
        for _ in range(20):  # no coupling undercuts the bound
            plan = tp.solve(rng.normal(size=(7, 5)), a, b).plan.toarray()
            assert distortion(plan, C1, C2) >= found.lower_bound * (1 - 1e-12)


def test_isometric_spaces_are_at_distance_zero():
    for n in (3, 20):
        C = space(n, n)
        order = np.random.default_rng(n).permutation(n)
        found = tp.gromov_wasserstein(C, C[np.ix_(order, order)])
        assert found.value == 0.0
        assert found.lower_bound == 0.0
        copies = np.repeat(np.arange(n), 2)
        assert tp.gromov_wasserstein(C, C[np.ix_(copies, copies)]).value <= 1e-12


def test_scale_and_integers():
    C1, C2 = np.rint(8 * space(3, 6)), np.rint(8 * space(4, 7))
    found = tp.gromov_wasserstein(C1, C2)
    assert tp.gromov_wasserstein(C1.astype(np.uint8), C2.astype(int)).value == found.value
    for k in (-300, 40):
        again = tp.gromov_wasserstein(C1 * 2.0**k, C2 * 2.0**k)
        assert again.value == found.value * 4.0**k
        assert np.array_equal(again.plan, found.plan)


def test_fused():
    rng = np.random.default_rng(6)
    C1, C2, M = space(5, 6), space(6, 8), rng.random((6, 8))
    linear = tp.solve(M).value
    only = tp.gromov_wasserstein(C1, C2, M=M, alpha=0.0)
    assert only.value == pytest.approx(linear, rel=1e-12)
    assert only.lower_bound == pytest.approx(linear, rel=1e-9)
    half = tp.gromov_wasserstein(C1, C2, M=M)
    assert half.value == pytest.approx(
        0.5 * np.sum(M * half.plan) + 0.5 * distortion(half.plan, C1, C2), rel=1e-9
    )
    assert 0.5 * linear <= half.lower_bound <= half.value


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"C1": np.ones((2, 3))}, "square"),
        ({"C1": [[0.0, 1.0], [2.0, 0.0]]}, "not symmetric"),
        ({"C1": [[0.0, np.nan], [np.nan, 0.0]]}, "finite"),
        ({"a": [0.5, 0.6]}, "normalize"),
        ({"alpha": 0.5}, "give M"),
        ({"M": np.zeros((2, 2))}, r"\(2, 3\)"),
        ({"M": np.zeros((2, 3)), "alpha": 1.5}, "alpha"),
        ({"n_starts": 0}, "n_starts"),
    ],
)
def test_refused(options, words):
    run = {"C1": np.eye(2), "C2": np.eye(3)} | options
    with pytest.raises(ValueError, match=words):
        tp.gromov_wasserstein(run.pop("C1"), run.pop("C2"), **run)
