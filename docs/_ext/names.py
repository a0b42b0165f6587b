"""Public names: the pages of the reference that list them, and their docstrings. No Sphinx."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from functools import cache
from pathlib import Path
from types import ModuleType

PAGES = Path(__file__).parent.parent / "reference"
PACKAGES = (
    "transport",
    "divergences",
    "divergences.testing",
    "divergences.hierarchy",
    "generative",
    "generative.losses",
    "generative.ops",
    "generative.datasets",
    "generative.variational",
)


def public(package: str) -> list[str]:
    """The public names of a package, without submodules that have entries of their own."""
    module = importlib.import_module(package)
    return [name for name in module.__all__ if f"{package}.{name}" not in PACKAGES]


def listed(text: str) -> dict[str, list[str]]:
    """{package: names} of the reference blocks of a page."""
    found: dict[str, list[str]] = {}
    for package, body in re.findall(r"^```\{reference\} ([\w.]+)\n(.*?)^```$", text, flags=re.M | re.S):
        found.setdefault(package, []).extend(body.replace(":rest:", "").split())
    return found


@cache
def remaining(package: str) -> tuple[str, ...]:
    """Public names that no page lists."""
    taken = {name for path in PAGES.glob("*.md") for name in listed(path.read_text()).get(package, [])}
    return tuple(sorted(set(public(package)) - taken, key=str.lower))


def documented(package: str) -> set[str]:
    """Public names that have an entry."""
    pages = [path.read_text() for path in PAGES.glob("*.md")]
    taken = {name for text in pages for name in listed(text).get(package, [])}
    rest = any(f"```{{reference}} {package}\n:rest:\n" in text for text in pages)
    return taken | set(remaining(package) if rest else ())


def describe(package: str, name: str) -> str:
    """The docstring of a public name; that of a constant stands below its assignment."""
    module = importlib.import_module(package)
    value = getattr(module, name)
    if isinstance(value, type) or inspect.isroutine(value):
        return inspect.getdoc(value) or ""
    if callable(value):  # an operation: the docstring of its module has a line for it
        found = re.search(rf"^{name}(\(.*?\): .*?)(?=^\S|\Z)", module.__doc__ or "", flags=re.M | re.S)
        return f"``{name}{found[1].replace('): ', ')``: ', 1)}" if found else ""
    return _below_assignment(module, name)


def _below_assignment(module: ModuleType, name: str) -> str:
    tree = ast.parse(Path(str(module.__file__)).read_text())
    for node, following in zip(tree.body, [*tree.body[1:], None]):
        if isinstance(node, ast.ImportFrom) and any(alias.name == name for alias in node.names):
            return _below_assignment(importlib.import_module(str(node.module)), name)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if name in {getattr(target, "id", None) for target in targets}:
            text = following.value.value if isinstance(following, ast.Expr) else ""
            return inspect.cleandoc(text)
    return ""
