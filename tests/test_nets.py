"""Layers against independent computations: SciPy correlation, SVD, moments by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import correlate

import generative as gen
from generative import ops
from generative._flat import Layout
from generative._weights import bjorck
from transport.internal import to_numpy

_rng = np.random.default_rng(0)


def _run(net, x, *, train=False, seed=0):
    params, state = net.init(np.random.default_rng(seed))
    return net.apply(params, x, state, train=train), params, state


@pytest.mark.parametrize(("size", "stride", "padding"), [(3, 1, 0), (3, 2, 1), (2, 2, 0), (4, 1, 2)])
def test_convolution_is_a_correlation(size, stride, padding):
    x = _rng.normal(size=(2, 7, 6, 3))
    (y, _), params, _ = _run(gen.Conv(3, 4, size, stride, padding), x)
    kernel = params["w"].reshape(size, size, 3, 4)
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    for n in range(2):
        for o in range(4):
            full = correlate(padded[n], kernel[..., o], mode="valid")[::stride, ::stride, 0]
            np.testing.assert_allclose(y[n, ..., o], full, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("size", "stride", "padding"), [(4, 2, 1), (3, 1, 0), (2, 2, 0)])
def test_transposed_convolution_is_the_adjoint(size, stride, padding):
    """<Conv x, y> = <x, ConvTranspose y> with the same weights, no bias."""
    x, conv = _rng.normal(size=(2, 8, 8, 3)), gen.Conv(3, 4, size, stride, padding)
    (forward, _), params, _ = _run(conv, x)
    y = _rng.normal(size=forward.shape)
    back = gen.ConvTranspose(4, 3, size, stride, padding)
    weights = {"w": params["w"].T, "b": np.zeros(3)}
    adjoint, _ = back.apply(weights, y, {})
    assert adjoint.shape == x.shape
    assert np.sum(forward * y) == pytest.approx(np.sum(x * adjoint), rel=1e-12)


def test_batch_norm_standardises_and_remembers():
    x = _rng.normal(3.0, 2.0, size=(500, 4))
    layer = gen.BatchNorm(4, momentum=0.5)
    (y, state), params, _ = _run(layer, x, train=True)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(0), 1, rtol=1e-4)
    np.testing.assert_allclose(state["mean"], 0.5 * x.mean(0))
    np.testing.assert_allclose(state["var"], 0.5 + 0.5 * x.var(0))
    alone, after = layer.apply(params, x[:1], state)
    assert after is state
    np.testing.assert_allclose(alone, (x[:1] - state["mean"]) / np.sqrt(state["var"] + 1e-5))


def test_layer_norm_standardises_each_sample():
    x = _rng.normal(3.0, 2.0, size=(5, 64))
    (y, _), _, _ = _run(gen.LayerNorm(64), x)
    np.testing.assert_allclose(y.mean(1), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(1), 1, rtol=1e-4)


@pytest.mark.parametrize("shape", [(20, 7), (7, 20), (9, 9), (1, 5)])
@pytest.mark.parametrize("scale", [0.5, 1.0, 30.0])
def test_bjorck_never_exceeds_one_and_converges_to_the_polar_factor(shape, scale):
    w = scale * np.linalg.qr(_rng.normal(size=(20, 20)))[0][: shape[0], : shape[1]]
    for steps in (1, 6, 60):
        assert np.linalg.svd(bjorck(w, steps=steps), compute_uv=False).max() <= 1 + 1e-12
    u, _, vt = np.linalg.svd(w, full_matrices=False)
    if np.linalg.matrix_rank(w) == min(shape):
        np.testing.assert_allclose(bjorck(w, steps=200), u @ vt, atol=1e-9)


def test_spectral_norm_approaches_one_by_power_iteration():
    layer = gen.Dense(12, 9, weight="spectral")
    (_, state), params, _ = _run(layer, np.zeros((1, 12)), train=True)
    params = {"w": _rng.normal(size=(12, 9)), "b": np.zeros(9)}
    for _ in range(200):
        _, state = layer.apply(params, np.zeros((1, 12)), state, train=True)
    assert layer.lipschitz(params, state) == pytest.approx(1.0, rel=1e-6)
    # The derivative holds the singular vectors constant, which is exact once they have converged.

    def cost(w):
        return ops.sum(layer.apply({"w": w, "b": np.zeros(9)}, np.eye(12), state)[0] ** 2)

    h = 1e-6 * _rng.normal(size=(12, 9))
    expected = (cost(params["w"] + h) - cost(params["w"] - h)) / 2
    assert np.sum(gen.grad(cost)(params["w"]) * h) == pytest.approx(expected, rel=1e-4)


_NETS = [
    gen.MLP(3, 16, 16, 1, activation="groupsort", weight="orthonormal"),
    gen.MLP(3, 16, 16, 1, activation="leaky_relu"),
    gen.MLP(3, 16, 16, 1, activation="tanh", weight="spectral"),
    gen.MLP(3, 16, 1, activation="sigmoid"),
    gen.MLP(3, 16, 1, norm="batch"),
    gen.MLP(3, 16, 1, norm="layer"),
    gen.Sequential(gen.Maxout(3, 8, 5), gen.Maxout(8, 8, 2, weight="spectral"), gen.Dense(8, 1)),
    gen.Sequential(
        gen.Reshape((3, 3, 1)), gen.Conv(1, 4, 2, activation="relu"), gen.Reshape((16,)), gen.Dense(16, 1)
    ),
    gen.Sequential(
        gen.Dense(3, 8),
        gen.Reshape((2, 2, 2)),
        gen.ConvTranspose(2, 1, activation="softplus"),
        gen.Reshape((16,)),
    ),
]


@pytest.mark.parametrize("net", _NETS, ids=lambda net: repr(net)[:60])
def test_no_slope_exceeds_the_lipschitz_bound(net):
    n_in = 9 if isinstance(net.layers[0], gen.Reshape) else 3
    params, state = net.init(np.random.default_rng(1))
    x = _rng.normal(size=(400, n_in))
    y = x + 10.0 ** _rng.uniform(-4, 1, size=(400, 1)) * _rng.normal(size=(400, n_in))
    rise = np.linalg.norm(net.apply(params, x, state)[0] - net.apply(params, y, state)[0], axis=1)
    assert np.all(rise <= net.lipschitz(params, state) * np.linalg.norm(x - y, axis=1) * (1 + 1e-9))


def test_groupsort_net_is_one_lipschitz_and_keeps_gradients():
    """MaxMin and orthonormal square weights preserve the norm of the gradient exactly (Anil et al. 2019)."""
    net = gen.Sequential(
        *(gen.Dense(8, 8, "groupsort", weight="orthonormal") for _ in range(3)),
        gen.Dense(8, 1, weight="orthonormal"),
    )
    params, state = net.init(np.random.default_rng(2))
    assert net.lipschitz(params, state) == pytest.approx(1.0, rel=1e-9)
    slope = gen.grad(lambda x: ops.sum(net.apply(params, x, state)[0]))(_rng.normal(size=(20, 8)))
    np.testing.assert_allclose(np.linalg.norm(slope, axis=1), 1.0, rtol=1e-9)


@pytest.mark.parametrize("net", [*_NETS[:6]], ids=lambda net: repr(net)[:60])
def test_nets_run_on_other_backends(net, backend):
    params, state = net.init(np.random.default_rng(1))
    x = _rng.normal(size=(5, 3))
    place = lambda tree: gen._autodiff.tree_map(backend.asarray, tree)  # noqa: E731

    def loss(p, points):
        return ops.sum(ops.square(net.apply(p, points, place(state), train=True)[0]))

    expected = gen.grad(lambda p: ops.sum(ops.square(net.apply(p, x, state, train=True)[0])))(params)
    got = gen.grad(loss)(place(params), backend.asarray(x))
    for a, b in zip(gen._autodiff.leaves(expected), gen._autodiff.leaves(got), strict=True):
        np.testing.assert_allclose(to_numpy(b), a, rtol=1e-10, atol=1e-12)


def test_maxout_takes_the_largest_of_its_linear_maps():
    x = _rng.normal(size=(5, 3))
    (y, _), params, _ = _run(gen.Maxout(3, 4, pieces=2), x)
    w, b = params["w"], _rng.normal(size=8)
    assert np.array_equal(y, np.maximum(x @ w[:, :4], x @ w[:, 4:]))
    y, _ = gen.Maxout(3, 4, pieces=2).apply({"w": w, "b": b}, x, {})
    np.testing.assert_allclose(y, np.maximum(x @ w[:, :4] + b[:4], x @ w[:, 4:] + b[4:]), rtol=1e-14)
    with pytest.raises(ValueError, match="pieces"):
        ops.maxout(x, pieces=2)
    with pytest.raises(ValueError, match="pieces"):
        gen.Maxout(3, 4, pieces=0)


def test_batch_norm_of_images_is_that_of_their_pixels():
    x, g = _rng.normal(size=(3, 4, 5, 2)), _rng.normal(size=(3, 4, 5, 2))
    (y, state), params, _ = _run(gen.BatchNorm(2), x, train=True)
    (rows, flat), _, _ = _run(gen.BatchNorm(2), x.reshape(-1, 2), train=True)
    assert np.array_equal(y.reshape(-1, 2), rows)
    assert np.array_equal(state["var"], flat["var"])

    def cost(point):  # through the running averages in use, which are not those of the batch
        return ops.sum(gen.BatchNorm(2).apply(params, point, state)[0] * g)

    np.testing.assert_allclose(gen.grad(cost)(x), g / np.sqrt(state["var"] + 1e-5), rtol=1e-12)


def test_layout_is_a_bijection_without_copies():
    tree = gen.MLP(2, 3, 1).init(np.random.default_rng(0))[0]
    layout = Layout.of(tree)
    flat = layout.gather(tree)
    assert flat.shape == (layout.size,) == (2 * 3 + 3 + 3 + 1,)
    views = layout.views(flat)
    assert all(np.shares_memory(v, flat) for v in gen._autodiff.leaves(views))
    assert np.array_equal(layout.gather(views), flat)


def test_initial_scale_keeps_the_second_moment_through_depth():
    x = _rng.normal(size=(2000, 256))
    for activation in ("relu", "leaky_relu"):
        net = gen.MLP(*[256] * 6, activation=activation)
        (y, _), _, _ = _run(gen.Sequential(*net.layers[:-1]), x)
        assert 0.7 < np.mean(y**2) < 1.4


def test_bad_layers_are_refused_by_name():
    with pytest.raises(ValueError, match="activation"):
        gen.Dense(2, 2, "swish")
    with pytest.raises(ValueError, match="weight"):
        gen.MLP(2, 2, weight="heavy")
    with pytest.raises(ValueError, match="norm"):
        gen.MLP(2, 2, 2, norm="group")
    with pytest.raises(ValueError, match="MLP"):
        gen.MLP(2)
    with pytest.raises(ValueError, match="even"):
        _run(gen.MLP(2, 3, 1, activation="groupsort"), np.ones((1, 2)))


@pytest.mark.parametrize(
    "optimizer",
    [gen.Adam(0.05), gen.SGD(0.1), gen.SGD(0.03, momentum=0.9), gen.RMSProp(0.01)],
    ids=repr,
)
def test_optimisers_find_the_minimum_of_a_quadratic(optimizer):
    x, target = np.zeros(3), np.array([1.0, -2.0, 0.5])
    state = optimizer.init(x)
    for _ in range(600):
        x, state = optimizer.update(x - target, state, x)
    np.testing.assert_allclose(x, target, atol=0.02)


def test_adam_follows_its_paper():
    """Algorithm 1 written out, three steps, and the decoupled decay."""
    rng = np.random.default_rng(4)
    adam = gen.Adam(lambda t: 0.1 / (1 + t), beta1=0.8, beta2=0.95, eps=1e-6, decay=0.01)
    x = rng.normal(size=4)
    state, ours = adam.init(x), x.copy()
    m, v, theirs = np.zeros(4), np.zeros(4), x.copy()
    for t in range(1, 4):
        g, rate = rng.normal(size=4), 0.1 / t
        m, v = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g * g
        step = rate * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.95**t)) + 1e-6)
        theirs = theirs - step - rate * 0.01 * theirs
        ours, state = adam.update(g, state, ours)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    with pytest.raises(ValueError, match="rate"):
        gen.Adam(-1.0)
    with pytest.raises(ValueError, match="beta2"):
        gen.Adam(1e-3, beta2=1.0)


def test_distance_critic_is_one_lipschitz_and_its_gradient_is_right():
    critic = gen.DistanceCritic(3, anchors=40, smoothing=0.05)
    state = critic.anchored(_rng.normal(size=(40, 3)))
    params = {"height": _rng.normal(size=40)}
    x, v = _rng.normal(size=(200, 3)), _rng.normal(size=(200, 3))

    def total(p, points):
        return ops.sum(critic.apply(p, points, state)[0])

    slope = gen.grad(lambda t: total(params, t))(x)
    assert np.linalg.norm(slope, axis=1).max() <= 1 + 1e-12
    assert np.linalg.norm(slope, axis=1).min() > 0.1
    h = 1e-6
    expected = (float(total(params, x + h * v)) - float(total(params, x - h * v))) / (2 * h)
    assert np.sum(slope * v) == pytest.approx(expected, rel=1e-6)
    w = _rng.normal(size=40)
    by_height = gen.grad(lambda p: total(p, x))(params)["height"]
    up, down = ({"height": params["height"] + s * h * w} for s in (1, -1))
    assert np.sum(by_height * w) == pytest.approx(
        (float(total(up, x)) - float(total(down, x))) / (2 * h), rel=1e-6
    )
    # sharp: the McShane envelope max ψ_j - |x - y_j|
    sharp = gen.DistanceCritic(3, anchors=40, smoothing=1e-6)
    psi = params["height"] * np.sqrt(40 * float(state["spread"]))
    envelope = np.max(psi - np.linalg.norm(x[:, None] - state["anchors"], axis=2), axis=1)
    np.testing.assert_allclose(sharp.apply(params, x, state)[0][:, 0], envelope, atol=1e-4)


def test_distance_critic_sharpens_on_schedule():
    # ε = 1e-1, then 1e-2 after one update, then 1e-3 and no less: the log of 40 terms shrinks with it.
    decay = gen.GeometricDecay(1e-1, 1e-3, 2)
    critic = gen.DistanceCritic(3, anchors=40, smoothing=decay)
    state = critic.anchored(_rng.normal(size=(40, 3)))
    params, x = {"height": _rng.normal(size=40)}, _rng.normal(size=(50, 3))
    for eps in (1e-1, 1e-2, 1e-3, 1e-3):
        fixed = gen.DistanceCritic(3, anchors=40, smoothing=eps)
        np.testing.assert_allclose(critic.apply(params, x, state)[0], fixed.apply(params, x, state)[0])
        state = critic.updated(state)
    with pytest.raises(ValueError, match="stop"):
        gen.GeometricDecay(1.0, 0.0, 5)


def test_fourier_features_have_the_frequencies_and_the_slope_they_say():
    layer = gen.Fourier(2, 4000, 3.0)
    state = layer.init(np.random.default_rng(0))[1]
    x, v = _rng.normal(size=(5, 2)), _rng.normal(size=2)
    y = layer.apply({}, x, state)[0]
    # E cos(w·(x - x')) = exp(-scale² |x - x'|²/2): the features' product is a Gaussian kernel (Bochner).
    gaps = np.linalg.norm(x[:, None] - x, axis=2)
    np.testing.assert_allclose(y @ y.T / 4000, np.exp(-4.5 * gaps**2), atol=0.1)
    # The slope is the same everywhere and in the steepest direction it is the bound.
    h = 1e-6
    steepest = np.linalg.svd(state["w"].T)[2][0]
    for direction, exact in ((steepest, True), (v / np.linalg.norm(v), False)):
        slope = np.linalg.norm(layer.apply({}, x + h * direction, state)[0] - y, axis=1) / h
        bound = layer.lipschitz({}, state)
        assert slope == pytest.approx(bound, rel=1e-5) if exact else slope.max() <= bound * (1 + 1e-5)
    with pytest.raises(ValueError, match="even"):
        gen.Fourier(2, 5)


def test_anchors_stand_for_the_samples_near_them():
    critic = gen.DistanceCritic(1, anchors=2)
    state = critic.anchored(np.array([[10.0], [0.0], [11.0], [9.0], [-1.0], [12.0]]))
    near = dict(zip(state["anchors"][:, 0].tolist(), state["weight"].tolist(), strict=True))
    assert near == pytest.approx({10.0: 4 / 6, 0.0: 2 / 6})
    height = np.array([1.0, -2.0])
    psi = height * np.sqrt(2 * float(state["spread"]))
    got = float(critic.mean_height({"height": height}, state))
    assert got == pytest.approx(float(psi @ state["weight"]))
