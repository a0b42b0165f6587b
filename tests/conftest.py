"""Array namespaces, hypothesis profiles, a quiet matplotlib."""

from __future__ import annotations

import os
import signal
from functools import cache

import array_api_strict
import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from transport.internal import _compilations
from transport.internal._precompile import SIGNATURES, recorded

os.environ.setdefault("MPLBACKEND", "Agg")
# A runner started in the background ignores Ctrl-C, and its children would too: the tests need it.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "deep", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def _kernels_are_recorded(request):
    """Every kernel that a test calls is precompiled for the types it is called with: see `signatures.txt`."""
    before = set(_compilations.called)
    yield
    new = _compilations.called - before
    deep = request.node.get_closest_marker("deep")
    if not new or deep or not _recorded() or os.environ.get("KANTOROVICH_RECORD"):
        return
    missing = sorted(pair for pair in new if pair not in _recorded() and "._kernels." in pair[0])
    assert not missing, f"called, but not in signatures.txt (run `make signatures`, commit it): {missing}"


@cache
def _recorded():
    return set(recorded()) if SIGNATURES.read_text().startswith("#") else set()  # else it is not complete


class Backend:
    """Makes arrays of one library on one device; the strict one catches hidden NumPy."""

    def __init__(self, name: str) -> None:
        self.name = name

    def asarray(self, x):
        if self.name == "numpy":
            return np.asarray(x)
        if self.name == "cupy":
            import cupy

            return cupy.asarray(x)
        return array_api_strict.asarray(np.asarray(x), device=array_api_strict.Device("device1"))


def _cupy_works() -> bool:
    try:
        import cupy

        return bool(cupy.cuda.is_available())
    except Exception:
        return False


@pytest.fixture(
    params=[
        "numpy",
        "strict",
        pytest.param(
            "cupy", marks=[pytest.mark.gpu, pytest.mark.skipif(not _cupy_works(), reason="no CUDA device")]
        ),
    ]
)
def backend(request) -> Backend:
    """NumPy, array_api_strict on its second device, and CuPy where a GPU is present."""
    return Backend(request.param)
