"""The CUDA kernels without a GPU: compiled for real chips by NVRTC, and run on the host by g++."""

from __future__ import annotations

import math

import array_api_compat.numpy as xnp
import numpy as np
import pytest
from cuda_host import HostModule
from hypothesis import given, settings
from hypothesis import strategies as st
from nvrtc import compile_check, project_sources

import divergences as dv
from divergences import _evaluate
from divergences._kernels import cpu, gpu, reference
from transport._kernels import critic_cpu, critic_gpu, critic_reference
from transport._kernels import gpu as transport_gpu
from transport._kernels import reference as transport_reference

LIFT = 2.0**64
MASS = st.one_of(st.just(0.0), st.floats(0.0, 1.0), st.floats(1e-300, 1e-290), st.floats(0.4, 0.6))
SPIKES = (0.0, 5e-324, 1e-320, 1e-308, 1e-300, 1.0)


@pytest.fixture(scope="module")
def host_module(tmp_path_factory):
    return HostModule(gpu.source(), gpu.name_expressions(), tmp_path_factory.mktemp("scan"))


@pytest.fixture(scope="module")
def critic_module(tmp_path_factory):
    names = [f"inf_convolution<{d}>" for d in (1, 3, 8)] + ["inf_convolution_any"]
    return HostModule(critic_gpu.source(), names, tmp_path_factory.mktemp("critic"))


@pytest.fixture
def on_host(host_module, monkeypatch):
    """The GPU path of divergences, its launches caught and run here."""
    host_module.descending = False
    monkeypatch.setattr(gpu, "_kernel", lambda term: host_module[gpu.name_expression(term)])
    return host_module


@pytest.mark.parametrize("arch", [80, 90])
@pytest.mark.parametrize("package", ["critic", "divergences", "learning"])
def test_cuda_sources_compile_without_spills(package, arch, record_property):
    sources = project_sources()
    if package not in sources:
        pytest.skip("no CuPy here")
    module, names = sources[package]
    used = compile_check(module.source(), module.OPTIONS, names, arch)
    record_property("registers", {name: usage.registers for name, usage in used.items()})
    for name, usage in used.items():
        assert usage.spill_stores == usage.spill_loads == usage.stack == 0, (name, usage)
        assert 0 < usage.registers <= 96, (name, usage)
        assert usage.shared <= 48 * 1024


def agree(found, expected, size, tolerance=2e-15):
    """Sums to rounding; masses, kept to twice the precision, to less than that."""
    assert not np.isnan(found).any()
    sums = [x[:, 0] + x[:, 1] for x in (found, expected)]
    np.testing.assert_allclose(sums[0], sums[1], rtol=tolerance, atol=2e-16 * size)
    for k in (2, 4):
        np.testing.assert_allclose(found[:, k] + found[:, k + 1], expected[:, k] + expected[:, k + 1], 3e-16)
    assert np.array_equal(found[:, 6], expected[:, 6])


@pytest.mark.parametrize("term", gpu.TERMS)
@settings(max_examples=30)
@given(rows=st.lists(st.tuples(MASS, MASS), min_size=1, max_size=70), gap=st.sampled_from([0.0, 1e-9, -1e-3]))
def test_scan_is_the_cpu_kernel(host_module, term, rows, gap):
    p, q = (np.array(x)[None, :] for x in zip(*rows))
    high = 0.0 if term == "affinity" else LIFT
    parameters = np.array([[LIFT, LIFT, gap, 3e-20, high, 1.0]])
    patch = pytest.MonkeyPatch()
    patch.setattr(gpu, "_kernel", lambda term: host_module[gpu.name_expression(term)])
    with patch.context(), np.errstate(over="ignore"):
        for rise in (-0.5, 0.7, 2.0):
            found = gpu.scan(term, p, q, parameters, rise, xp=xnp)
            agree(
                found, cpu.scan(term, p, q, parameters, rise, xp=np), p.size, 1e-13 if rise == 2.0 else 2e-14
            )
            slow = reference.scan(term, p, q, parameters, rise, xp=xnp)
            if slow[0, 0] < 1e150:  # beyond, the reference may say inf: redone by logarithms
                sums = [x[:, 0] + x[:, 1] for x in (found, slow)]
                np.testing.assert_allclose(sums[0], sums[1], rtol=3e-13, atol=1e-13 * p.size)
    patch.undo()


@pytest.mark.parametrize("term", gpu.TERMS)
def test_every_pair_of_extreme_masses(on_host, term):
    p, q = (x.reshape(-1, 1) for x in np.meshgrid(SPIKES, SPIKES))
    parameters = np.tile([LIFT, LIFT, 0.0, 0.0, 0.0 if term == "affinity" else LIFT, 0.0], (p.size, 1))
    with np.errstate(over="ignore"):
        for rise in (-0.5, 0.7):
            found = gpu.scan(term, p, q, parameters, rise, xp=xnp)
            agree(found, cpu.scan(term, p, q, parameters, rise, xp=np), 1, 1e-13)


