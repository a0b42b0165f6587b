"""Estimators from samples: brute force on tiny inputs, coverage and calibration on known laws."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

import divergences as dv


def test_energy_is_the_definition():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 3)), rng.normal(1, 2, size=(5, 3))

    def mean(pairs):
        return np.mean([np.linalg.norm(a - b) for a, b in pairs])

    cross = mean(itertools.product(x, y))
    own = [mean(itertools.permutations(z, 2)) for z in (x, y)]
    assert dv.energy(x, y) == pytest.approx(2 * cross - sum(own), rel=1e-12)


def test_energy_of_many_points_on_the_line_is_scipys_up_to_the_diagonal():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=1500), rng.normal(0.7, 1, size=1300)
    v_statistic = stats.energy_distance(x, y) ** 2
    n, m = len(x), len(y)
    own = [np.abs(z[:, None] - z).sum() / k for z, k in ((x, n * n * (n - 1)), (y, m * m * (m - 1)))]
    assert dv.energy(x, y) == pytest.approx(v_statistic - sum(own), rel=1e-9)


def test_mmd_is_the_definition():
    rng = np.random.default_rng(2)
    x, y, h = rng.normal(size=(6, 2)), rng.normal(1, 1, size=(6, 2)), 0.8

    def k(a, b):
        return math.exp(-np.sum((a - b) ** 2) / (2 * h * h))

    own = [np.mean([k(a, b) for a, b in itertools.permutations(z, 2)]) for z in (x, y)]
    cross = np.mean([k(a, b) for a, b in itertools.product(x, y)])
    assert dv.mmd(x, y, bandwidth=h) == pytest.approx(sum(own) - 2 * cross, rel=1e-12)
    pairs = [k(x[i], x[i + 1]) + k(y[i], y[i + 1]) - k(x[i], y[i + 1]) - k(x[i + 1], y[i]) for i in (0, 2, 4)]
    assert dv.mmd(x, y, bandwidth=h, method="linear") == pytest.approx(np.mean(pairs), rel=1e-12)


def normal_mmd(mean, h):
    """Squared MMD of N(0,1) and N(mean,1): kernel and laws convolve to Gaussians."""
    s2 = h * h + 2
    c = h / math.sqrt(s2)
    return 2 * c * (1 - math.exp(-(mean**2) / (2 * s2)))


@pytest.mark.parametrize("name", ["energy", "mmd", "linear", "kl"])
def test_intervals_cover(name):
    """A 90 % interval that covers less than 80 % or has twice the spread of the estimates is wrong."""
    mean, h, reps = 1.0, 1.0, 60
    true = {
        # E|N(m, 2)| twice minus 2·2/√π
        "energy": 2 * (2 / math.sqrt(math.pi) * math.exp(-(mean**2) / 4) + mean * math.erf(mean / 2))
        - 4 / math.sqrt(math.pi),
        "mmd": normal_mmd(mean, h),
        "linear": normal_mmd(mean, h),
        "kl": mean**2 / 2,
    }[name]
    options = (
        {"bandwidth": h}
        if name == "mmd"
        else {"bandwidth": h, "method": "linear"}
        if name == "linear"
        else {}
    )
    found = []
    for seed in range(reps):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=400), rng.normal(mean, 1, size=400)
        found.append(dv.estimate("mmd" if name == "linear" else name, x, y, confidence=0.9, **options))
    cover = np.mean([e.lower <= true <= e.upper for e in found])
    assert cover >= 0.8
    spread = np.std([e.value for e in found])
    typical = np.median([e.standard_error for e in found])
    assert 0.5 * spread < typical < 2 * spread


def test_knn_kl_bias_is_small():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(4000, 2)), rng.normal(size=(4000, 2)) * [1, 2]
    true = 0.5 * (0.25 - 1 + math.log(4))
    assert dv.estimate("kl", x, y).value == pytest.approx(true, abs=0.06)


def test_kl_of_atoms_is_that_of_their_frequencies():
    rng = np.random.default_rng(5)
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
    a, b = rng.choice(3, 3000, p=p).astype(float), rng.choice(3, 3000, p=q).astype(float)
    found = dv.estimate("kl", a, b)
    counts = [np.bincount(z.astype(int)) for z in (a, b)]
    assert found.value == pytest.approx(dv.kl(*counts, normalize=True), rel=1e-12)
    assert 0.1 < found.lower < dv.kl(p, q)
    same = np.ones((50, 2))
    assert dv.estimate("kl", same, same).value == 0.0


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.arange(90) % 3, np.arange(80) % 2),
        (np.ones(50), np.zeros(50)),
        (np.ones((50, 2)), np.zeros((50, 2))),
    ],
)
def test_atoms_that_y_lacks(x, y):
    found = dv.estimate("kl", x, y)
    assert (found.value, found.upper) == (math.inf, math.inf)
    assert "x has some that y lacks" in found.method
    assert 0 <= found.lower < math.inf


def test_samples_that_repeat_in_part_are_refused_with_both_lines():
    rng = np.random.default_rng(0)
    x, y = np.round(rng.normal(size=(2, 60)), 2)
    x[:20] = 0.0
    with pytest.raises(ValueError, match=r"rng\.uniform\(-h/2, h/2, x\.shape\).*compare counts"):
        dv.estimate("kl", x, y)
    close = rng.normal(size=400).astype(np.float32)
    close[1] = close[0]  # what rounding of a continuous law does now and then
    assert "nearest" in dv.estimate("kl", close, rng.normal(size=400)).method


@pytest.mark.parametrize("dim", [1, 2, 10])
@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (1.0, 1.0), (3.0, 1.0), (0.0, 2.0), (0.0, 0.6)])
def test_kl_interval_holds_where_the_estimate_is_biased(dim, shift, scale):
    """Normals: KL = d (log s + 1/(2 s^2) - 1/2) + shift^2 / (2 s^2). At most 1 of 12 may miss at 95 %."""
    true = dim * (math.log(scale) + 0.5 / scale**2 - 0.5) + shift**2 / (2 * scale**2)
    misses, lowers = 0, []
    for seed in range(12):
        rng = np.random.default_rng([seed, dim])
        x, y = rng.normal(size=(300, dim)), rng.normal(size=(300, dim)) * scale
        y[:, 0] += shift
        found = dv.estimate("kl", x, y, groups=2)
        assert 0 <= found.lower <= found.value <= found.upper == math.inf
        misses += not found.lower <= true
        lowers.append(found.lower)
    assert misses <= 1
    if shift == 3.0:
        assert min(lowers) > 0.5  # and it says something


def test_kl_lower_bound_of_a_trial():
    """Its probabilities are Clopper and Pearson's."""
    from divergences._neighbours import _at_least

    for hits, trials in ((0, 10), (3, 10), (10, 10)):
        wanted = stats.binomtest(hits, trials).proportion_ci(confidence_level=0.9, method="exact").low
        assert _at_least(hits, trials, 0.05) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("name", ["energy", "mmd"])
