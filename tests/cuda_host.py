"""Run CUDA kernels on the host: the same source, compiled by g++ behind ``cuda_host.h``.

Checks the arithmetic, the indexing, the barriers and the argument list of every launch without a GPU; not
the speed, and not CUDA's own exp, expm1 and log.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

_SCALARS = {
    "double": (np.float64, ctypes.c_double),
    "float": (np.float32, ctypes.c_float),
    "long long": (np.int64, ctypes.c_longlong),
    "int": (np.int32, ctypes.c_int),
    "unsigned int": (np.uint32, ctypes.c_uint),
    "bool": (np.bool_, ctypes.c_bool),
}


def _signature(source: str, name: str) -> list[tuple[str, bool]]:
    """(C type, is it a pointer) of every parameter of the instance ``name``."""
    kernel, _, parameter = name.partition("<")
    match = re.search(rf"__global__ void(?: __launch_bounds__\([^)]*\))?\s+{kernel}\(([^)]*)\)", source)
    assert match, kernel
    found = []
    for part in match[1].split(","):
        kind = re.sub(r"\b(const|__restrict__)\b", "", part).rsplit(maxsplit=1)[0].strip()
        pointer = kind.endswith("*")
        kind = kind.rstrip("* ")
        found.append((parameter.rstrip(">") if kind == "T" else kind, pointer))
    return found


class HostModule:
    """The instances ``names`` of a CUDA source; ``module[name](grid, block, arguments)`` as in CuPy.

    ``descending`` runs threads and blocks in the opposite order.
    """

    def __init__(self, source: str, names: Sequence[str], folder: Path) -> None:
        if shutil.which("g++") is None:
            pytest.skip("no g++ here")
        self.descending = False
        self.signatures = {name: _signature(source, name) for name in names}
        wrappers = []
        for k, (name, signature) in enumerate(self.signatures.items()):
            listed = ", ".join(f"{kind}{'*' * ptr} a{i}" for i, (kind, ptr) in enumerate(signature))
            passed = ", ".join(f"a{i}" for i in range(len(signature)))
            wrappers.append(
                f'extern "C" void run_{k}(unsigned g, unsigned b, bool d, {listed}) '
                f"{{ host::launch(g, b, d, [=] {{ {name}({passed}); }}); }}"
            )
        header = (Path(__file__).parent / "cuda_host.h").read_text()
        (folder / "kernels.cpp").write_text("\n".join([header, source, *wrappers]))
        flags = ("-std=c++17", "-O0", "-ffp-contract=off", "-shared", "-fPIC", "-Wno-unknown-pragmas", "-w")
        built = subprocess.run(
            ["g++", *flags, "kernels.cpp", "-o", "kernels.so"], cwd=folder, capture_output=True, text=True
        )
        assert built.returncode == 0, built.stderr
        self._library = ctypes.CDLL(str(folder / "kernels.so"))

    def __getitem__(self, name: str) -> Callable[..., None]:
        signature = self.signatures[name]
        function = getattr(self._library, f"run_{list(self.signatures).index(name)}")

        def call(grid: tuple[int], block: tuple[int], arguments: tuple[Any, ...]) -> None:
            assert len(arguments) == len(signature)
            assert 0 < grid[0] < 2**31
            assert 0 < block[0] <= 1024
            values: list[Any] = [ctypes.c_uint(grid[0]), ctypes.c_uint(block[0])]
            values.append(ctypes.c_bool(self.descending))
            for value, (kind, pointer) in zip(arguments, signature, strict=True):
                dtype, scalar = _SCALARS[kind]
                assert value.dtype == dtype, (name, kind, value.dtype)
                if pointer:
                    assert value.flags.c_contiguous
                    values.append(ctypes.c_void_p(value.ctypes.data))
                else:
                    values.append(scalar(value.item()))
            function(*values)

        return call