@pytest.mark.parametrize("shape", [(1, 3 * 8192 + 5), (3, 2 * 8192), (5, 513), (4, 33)])
def test_rows_parts_and_lanes_are_all_added_once(on_host, shape):
    rng = np.random.default_rng(0)
    p, q = rng.random(shape), rng.random(shape)
    p[:, ::7] = 0.0
    p[-1, -1] = 1e30
    parameters = np.tile([1.0, 0.5, 0.0, 0.0, 0.0, 0.0], (shape[0], 1))
    for term in ("kl", "tv", "log_ratio"):
        on_host.descending = False
        found = gpu.scan(term, p, q, parameters, xp=xnp)
        on_host.descending = True
        assert np.array_equal(found, gpu.scan(term, p, q, parameters, xp=xnp))  # also: no missing barrier
        agree(found, cpu.scan(term, p, q, parameters, xp=np), shape[1])
    distance = gpu.scan("tv", p, q, parameters, xp=xnp)
    both = [(p, found[:, 2:4]), (0.5 * np.abs(p - 0.5 * q), distance[:, :2])]
    for row, total, low in ((row, *sums) for terms, all_sums in both for row, sums in zip(terms, all_sums)):
        assert total + low == pytest.approx(math.fsum(row), rel=2e-16)
        # The error bound of a compensated sum; a plain one errs by about 2^-53 of the total.
        assert abs(math.fsum([*row, -total, -low])) <= row.size**2 * 2.0**-106 * total


def test_flags_of_bad_entries(on_host):
    parameters = np.array([[LIFT, LIFT, 0.0, 0.0, 0.0, 0.0]])
    good = np.full((1, 600), 1 / 600)
    for bad, where in ((np.nan, 599), (np.inf, 0), (-np.inf, 300), (-1e-300, 17)):
        worse = good.copy()
        worse[0, where] = bad
        for p, q in ((good, worse), (worse, good)):
            sums = gpu.scan("kl", p, q, parameters, xp=xnp)[0]
            assert not np.isfinite(sums[2] + sums[4]) or sums[6] < 0.0


@pytest.mark.parametrize(
    "name", ["kl", "js", "tv", "hellinger", "chi2", "jeffreys", "alpha", "renyi", "entropy"]
)
def test_public_functions_by_the_gpu_kernel(on_host, monkeypatch, name):
    rng = np.random.default_rng(1)
    p, r = (rng.dirichlet(np.full(40, 0.3), size=3) for _ in range(2))
    close = p * (1 + 1e-9 * rng.standard_normal(p.shape))
    p[0, :5] = 0.0
    extra = (1.7,) if name in ("alpha", "renyi") else ()
    calls = [((p,) if name == "entropy" else (p, q), extra) for q in (r, close)]
    f = getattr(dv, name)
    expected = [f(*args, *extra, normalize=True) for args, extra in calls]
    monkeypatch.setattr(_evaluate, "kernels", lambda package, xp: gpu)
    for (args, extra), value in zip(calls, expected):
        np.testing.assert_allclose(f(*args, *extra, normalize=True), value, rtol=4e-15)
    with pytest.raises(ValueError, match=r"-0\.5"):
        f(*(np.array([1.5, -0.5]) for _ in args), *extra)


@pytest.mark.parametrize("d", [1, 3, 8, 9, 70])
def test_critic_kernel(d, critic_module, monkeypatch):
    module = critic_module
    monkeypatch.setattr(critic_gpu, "_kernel", module.__getitem__)
    rng = np.random.default_rng(d)
    for n, m, scale in ((1, 1, 1.0), (300, 270, 1e8), (129, 128, 1e-8)):
        x, y, h = scale * rng.normal(size=(n, d)), scale * rng.normal(size=(m, d)), scale * rng.normal(size=m)
        y[-1], h[-1] = x[-1], h.min() - scale  # the last anchor is the last point's
        module.descending = False
        value, index = critic_gpu.inf_convolution(x, y, h)
        module.descending = True
        again = critic_gpu.inf_convolution(x, y, h)
        assert np.array_equal(value, again[0])
        assert np.array_equal(index, again[1])
        expected, where = critic_reference.inf_convolution(x, y, h)
        np.testing.assert_allclose(value, expected, rtol=0, atol=1e-14 * scale * np.sqrt(d))
        assert np.array_equal(index, where)
        np.testing.assert_allclose(
            value, critic_cpu.inf_convolution(x, y, h)[0], rtol=4e-15, atol=1e-14 * scale
        )
    x, y, h = np.zeros((3, d)), np.ones((5, d)), np.zeros(5)
    assert np.array_equal(critic_gpu.inf_convolution(x, y, h)[1], [0, 0, 0])  # the first of equals


