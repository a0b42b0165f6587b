"""Every Python block of README and docs runs and prints what it says; every public name has an entry."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS / "_ext"))
_FENCE = re.compile(r"^```python[ ]*([\w-]*)\n(.*?)^```", re.M | re.S)
ELSEWHERE = {"torch", "jax", "torch-cost", "long"}  # test_gradient.py runs the first two


def _blocks(path: Path) -> list[str]:
    """What stands in ```python fences, but those that other tests run, or that take minutes."""
    return [body for word, body in _FENCE.findall(path.read_text()) if word not in ELSEWHERE]


PAGES = [path for path in [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))] if _blocks(path)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_examples_print_what_they_say(path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    parser = doctest.DocTestParser()
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    runner = doctest.DocTestRunner(optionflags=flags)
    names: dict[str, object] = {}
    for k, block in enumerate(_blocks(path)):
        if ">>>" not in block:
            exec(compile(block, f"{path.name} block {k}", "exec"), names)
            continue
        test = parser.get_doctest(block, names, f"{path.name} block {k}", path.name, 0)
        runner.run(test, clear_globs=False)
        names = test.globs
    assert runner.failures == 0
    assert runner.tries > 0


def test_the_calls_of_the_table_run_after_the_first_block():
    page = (DOCS / "which-call.md").read_text()
    names: dict[str, object] = {}
    for example in doctest.DocTestParser().get_examples(_blocks(DOCS / "which-call.md")[0]):
        exec(example.source, names)
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    calls = [call for row in rows for call in re.findall(r"`((?:dv|tp|sol)\.[^`]+\))`", row)]
    assert len(calls) > 20
    for call in calls:
        assert eval(call, names) is not None, call


def test_what_does_not_run_here_is_python():
    for path in [ROOT / "README.md", *DOCS.rglob("*.md")]:
        for word, body in _FENCE.findall(path.read_text()):
            assert not word or word in ELSEWHERE, f"{path.name}: ```python {word}"
            if ">>>" not in body:
                compile(body, path.name, "exec")


def test_every_page_has_an_example():
    for path in DOCS.rglob("*.md"):
        text = path.read_text()
        shown = _blocks(path) or "{reference}" in text or ".py" in text or "\npython -m " in text
        assert shown, f"{path.name} has no example"


def test_links_between_pages_lead_somewhere():
    for path in [ROOT / "README.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:\s]+?)(?:#[^)]*)?\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_every_public_name_has_an_entry():
    from names import PACKAGES, documented, public

    for package in PACKAGES:
        assert set(public(package)) <= documented(package), package


def _functions() -> list[tuple[str, str]]:
    from names import PACKAGES, public

    return [
        (package, name)
        for package in PACKAGES
        if package != "generative.ops"  # the array API's, one line each
        for name in public(package)
        if inspect.isfunction(getattr(importlib.import_module(package), name))
    ]


@pytest.mark.parametrize(("package", "name"), _functions())
def test_functions_show_an_example_and_their_errors(package, name):
    """By the docstring of the function, or of the one that its docstring refers to."""
    from names import describe

    text = describe(package, name)
    referred = [describe(package, other) for other in re.findall(r"`(\w+)`", text) if _known(package, other)]
    assert any(">>>" in each for each in [text, *referred]), f"{package}.{name} has no example"
    if "Parameters\n" in text and not any("Raises\n" in each for each in [text, *referred]):
        assert package not in ("transport", "divergences"), f"{package}.{name} says nothing about its errors"


def _known(package: str, name: str) -> bool:
    return hasattr(importlib.import_module(package), name)
