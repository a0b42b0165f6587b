"""What callers hold: labelled tables, times, big integers, foreign arrays and laws; right, or refused."""

from __future__ import annotations

import datetime
import math
import re
import types
from collections import Counter
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import divergences as dv
import transport as tp
from transport.internal import line_for_law

KL_LETTERS = 0.25067956612937903  # of aabbbc from abbccc: (2 log 2 + 3 log(3/2) + log(1/3)) / 6


def frequencies(text):
    pandas = pytest.importorskip("pandas")
    return pandas.Series(list(text)).value_counts(normalize=True)


# ---- labels -----------------------------------------------------------------------------------------


def test_counts_are_matched_by_label():
    p, q = frequencies("aabbbc"), frequencies("abbccc")
    assert list(p.index) != list(q.index)
    wanted = (2 * np.log(2) + 3 * np.log(1.5) + np.log(1 / 3)) / 6
    assert wanted == pytest.approx(KL_LETTERS, rel=1e-15)
    assert dv.kl(p, q) == pytest.approx(KL_LETTERS, rel=1e-14)
    assert dv.alpha(p, q, 0.2) == pytest.approx(dv.alpha(p.sort_index(), q.sort_index(), 0.2), rel=1e-14)
    assert dv.tv(p, q.to_numpy()) == 0.0  # one side without labels: by position
    assert p.index.tolist() == ["b", "a", "c"]  # the input is left alone


def test_other_labels_are_refused_with_the_line():
    p, q = frequencies("aabbbc"), frequencies("abbddd")
    with pytest.raises(ValueError, match=r"'c' is in p only.*p, q = p\.align\(q, fill_value=0\)"):
        dv.js(p, q)
    p, q = p.align(q, fill_value=0)
    assert dv.tv(p, q) == pytest.approx(0.5, rel=1e-15)  # |2-1| + |3-2| + |1-0| + |0-3| over 12
    with pytest.raises(ValueError, match="different labels"):
        dv.tv(frequencies("ab").set_axis(["a", "a"]), frequencies("ab").set_axis(["b", "a"]))


def test_tables_of_measures():
    pandas = pytest.importorskip("pandas")
    p = pandas.DataFrame([[0.1, 0.9], [0.4, 0.6]], index=["r", "s"], columns=["u", "v"])
    q = pandas.DataFrame([[0.5, 0.5], [0.3, 0.7]], index=["s", "r"], columns=["v", "u"])
    plain = dv.kl(p.to_numpy(), np.array([[0.7, 0.3], [0.5, 0.5]]))
    np.testing.assert_array_equal(dv.kl(p, q), plain)
    counts = pandas.DataFrame({"value": [3, 1], "count": [5, 2]})
    with pytest.raises(TypeError, match=r"set_index\('value'\)"):
        dv.kl(counts, counts, normalize=True)
    with pytest.raises(TypeError, match="keys and masses"):
        dv.kl(pandas.DataFrame({"k": ["a", "b"], "p": [0.5, 0.5]}), np.ones((2, 2)))


def test_nullable_and_read_only_columns():
    pandas = pytest.importorskip("pandas")
    p = pandas.Series([0.25, 0.75], dtype="Float64")
    assert dv.tv(p, [0.75, 0.25]) == 0.5
    with pytest.raises(ValueError, match="nan"):
        dv.tv(pandas.Series([0.25, None], dtype="Float64"), [0.75, 0.25])
    frame = pandas.DataFrame({"x": [0.0, 1.0], "y": [0.0, 0.0]})
    assert tp.solve(frame[["x", "y"]], [0.5, 0.5], [0.5, 0.5]).value == 0.0
    assert tp.wasserstein_1d(frame["x"], frame["y"]) == 0.5