@pytest.mark.parametrize("p", [1.0, 2.0, 3.5, math.inf])
def test_line_cost_and_its_short_cut(p):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=501), 1e3 * rng.normal(size=501)
    a = rng.dirichlet(np.ones(501))
    for u, v, w in ((x, y, None), (x, x[::-1].copy(), None), (x, x + 2.0, None), (x, y[:9], None), (x, y, a)):
        unit, s = transport_gpu.line_cost(u, v, w, None, p, xp=xnp)
        expected_unit, expected = transport_reference.line_cost(u, v, w, None, p, xp=xnp)
        assert unit * s ** (1 / p) == pytest.approx(expected_unit * expected ** (1 / p), rel=1e-14)


@pytest.fixture(scope="module")
def learning_module(tmp_path_factory):
    pytest.importorskip("cupy", exc_type=ImportError)
    from generative._kernels import gpu as learning

    return HostModule(learning.source(), learning.name_expressions(), tmp_path_factory.mktemp("learning"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_learning_kernels_on_the_host(dtype, learning_module):
    from generative._kernels import reference as rules

    kind = "float" if dtype == np.float32 else "double"
    module = learning_module
    rng = np.random.default_rng(3)
    y, b, g = (rng.normal(size=s).astype(dtype) for s in ((70, 50), (50,), (70, 50)))
    tol = {"rtol": 10 * np.finfo(dtype).eps, "atol": 10 * np.finfo(dtype).eps}
    expected = rules.bias_activation(y.copy(), b, "leaky_relu", 0.3, xp=xnp)
    module[f"bias_leaky<{kind}>"]((3,), (32,), (y, b, dtype(0.3), np.int32(50), np.int64(y.size)))
    np.testing.assert_allclose(y, expected, **tol)
    out = np.empty_like(g)
    module[f"gate<{kind}>"]((3,), (32,), (g, y, out, dtype(0.3), np.int64(g.size)))
    np.testing.assert_allclose(out, rules.activation_slope(g, y, "leaky_relu", 0.3, xp=xnp), **tol)
    keep = rng.random((70, 25)) < 0.5
    module[f"pair_swap<{kind}>"]((3,), (32,), (g, keep, out, np.int32(25), np.int64(keep.size)))
    assert np.array_equal(out, rules.pair_swap(g, keep, xp=xnp))
    options = {"rate": 0.1, "beta1": 0.9, "beta2": 0.99, "unbias": 1.7, "eps": 1e-8, "shrink": 1e-3}
    flat = [x.ravel() for x in (g, y, y[::-1].copy(), np.abs(y))]
    new = [np.empty_like(flat[0]) for _ in range(3)]
    scalars = [dtype(s) for s in (0.1, 0.9, 0.99, 1 - 0.9, 1 - 0.99, 1.7, 1e-8, 1e-3)]
    module[f"adam<{kind}>"]((3,), (32,), (*flat, *new, *scalars, np.int64(flat[0].size)))
    for found, value in zip(new, rules.adam(*flat, **options, xp=xnp), strict=True):
        np.testing.assert_allclose(found, value, **tol)
    again = [np.empty_like(flat[0]) for _ in range(3)]
    stored = [np.array(options[name], dtype) for name in ("rate", "unbias", "shrink")]
    fixed = [dtype(s) for s in (0.9, 0.99, 1 - 0.9, 1 - 0.99, 1e-8)]
    module[f"adam_at<{kind}>"]((3,), (32,), (*flat, *again, *stored, *fixed, np.int64(flat[0].size)))
    assert all(np.array_equal(a, b) for a, b in zip(again, new, strict=True))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "pieces", "m"), [(7, 5, 3), (1, 1, 40), (4, 2, 1)])
def test_maxout_kernels_on_the_host(n, pieces, m, dtype, learning_module):
    from generative._kernels import reference as rules

    kind = "float" if dtype == np.float32 else "double"
    rng = np.random.default_rng(6)
    x = rng.integers(0, 3, size=(n, pieces * m)).astype(dtype)
    x[-1, 0] = np.nan
    expected = rules.largest_piece(x, pieces, xp=xnp)
    chosen = np.empty((n, m), np.int32)
    sizes = (np.int32(pieces), np.int32(m))
    learning_module[f"largest_piece<{kind}>"]((2,), (4,), (x, chosen, *sizes, np.int64(n * m)))
    assert np.array_equal(chosen, expected)
    x, g = rng.normal(size=x.shape).astype(dtype), rng.normal(size=(n, m)).astype(dtype)
    picked, spread = np.empty_like(g), np.empty_like(x)
    learning_module[f"pick_piece<{kind}>"]((2,), (4,), (x, chosen, picked, *sizes, np.int64(n * m)))
    learning_module[f"spread_piece<{kind}>"]((2,), (4,), (g, chosen, spread, *sizes, np.int64(x.size)))
    assert np.array_equal(picked, rules.pick_piece(x, expected, pieces, xp=xnp))
    assert np.array_equal(spread, rules.spread_piece(g, expected, pieces, xp=xnp))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("size", "stride", "padding"), [((3, 2), 1, 0), ((4, 4), 2, 1), ((2, 3), 3, 2)])
