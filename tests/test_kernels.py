"""One specification, three implementations: cpu and gpu kernels against the array-API reference."""

from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import divergences as dv
from divergences._kernels import cpu, reference
from transport.internal import to_numpy

DEVICE = array_api_strict.Device("device1")
NAMES = (
    "kl", "js", "js_distance", "tv", "squared_hellinger", "hellinger", "jeffreys", "chi2",
    "cross_entropy", "entropy", "alpha", "renyi", "f_divergence",
)  # fmt: skip
MASS = st.one_of(st.just(0.0), st.floats(1e-300, 1.0), st.floats(0.4, 0.6))


def strict(x: np.ndarray):
    return array_api_strict.asarray(x, device=DEVICE)


def extra_of(name: str, order: float) -> tuple:
    return {
        "alpha": (order,),
        "renyi": (order,),
        "f_divergence": (lambda t: (t - 1) * (t - 1) / (t + 1),),
    }.get(name, ())


def test_same_terms():
    assert set(cpu.TERMS) == set(reference.TERMS)


@pytest.mark.parametrize("term", cpu.TERMS)
@given(rows=st.lists(st.tuples(MASS, MASS), min_size=1, max_size=150), gap=st.sampled_from([0.0, 1e-9]))
def test_scan_agrees_with_the_reference(term, rows, gap):
    lift = 2.0**64
    p, q = (np.array(x)[None, :] for x in zip(*rows))
    high = 0.0 if term == "affinity" else lift
    parameters = np.array([[lift, lift, gap, 0.0, high, 0.0]])
    for rise in (-0.5, 0.7):
        with np.errstate(over="ignore"):
            fast = cpu.scan(term, p, q, parameters, rise, xp=np)
            slow = to_numpy(reference.scan(term, *map(strict, (p, q, parameters)), rise, xp=array_api_strict))
        assert np.isnan(fast).sum() == np.isnan(slow).sum() == 0
        big = slow[:, 0] > 1e150  # there the reference may say inf: redone by logarithms
        sums = [x[:, 0] + x[:, 1] for x in (fast, slow)]
        np.testing.assert_allclose(sums[0][~big], sums[1][~big], rtol=3e-13, atol=1e-13 * p.size)
        for k in (2, 4):
            np.testing.assert_allclose(fast[:, k] + fast[:, k + 1], slow[:, k] + slow[:, k + 1], rtol=4e-16)
        assert fast[0, 6] == slow[0, 6] == 0.0


@pytest.mark.parametrize("name", NAMES)
def test_public_functions_on_another_library_and_device(backend, name):
    rng = np.random.default_rng(0)
    p, q = (rng.dirichlet(np.ones(33), size=(4, 2)) for _ in range(2))
    f = getattr(dv, name)
    args = (p,) if name == "entropy" else (p, q)
    expected = f(*args, *extra_of(name, 1.5))
    found = f(*map(backend.asarray, args), *extra_of(name, 1.5))
    assert type(found) is type(backend.asarray(p))
    if backend.name == "strict":
        assert found.device == DEVICE
    np.testing.assert_allclose(to_numpy(found), expected, rtol=1e-14)
    one = f(*(backend.asarray(x[0, 0]) for x in args), *extra_of(name, 1.5))
    assert one.shape == ()
    assert float(one) == pytest.approx(float(expected[0, 0]), rel=1e-14)


def test_mixed_libraries_are_refused():
    p = np.full(2, 0.5)
    with pytest.raises(TypeError, match="different libraries"):
        dv.kl(p, strict(p))


def test_python_lists_adapt_to_the_other_argument():
    q = strict(np.array([0.5, 0.5]))
    assert float(dv.kl(strict(np.array([0.25, 0.75])), q)) == pytest.approx(0.13081203594113694)


@pytest.mark.parametrize("normalize", [True, False])
def test_validation_on_another_device(normalize):
    good = strict(np.full(2, 0.5))
    for bad, match in (
        (np.array([np.nan, 1.0]), "nan"),
        (np.array([1.5, -0.5]), "-0.5"),
        (np.zeros(2), "mass 0"),
    ):
        with pytest.raises(ValueError, match=match):
            dv.kl(good, strict(bad), normalize=normalize)
