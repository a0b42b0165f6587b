"""Every Python example in the README runs and prints what it says."""

from __future__ import annotations

import doctest
from pathlib import Path


def test_readme_examples():
    text = (Path(__file__).parent.parent / "README.md").read_text()
    parser = doctest.DocTestParser()
    blocks = [block.split("```", 1)[0] for block in text.split("```python\n")[1:]]
    blocks = [block for block in blocks if ">>>" in block]
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    runner = doctest.DocTestRunner(optionflags=flags)
    names: dict[str, object] = {}
    assert blocks
    for k, block in enumerate(blocks):
        test = parser.get_doctest(block, names, f"README block {k}", "README.md", 0)
        runner.run(test, clear_globs=False)
        names = test.globs
    assert runner.failures == 0
    assert runner.tries > 5