def test_patch_kernels_on_the_host(size, stride, padding, dtype, learning_module):
    from generative._kernels import reference as rules

    kind = "float" if dtype == np.float32 else "double"
    x = np.random.default_rng(8).integers(-9, 9, size=(2, 7, 6, 3)).astype(dtype)
    expected = rules.unfold(x, size, stride, padding, xp=xnp)
    patches, back = np.full_like(expected, np.nan), np.full_like(x, np.nan)
    sizes = tuple(map(np.int32, (7, 6, 3, *size, *expected.shape[1:3], stride, padding)))
    learning_module[f"unfold<{kind}>"]((3,), (32,), (x, patches, *sizes, np.int64(patches.size)))
    assert np.array_equal(patches, expected)
    learning_module[f"fold<{kind}>"]((3,), (32,), (patches, back, *sizes, np.int64(back.size)))
    assert np.array_equal(back, rules.fold(expected, size, stride, padding, shape=x.shape, xp=xnp))


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "m"), [(5, 70), (1, 1), (100, 33)])
def test_standardising_kernels_on_the_host(n, m, dtype, descending, learning_module):
    from generative._kernels import reference as rules

    kind = "float" if dtype == np.float32 else "double"
    rng = np.random.default_rng(7)
    x, g = (rng.normal(1.0, 2.0, size=(n, m)).astype(dtype) for _ in range(2))
    tol = {"rtol": 100 * np.finfo(dtype).eps, "atol": 100 * np.finfo(dtype).eps}
    learning_module.descending = descending
    try:
        mean, var, y, pulled = np.empty(m, dtype), np.empty(m, dtype), np.empty_like(x), np.empty_like(x)
        sizes, eps = (np.int32(n), np.int32(m)), dtype(0.1)
        learning_module[f"moments<{kind}>"]((2,), (256,), (x, mean, var, *sizes))
        for found, expected in zip((mean, var), rules.moments(x, xp=xnp), strict=True):
            np.testing.assert_allclose(found, expected, **tol)
        arguments = (x, mean, var, y, eps, np.int32(m), np.int64(x.size))
        learning_module[f"standardise<{kind}>"]((2,), (32,), arguments)
        np.testing.assert_allclose(y, rules.standardise(x, mean, var, 0.1, xp=xnp), **tol)
        learning_module[f"standardise_pull<{kind}>"]((2,), (256,), (g, y, var, pulled, eps, *sizes))
        np.testing.assert_allclose(pulled, rules.standardise_pullback(g, y, var, 0.1, xp=xnp), **tol)
    finally:
        learning_module.descending = False


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "m", "d"), [(5, 300, 2), (1, 1, 3), (200, 7, 5)])
def test_soft_nearest_kernels_on_the_host(n, m, d, dtype, descending, learning_module):
    from generative._kernels import reference as rules

    kind = "float" if dtype == np.float32 else "double"
    rng = np.random.default_rng(5)
    x, y, psi, g = (rng.normal(size=s).astype(dtype) for s in ((n, d), (m, d), (m,), (n,)))
    x[0] = y[-1]  # distance 0
    learning_module.descending = descending
    tol = {"rtol": 3e-4 if dtype == np.float32 else 1e-12, "atol": 2000 * np.finfo(dtype).eps}
    for eps in (0.01, 1.0):
        scalars = (dtype(eps), np.int32(n), np.int32(m), np.int32(d))
        out = np.full(n, np.nan, dtype)
        learning_module[f"soft_nearest<{kind}>"]((3,), (128,), (x, y, psi, out, *scalars))
        np.testing.assert_allclose(out, rules.soft_nearest(x, y, psi, eps, xp=xnp), **tol)
        by_x, by_psi = np.full_like(x, np.nan), np.full_like(psi, np.nan)
        learning_module[f"soft_pull_x<{kind}>"]((3,), (128,), (g, out, x, y, psi, by_x, *scalars))
        learning_module[f"soft_pull_psi<{kind}>"]((3,), (128,), (g, out, x, y, psi, by_psi, *scalars))
        expected = rules.soft_nearest_pullback(g, out, x, y, psi, eps=eps, xp=xnp)
        np.testing.assert_allclose(by_x, expected[0], **tol)
        np.testing.assert_allclose(by_psi, expected[1], **tol)
    learning_module.descending = False
