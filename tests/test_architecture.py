"""The house rules a machine can check: arrows, public names, lazy imports, sizes, silence."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("transport", "divergences", "generative")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
ALLOWED = {
    "transport": {"transport"},
    "divergences": {"transport", "divergences"},
    "generative": {"transport", "divergences", "generative"},
}
LAZY = ("numba", "cupy", "cupyx", "matplotlib", "rich", "PIL", "scipy.stats", "hypothesis")


def _imports(path: Path, *, top_level_only: bool = False) -> list[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.append(node.module or "")
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows_point_one_way(path):
    package = path.relative_to(ROOT).parts[0]
    reached = {name.split(".")[0] for name in _imports(path)} & set(PACKAGES)
    assert reached <= ALLOWED[package]
    if package != "transport":
        private = [n for n in _imports(path) if n.startswith("transport._")]
        assert not private, "use transport or transport.internal"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_are_short_or_say_why(path):
    source = path.read_text()
    docstring = ast.get_docstring(ast.parse(source))
    assert docstring, "a module docstring says what the file is for"
    if source.count("\n") > 400:
        assert "Length:" in docstring, "over 400 lines: give the reason in the docstring ('Length: ...')"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_imports_are_lazy_and_nothing_prints(path):
    kernels = "_kernels" in path.parts or path.name in (
        "_dispatcher.py",
        "_overloads.py",
    )  # imported by kernels alone
    testing = "testing" in path.parts
    for name in _imports(path, top_level_only=True):
        heavy = next((lazy for lazy in LAZY if name == lazy or name.startswith(lazy + ".")), None)
        if heavy is None or (kernels and heavy in ("numba", "cupy", "cupyx")):
            continue
        allowed = testing and heavy == "hypothesis"
        assert allowed, f"import {heavy} inside the function that needs it"
    if path.name != "__main__.py":
        calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        assert not any(isinstance(c.func, ast.Name) and c.func.id == "print" for c in calls)


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_what_is_public(package):
    module = importlib.import_module(package)
    assert len(module.__all__) == len(set(module.__all__))
    for name in module.__all__:
        value = getattr(module, name)
        assert (getattr(value, "__doc__", None) or "").strip(), f"{package}.{name} has no docstring"
    public = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, type(sys)) and name != "annotations"
    }
    assert public <= set(module.__all__)


def test_import_is_light():
    code = (
        "import sys, time; s = time.process_time(); import numpy, scipy.sparse; t = time.process_time(); "
        "import transport, divergences; ours = time.process_time() - t; import json; "
        "print(json.dumps([ours / (t - s), sorted(set(sys.modules))]))"
    )
    best = 10.0
    for _ in range(3):
        out = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout
        ratio, modules = json.loads(out)
        best = min(best, ratio)
    loaded = set(modules)
    assert not loaded & {"numba", "cupy", "matplotlib", "scipy.stats", "rich", "torch", "hypothesis", "ot"}
    assert best < 2  # of NumPy's and SciPy's own import, in the same process: the machine may be busy


def test_the_project_stands_alone():
    needle = "/".join(["..", "shared"])
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT).stdout.split()
    for name in tracked:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".json", ""} and path.is_file():
            assert needle not in path.read_text(errors="ignore"), name


def test_one_version_everywhere():
    import tomllib

    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {importlib.import_module(package).__version__ for package in PACKAGES} == {version}
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text()
    for package in PACKAGES:
        said = subprocess.run(
            [sys.executable, "-m", package, "--version"], capture_output=True, text=True, cwd=ROOT
        )
        assert said.stdout == f"kantorovich {version}\n", said.stderr
