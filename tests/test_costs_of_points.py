"""Costs of pairs, of blocks and of single entries are the same floats, whichever kernel made them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import transport as tp
from transport._solver.pricing.points import Norm
from transport._solver.tuning import TUNING

METRICS = ("euclidean", "cityblock", "chebyshev")


@pytest.mark.parametrize("d", [1, 2, 3, 7])
@pytest.mark.parametrize("power", [0.5, 1.0, 1.3, 2.0, 3.0])
@pytest.mark.parametrize("metric", range(3))
def test_entries_and_blocks_are_bitwise_alike(metric, power, d):
    rng = np.random.default_rng(d)
    x, y = rng.standard_normal((23, d)), rng.standard_normal((31, d))
    cloud = tp.PointCloud(x, y, METRICS[metric], power=power)
    block = cloud.block(0, 23)
    assert block == pytest.approx(cdist(x, y, METRICS[metric]) ** power, rel=1e-13)
    assert np.array_equal(cloud.block(5, 9), block[5:9])
    rows, cols = rng.integers(0, 23, 101), rng.integers(0, 31, 101)
    for size in (0, 1, 3, 4, 101):
        assert np.array_equal(cloud.entries(rows[:size], cols[:size]), block[rows[:size], cols[:size]])


def test_all_pairs_of_some_points_are_those_pairs():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 40, 3))
    rows, cols = rng.permutation(40)[:17], rng.permutation(40)[:13]
    wanted = tp.PointCloud(x, y).block(0, 40)[np.ix_(rows, cols)]
    for few in (TUNING.block_pairs, 0):  # pair by pair, and by blocks
        assert np.array_equal(Norm(0, 2.0, few).costs(x, y, rows[:, None], cols), wanted)
        assert np.array_equal(Norm(0, 2.0, few).costs(x, y, rows[:, None], cols[None, :]), wanted)
