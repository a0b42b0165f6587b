"""Steps recorded as graphs: replayed on the CPU against ordinary steps; cuBLAS's products on the host.

A graph repeats kernels on fixed addresses with the numbers of its recording. `Again` repeats Python code on
fixed arrays with the Python numbers of its recording: what would be baked into the one is baked into the
other. What it cannot show: whether CUDA lets every call into a recording, and the memory behind it.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

import generative as gen
from generative import _fit, _graph
from generative._autodiff import leaves
from generative._data import Source
from generative._graph import GraphStep
from generative._kernels import blas
from generative._random import STEP, key_of, stream
from transport.internal import namespace, to_numpy


class Again:
    """Runs the body twice, as recording does, and hands it back."""

    def record(self, body):
        body()
        body()
        return body


def _models():
    latent, small = gen.MLP(3, 16, 2, norm="batch"), gen.MLP(2, 16, 1)
    falling = gen.LinearDecay(1e-2, 1e-4, 20)
    bn = gen.GAN(latent, small, k=2, average=0.9, generator_optimizer=gen.Adam(falling, decay=0.01))
    uniform = {"latent": "uniform", "k": 3, "critic_optimizer": gen.Adam(gen.GeometricDecay(1e-2, 1e-3, 60))}
    conv = gen.Sequential(
        gen.Reshape((1, 2, 1)),
        gen.Conv(1, 4, 2, padding=1),
        gen.Reshape((24,)),
        gen.Maxout(24, 8),
        gen.Dense(8, 1),
    )
    coder = {"encoder": gen.MLP(2, 16, 4, norm="layer"), "decoder": gen.MLP(2, 16, 2)}
    return {
        "gan": bn,
        "maxout": gen.GAN(latent, conv, loss="minimax"),
        "penalty": gen.WGAN(latent, small, **uniform),
        "clip": gen.WGAN(latent, small, lipschitz="clip", critic_optimizer=gen.RMSProp(falling), clip=0.05),
        "spectral": gen.WGAN(latent, small, lipschitz="spectral", k=1),
        "groupsort": gen.WGAN(latent, small, lipschitz="groupsort", k=2),
        "vae": gen.VAE(**coder, average=0.5),
        "iwae": gen.VAE(**coder, importance=3, optimizer=gen.SGD(falling, momentum=0.9)),
        "bernoulli": gen.VAE(**coder, likelihood="bernoulli", optimizer=gen.SGD(1e-3)),
        "categorical": gen.VAE(gen.MLP(2, 16, 4), gen.MLP(2, 16, 10), likelihood="categorical", levels=5),
    }


def _data(name):
    rng = np.random.default_rng(0)
    if name == "categorical":
        return rng.integers(0, 5, size=(200, 2)).astype(float)
    return rng.random((200, 2))


def _played(model, source, steps, graph=None):
    """State and metrics after ``steps`` steps, ordinary or by ``graph``, from another state half way."""
    key = key_of(1)
    state = model.begin(source, key)
    seen = []
    for i in range(steps):
        rng = stream(key, STEP, i)
        kept = [np.array(to_numpy(leaf)) for leaf in leaves(state)]
        after, metrics = model.step(state, source, i, rng) if graph is None else graph.step(state, i, rng)
        assert all(np.array_equal(to_numpy(x), y) for x, y in zip(leaves(state), kept, strict=True))
        state = after
        if i == 5:  # as after a resume or a fall back to the last good state: not the arrays of the graph
            state = gen._autodiff.tree_map(lambda x: x if isinstance(x, int) else x * 1.0, state)
        seen.append({name: float(value) for name, value in metrics.items()})
    return state, seen


@pytest.mark.parametrize("name", _models())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_replayed_steps_are_the_ordinary_ones(name, dtype):
    """Twelve of them, with falling rates, averages, running means: bit by bit."""
    model = _models()[name]
    source = Source(_data(name), holdout=0.1, batch_size=30, key=key_of(1), dtype=dtype)
    expected, costs = _played(model, source, 12)
    found, again = _played(model, source, 12, GraphStep(model, source, Again()))
    assert costs == again
    for a, b in zip(leaves(found), leaves(expected), strict=True):
        assert type(a) is type(b) or isinstance(a, np.generic)
        assert np.array_equal(a, b)


@pytest.mark.parametrize("name", _models())
def test_a_recorded_step_takes_nothing_from_the_host(name, backend, monkeypatch):
    """On arrays that refuse to mix with NumPy's, and with ``asarray`` forbidden: a copy of a Python number
    would be read again at every replay, from memory that is long gone."""
    model = _models()[name]
    data = backend.asarray(_data(name))
    source = Source(data, holdout=0.1, batch_size=30, key=key_of(1), dtype="float64")
    if namespace(data).__name__.endswith("numpy"):
        pytest.skip("NumPy's own functions use asarray")

    def refused(*_, **__):
        raise AssertionError("a copy from the host within the recording")

    class Strictly(Again):
        def record(self, body):
            def alone():
                with monkeypatch.context() as patch:
                    patch.setattr(namespace(data), "asarray", refused)
                    body()

            return super().record(alone)

    expected, _ = _played(model, source, 4)
    found, _ = _played(model, source, 4, GraphStep(model, source, Strictly()))
    for a, b in zip(leaves(found), leaves(expected), strict=True):
        assert np.array_equal(to_numpy(a), to_numpy(b))


def test_a_whole_run_by_graph(monkeypatch):
    """Through `fit` and `resume`: same history, measurements, state."""
    model, data = _models()["gan"], _data("gan")
    options = {"steps": 25, "batch_size": 30, "rng": 3, "eval_every": 20, "eval_size": 20}
    expected = gen.fit(model, data, **options).resume(10)
    monkeypatch.setattr(_fit, "GraphStep", lambda model, source: GraphStep(model, source, Again()))
    run = gen.fit(model, data, **options, capture=True).resume(10, capture=True)
    assert run.history == expected.history
    assert all(np.array_equal(a, b) for a, b in zip(leaves(run.state), leaves(expected.state), strict=True))


class Idle:
    """A recording that does nothing when replayed."""

    def record(self, body):
        return lambda: None


class Failing:
    def record(self, body):
        raise NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")


class Plain:
    """An optimiser of somebody else's."""

    def init(self, params):
        return {"t": 0}

    def update(self, gradient, state, params):
        return params - 0.1 * gradient, {"t": state["t"] + 1}


