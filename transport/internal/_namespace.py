"""Which array library, which device, which kernels: decided once, at the border."""

from __future__ import annotations

import importlib
import sys
from functools import cache
from types import ModuleType
from typing import Any, TypeAlias

import array_api_compat as aac
import numpy as np

Array: TypeAlias = Any
"""Any array that speaks the array API standard; Python sequences and scalars count as NumPy."""


def namespace(*arrays: Array) -> ModuleType:
    """The array-API namespace shared by ``arrays``.

    Python numbers and sequences adapt to the others; if there is no array among them, NumPy is meant.
    NumPy also computes for JAX arrays while JAX has no float64 (``jax_enable_x64`` is off, its default).

    Raises
    ------
    TypeError
        If the arrays belong to different libraries (a NumPy and a CuPy array, say).
    """
    if all(type(x) is np.ndarray for x in arrays):
        return _numpy()
    known = [x for x in arrays if aac.is_array_api_obj(x)]
    if not known or (_jax_is_single() and all(aac.is_jax_array(x) for x in known)):
        return _numpy()
    try:
        return aac.array_namespace(*known)
    except TypeError as error:
        kinds = sorted({type(x).__module__.split(".")[0] for x in known})
        raise TypeError(
            f"the arrays belong to different libraries ({', '.join(kinds)}); "
            "convert them to one, for example with numpy.from_dlpack or cupy.asarray"
        ) from error


def _jax_is_single() -> bool:
    jax = sys.modules.get("jax")
    return jax is not None and not jax.config.jax_enable_x64


@cache
def _numpy() -> ModuleType:
    return aac.array_namespace(np.empty(0))


def is_numpy(xp: ModuleType) -> bool:
    """Whether ``xp`` is NumPy's namespace."""
    return aac.is_numpy_namespace(xp)


def kernels(package: str, xp: ModuleType) -> ModuleType:
    """The kernels of ``package`` for arrays of ``xp``: numba for NumPy, CuPy's own, else pure array API.

    Imported on first use, so that neither numba nor CuPy is paid for before it is needed.
    """
    if aac.is_numpy_namespace(xp):
        name = "cpu"
    elif aac.is_cupy_namespace(xp):
        name = "gpu"
    else:
        name = "reference"
    return importlib.import_module(f"{package}._kernels.{name}")


def refuse_graph(x: Array, name: str = "the tensor") -> None:
    """Refuse a torch tensor whose gradient would be lost on the way to NumPy.

    Raises
    ------
    TypeError
        Naming the two ways out.
    """
    if getattr(x, "requires_grad", False) and aac.is_torch_array(x):
        raise TypeError(
            f"{name} requires a gradient, which would be lost here. Use the torch.autograd.Function of "
            "docs/gradients.md (it is built on Solution.gradient()), or pass x.detach() if none is needed"
        )


def to_numpy(x: Array) -> np.ndarray:
    """A NumPy copy or view of ``x``, moved to the host if it lives on a device."""
    if isinstance(x, np.ndarray):
        return x
    if aac.is_cupy_array(x):
        return x.get()
    if aac.is_torch_array(x):
        refuse_graph(x)
        x = x.cpu()
        return (x.float() if str(x.dtype) == "torch.bfloat16" else x).numpy()
    if aac.is_array_api_obj(x):
        xp = aac.array_namespace(x)
        if hasattr(xp, "Device"):  # array_api_strict: only its CPU device converts
            x = aac.to_device(x, xp.Device("CPU_DEVICE"))
        if str(x.dtype) == "bfloat16":  # jax's, which NumPy knows as bytes
            x = x.astype("float32")
        return np.asarray(x)
    return np.asarray(x)


def on_device_of(values: np.ndarray, like: Array) -> Array:
    """``values`` (NumPy) as an array of the library and device of ``like``."""
    if isinstance(like, np.ndarray) or not aac.is_array_api_obj(like):
        return values
    return aac.array_namespace(like).asarray(values, device=aac.device(like))
