"""Compile CUDA sources for real chips without a GPU, and read what the assembler says about them.

``python tests/nvrtc.py`` prints registers, stack and shared memory of every kernel of the project. Needs the
wheels of the extra ``gpu-check``; tests skip without them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest


@dataclass(frozen=True)
class Usage:
    """What one kernel takes on one chip; bytes."""

    registers: int
    spill_stores: int
    spill_loads: int
    stack: int
    shared: int


def project_sources() -> dict[str, tuple[ModuleType, list[str]]]:
    """Every module with CUDA C++, and the instances it launches."""
    from divergences._kernels import gpu as divergences
    from transport._kernels import critic_gpu

    found: dict[str, Any] = {"divergences": divergences, "critic": critic_gpu}
    try:
        from generative._kernels import gpu as learning
    except ImportError:  # it imports CuPy
        pass
    else:
        found["learning"] = learning
    return {name: (module, module.name_expressions()) for name, module in found.items()}


def compile_check(source: str, options: Sequence[str], names: Sequence[str], arch: int) -> dict[str, Usage]:
    """Usage of every instance; skips without NVRTC, fails with the compiler's log."""
    pytest.importorskip("cupy", exc_type=ImportError)
    from cupy.cuda import nvrtc

    try:
        program = nvrtc.createProgram(source, "source.cu", [], [])
    except (RuntimeError, OSError, ImportError) as error:
        pytest.skip(f"no NVRTC here: {error}")
    for name in names:
        nvrtc.addNameExpression(program, name)
    try:
        nvrtc.compileProgram(program, (*options, f"--gpu-architecture=sm_{arch}", "--ptxas-options=-v"))
    except nvrtc.NVRTCError:
        pytest.fail(nvrtc.getProgramLog(program))
    used = _parsed(nvrtc.getProgramLog(program))
    return {name: used[nvrtc.getLoweredName(program, name)] for name in names}


def _parsed(log: str) -> dict[str, Usage]:
    found = {}
    for part in log.split("Compiling entry function '")[1:]:

        def number(pattern: str, part: str = part) -> int:
            match = re.search(pattern, part)
            return int(match[1]) if match else 0

        found[part.split("'")[0]] = Usage(
            registers=number(r"Used (\d+) registers"),
            spill_stores=number(r"(\d+) bytes spill stores"),
            spill_loads=number(r"(\d+) bytes spill loads"),
            stack=number(r"(\d+) bytes stack frame"),
            shared=number(r"(\d+) bytes smem"),
        )
    return found


if __name__ == "__main__":
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parent.parent))
    for arch in (80, 90):
        for module, names in project_sources().values():
            for name, usage in compile_check(module.source(), module.OPTIONS, names, arch).items():
                print(f"sm_{arch} {name:28s} {usage}")
