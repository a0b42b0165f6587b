"""cpu ≡ gpu ≡ reference, for every kernel of the learning layer."""

from __future__ import annotations

import inspect

import array_api_compat.numpy as xp
import numpy as np
import pytest

from generative._autodiff.arrays import ACTIVATIONS
from generative._kernels import cpu, reference

NAMES = (
    "activation_slope",
    "adam",
    "bias_activation",
    "concat",
    "correlate",
    "correlate_adjoint",
    "correlate_weight",
    "fold",
    "largest_piece",
    "matmul",
    "moments",
    "pair_swap",
    "pick_piece",
    "soft_nearest",
    "soft_nearest_pullback",
    "spread_piece",
    "standardise",
    "standardise_pullback",
    "unfold",
)


@pytest.mark.parametrize("name", NAMES)
def test_signatures_agree(name):
    pytest.importorskip("cupy", exc_type=ImportError)
    from generative._kernels import gpu

    expected = inspect.signature(getattr(reference, name))
    for module in (cpu, gpu):
        assert inspect.signature(getattr(module, name)) == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation, dtype):
    rng = np.random.default_rng(0)
    y, b, g = (rng.normal(size=s).astype(dtype) for s in ((7, 5), (5,), (7, 5)))
    y[0], b[:] = -b, b  # entries exactly zero
    tol = {"rtol": 4 * np.finfo(dtype).eps, "atol": 4 * np.finfo(dtype).eps}
    expected = reference.bias_activation(y.copy(), b, activation, 0.3, xp=xp)
    got = cpu.bias_activation(y.copy(), b, activation, 0.3, xp=xp)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, expected, **tol)
    for cotangent in (g, np.broadcast_to(g[:1], g.shape), g.T.copy().T):  # also strided ones
        slope = cpu.activation_slope(cotangent, expected, activation, 0.3, xp=xp)
        assert slope.dtype == dtype
        np.testing.assert_allclose(
            slope, reference.activation_slope(cotangent, expected, activation, 0.3, xp=xp), **tol
        )


