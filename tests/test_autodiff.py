"""Derivatives: one generic check over every row of the table, and the laws of grad, hvp, custom_vjp."""

from __future__ import annotations

import time

import numpy as np
import pytest

import generative as gen
from generative import ops
from generative._autodiff import tape
from generative._autodiff.arrays import ACTIVATIONS
from generative._autodiff.rules import TABLE
from transport.internal import on_device_of, to_numpy

_rng = np.random.default_rng(6)


def _normal(*shape):
    return _rng.standard_normal(shape)


def _apart(*shape):
    """Entries at least 0.1 apart and away from zero, so that finite differences cross no kink."""
    n = int(np.prod(shape))
    return _rng.permutation((np.arange(n) - n / 2 + 0.5) * 0.21).reshape(shape)


_positive = np.exp(_normal(3, 2))
_image = _normal(2, 5, 4, 3)
_columns = _normal(4, 3) + 2.0
_indices = np.array([2, 0, 2])

GEOMETRIES = (
    {"size": (3, 2)},
    {"size": (3, 2), "stride": 2, "padding": 1},
    {"size": (3, 2), "stride": 3, "padding": 2},  # a last row and column that no patch reaches
)
_UP = {"size": (3, 2), "stride": 2, "padding": 1, "shape": (3, 4)}