def test_permutation_p_values(name):
    """Under P = Q p-values are uniform; far apart they are the smallest possible."""
    values = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        values.append(
            dv.estimate(name, rng.normal(size=25), rng.normal(size=25), permutations=39, rng=seed).p_value
        )
    assert stats.kstest(values, "uniform").pvalue > 1e-3
    rng = np.random.default_rng(0)
    far = dv.estimate(name, rng.normal(size=25), rng.normal(3, 1, size=25), permutations=99)
    assert far.p_value == 0.01


def test_wasserstein_interval_covers():
    hits = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        e = dv.estimate("wasserstein", rng.uniform(size=3000), rng.uniform(0.5, 1.5, size=2000), diameter=1.5)
        hits.append(e.lower <= 0.5 <= e.upper)
        assert e.upper - e.lower < 0.4
    assert np.mean(hits) >= 0.95
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 2)), rng.normal(size=(50, 2)) + [4, 0]
    e = dv.estimate("wasserstein", x, y, p=2)
    assert e.lower <= e.value <= e.upper
    assert e.value == pytest.approx(4, abs=0.6)


def test_wasserstein_on_the_line_is_scipys():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=40), rng.normal(size=57)
    assert dv.estimate("wasserstein", x, y).value == pytest.approx(
        stats.wasserstein_distance(x, y), rel=1e-12
    )