@pytest.mark.parametrize("shape", [(6, 4), (3, 2, 8), (1, 2)])
def test_pair_swap(shape):
    rng = np.random.default_rng(1)
    x = rng.normal(size=shape)
    keep = rng.random((*shape[:-1], shape[-1] // 2)) < 0.5
    expected = reference.pair_swap(x, keep, xp=xp)
    assert np.array_equal(cpu.pair_swap(x, keep, xp=xp), expected)
    assert np.array_equal(cpu.pair_swap(expected, keep, xp=xp), x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adam_writes_nothing_it_was_given(dtype):
    rng = np.random.default_rng(2)
    g, params, m = (rng.normal(size=50).astype(dtype) for _ in range(3))
    v = rng.random(50).astype(dtype)
    v[:3] = g[:3] = m[:3] = 0
    given = [x.copy() for x in (g, params, m, v)]
    options = {
        "rate": 0.1,
        "beta1": 0.9,
        "beta2": 0.99,
        "unbias": 1.7,
        "eps": 1e-8,
        "shrink": 1e-3,
        "xp": xp,
    }
    got = cpu.adam(g, params, m, v, **options)
    expected = reference.adam(g, params, m, v, **options)
    for ours, theirs in zip(got, expected, strict=True):
        assert ours.dtype == dtype
        np.testing.assert_allclose(ours, theirs, rtol=20 * np.finfo(dtype).eps, atol=1e-12)
    assert all(np.array_equal(x, y) for x, y in zip((g, params, m, v), given, strict=True))


@pytest.mark.parametrize("eps", [1e-3, 0.1, 10.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("anchors", [1, 17, 32, 200])  # less than a block, one block, several and a rest
def test_soft_nearest(dtype, eps, anchors):
    rng = np.random.default_rng(4)
    shapes = ((9, 3), (anchors, 3), (anchors,), (9,))
    x, anchors, psi, g = (rng.normal(size=s).astype(dtype) for s in shapes)
    anchors = anchors[np.argsort(anchors[:, 0])]  # compact blocks: some are passed over
    x[0] = anchors[-1]  # distance 0
    x[1] += 30  # far from all
    tol = {"rtol": 200 * np.finfo(dtype).eps, "atol": 50 * np.finfo(dtype).eps}
    expected = reference.soft_nearest(x, anchors, psi, eps, xp=xp)
    got = cpu.soft_nearest(x, anchors, psi, eps, xp=xp)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, expected, **tol)
    ours = cpu.soft_nearest_pullback(g, expected, x, anchors, psi, eps=eps, xp=xp)
    theirs = reference.soft_nearest_pullback(g, expected, x, anchors, psi, eps=eps, xp=xp)
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=1e-3 if dtype == np.float32 else 1e-9, atol=tol["atol"] / eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "pieces", "m"), [(7, 5, 3), (1, 1, 4), (4, 2, 1)])
def test_pieces(n, pieces, m, dtype):
    rng = np.random.default_rng(4)
    x = rng.integers(0, 3, size=(n, pieces * m)).astype(dtype)  # many equals: the first one wins
    if n > 1:
        x[1, -1] = np.nan
    chosen = reference.largest_piece(x, pieces, xp=xp)
    assert np.array_equal(cpu.largest_piece(x, pieces, xp=xp), chosen)
    assert np.array_equal(cpu.largest_piece(np.asfortranarray(x), pieces, xp=xp), chosen)
    x, g = rng.normal(size=x.shape).astype(dtype), rng.normal(size=(n, m)).astype(dtype)
    picked = cpu.pick_piece(x, chosen, pieces, xp=xp)
    spread = cpu.spread_piece(g, chosen, pieces, xp=xp)
    assert np.array_equal(picked, reference.pick_piece(x, chosen, pieces, xp=xp))
    assert np.array_equal(spread, reference.spread_piece(g, chosen, pieces, xp=xp))
    assert picked.dtype == spread.dtype == dtype
    assert np.sum(picked * g) == pytest.approx(np.sum(x * spread), rel=1e-5)  # adjoints


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_standardising(dtype):
    rng = np.random.default_rng(5)
    x, g = (rng.normal(2.0, 3.0, size=(50, 7)).astype(dtype) for _ in range(2))
    tol = {"rtol": 50 * np.finfo(dtype).eps, "atol": 50 * np.finfo(dtype).eps}
    moments = reference.moments(x, xp=xp)
    for a, b in zip(cpu.moments(x, xp=xp), moments, strict=True):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b, **tol)
    y = reference.standardise(x, *moments, 1e-3, xp=xp)
    np.testing.assert_allclose(cpu.standardise(x, *moments, 1e-3, xp=xp), y, **tol)
    expected = reference.standardise_pullback(g, y, moments[1], 1e-3, xp=xp)
    for cotangent in (g, np.asfortranarray(g)):
        got = cpu.standardise_pullback(cotangent, y, moments[1], 1e-3, xp=xp)
        assert got.dtype == dtype
        np.testing.assert_allclose(got, expected, **tol)


GEOMETRIES = [((3, 2), 1, 0), ((4, 4), 2, 1), ((5, 3), 3, 2), ((1, 1), 2, 0), ((2, 7), 1, 3)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("images", [2, 130])  # also more than one buffer
@pytest.mark.parametrize(("size", "stride", "padding"), GEOMETRIES)
def test_patches(size, stride, padding, images, dtype):
    rng = np.random.default_rng(8)
    x = rng.normal(size=(images, 9, 8, 5)).astype(dtype)
    w = rng.normal(size=(size[0] * size[1] * 5, 6)).astype(dtype)
    at, sides = (size, stride, padding), (9, 8)
    patches = reference.unfold(x, *at, xp=xp)
    assert np.array_equal(cpu.unfold(x, *at, xp=xp), patches)
    assert np.array_equal(
        cpu.unfold(x.transpose(0, 2, 1, 3), *at, xp=xp)[:, :1, :1, :5],
        reference.unfold(x.transpose(0, 2, 1, 3), *at, xp=xp)[:, :1, :1, :5],
    )
    tol = {"rtol": 100 * np.finfo(dtype).eps, "atol": 1000 * np.finfo(dtype).eps}
    added = cpu.fold(patches, *at, shape=x.shape, xp=xp)
    np.testing.assert_allclose(added, reference.fold(patches, *at, shape=x.shape, xp=xp), **tol)
    y = cpu.correlate(x, w, *at, xp=xp)
    np.testing.assert_allclose(y, reference.correlate(x, w, *at, xp=xp), **tol)
    back = cpu.correlate_adjoint(y, w, *at, shape=sides, xp=xp)
    np.testing.assert_allclose(back, reference.correlate_adjoint(y, w, *at, shape=sides, xp=xp), **tol)
    by_w = cpu.correlate_weight(x, y, *at, xp=xp)
    tol["atol"] *= images
    np.testing.assert_allclose(by_w, reference.correlate_weight(x, y, *at, xp=xp), **tol)
    assert y.dtype == back.dtype == by_w.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adam_keeps_no_subnormal_moments(dtype):
    """They cost a hundred cycles each; a maxout piece that never wins would fill the state with them."""
    tiny = np.finfo(dtype).tiny
    m, v, g = np.full(3, 1.5 * tiny, dtype), np.full(3, 1.5 * tiny, dtype), np.zeros(3, dtype)
    options = {"rate": 0.1, "beta1": 0.5, "beta2": 0.5, "unbias": 1.0, "eps": 1e-8, "shrink": 0.0}
    params, m, v = cpu.adam(g, np.ones(3, dtype), m, v, **options, xp=xp)
    assert not m.any()
    assert not v.any()
    assert np.all(params == 1)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gpu_agrees_with_reference(dtype):
    cp = pytest.importorskip("cupy")
    if not cp.cuda.is_available():
        pytest.skip("no CUDA device")
    import array_api_compat.cupy as xp_gpu

    from generative._kernels import gpu

    rng = np.random.default_rng(3)
    y, b, g = (rng.normal(size=s).astype(dtype) for s in ((70, 50), (50,), (70, 50)))
    tol = {"rtol": 10 * np.finfo(dtype).eps, "atol": 10 * np.finfo(dtype).eps}
    expected = reference.bias_activation(y.copy(), b, "leaky_relu", 0.3, xp=xp)
    ours = gpu.bias_activation(cp.asarray(y), cp.asarray(b), "leaky_relu", 0.3, xp=xp_gpu)
    np.testing.assert_allclose(ours.get(), expected, **tol)
    slope = gpu.activation_slope(cp.asarray(g), ours, "leaky_relu", 0.3, xp=xp_gpu)
    np.testing.assert_allclose(
        slope.get(), reference.activation_slope(g, expected, "leaky_relu", 0.3, xp=xp), **tol
    )
    keep = rng.random((70, 25)) < 0.5
    swapped = gpu.pair_swap(cp.asarray(y), cp.asarray(keep), xp=xp_gpu)
    assert np.array_equal(swapped.get(), reference.pair_swap(y, keep, xp=xp))
    chosen = gpu.largest_piece(cp.asarray(y), 5, xp=xp_gpu)
    assert np.array_equal(chosen.get(), reference.largest_piece(y, 5, xp=xp))
    picked = gpu.pick_piece(cp.asarray(y), chosen, 5, xp=xp_gpu)
    assert np.array_equal(picked.get(), reference.pick_piece(y, chosen.get(), 5, xp=xp))
    spread = gpu.spread_piece(picked, chosen, 5, xp=xp_gpu)
    assert np.array_equal(spread.get(), reference.spread_piece(picked.get(), chosen.get(), 5, xp=xp))
    moments = reference.moments(y, xp=xp)
    for ours, theirs in zip(gpu.moments(cp.asarray(y), xp=xp_gpu), moments, strict=True):
        np.testing.assert_allclose(ours.get(), theirs, rtol=1e-5 if dtype == np.float32 else 1e-13, atol=1e-6)
    placed = [cp.asarray(a) for a in (y, *moments)]
    np.testing.assert_allclose(
        gpu.standardise(*placed, 0.1, xp=xp_gpu).get(), reference.standardise(y, *moments, 0.1, xp=xp), **tol
    )
    pulled = gpu.standardise_pullback(cp.asarray(g), placed[0], placed[2], 0.1, xp=xp_gpu)
    expected = reference.standardise_pullback(g, y, moments[1], 0.1, xp=xp)
    np.testing.assert_allclose(pulled.get(), expected, rtol=0, atol=100 * tol["atol"])
    x, at = rng.normal(size=(6, 9, 8, 5)).astype(dtype), ((5, 3), 2, 1)
    w = rng.normal(size=(75, 7)).astype(dtype)
    made = gpu.correlate(cp.asarray(x), cp.asarray(w), *at, xp=xp_gpu)
    expected = reference.correlate(x, w, *at, xp=xp)
    wide = {"rtol": 10 * tol["rtol"], "atol": 1000 * tol["atol"]}
    np.testing.assert_allclose(made.get(), expected, **wide)
    back = gpu.correlate_adjoint(made, cp.asarray(w), *at, shape=(9, 8), xp=xp_gpu)
    theirs = reference.correlate_adjoint(expected, w, *at, shape=(9, 8), xp=xp)
    np.testing.assert_allclose(back.get(), theirs, **wide)
    by_w = gpu.correlate_weight(cp.asarray(x), made, *at, xp=xp_gpu)
    np.testing.assert_allclose(by_w.get(), reference.correlate_weight(x, expected, *at, xp=xp), **wide)
    options = {"rate": 0.1, "beta1": 0.9, "beta2": 0.99, "unbias": 1.7, "eps": 1e-8, "shrink": 1e-3}
    flat = [x.ravel() for x in (g, y, y[::-1].copy(), np.abs(y))]
    expected = reference.adam(*flat, **options, xp=xp)
    for a, e in zip(gpu.adam(*map(cp.asarray, flat), **options, xp=xp_gpu), expected, strict=True):
        np.testing.assert_allclose(a.get(), e, **tol)
    points, anchors, psi, w = (rng.normal(size=s).astype(dtype) for s in ((70, 2), (300, 2), (300,), (70,)))
    close = {"rtol": 1e-3 if dtype == np.float32 else 1e-9, "atol": 500 * np.finfo(dtype).eps}
    expected = reference.soft_nearest(points, anchors, psi, 0.1, xp=xp)
    given = [cp.asarray(a) for a in (points, anchors, psi)]
    out = gpu.soft_nearest(*given, 0.1, xp=xp_gpu)
    np.testing.assert_allclose(out.get(), expected, **close)
    ours = gpu.soft_nearest_pullback(cp.asarray(w), out, *given, eps=0.1, xp=xp_gpu)
    theirs = reference.soft_nearest_pullback(w, expected, points, anchors, psi, eps=0.1, xp=xp)
    for a, e in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.get(), e, **close)
