"""transport.internal: namespaces, kernel dispatch, validation with remedies, the pool of threads."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import array_api_compat.numpy as xnp
import array_api_strict as strict
import numpy as np
import pytest

from transport.internal import (
    as_float64,
    as_points,
    as_weights,
    cached_property,
    check_choice,
    check_count,
    check_exponent,
    check_positive,
    is_numpy,
    kernels,
    namespace,
    on_device_of,
    require_finite,
    run_chunks,
    thread_count,
    to_numpy,
)

DEVICE = strict.Device("device1")


def on_device(x):
    return strict.asarray(np.asarray(x), device=DEVICE)


class TestNamespace:
    def test_python_objects_adapt(self):
        assert is_numpy(namespace([1, 2], 3.0))
        assert is_numpy(namespace(np.ones(2), [1, 2]))
        assert not is_numpy(namespace([1, 2], on_device([1.0])))

    def test_libraries_do_not_mix(self):
        with pytest.raises(TypeError, match=r"different libraries \(array_api_strict, numpy\).*from_dlpack"):
            namespace(np.ones(2), on_device([1.0]))

    def test_there_and_back(self):
        x = on_device([1.0, 2.0])
        values = to_numpy(x)
        assert type(values) is np.ndarray
        back = on_device_of(values, x)
        assert back.device == DEVICE
        assert on_device_of(values, [1, 2]) is values

    def test_dispatch(self):
        for package in ("transport", "divergences"):
            assert kernels(package, xnp).__name__ == f"{package}._kernels.cpu"
            assert kernels(package, strict).__name__ == f"{package}._kernels.reference"

    def test_cupy_arrays_are_recognised_without_a_device(self):
        cupy = pytest.importorskip("cupy")
        import array_api_compat.cupy as xcp

        for package in ("transport", "divergences"):
            assert kernels(package, xcp).__name__ == f"{package}._kernels.gpu"
        memory = cupy.cuda.UnownedMemory(0x10000, 80, None, device_id=0)
        fake = cupy.ndarray((10,), np.float64, cupy.cuda.MemoryPointer(memory, 0))
        assert namespace(fake).__name__ == "array_api_compat.cupy"

    def test_cupy_kernels_never_need_numba(self):
        pytest.importorskip("cupy")
        code = (
            "import sys; sys.modules['numba'] = None; import transport._kernels.gpu, divergences._kernels.gpu"
        )
        subprocess.run([sys.executable, "-c", code], check=True)


class TestAsFloat64:
    @pytest.mark.parametrize(
        "dtype", ["bool", "int8", "uint8", "int64", "float16", "float32", "float64", ">f8"]
    )
    def test_reals_are_computed_in_float64(self, dtype):
        x, eps = as_float64(np.array([0, 1], dtype=dtype), "x", xp=xnp)
        assert x.dtype == np.float64
        expected = {"float16": 2.0**-10, "float32": 2.0**-23}.get(dtype, 2.0**-52)
        assert eps == expected
        if np.dtype(dtype).isnative and dtype != "float16":  # which the standard does not know
            y, eps = as_float64(on_device(np.array([0, 1], dtype=dtype)), "x", xp=strict)
            assert y.device == DEVICE

    @pytest.mark.parametrize(
        ("x", "error", "match"),
        [
            (np.ma.array([1.0], mask=[1]), TypeError, r"masked.*x\.filled\(0\)"),
            (np.array([1j]), TypeError, "complex128"),
            (np.array([1.0], dtype=object), TypeError, "object"),
            (["a"], TypeError, "real numbers"),
            (np.array(["2020"], dtype="M8[Y]"), TypeError, "datetime64"),
            ([[1.0], [1.0, 2.0]], ValueError, "ragged"),
        ],
    )
    def test_refusals(self, x, error, match):
        with pytest.raises(error, match=match):
            as_float64(x, "x", xp=xnp)
        with pytest.raises(TypeError, match="complex"):
            as_float64(strict.asarray([1j], device=DEVICE), "x", xp=strict)

    def test_sparse_is_refused(self):
        from scipy import sparse

        with pytest.raises(TypeError, match="toarray"):
            as_float64(sparse.eye_array(2), "x", xp=xnp)

    def test_float64_is_not_copied(self):
        x = np.ones(3)
        assert as_float64(x, "x", xp=xnp)[0] is x


class TestFinite:
    def test_names_the_first_offender(self, backend):
        x = np.ones((2, 3))
        x[1, 0], x[1, 2] = math.nan, math.inf
        with pytest.raises(ValueError, match=r"w\[1, 0\] is nan.*impute 2 such"):
            require_finite(backend.asarray(x), "w", xp=namespace(backend.asarray(x)))

    def test_a_sum_that_overflows_is_finite(self):
        require_finite(np.full(4, 1e308), "w", xp=xnp)


class TestWeights:
    def test_uniform(self, backend):
        like = backend.asarray(np.ones(3))
        w = as_weights(None, "a", xp=namespace(like), size=4, like=like)
        np.testing.assert_array_equal(to_numpy(w), np.full(4, 0.25))
        with pytest.raises(ValueError, match="a is empty"):
            as_weights(None, "a", xp=namespace(like), size=0)

    def test_low_precision_is_renormalised_in_its_own_rounding(self, backend):
        w = backend.asarray(np.full(10, 0.1, dtype=np.float32))
        found = to_numpy(as_weights(w, "a", xp=namespace(w)))
        assert math.fsum(found) == pytest.approx(1.0, abs=1e-15)
        with pytest.raises(ValueError, match=r"a sums to .* not 1; pass normalize=True"):
            as_weights(backend.asarray(np.full(10, np.float64(np.float32(0.1)))), "a", xp=namespace(w))

    def test_normalize_at_any_scale(self, backend):
        for scale in (1e-320, 1e-300, 1.0, 1e300):
            w = backend.asarray(np.array([1.0, 3.0]) * scale)
            found = to_numpy(as_weights(w, "a", xp=namespace(w), normalize=True))
            np.testing.assert_allclose(found, [0.25, 0.75], rtol=1e-15 if scale > 1e-310 else 1e-3)

    def test_any_total_where_asked(self, backend):
        w = backend.asarray(np.array([2.0, 5.0]))
        np.testing.assert_array_equal(to_numpy(as_weights(w, "a", xp=namespace(w), total=None)), [2.0, 5.0])

    @pytest.mark.parametrize(
        ("w", "size", "match"),
        [
            ([], None, "a is empty"),
            ([[1.0]], None, r"shape \(1, 1\)"),
            ([0.5, 0.5], 3, "2 weights for 3 atoms"),
            ([1.5, -0.5], None, "negative weight"),
            ([math.nan, 1.0], None, r"a\[0\] is nan"),
            ([0.0, 0.0], None, "total mass 0"),
            ([0.5, 0.6], None, "normalize=True"),
        ],
    )
    def test_refusals(self, w, size, match, backend):
        w = backend.asarray(np.array(w))
        with pytest.raises(ValueError, match=match):
            as_weights(w, "a", xp=namespace(w), size=size)

    def test_overflowing_total(self):
        with pytest.raises(ValueError, match="overflows"), np.errstate(over="ignore"):
            as_weights(np.full(5000, 1e306), "a", xp=xnp, normalize=True)

    def test_inputs_are_left_alone(self):
        w = np.array([1.0, 3.0])
        as_weights(w, "a", xp=xnp, normalize=True)
        np.testing.assert_array_equal(w, [1.0, 3.0])


class TestPoints:
    def test_shapes(self, backend):
        x = backend.asarray(np.arange(3))
        assert as_points(x, "x", xp=namespace(x)).shape == (3, 1)
        for bad, match in (
            (np.zeros((2, 2, 2)), r"\(n,\) or \(n, d\)"),
            (np.zeros((0, 2)), "empty"),
            (np.zeros((2, 0)), "dimension 0"),
        ):
            y = backend.asarray(bad)
            with pytest.raises(ValueError, match=match):
                as_points(y, "x", xp=namespace(y))

    def test_the_offender_is_named_in_the_shape_it_was_given(self):
        with pytest.raises(ValueError, match=r"x\[1\] is inf"):
            as_points([0.0, math.inf], "x", xp=xnp)
        with pytest.raises(ValueError, match=r"x\[0, 1\] is nan"):
            as_points([[0.0, math.nan]], "x", xp=xnp)


def test_numbers():
    assert check_exponent(1) == 1.0
    assert check_exponent(math.inf) == math.inf
    assert check_positive(2, "tol") == 2.0
    assert check_count(np.int8(3), "n") == 3
    assert check_choice("a", "x", ("a", "b")) == "a"
    for call, error, match in (
        (lambda: check_exponent(math.nan), ValueError, "1 <= p <= inf"),
        (lambda: check_positive(math.inf, "tol"), ValueError, "tol = inf"),
        (lambda: check_positive(0, "tol"), ValueError, r"tol = 0\.0"),
        (lambda: check_count(2.0, "n"), TypeError, "integer"),
        (lambda: check_count(0, "n"), ValueError, "at least 1"),
        (lambda: check_choice("c", "x", ("a", "b")), ValueError, "'a', 'b'"),
    ):
        with pytest.raises(error, match=match):
            call()


class TestChunks:
    @pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 1000])
    @pytest.mark.parametrize("threads", ["1", "2", "7"])
    def test_every_chunk_once(self, n, threads, monkeypatch):
        monkeypatch.setenv("KANTOROVICH_NUM_THREADS", threads)
        assert thread_count() == int(threads)
        seen = np.zeros(n, dtype=int)

        def task(first, last):
            assert last - first <= 16
            seen[first:last] += 1

        run_chunks(task, n)
        assert (seen == 1).all()

    def test_a_failure_comes_out_and_stops_the_rest(self, monkeypatch):
        monkeypatch.setenv("KANTOROVICH_NUM_THREADS", "2")
        ran = []

        def task(first, last):
            ran.append(first)
            if first == 32:
                raise RuntimeError("chunk 32")

        with pytest.raises(RuntimeError, match="chunk 32"):
            run_chunks(task, 100_000)
        assert len(ran) < 100_000 / 16

    def test_many_callers_at_once(self):
        import divergences as dv

        rng = np.random.default_rng(0)
        p, q = (rng.dirichlet(np.ones(200_000)) for _ in range(2))
        alone = dv.kl(p, q)
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda _: float(dv.kl(p, q)), range(24))) == {float(alone)}

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
    def test_a_forked_child_can_use_the_pool(self):
        code = (
            "import os, sys, threading; os.environ['KANTOROVICH_NUM_THREADS'] = '2'\n"
            "from transport.internal import run_chunks\n"
            "run_chunks(lambda a, b: None, 100)\n"
            "child = os.fork()\n"
            "run_chunks(lambda a, b: None, 100)\n"
            "if child == 0: os._exit(0)\n"
            "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        )
        subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=30)

    def test_interrupting_the_caller_stops_the_helpers(self, monkeypatch):
        monkeypatch.setenv("KANTOROVICH_NUM_THREADS", "2")
        caller = threading.get_ident()
        later = []
        started = threading.Event()

        def task(first, last):
            if threading.get_ident() == caller:
                started.wait(5)
                raise KeyboardInterrupt
            started.set()
            later.append(first)
            threading.Event().wait(0.001)

        with pytest.raises(KeyboardInterrupt):
            run_chunks(task, 10_000_000)
        threading.Event().wait(0.05)
        count = len(later)
        threading.Event().wait(0.05)
        assert len(later) == count


class TestCachedProperty:
    def test_computed_once_and_found_on_the_class(self):
        calls = []

        class Owner:
            @cached_property
            def value(self) -> int:
                """The words."""
                calls.append(self)
                return len(calls)

        owner = Owner()
        assert (owner.value, owner.value, len(calls)) == (1, 1, 1)
        assert Owner.value.__doc__ == "The words."

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
    def test_a_child_forked_while_another_thread_computes_does_not_wait(self):
        # functools' holds a lock for the attribute on Python 3.11: its child would wait for ever.
        code = (
            "import os, signal, sys, threading\n"
            "from transport.internal import cached_property\n"
            "inside, leave = threading.Event(), threading.Event()\n"
            "class Owner:\n"
            "    slow = False\n"
            "    @cached_property\n"
            "    def value(self):\n"
            "        if self.slow: inside.set(); leave.wait()\n"
            "        return 1\n"
            "other = Owner(); other.slow = True\n"
            "thread = threading.Thread(target=lambda: other.value); thread.start(); inside.wait()\n"
            "child = os.fork()\n"
            "if child == 0: signal.alarm(10); os._exit(Owner().value - 1)\n"
            "status = os.waitpid(child, 0)[1]; leave.set(); thread.join()\n"
            "sys.exit(os.waitstatus_to_exitcode(status))\n"
        )
        subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)