def _sided():
    """Each geometry with the sides of what it makes of ``_image``."""
    for at in GEOMETRIES:
        stride, padding = at.get("stride", 1), at.get("padding", 0)
        yield at, ((5 + 2 * padding - 3) // stride + 1, (4 + 2 * padding - 2) // stride + 1)


# name -> [(arguments, static)]: broadcasting, axes, and every activation included.
CASES = {
    "identity": [((_normal(2),), {})],
    "add": [((_normal(3, 2), _normal(2)), {}), ((_normal(3, 1), 2.0), {})],
    "subtract": [((_normal(2), _normal(3, 2)), {}), ((1.0, _normal(3)), {})],
    "multiply": [((_normal(3, 2), _normal(3, 1)), {}), ((_normal(1, 2), _normal(4, 3, 2)), {})],
    "divide": [((_normal(3, 2), _apart(2)), {}), ((2.0, _apart(3, 2)), {})],
    "negative": [((_normal(3),), {})],
    "square": [((_normal(3),), {})],
    "power": [
        ((_positive,), {"exponent": 2.5}),
        ((_positive,), {"exponent": 2}),
        ((_positive,), {"exponent": -1}),
    ],
    "exp": [((_normal(3, 2),), {})],
    "expm1": [((_normal(3),), {})],
    "log": [((_positive,), {})],
    "log1p": [((_positive,), {})],
    "sqrt": [((_positive,), {})],
    "sin": [((_normal(3),), {})],
    "cos": [((_normal(3),), {})],
    "tanh": [((_normal(3),), {})],
    "sign": [((_apart(4),), {})],
    "abs": [((_apart(4),), {})],
    "sigmoid": [((_normal(3, 2) * 3,), {})],
    "softplus": [((_normal(3, 2) * 3,), {})],
    "gate": [((_normal(4), _apart(4)), {"slope": 0.3})],
    "leaky_relu": [((_apart(3, 2),), {"slope": 0.2}), ((_apart(3, 2),), {"slope": 0.0})],
    "where": [
        ((_normal(3, 2), _normal(2)), {"condition": np.array([[True, False], [False, False], [True, True]])})
    ],
    "reshape": [((_normal(3, 2),), {"shape": (2, 3)})],
    "broadcast_to": [((_normal(3, 1),), {"shape": (2, 3, 4)})],
    "sum": [
        ((_normal(3, 2),), {}),
        ((_normal(3, 2, 2),), {"axis": (0, -1)}),
        ((_normal(3, 2),), {"axis": 1, "keepdims": True}),
    ],
    "max": [
        ((_apart(3, 4),), {}),
        ((_apart(3, 4),), {"axis": 1}),
        ((_apart(3, 4),), {"axis": 0, "keepdims": True}),
    ],
    "logsumexp": [
        ((_normal(3, 4),), {"axis": 1}),
        ((_normal(3, 4),), {"axis": -1, "keepdims": True}),
        ((_normal(3),), {}),
    ],
    "norm": [
        ((_normal(3, 4),), {"axis": 1}),
        ((_normal(3, 4),), {}),
        ((_normal(3, 4),), {"axis": 0, "keepdims": True}),
    ],
    "permute_dims": [((_normal(2, 3, 4),), {"axes": (2, 0, 1)})],
    "transpose": [((_normal(2, 3, 4),), {})],
    "getitem": [
        ((_normal(4, 5),), {"index": (slice(1, 4, 2), slice(None, None, -1))}),
        ((_normal(4, 5),), {"index": (2, ...)}),
    ],
    "scatter": [((_normal(2, 3),), {"index": (slice(0, 4, 2), slice(1, 4)), "shape": (4, 5)})],
    "take": [((_normal(3, 2),), {"indices": _indices}), ((_normal(2, 3),), {"indices": _indices, "axis": 1})],
    "take_adjoint": [((_normal(3, 2),), {"indices": _indices, "size": 4, "axis": 0})],
    "permute_along": [((_normal(2, 3),), {"order": np.array([[1, 2, 0], [0, 2, 1]])})],
    "concat": [((_normal(3, 2), _normal(3, 1)), {"axis": 1}), ((_normal(1, 2), _normal(3, 2)), {})],
    "matmul": [((_normal(3, 2), _normal(2, 4)), {}), ((_normal(5, 3, 2), _normal(2, 4)), {})],
    "dense": [
        ((_normal(4, 3), _normal(3, 2), _normal(2)), {"activation": name, "slope": 0.3})
        for name in ACTIVATIONS
    ],
    "activation_slope": [
        ((_normal(4, 3), np.abs(_apart(4, 3)) + 0.1), {"activation": name, "slope": 0.3})
        for name in ACTIVATIONS
    ],
    "pair_swap": [((_normal(3, 4),), {"keep": np.array([[True, False], [False, False], [True, True]])})],
    "pick_piece": [((_normal(2, 6),), {"chosen": np.array([[0, 2], [1, 1]]), "pieces": 3})],
    "spread_piece": [((_normal(2, 2),), {"chosen": np.array([[0, 2], [1, 1]]), "pieces": 3})],
    "standardise": [((_columns,), {"eps": 0.1})],
    "unfold": [
        ((_image,), {"size": (3, 2), "stride": 2}),
        ((_image,), {"size": (2, 2)}),
        ((_image,), {"size": (4, 5), "stride": 3, "padding": 2}),
    ],
    "fold": [
        ((_normal(2, 2, 2, 18),), {"size": (3, 2), "shape": (2, 5, 4, 3), "stride": 2}),
        ((_normal(2, 3, 2, 18),), {"size": (3, 2), "shape": (2, 5, 3, 3), "stride": 2, "padding": 1}),
    ],
    "correlate": [((_image, _normal(18, 2)), at) for at in GEOMETRIES],
    "correlate_adjoint": [
        ((_normal(2, *sides, 2), _normal(18, 2)), {**at, "shape": (5, 4)}) for at, sides in _sided()
    ],
    "correlate_weight": [((_image, _normal(2, *sides, 2)), at) for at, sides in _sided()],
    "conv": [
        ((_image, _normal(18, 2), _normal(2)), {**GEOMETRIES[1], "activation": name, "slope": 0.3})
        for name in ACTIVATIONS
    ],
    "conv_transpose": [
        ((_normal(2, 2, 3, 2), _normal(18, 2), _normal(3)), {**_UP, "activation": name, "slope": 0.3})
        for name in ACTIVATIONS
    ],
}
ROWS = [
    pytest.param(name, args, static, id=f"{name}-{k}")
    for name, cases in CASES.items()
    for k, (args, static) in enumerate(cases)
]


def _is_array(x):
    return isinstance(x, np.ndarray)


def _placed(x, backend):
    return backend.asarray(x) if _is_array(x) else x


def _pullback(op, static, args, g):
    """The cotangents of the array arguments, through the public door only."""
    positions = [i for i, a in enumerate(args) if not isinstance(a, float)]

    def paired(variables):
        full = list(args)
        for i, v in zip(positions, variables, strict=True):
            full[i] = v
        return ops.sum(op(*full, **static) * g)

    return gen.grad(paired)([args[i] for i in positions])


def _numeric_jacobian_product(f, x, v, h=1e-5):
    """Directional derivative of f at x along v by central differences, fourth order: error ~1e-10."""
    return (8 * (f(x + h * v) - f(x - h * v)) - (f(x + 2 * h * v) - f(x - 2 * h * v))) / (12 * h)


def test_every_row_of_the_table_has_a_case():
    assert set(CASES) == set(TABLE)


@pytest.mark.parametrize(("name", "args", "static"), ROWS)
def test_first_derivative_matches_finite_differences(name, args, static):
    op = TABLE[name]
    g = np.random.default_rng(1).standard_normal(np.shape(op(*args, **static)))
    pulled = iter(_pullback(op, static, args, g))
    for i, x in enumerate(args):
        if isinstance(x, float):
            continue
        v = np.random.default_rng(2).standard_normal(x.shape)
        expected = _numeric_jacobian_product(
            lambda point, i=i: np.sum(g * op(*args[:i], point, *args[i + 1 :], **static)), x, v
        )
        assert np.sum(next(pulled) * v) == pytest.approx(expected, rel=2e-8, abs=2e-8)


@pytest.mark.parametrize(("name", "args", "static"), ROWS)
def test_second_derivative_matches_finite_differences_of_the_first(name, args, static):
    op = TABLE[name]
    rng = np.random.default_rng(3)
    g = rng.standard_normal(np.shape(op(*args, **static)))
    arrays = [a for a in args if _is_array(a)]
    directions = [rng.standard_normal(a.shape) for a in arrays]
    v = [rng.standard_normal(a.shape) for a in arrays]
    v_g = rng.standard_normal(g.shape)

    def paired(variables):  # <pullback(args, g), directions>, a function of args and g
        *xs, cotangent = variables
        supply = iter(xs)
        full = [next(supply) if _is_array(a) else a for a in args]
        inner = _pullback(op, static, full, cotangent)
        return sum((ops.sum(p * d) for p, d in zip(inner, directions, strict=True)), start=0.0)

    point = [*arrays, g]
    second = gen.grad(paired)(point)

    def along(t):
        return float(paired([x + t * w for x, w in zip(point, [*v, v_g], strict=True)]))

    h = 1e-4
    expected = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
    got = sum(float(np.sum(s * w)) for s, w in zip(second, [*v, v_g], strict=True))
    assert got == pytest.approx(expected, rel=2e-7, abs=2e-7)


@pytest.mark.parametrize(("name", "args", "static"), ROWS)
def test_other_backends_agree_with_numpy_and_stay_on_their_device(name, args, static, backend):
    op = TABLE[name]
    g = np.random.default_rng(4).standard_normal(np.shape(op(*args, **static)))
    expected = _pullback(op, static, args, g)
    placed = [_placed(a, backend) for a in args]
    placed_static = {k: _placed(a, backend) if k != "index" else a for k, a in static.items()}
    pulled = _pullback(op, placed_static, placed, backend.asarray(g))
    for ours, numpy_result in zip(pulled, expected, strict=True):
        np.testing.assert_allclose(to_numpy(ours), numpy_result, rtol=1e-12, atol=1e-13)
        assert type(ours) is type(on_device_of(np.zeros(1), placed[-1] if _is_array(args[-1]) else placed[0]))


def test_gradient_penalty_differentiates_through_an_inner_gradient(backend):
    """d/dw of (|d/dx tanh(xw)·c| - 1)²: against the closed form, on every backend."""
    x, w, c = np.array([[0.3, -0.7]]), np.array([[0.5], [1.2]]), 1.7

    def penalty(weight):
        slope = gen.grad(lambda p: ops.sum(c * ops.tanh(p @ weight)))(backend.asarray(x))
        return ops.sum((ops.norm(slope, axis=1) - 1.0) ** 2)

    got = to_numpy(gen.grad(penalty)(backend.asarray(w)))
    t = np.tanh(x @ w)[0, 0]
    length = np.linalg.norm(w)
    s = c * (1 - t * t)  # |slope| = s |w|
    ds = -2 * c * t * (1 - t * t) * x.T
    expected = 2 * (s * length - 1) * (ds * length + s * w / length)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_hvp_is_the_hessian_times_the_vector():
    a = _normal(4, 4)
    h = a + a.T
    x, v = _normal(4), _normal(4)

    def quadratic(p):
        column = ops.reshape(p, shape=(4, 1))
        return 0.5 * ops.sum(column * (h @ column)) + ops.sum(ops.sin(p))

    np.testing.assert_allclose(gen.hvp(quadratic)(x, v), h @ v - np.sin(x) * v, rtol=1e-12)


def test_third_derivative():
    assert gen.grad(gen.grad(gen.grad(lambda x: ops.sin(x) * x)))(0.4).item() == pytest.approx(
        -3 * np.sin(0.4) - 0.4 * np.cos(0.4), rel=1e-14
    )


def test_nested_derivatives_do_not_mix():
    """Perturbation confusion: d/dx [x · d/dy (x + y)] = 1, not 2 (Siskind and Pearlmutter 2005)."""
    assert gen.grad(lambda x: x * gen.grad(lambda y: x + y)(2.0))(3.0).item() == 1.0
    assert gen.grad(lambda x: x * gen.grad(lambda y: x * y)(2.0))(3.0).item() == 6.0


def test_gradient_keeps_the_form_of_the_tree_and_unused_leaves_are_zero():
    params = {"w": np.ones((2, 2)), "rest": [np.ones(3), (np.zeros(1), None)]}
    value, gradient = gen.value_and_grad(lambda p: ops.sum(p["w"] * 3.0))(params)
    assert value == 12.0
    assert np.all(gradient["w"] == 3.0)
    assert np.all(gradient["rest"][0] == 0)
    assert gradient["rest"][1][1] is None


def test_auxiliary_values_come_back_plain():
    (value, aux), slope = gen.value_and_grad(lambda x: (ops.sum(x * x), {"twice": 2 * x}), has_aux=True)(
        np.ones(2)
    )
    assert value == 2.0
    assert isinstance(aux["twice"], np.ndarray)
    assert np.all(slope == 2)


def test_missing_rule_is_an_error_with_its_name():
    nameless = tape.Primitive("sort_of", lambda xp, x: x)
    with pytest.raises(NotImplementedError, match="sort_of"):
        gen.grad(lambda x: ops.sum(nameless(x)))(np.ones(2))


def test_custom_vjp_refuses_a_second_derivative_it_does_not_have():
    cube = gen.custom_vjp(lambda x: x**3, lambda g, out, x: (3 * g * x * x,), name="cube")
    assert gen.grad(cube)(2.0) == 12.0
    with pytest.raises(NotImplementedError, match="derivative of cube"):
        gen.grad(gen.grad(cube))(2.0)
    better = gen.custom_vjp(lambda x: x**3, lambda g, out, x: (3 * g * x * x,), differentiable=True)
    assert gen.grad(gen.grad(better))(2.0) == 12.0


def test_numpy_functions_refuse_traced_values():
    with pytest.raises(TypeError):
        gen.grad(lambda x: np.exp(x).sum())(np.ones(2))
    with pytest.raises(TypeError, match="derivative would be lost"):
        gen.grad(lambda x: np.asarray(x).sum())(np.ones(2))
    with pytest.raises(TypeError, match="float"):
        gen.grad(lambda x: float(x))(1.0)


def test_refuses_integers_and_non_scalars():
    with pytest.raises(TypeError, match="int64"):
        gen.grad(lambda x: ops.sum(x))(np.arange(3))
    with pytest.raises(ValueError, match=r"\(3,\)"):
        gen.grad(lambda x: x * 2.0)(np.ones(3))
    with pytest.raises(TypeError, match="take"):
        gen.grad(lambda x: ops.sum(x[np.array([0])]))(np.ones(3))


def test_no_grad_and_stop_gradient():
    def f(x):
        with gen.no_grad():
            frozen = x * x
        assert isinstance(frozen, np.ndarray)
        return ops.sum(frozen * x + gen.stop_gradient(x) * x)

    np.testing.assert_allclose(gen.grad(f)(np.array([3.0])), 9 + 3)


def test_tails_of_sigmoid_and_softplus_are_exact_and_quiet():
    x = np.array([-800.0, -40.0, 0.0, 40.0, 800.0])
    np.testing.assert_allclose(ops.sigmoid(x), [0, 4.248354255291589e-18, 0.5, 1, 1], rtol=1e-14)
    np.testing.assert_allclose(ops.softplus(x), [0, 4.248354255291589e-18, np.log(2), 40, 800], rtol=1e-14)
    np.testing.assert_allclose(gen.grad(lambda t: ops.sum(ops.softplus(t)))(x), ops.sigmoid(x), rtol=1e-14)


def test_ties_share_the_derivative_of_max():
    np.testing.assert_allclose(gen.grad(lambda x: ops.max(x))(np.array([1.0, 2.0, 2.0])), [0, 0.5, 0.5])


def test_norm_has_subgradient_zero_at_the_origin():
    assert np.all(gen.grad(lambda x: ops.norm(x))(np.zeros(3)) == 0)


def test_sort_carries_derivatives_to_where_they_came_from():
    x = np.array([3.0, 1.0, 2.0])
    np.testing.assert_allclose(
        gen.grad(lambda t: ops.sum(ops.sort(t) * np.array([1.0, 10, 100])))(x), [100, 1, 10]
    )


def test_no_work_is_done_for_arguments_nobody_asked_about():
    calls = []

    def forward(xp, a, b):
        return a * b

    def rule(needs, g, out, a, b):
        calls.append(tuple(needs))
        return g * b if needs[0] else None, g * a if needs[1] else None

    probe = tape.Primitive("probe", forward, rule)
    gen.grad(lambda x: ops.sum(probe(probe(x, 2.0), np.ones(2))))(np.ones(2))
    assert calls == [(True, False), (True, False)]


def test_overhead_is_small():
    """Recording and pulling back an operation on tiny arrays: 8 µs at most (best of several, one core)."""
    x, w = np.ones((2, 3)), np.ones((2, 3))

    def chain(p):
        y = p
        for _ in range(30):
            y = ops.tanh(y * w + 0.5)
        return ops.sum(y)

    gradient = gen.grad(chain)
    gradient(x)

    def timed():
        start = time.perf_counter()
        gradient(x)
        return (time.perf_counter() - start) / 91

    best = min(timed() for _ in range(40))
    assert best < 40e-6, f"{best * 1e6:.1f} µs an operation"  # bench/step_time.py holds it to 8 µs