@pytest.mark.parametrize(
    ("model", "recorder", "error", "words"),
    [
        (_models()["gan"], Idle(), RuntimeError, "not the ordinary one"),
        (_models()["vae"], Failing(), RuntimeError, "cuBLAS API.*capture=False"),
        (_models()["vae"], None, ValueError, "ndarray.*CuPy"),
        (gen.GAN(gen.MLP(3, 8, 2), gen.MLP(3, 8, 1), classes=1), Again(), ValueError, "labels"),
        (
            gen.WGAN(gen.MLP(3, 8, 2), gen.DistanceCritic(2, 20), lipschitz="semidual"),
            Again(),
            ValueError,
            "smooth",
        ),
        (
            gen.GAN(gen.MLP(3, 8, 2), gen.MLP(2, 8, 1), generator_optimizer=Plain()),
            Again(),
            ValueError,
            "scalars",
        ),
    ],
)
def test_what_cannot_be_recorded_says_why(model, recorder, error, words):
    source = Source(_data(""), holdout=0.1, batch_size=30, key=key_of(1), dtype="float32")
    state = {} if getattr(model, "classes", 0) else model.begin(source, key_of(1))
    with pytest.raises(error, match=words):
        GraphStep(model, source, recorder).step(state, 0, stream(key_of(1), STEP, 0))


def test_fit_refuses_to_capture_on_the_host():
    with pytest.raises(ValueError, match="capture=True"):
        gen.fit(_models()["vae"], _data(""), steps=1, capture=True)


# --- products ---------------------------------------------------------------------------------------