def test_columns_and_weights_of_points_are_matched():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    x = pandas.DataFrame(rng.random((6, 2)), columns=["lon", "lat"], index=list("abcdef"))
    swapped = x[["lat", "lon"]]
    assert dv.wasserstein(x, swapped) == 0.0
    assert tp.solve(tp.PointCloud(x, swapped)).value == 0.0
    with pytest.raises(ValueError, match="'lon' is in x only"):
        dv.wasserstein(x, x.rename(columns={"lon": "height"}))
    w = pandas.Series(rng.dirichlet(np.ones(6)), index=list("abcdef"))
    other = w.sort_values()
    assert list(other.index) != list(w.index)
    y = rng.random((4, 2))
    wanted = dv.wasserstein(x.to_numpy(), y, a=w.to_numpy())
    assert dv.wasserstein(x, y, a=other) == wanted
    cloud = tp.solve(tp.PointCloud(x, y, "euclidean"), other)
    assert cloud.value == pytest.approx(wanted, rel=1e-14)
    with pytest.raises(ValueError, match="different labels"):
        dv.wasserstein(x, y, a=w.set_axis(range(6)))


def test_costs_with_labels():
    pandas = pytest.importorskip("pandas")
    cost = pandas.DataFrame([[0.0, 1.0], [2.0, 0.0]], index=["a", "b"], columns=["u", "v"])
    a, b = pandas.Series({"b": 0.25, "a": 0.75}), pandas.Series({"v": 0.75, "u": 0.25})
    # a sends .25 to u for 0 and .5 to v for 1; b keeps .25 at v for 0
    assert tp.solve(cost, a, b).value == pytest.approx(0.5, rel=1e-15)
    with pytest.raises(ValueError, match="'c' is in a only"):
        tp.solve(cost, pandas.Series({"c": 0.25, "a": 0.75}), b)


class _DataArray:
    """An xarray.DataArray as far as it is looked at."""

    def __init__(self, values, dims, coords=None):
        self.values, self.dims = np.asarray(values), tuple(dims)
        self.coords = {k: types.SimpleNamespace(values=np.array(v)) for k, v in (coords or {}).items()}

    def transpose(self, *dims):
        order = [self.dims.index(d) for d in dims]
        found = _DataArray(self.values.transpose(order), dims)
        found.coords = self.coords
        return found

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype=dtype)


_DataArray.__module__ = "xarray.core.dataarray"


def test_dimensions_of_xarray():
    p = np.array([[0.1, 0.2, 0.1], [0.3, 0.2, 0.1]])
    q = np.array([[0.2, 0.2, 0.2], [0.2, 0.1, 0.1]])
    wanted = dv.kl(p, q, axis=None)
    a = _DataArray(p, ("x", "y"), {"y": ["u", "v", "w"]})
    b = _DataArray(q[:, ::-1].T, ("y", "x"), {"y": ["w", "v", "u"]})
    assert dv.kl(a, b, axis=None) == wanted
    with pytest.raises(ValueError, match="same names"):
        dv.kl(a, _DataArray(q, ("x", "z")), axis=None)
    with pytest.raises(ValueError, match=r"xarray\.align"):
        dv.kl(a, _DataArray(q, ("x", "y"), {"y": ["u", "v", "z"]}), axis=None)


def test_real_xarray_and_polars():
    polars, xarray = pytest.importorskip("polars"), pytest.importorskip("xarray")
    assert dv.tv(polars.Series([0.25, 0.75]), polars.Series([0.75, 0.25])) == 0.5
    a = xarray.DataArray([[0.5], [0.5]], dims=("x", "y"))
    assert dv.tv(a, a.transpose(), axis=None) == 0.0


# ---- times and integers -----------------------------------------------------------------------------

T0 = 1_700_000_000_000_000_001


def test_nanoseconds_keep_their_digits():
    x, y = np.array([T0, T0 + 100]), np.array([T0 + 100, T0 + 200])
    for u, v in ((x, y), (x.tolist(), y.tolist()), (x.astype("datetime64[ns]"), y.astype("datetime64[ns]"))):
        assert tp.wasserstein_1d(u, v) == 100.0
        assert dv.wasserstein(u, v) == 100.0
    assert tp.wasserstein_circle(x, x + 7, period=1000) == 7.0
    assert tp.solve(tp.PointCloud(x[:, None], y[:, None], "euclidean")).value == 100.0
    assert dv.energy(x, y) == dv.energy(x - T0, y - T0)
    assert tp.wasserstein_1d([2**62], np.array([2**62 + 3], dtype=np.uint64)) == 3.0


