"""Compiles the kernels when the project is installed from source or built as a wheel.

A wheel made from an sdist, as ``python -m build`` does, carries the baselines of its architecture (x86-64-v3
and -v4). One made from a clone (``pip install .``) is for this machine: the first of them, and others only if
its processor runs them. An editable install has the one that suits this machine, in ``transport/_compiled``.
``KANTOROVICH_BASELINES`` names others, and empty it switches this off: the kernels are then compiled where
they are first called, as they are wherever this does not succeed.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class KernelBuildHook(BuildHookInterface):
    """hatchling's custom build hook."""

    PLUGIN_NAME = "custom"
    _folder: str | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, say so, add what was compiled to the wheel."""
        wanted = os.environ.get("KANTOROVICH_BASELINES")
        if wanted is not None and not wanted.split():
            return
        try:
            precompile = self._module("transport.internal._precompile")
            store = self._module("transport.internal._store")
            packed = store.PACKED.get(self._architecture(), ())
            best = [baseline.name for baseline in store.baselines()]
            if wanted:
                names = wanted.split()
            elif version == "editable":
                names = [name for name in packed if name == best[0]]
            elif (Path(self.root) / "PKG-INFO").is_file():  # an sdist: a wheel for other machines too
                names = list(packed)
            else:
                names = [name for name in packed if name in best or name == packed[0]]
            if not names:
                self._say("no baseline for this processor; kernels compile on their first call")
                return
            self._say(f"compiling kernels for {' and '.join(names)}, some minutes on two cores")
            if version == "editable":
                folder = Path(self.root) / "transport" / "_compiled"
                shutil.rmtree(folder, ignore_errors=True)
            else:
                self._folder = tempfile.mkdtemp()
                folder = Path(self._folder)
            paths, line = precompile.install(folder, names)
            self._say(line.removeprefix("kantorovich: "))
        except Exception as error:
            self._say(f"kernels left to their first call ({type(error).__name__}: {error})")
            return
        if version != "editable":
            build_data["force_include"].update({str(p): f"transport/_compiled/{p.name}" for p in paths})
            build_data["pure_python"] = False
            build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Clean up."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _say(self, text: str) -> None:
        self.app.display_info(f"kantorovich: {text}")

    def _architecture(self) -> str:
        import llvmlite.binding as llvm

        return str(llvm.get_process_triple().split("-")[0])

    def _module(self, name: str) -> Any:
        import importlib

        if self.root not in sys.path:
            sys.path.insert(0, self.root)
        if "transport" not in sys.modules:  # without what its __init__ imports: SciPy is not needed here
            package = types.ModuleType("transport")
            package.__path__ = [str(Path(self.root) / "transport")]
            sys.modules["transport"] = package
        return importlib.import_module(name)
