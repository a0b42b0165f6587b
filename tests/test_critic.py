"""Critics: exactly 1-Lipschitz, bounds that hold at their confidence, wrong critics refused."""

from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import transport as tp
from bench.funnels import Funnels
from transport._kernels import critic_cpu, critic_reference

floats = st.floats(-10, 10)


def cloud(rng, n, d, scale=1.0):
    return scale * rng.normal(size=(n, d))


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 20), st.sampled_from([1e-8, 1.0, 1e8]))
def test_kernel_is_the_specification(seed, m, d, scale):
    rng = np.random.default_rng(seed)
    x, y = cloud(rng, 30, d, scale), cloud(rng, m, d, scale)
    h = scale * rng.normal(size=m)
    value, index = critic_cpu.inf_convolution(x, y, h)
    expected, _ = critic_reference.inf_convolution(x, y, h)
    np.testing.assert_allclose(value, expected, rtol=0, atol=1e-13 * scale * np.sqrt(d))
    chosen = h[index] + np.linalg.norm(x - y[index], axis=1)
    np.testing.assert_allclose(chosen, value, rtol=0, atol=1e-13 * scale * np.sqrt(d))


def test_kernel_runs_on_any_array_library():
    device = array_api_strict.Device("device1")
    rng = np.random.default_rng(0)
    x, y, h = cloud(rng, 9, 3), cloud(rng, 5, 3), rng.normal(size=5)
    strict = [array_api_strict.asarray(v, device=device) for v in (x, y, h)]
    f = tp.InfConvolution(strict[1], strict[2])
    assert f(strict[0]).device == device
    got = (
        np.asarray(array_api_strict.to_device(f(strict[0]), array_api_strict.Device("CPU_DEVICE")))
        if hasattr(array_api_strict, "to_device")
        else np.array([float(v) for v in f(strict[0])])
    )
    np.testing.assert_allclose(got, critic_cpu.inf_convolution(x, y, h)[0], atol=1e-13)
    assert f.gradient(strict[0]).shape == (9, 3)


@given(st.integers(0, 2**32), st.sampled_from([1, -1]))
def test_inf_convolution_is_one_lipschitz_with_unit_gradient(seed, sign):
    rng = np.random.default_rng(seed)
    f = tp.InfConvolution(cloud(rng, 20, 3), rng.normal(size=20), sign=sign)
    x, y = cloud(rng, 50, 3, 5.0), cloud(rng, 50, 3, 5.0)
    assert np.all(np.abs(f(x) - f(y)) <= np.linalg.norm(x - y, axis=1) * (1 + 1e-12))
    step = 1e-6
    for axis in np.eye(3):
        slope = (f(x + step * axis) - f(x - step * axis)) / (2 * step)
        smooth = f.nearest(x + step * axis)[1] == f.nearest(x - step * axis)[1]
        np.testing.assert_allclose(slope[smooth], f.gradient(x)[smooth] @ axis, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(f.gradient(x), axis=1), 1.0, rtol=1e-12)
    assert np.all(f.gradient(f.anchors[:1]) <= 1)


class Steep:
    """1.05 times a 1-Lipschitz critic that says it is 1-Lipschitz."""

    lipschitz = 1.0

    def __init__(self, f, factor=1.05):
        self.f, self.factor = f, factor

    def __call__(self, x):
        return self.factor * self.f(x)

    def gradient(self, x):
        return self.factor * self.f.gradient(x)


def uniform(shift):
    return lambda n, rng: rng.uniform(size=(n, 2)) + shift


def test_a_critic_with_lipschitz_constant_1_05_is_refused():
    honest = tp.InfConvolution([[10.0, 0.0]], [0.0])
    with pytest.raises(ValueError, match=r"claims to be 1-Lipschitz but has slope 1\.05"):
        tp.certify_critic(Steep(honest), uniform([0, 0]), uniform([3, 0]))
    # its bound, unrefused, would be false: 1.05·W1 > W1
    lying = tp.FittedCritic(Steep(honest), (uniform([0, 0])(5000, np.random.default_rng(0)),
                                            uniform([3, 0])(5000, np.random.default_rng(1))))  # fmt: skip
    assert lying.lower_bound(confidence=0.99) > 3
    # told the truth about the constant, the same function gives a valid bound
    scaled = Steep(honest)
    scaled.lipschitz = 1.05
    assert 2.9 < tp.certify_critic(scaled, uniform([0, 0]), uniform([3, 0])).lower_bound() <= 3
    assert isinstance(tp.certify_critic(honest, uniform([0, 0]), uniform([3, 0])), tp.Critic)


@pytest.mark.parametrize("method", ["student", "bernstein", "hoeffding"])
def test_lower_bound_covers_at_its_confidence(method):
    """The critic of a translate has mean W1 exactly: a bound at 90 % must fail at most about 10 %."""
    far = tp.InfConvolution([[1e6, 0.0]], [-1e6])
    true = 0.25
    fails, reps = 0, 400
    for seed in range(reps):
        rng = np.random.default_rng(seed)
        fresh = uniform([0, 0])(200, rng), uniform([true, 0])(200, rng)
        bound = tp.FittedCritic(far, fresh, diameter=1.6).lower_bound(confidence=0.9, method=method)
        fails += bound > true
    # binomial(400, 0.1): mean 40, sd 6
    assert fails <= 58
    if method == "student":
        assert fails >= 22  # and it is not vacuous