def test_integers_are_exact_or_refused():
    for inexact in (np.array([T0, 0]), [T0, 0], np.array([2**63 + 1], dtype=np.uint64)):
        with pytest.raises(ValueError, match="float64 rounds"):
            dv.kl(inexact, inexact, normalize=True)
    assert dv.tv(np.array([2**60, 2**60]), np.array([2**61, 0]), normalize=True) == 0.5
    with pytest.raises(ValueError, match="more than the 2\\^53 steps"):
        tp.wasserstein_1d(np.array([-(2**63)]), np.array([2**63 - 1]))
    with pytest.raises(ValueError, match="float64 rounds"):
        tp.solve(np.array([[T0, T0 + 1], [T0, T0]]))


@pytest.mark.parametrize(
    ("x", "y", "wanted"),
    [
        (["2024-01-01"], ["2024-01-05"], 4),  # days
        (["2024-01-01T00"], ["2024-01-02"], 24),  # the finer unit: hours
        (["2024-01"], ["2024-01-31"], 30),
    ],
)
def test_dates_are_counted_in_the_finer_unit(x, y, wanted):
    assert tp.wasserstein_1d(np.array(x, "datetime64"), np.array(y, "datetime64")) == wanted


def test_datetimes_of_python_and_pandas():
    day = datetime.date
    assert tp.wasserstein_1d([day(2024, 1, 1)], [day(2024, 1, 5)]) == 4.0
    zones = [datetime.timezone(datetime.timedelta(hours=h)) for h in (0, 1)]
    noon = [[datetime.datetime(2024, 1, 1, 12, tzinfo=zone)] for zone in zones]
    assert tp.wasserstein_1d(*noon) == 3600e6  # microseconds
    hours = [np.array([k], dtype=f"timedelta64[{u}]") for k, u in ((2, "h"), (30, "m"))]
    assert tp.wasserstein_1d(*hours) == 90.0
    pandas = pytest.importorskip("pandas")
    a = pandas.date_range("2024-01-01", periods=3, unit="s")
    b = pandas.date_range("2024-01-02", periods=3, unit="s")
    assert tp.wasserstein_1d(a, b) == 86400.0
    assert (
        tp.wasserstein_1d(pandas.Series(a.tz_localize("UTC")), pandas.Series(a.tz_localize("Asia/Tokyo"))) > 0
    )


def test_times_that_do_not_compare_are_refused():
    stamp, span = np.array(["2024-01-01"], "datetime64[s]"), np.array([1], "timedelta64[s]")
    for x, y in ((stamp, span), (stamp, [1.0]), (span, [1])):
        with pytest.raises(TypeError, match="timedelta64"):
            tp.wasserstein_1d(x, y)
    with pytest.raises(ValueError, match="NaT"):
        tp.wasserstein_1d(np.array(["NaT"], "datetime64[s]"), stamp)
    with pytest.raises(ValueError, match=r"2\^53 steps"):
        tp.wasserstein_1d(np.array(["1700"], "datetime64[ns]"), np.array(["2200"], "datetime64[ns]"))
    with pytest.raises(TypeError, match="timedelta64"):
        dv.kl(stamp, stamp)


# ---- refusals that help ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (None, "is None"),
        ({"a": 0.5, "b": 0.5}, r"sorted\(p \| q\)"),
        (Counter("aab"), r"sorted\(p \| q\)"),
        ({0.5}, "no order"),
        (iter([0.5, 0.5]), r"pass list\("),
        ("0.5 0.5", "is text"),
        ([Fraction(1, 2)] * 2, r"numpy\.array\(p, dtype=float\)"),
        ([Decimal("0.5")] * 2, r"numpy\.array\(p, dtype=float\)"),
        ([2**70, 1], "64 bits"),
        (["a", "b"], "real numbers"),
    ],
)
def test_what_is_no_array_of_numbers(x, words):
    with pytest.raises(TypeError, match=words):
        dv.kl(x, [0.5, 0.5])


