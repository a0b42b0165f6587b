"""Array namespaces, hypothesis profiles, a quiet matplotlib."""

from __future__ import annotations

import os
import signal

import array_api_strict
import numpy as np
import pytest
from hypothesis import HealthCheck, settings

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
