"""Every Python example in the README and the docs runs and prints what it says."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def _blocks(path: Path) -> list[str]:
    blocks = [block.split("```", 1)[0] for block in path.read_text().split("```python\n")[1:]]
    return [block for block in blocks if ">>>" in block]


PAGES = [path for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if _blocks(path)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_examples_print_what_they_say(path):
    parser = doctest.DocTestParser()
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    runner = doctest.DocTestRunner(optionflags=flags)
    names: dict[str, object] = {}
    for k, block in enumerate(_blocks(path)):
        test = parser.get_doctest(block, names, f"{path.name} block {k}", path.name, 0)
        runner.run(test, clear_globs=False)
        names = test.globs
    assert runner.failures == 0
    assert runner.tries > 5


def test_the_pages_with_examples_are_found():
    assert {"README.md", "which-call.md"} <= {path.name for path in PAGES}