def test_pil_images_are_refused_with_the_line():
    image = pytest.importorskip("PIL.Image")
    picture = image.new("RGB", (4, 4))
    with pytest.raises(TypeError, match=r'numpy\.asarray\(p\.convert\("L"\), dtype=float\), with axis=None'):
        dv.kl(picture, picture, normalize=True)
    with pytest.raises(TypeError, match=r"convert\('RGB'\)"):
        tp.transfer_colours(picture, picture)


def _foreign(module, name, **attributes):
    kind = type(name, (), attributes)
    kind.__module__ = module
    return kind()


def test_arrays_that_have_no_numbers_to_give():
    tracer = _foreign("jax._src.interpreters.partial_eval", "DynamicJaxprTracer")
    with pytest.raises(TypeError, match="outside jit"):
        dv.kl(tracer, [0.5, 0.5])
    coo = _foreign("sparse.numba_backend._coo.core", "COO", todense=lambda self: None)
    with pytest.raises(TypeError, match=r"p\.todense\(\)"):
        dv.kl(coo, [0.5, 0.5])
    tensor = _foreign("torch", "Tensor", layout="torch.sparse_coo")
    with pytest.raises(TypeError, match=r"p\.to_dense\(\)"):
        dv.kl(tensor, [0.5, 0.5])


def test_sparse_costs_of_other_libraries():
    coo = _foreign("sparse.numba_backend._coo.core", "COO", tocoo=0, nnz=1, shape=(2, 2))
    with pytest.raises(TypeError, match=r"to_scipy_sparse\(\)"):
        tp.solve(coo)


def test_laws_of_other_libraries():
    normal = _foreign("torch.distributions.normal", "Normal", log_prob=lambda self, x: x, loc=0.0, scale=1.0)
    odd = _foreign("tensorflow_probability.python.distributions", "Horseshoe", log_prob=lambda self, x: x)
    for call in (dv.kl, dv.wasserstein, lambda p, q: dv.estimate("kl", p, q)):
        with pytest.raises(TypeError, match=r"scipy\.stats\.norm\(\w+\.loc, \w+\.scale\)"):
            call(normal, [0.5, 0.5])
        with pytest.raises(TypeError, match=r"divergences\.Density"):
            call(odd, odd)


# (class, parameters, point, mass or density there by the documentation of torch and TensorFlow Probability)
SPELLINGS = [
    ("NegativeBinomial", {"total_count": 3, "probs": 0.3}, 2, 6 * 0.7**3 * 0.3**2),
    ("Geometric", {"probs": 0.3}, 0, 0.3),
    ("Weibull", {"scale": 2.0, "concentration": 3.0}, 1.0, 1.5 * 0.25 * np.exp(-0.125)),
    ("Pareto", {"scale": 2.0, "alpha": 3.0}, 4.0, 3 * 2.0**3 / 4.0**4),  # torch
    ("Pareto", {"scale": 2.0, "concentration": 3.0}, 4.0, 3 * 2.0**3 / 4.0**4),  # TensorFlow Probability
    ("InverseGamma", {"concentration": 2.0, "rate": 3.0}, 1.5, 9 * 1.5**-3 * np.exp(-2.0)),
    ("InverseGamma", {"concentration": 2.0, "scale": 3.0}, 1.5, 9 * 1.5**-3 * np.exp(-2.0)),
    ("VonMises", {"loc": 0.5, "concentration": 0.0001}, 0.5, 1.0001 / (2 * np.pi)),
    ("HalfNormal", {"scale": 2.0}, 0.0, 1 / np.sqrt(2 * np.pi)),
    ("HalfCauchy", {"scale": 2.0}, 2.0, 1 / (2 * np.pi)),
    ("Gamma", {"concentration": 1.0, "rate": 4.0}, 0.5, 4 * np.exp(-2.0)),
    ("LogNormal", {"loc": 1.0, "scale": 2.0}, np.e, 1 / (2 * np.e * np.sqrt(2 * np.pi))),
    ("FisherSnedecor", {"df1": 2.0, "df2": 2.0}, 1.0, 0.25),
]