def test_coverage_on_funnels_over_200_repetitions():
    """Small pairs, critic trained and judged afresh each time: the 95 % bound exceeds W1 in at most 5 %."""
    pair = Funnels.make(4, 2)
    true, se = pair.distance(400_000, np.random.default_rng(0))
    lows, highs = [], []
    for seed in range(200):
        f = tp.critic(pair.moved, pair.uniform, n_samples=60, n_steps=5, n_evaluation=1500, rng=seed)
        lows.append(float(f.lower_bound(confidence=0.95)))
        highs.append(float(tp.coupling_bound(pair.pairs, confidence=0.95, n_samples=500, rng=seed)))
    assert np.sum(np.array(lows) > true + 3 * se) <= 17  # binomial(200, 0.05): mean 10, sd 3
    assert np.sum(np.array(highs) < true - 3 * se) <= 22  # exact coupling: nominal, plus skewness
    assert np.median(lows) > 0.5 * true


def test_refinement_beats_the_discrete_dual_on_fresh_draws():
    pair = Funnels.make(4, 8)
    true, _ = pair.distance(100_000, np.random.default_rng(0))
    plain = tp.critic(pair.moved, pair.uniform, n_samples=256, n_steps=0, n_evaluation=20_000)
    refined = tp.critic(pair.moved, pair.uniform, n_samples=256, n_steps=150, n_evaluation=20_000)
    assert plain.stats["kept"] == "discrete dual"
    assert plain.value < refined.value
    assert refined.value == pytest.approx(true, rel=0.05)
    assert refined.lower_bound() <= true


def test_same_seed_same_critic():
    a, b = (tp.critic(uniform([0, 0]), uniform([1, 0]), n_samples=50, n_steps=10, rng=7) for _ in range(2))
    x = np.random.default_rng(0).normal(size=(20, 2))
    assert np.array_equal(a(x), b(x))
    assert a.lower_bound() == b.lower_bound()


def test_upper_bounds_hold_and_meet_the_lower():
    low = tp.critic(uniform([0, 0]), uniform([2, 0]), n_samples=200, n_steps=50).lower_bound()
    for kwargs in ({}, {"diameter": 3.2}):
        high = tp.coupling_bound(uniform([0, 0]), uniform([2, 0]), **kwargs)
        assert low <= 2 <= high < 2.25
        assert high.confidence == 0.99


def test_distributions_arrays_and_refusals():
    f = tp.critic(stats.norm(0, 1), stats.norm(3, 1), n_samples=100, n_steps=0)
    assert 2.9 < f.lower_bound() <= 3
    x = np.random.default_rng(0).normal(size=(30, 2))
    assert 0.9 < tp.critic(x, x + [1, 0], n_samples=200, n_steps=0).lower_bound() <= 1.0
    with pytest.raises(TypeError, match="P is a int"):
        tp.critic(3, x)
    with pytest.raises(ValueError, match="must agree"):
        tp.critic(stats.norm(), x)
    with pytest.raises(ValueError, match="finite"):
        tp.critic(lambda n, rng: np.full((n, 2), np.nan), x)
    with pytest.raises(ValueError, match="when asked for"):
        tp.critic(lambda n, rng: np.zeros((3, 2)), x)
    with pytest.raises(ValueError, match="diameter"):
        f.lower_bound(method="bernstein")
    with pytest.raises(ValueError, match="strictly between"):
        f.lower_bound(confidence=1.0)


def test_picture(tmp_path):
    from PIL import Image

    from transport._plot_critic import draw_critic

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 2)), rng.normal(size=(200, 2)) + [3, 1]
    f = tp.critic(x, y, n_samples=100, n_steps=5, n_evaluation=2000)
    draw_critic(f, x, y, tmp_path / "critic.png")
    pixels = np.asarray(Image.open(tmp_path / "critic.png").convert("RGB")).reshape(-1, 3)
    assert len(np.unique(pixels, axis=0)) > 100
    with pytest.raises(ValueError, match="in the plane"):
        draw_critic(f, x[:, :1], y, tmp_path / "no.png")


def test_command_line(tmp_path, capsys):
    from transport.__main__ import main

    rng = np.random.default_rng(0)
    for name, shift in (("a", 0), ("b", 3)):
        np.save(tmp_path / f"{name}.npy", rng.uniform(size=(80, 2)) + [shift, 0])
    files = [str(tmp_path / "a.npy"), str(tmp_path / "b.npy")]
    picture = tmp_path / "critic.png"
    assert main(["critic", *files, "--seconds", "0.5", "--plot", str(picture)]) == 0
    out = capsys.readouterr().out
    low, high = (float(line.split()[2]) for line in out.splitlines()[1:3])
    x, y = (np.load(f) for f in files)
    assert low <= tp.solve(tp.PointCloud(x, y, "euclidean")).value <= high
    assert picture.stat().st_size > 10_000