class ByColumns:
    """cuBLAS's five functions on host memory, as its manual defines them: matrices stored by columns."""

    def __init__(self, status=0):
        self.calls = []
        pointer, integer = ctypes.c_void_p, ctypes.c_int
        gemm = [
            pointer,
            *[integer] * 5,
            pointer,
            pointer,
            integer,
            pointer,
            integer,
            pointer,
            pointer,
            integer,
        ]

        def entered(name, kinds, function):
            def called(*arguments):
                self.calls.append(name)
                function(*arguments)
                return status

            setattr(self, name, ctypes.CFUNCTYPE(integer, *kinds)(called))

        entered("cublasCreate_v2", [pointer], self._create)
        entered("cublasDestroy_v2", [pointer], lambda handle: None)
        entered("cublasSetStream_v2", [pointer, pointer], lambda *_: None)
        entered("cublasSetWorkspace_v2", [pointer, pointer, ctypes.c_size_t], lambda *_: None)
        entered("cublasSgemm_v2", gemm, lambda *a: self._gemm(ctypes.c_float, *a))
        entered("cublasDgemm_v2", gemm, lambda *a: self._gemm(ctypes.c_double, *a))

    @staticmethod
    def _create(address):
        ctypes.cast(address, ctypes.POINTER(ctypes.c_void_p))[0] = 7

    @staticmethod
    def _gemm(kind, handle, op_a, op_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
        assert handle == 7

        def stored(address, rows, cols, lead):
            assert lead >= max(1, rows)
            size = lead * (cols - 1) + rows
            flat = np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(kind)), (size,))
            return np.lib.stride_tricks.as_strided(flat, (rows, cols), (flat.itemsize, lead * flat.itemsize))

        first = stored(a, k, m, lda).T if op_a else stored(a, m, k, lda)
        second = stored(b, n, k, ldb).T if op_b else stored(b, k, n, ldb)
        one, zero = (ctypes.cast(x, ctypes.POINTER(kind))[0] for x in (alpha, beta))
        assert zero == 0
        stored(c, m, n, ldc)[...] = one * (first @ second)


def _forms(rng, rows, cols, dtype):
    """The same matrix as a transpose, a part of a larger one, spread out, backwards, one row repeated."""
    x = rng.normal(size=(rows, cols)).astype(dtype)
    wide = np.zeros((rows + 2, cols + 3), dtype)
    wide[1:-1, 1:-2] = x
    apart = np.zeros((2 * rows, 2 * cols), dtype)
    apart[::2, ::2] = x
    return [
        x,
        np.asfortranarray(x),
        wide[1:-1, 1:-2],
        np.asfortranarray(wide)[1:-1, 1:-2],
        apart[::2, ::2],
        x[::-1].copy()[::-1],
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [(3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 4, 1), (1, 1, 1), (1, 4, 1)])
def test_products_by_columns(sizes, dtype):
    m, k, n = sizes
    rng = np.random.default_rng(0)
    own = blas.Cublas(ByColumns())
    for a in _forms(rng, m, k, dtype):
        for b in _forms(rng, k, n, dtype):
            found = own.matmul(a, b, xp=np)
            assert found.dtype == dtype
            np.testing.assert_allclose(found, a @ b, rtol=1e-5, atol=1e-6)
    row = np.broadcast_to(rng.normal(size=(1, k)).astype(dtype), (m, k))
    np.testing.assert_allclose(own.matmul(row, b, xp=np), row @ b, rtol=1e-5, atol=1e-6)


def test_stacks_empty_products_and_refusals():
    rng = np.random.default_rng(0)
    own = blas.Cublas(ByColumns())
    a, b = rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 5))
    np.testing.assert_allclose(own.matmul(a, b, xp=np), a @ b)
    for m, k, n in ((0, 2, 3), (2, 0, 3), (2, 3, 0)):
        assert np.array_equal(own.matmul(np.ones((m, k)), np.ones((k, n)), xp=np), np.zeros((m, n)))
    for left, right in ((b, a), (a, b.astype(np.float32)), (b.T.astype(int), b.astype(int))):
        with pytest.raises(NotImplementedError, match="capture=False"):
            own.matmul(left, right, xp=np)
    with pytest.raises(RuntimeError, match="status 3"):
        blas.Cublas(ByColumns(status=3))


def test_a_bound_handle_serves_its_thread_only_within():
    library = ByColumns()
    own = blas.Cublas(library)
    assert blas.current() is None

    def within():
        with own.bound(5, np.empty(64, np.uint8)):
            assert blas.current() is own
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        within()
    assert blas.current() is None
    # Setting the stream resets the workspace, so that comes second.
    assert library.calls == ["cublasCreate_v2", "cublasSetStream_v2", "cublasSetWorkspace_v2"]