def test_refusals():
    with pytest.raises(ValueError, match=r"needs densities.*tv\(numpy\.histogram\(x, edges\)"):
        dv.estimate("tv", np.zeros(10), np.ones(10))
    with pytest.raises(ValueError, match="choose one of 'kl', 'energy'"):
        dv.estimate("klx", np.zeros(10), np.ones(10))
    with pytest.raises(ValueError, match="they must agree"):
        dv.estimate("energy", np.zeros((5, 2)), np.zeros((5, 3)))
    with pytest.raises(ValueError, match="needs at least"):
        dv.estimate("kl", np.zeros(3), np.zeros(30))
    with pytest.raises(ValueError, match=r"x\[1\] is nan"):
        dv.energy([0.0, math.nan], [1.0, 2.0])
    with pytest.raises(ValueError, match="bandwidth"):
        dv.mmd([0.0, 1.0], [2.0, 3.0], bandwidth=-1)


def test_polynomial_mmd_is_the_definition():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(6, 3)), rng.normal(1, 1, size=(5, 3))

    def k(a, b):
        return (a @ b / 3 + 1) ** 3

    own = [np.mean([k(a, b) for a, b in itertools.permutations(z, 2)]) for z in (x, y)]
    cross = np.mean([k(a, b) for a in x for b in y])
    found = dv.estimate("mmd", x, y, kernel="polynomial")
    assert found.value == pytest.approx(sum(own) - 2 * cross, rel=1e-12)
    # Unbiased: its mean over samples of one law is 0, within three of its own standard errors of the mean.
    draws = [dv.estimate("mmd", *rng.normal(size=(2, 30, 2)), kernel="polynomial").value for _ in range(200)]
    assert abs(np.mean(draws)) < 3 * np.std(draws) / np.sqrt(len(draws))
    with pytest.raises(ValueError, match="no bandwidth"):
        dv.estimate("mmd", x, y, kernel="polynomial", bandwidth=1.0)
    with pytest.raises(ValueError, match="overflows"):
        dv.estimate("mmd", 1e200 * x, y, kernel="polynomial")


def test_several_bandwidths_are_an_average_of_kernels():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(30, 2)), rng.normal(0.5, 1, size=(40, 2))
    single = [dv.mmd(x, y, bandwidth=h) for h in (0.3, 1.0, 2.5)]
    assert dv.mmd(x, y, bandwidth=[0.3, 1.0, 2.5]) == pytest.approx(np.mean(single), rel=1e-12)
    linear = [dv.mmd(x, y, bandwidth=h, method="linear") for h in (0.3, 1.0)]
    assert dv.mmd(x, y, bandwidth=(0.3, 1.0), method="linear") == pytest.approx(np.mean(linear), rel=1e-12)
    found = dv.estimate("mmd", x, y, bandwidth="ladder")
    assert found.method.count(",") == 6  # five bandwidths
    for bad in ([], [1.0, 0.0], math.inf):
        with pytest.raises(ValueError, match="bandwidth"):
            dv.mmd(x, y, bandwidth=bad)
    with pytest.raises(ValueError, match="bandwidth"):
        dv.mmd(x, y, bandwidth="wide")


def test_the_bootstrap_covers_far_apart_gaussians_and_is_narrower_than_the_worst_case():
    """W1 of N(0, 1) and N(3, 1) is 3; 95 % intervals of 40 pairs of samples miss it a few times."""
    hits = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=150), rng.normal(3, 1, size=150)
        found = dv.estimate("wasserstein", x, y, bootstrap=200, rng=seed)
        hits += found.lower <= 3 <= found.upper
        assert found.lower <= found.value <= found.upper
        # √(1/150 + 1/150) = 0.115: the difference of the means
        assert 0.08 < found.standard_error < 0.16
    assert 33 <= hits <= 40
    worst = dv.estimate("wasserstein", x, y)
    assert found.upper - found.lower < worst.upper - worst.lower
    assert dv.estimate("wasserstein", x, y, bootstrap=200, rng=39) == found
    with pytest.raises(ValueError, match="bootstrap"):
        dv.estimate("wasserstein", x, y, bootstrap=3)