@pytest.mark.parametrize(
    ("word", "given", "x", "want"), SPELLINGS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_the_line_for_a_law_of_another_library_is_that_law(word, given, x, want):
    stats = pytest.importorskip("scipy.stats")
    law = _foreign("torch.distributions", word, log_prob=lambda self, x: x, **given)
    with pytest.raises(TypeError, match="parameters as numbers") as caught:
        dv.kl(law, law)
    line = re.search(r"pass scipy\.stats\.(.*), parameters", str(caught.value))[1]
    made = eval(f"stats.{line}", {"stats": stats, "law": law, "math": math})
    assert getattr(made, "pdf" if hasattr(made, "pdf") else "pmf")(x) == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize(
    ("word", "given", "match"),
    [
        ("Categorical", {"probs": [0.5, 0.5]}, r"pass its masses numpy\.asarray\(law\.probs\)"),
        ("Wishart", {"event_shape": (2, 2)}, r"support=\[\(lower, upper\)\] \* dimension, sampler="),
        ("Normal", {"loc": 0, "scale": 1, "batch_shape": (3,)}, "a batch of laws: compare one pair"),
    ],
)
def test_laws_of_other_libraries_that_are_no_law_on_the_line(word, given, match):
    law = _foreign("torch.distributions", word, log_prob=lambda self, x: x, **given)
    with pytest.raises(TypeError, match=match):
        dv.kl(law, law)


def test_tables_that_hold_no_numbers():
    pd = pytest.importorskip("pandas")
    text = pd.Series(["0.5", "0.5"])
    for given, match in (
        (text, "holds text"),
        (text.astype("string"), "holds text"),
        (text.astype("category"), "holds text"),
        (pd.DataFrame({"p": ["0.5", "0.5"]})["p"], "holds text"),
        (pd.Series(pd.period_range("2020", periods=2, freq="M")), r"p\.dt\.start_time"),
        (pd.Series([0.5, 0.5]).groupby([0, 1]), r"p\.get_group\(key\)"),
    ):
        with pytest.raises(TypeError, match=match):
            dv.kl(given, [0.5, 0.5])


def test_tensors_without_numbers():
    for given, match in (({"is_meta": True}, "meta device"), ({"is_nested": True}, r"x\.unbind\(\)")):
        with pytest.raises(TypeError, match=match):
            tp.wasserstein_1d(_foreign("torch", "Tensor", **given), [0.0])


def test_jax_without_float64_is_computed_by_numpy():
    """JAX's default has no float64: sums of squares of 2^27 in single precision are no error terms."""
    jax = pytest.importorskip("jax")
    if jax.config.jax_enable_x64:
        pytest.skip("this JAX has float64")
    p, q = (jax.numpy.array(v, dtype="float32") for v in ([0.5, 0.5], [0.5 + 2**-12, 0.5 - 2**-12]))
    want = -0.5 * math.log1p(-(2.0**-22))
    assert dv.kl(p, q) == pytest.approx(want, rel=1e-12)
    assert tp.wasserstein_1d(p, q) == 2.0**-12
    half = jax.numpy.array([0.5, 0.5], dtype="bfloat16")
    assert dv.kl(half, half) == 0


def test_laws_without_an_entry_and_the_line_that_works():
    stats = pytest.importorskip("scipy.stats")
    p, q = (stats.vonmises_fisher([0.0, 0.0, 1.0], k) for k in (2.0, 5.0))
    assert "vonmises_fisher" in line_for_law(p, "P")
    assert "Density(P.logpdf, support=" in line_for_law(p, "P")
    laws = [
        dv.Density(
            law.logpdf, support=[(-1, 1)] * 3, sampler=lambda n, rng, law=law: law.rvs(n, random_state=rng)
        )
        for law in (p, q)
    ]
    # KL = log C(2) - log C(5) + (2 - 5) A(2), C(k) = k / (4 pi sinh k), A(k) = coth k - 1/k
    c = [np.log(k / np.sinh(k)) for k in (2.0, 5.0)]
    wanted = c[0] - c[1] - 3 * (1 / np.tanh(2.0) - 0.5)
    found = dv.estimate("kl", *laws)
    assert found.lower <= wanted <= found.upper
    with pytest.raises(TypeError, match=r"sorted\(p \| q\)"):
        dv.estimate("kl", {"a": 1.0}, {"a": 1.0})
    for bad in (None, object()):
        with pytest.raises(TypeError, match="pass"):
            dv.estimate("kl", stats.norm(), bad)


# ---- spelling ---------------------------------------------------------------------------------------


def test_wrong_calls_name_the_right_spelling():
    p = [0.5, 0.5]
    with pytest.raises(TypeError, match=r"divide by math\.log\(base\)"):
        dv.kl(p, p, base=2)
    with pytest.raises(TypeError, match="write a="):
        dv.wasserstein(p, p, u_weights=p)
    with pytest.raises(TypeError, match="name the others: a=, b="):
        tp.wasserstein_1d(p, p, p, p)
    with pytest.raises(TypeError, match="it takes p, q, axis"):
        dv.tv(p, p, axes=0)
    with pytest.raises(TypeError, match="missing 1 required"):
        dv.kl(p)
    with pytest.raises(ValueError, match=r"cost comes first: solve\(M, a, b\)"):
        tp.solve(p, [0.2, 0.3, 0.5], np.ones((2, 3)))


def test_metrics_by_name_and_function():
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    rng = np.random.default_rng(0)
    x, y = rng.random((12, 3)), rng.random((12, 3))
    for name, scipys in (("manhattan", "cityblock"), ("l2", "euclidean"), ("canberra", "canberra")):
        cost = cdist(x, y, scipys)
        wanted = cost[linear_sum_assignment(cost)].mean()
        assert tp.solve(tp.PointCloud(x, y, name)).value == pytest.approx(wanted, rel=1e-12)
        assert dv.wasserstein(x, y, cost=name) == pytest.approx(wanted, rel=1e-12)
        assert dv.wasserstein(x, y, cost=lambda u, v, s=scipys: cdist(u, v, s)) == pytest.approx(
            wanted, rel=1e-12
        )
        squared = cost**2
        wanted = squared[linear_sum_assignment(squared)].mean() ** 0.5
        assert dv.wasserstein(x, y, cost=name, p=2) == pytest.approx(wanted, rel=1e-12)
    for name, line in (("haversine", "haversine_distances"), ("cosine", "cdist"), ("minkowski", "p=3")):
        with pytest.raises(ValueError, match=line):
            tp.PointCloud(x, y, name)
    with pytest.raises(ValueError, match="function of two blocks"):
        tp.PointCloud(x, y, "nonsense")
    with pytest.raises(ValueError, match=">= 0"):
        dv.wasserstein(x, y, cost=lambda u, v: -cdist(u, v), p=2)


def test_images_as_masses_of_a_grid():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(12)), rng.dirichlet(np.ones(12))
    grid = tp.Grid((3, 4), "euclidean")
    flat = tp.solve(grid, p, q).value
    assert tp.solve(grid, p.reshape(3, 4), q.reshape(3, 4)).value == flat
    with pytest.raises(ValueError, match="shape"):
        tp.solve(grid, p.reshape(4, 3), q)


def test_masses_of_two_precisions_keep_their_totals():
    """float16 thirds sum to .99976: no rounding of float64 masses."""
    a, b = np.full(3, 1 / 3, dtype=np.float16), np.full(3, 1 / 3)
    with pytest.raises(ValueError, match=r"gap of -0\.000244.*a is of low precision"):
        tp.solve(np.ones((3, 3)), a, b)
    assert tp.solve(np.ones((3, 3)), a).value == pytest.approx(float(a.astype(float).sum()), rel=1e-15)