@pytest.mark.parametrize("count", [1, 8, 9, 70])
def test_a_recording_joins_no_more_than_eight_arrays_at_once(count):
    """CuPy sends a table of addresses for more: bookkeeping of the host within the graph."""
    parts = [np.full((2, 1), float(i)) for i in range(count)]
    seen = []

    def concat(arrays, axis):
        seen.append(len(arrays))
        return np.concatenate(arrays, axis=axis)

    xp = SimpleNamespace(concat=concat)
    assert blas.concat(parts, 1, xp=xp).shape == (2, count)
    assert seen == [count]
    with blas.Cublas(ByColumns()).bound(5, np.empty(64, np.uint8)):
        found = blas.concat(parts, 1, xp=xp)
    assert np.array_equal(found, np.concatenate(parts, axis=1))
    assert max(seen[1:]) <= 8


# --- the order of recording -------------------------------------------------------------------------


class _Stream:
    ptr = 11

    def __init__(self, log, **options):
        self.log, self.options = log, options

    def __getattr__(self, name):
        return lambda: (
            self.log.append(name) or SimpleNamespace(launch=lambda on: self.log.append(("launch", on)))
        )

    def __enter__(self):
        self.log.append("enter")

    def __exit__(self, *_):
        self.log.append("exit")


def _cupy(log):
    made = []

    def stream(**options):
        made.append(_Stream(log, **options))
        return made[-1]

    pool = SimpleNamespace(malloc=object())

    def allocator(malloc):
        assert malloc is pool.malloc
        return nullcontext()

    current = SimpleNamespace(synchronize=lambda: log.append("wait"))
    cuda = SimpleNamespace(
        Device=lambda: SimpleNamespace(id=0),
        Stream=stream,
        MemoryPool=lambda: pool,
        using_allocator=allocator,
        get_current_stream=lambda: current,
    )
    return (
        SimpleNamespace(cuda=cuda, empty=lambda n, dtype: np.empty(16, dtype), uint8=np.uint8),
        made,
        current,
    )


def test_recording_warms_up_first_and_leaves_no_stream_recording(monkeypatch):
    log = []
    cupy, made, current = _cupy(log)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(blas, "find_library", ByColumns)
    blas.own.cache_clear()
    recorder = _graph.CudaRecorder()
    assert made[0].options == {"non_blocking": True}

    def body():
        assert blas.current() is recorder._blas
        log.append("body")

    replay = recorder.record(body)
    inside = ["enter", "body", "synchronize", "begin_capture", "body", "end_capture", "exit"]
    assert log == ["wait", *inside]
    replay()
    assert log[-1] == ("launch", current)  # where the caller works: in order with what is around it
    log.clear()

    def broken():
        log.append("body")
        if log.count("body") == 2:
            raise NotImplementedError

    with pytest.raises(NotImplementedError):
        recorder.record(broken)
    assert log == ["wait", *inside]
    blas.own.cache_clear()


@pytest.mark.gpu
@pytest.mark.parametrize("name", _models())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_on_a_device_replayed_steps_are_the_ordinary_ones(name, dtype):
    cp = pytest.importorskip("cupy")
    if not cp.cuda.is_available():
        pytest.skip("no CUDA device")
    model = _models()[name]
    data = cp.asarray(_data(name))
    source = Source(data, holdout=0.1, batch_size=30, key=key_of(1), dtype=dtype)
    expected, costs = _played(model, source, 12)
    found, again = _played(model, source, 12, GraphStep(model, source))
    close = 2e-2 if dtype == "float32" else 1e-7
    for a, b in zip(costs, again, strict=True):
        assert a == pytest.approx(b, rel=close, abs=close)
    for a, b in zip(leaves(found), leaves(expected), strict=True):
        np.testing.assert_allclose(
            to_numpy(a), to_numpy(b), rtol=0, atol=close * (1 + np.max(np.abs(to_numpy(b))))
        )


@pytest.mark.gpu
def test_on_a_device_products_are_cublas_own():
    cp = pytest.importorskip("cupy")
    if not cp.cuda.is_available():
        pytest.skip("no CUDA device")
    own = blas.Cublas()
    stream = cp.cuda.get_current_stream()
    with own.bound(stream.ptr, cp.empty(blas.WORKSPACE, dtype=cp.uint8)):
        for a in _forms(np.random.default_rng(0), 30, 40, np.float64):
            x = cp.asarray(a)
            for left, right in ((x, x.T), (x.T, x), (x[:, 1:5], x[2:6, :]), (x[::2, ::3], x[:14, ::2])):
                np.testing.assert_allclose(
                    own.matmul(left, right, xp=cp).get(), left.get() @ right.get(), rtol=1e-12, atol=1e-13
                )
