"""Entries of the API reference, from `__all__` and the docstrings.

A page lists names by theme:

    ```{reference} transport
    solve plan certify
    ```

and one page of each package ends with the names that no page lists, so that none can be left out:

    ```{reference} transport
    :rest:
    ```
"""

from __future__ import annotations

import enum
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

from docutils.parsers.rst import directives
from names import describe, public, remaining
from sphinx.util.docutils import SphinxDirective


class Reference(SphinxDirective):
    """Summary table and entries."""

    required_arguments = 1
    has_content = True
    option_spec = {"rest": directives.flag}

    def run(self) -> list[Any]:
        """Nodes of the entries."""
        package = self.arguments[0]
        names = " ".join(self.content).split()
        unknown = set(names) - set(public(package))
        if unknown:
            raise self.error(f"{package} has no public name {', '.join(sorted(unknown))}")
        if "rest" in self.options:
            names = list(remaining(package))
        if not names:
            return []
        rows = [
            f"   * - :py:obj:`{name} <{package}.{name}>`\n     - {_summary(package, name)}" for name in names
        ]
        text = (
            f".. currentmodule:: {package}\n\n.. list-table::\n   :class: summary\n   :widths: 30 70\n\n"
            + "\n".join(rows)
            + "\n\n"
            + "\n".join(_entry(package, name) for name in names)
        )
        return self.parse_text_to_nodes(f"`````{{eval-rst}}\n{text}\n`````\n")


def _summary(package: str, name: str) -> str:
    paragraph = describe(package, name).split("\n\n")[0]
    return " ".join(escaped(paragraph).split())


def _entry(package: str, name: str) -> str:
    full = f"{package}.{name}"
    value = getattr(importlib.import_module(package), name)
    if inspect.isroutine(value):
        return f".. autofunction:: {full}\n"
    if isinstance(value, type):
        return f".. autoclass:: {full}\n" + ("   :undoc-members:\n" if issubclass(value, enum.Enum) else "")
    text = escaped(describe(package, name)).replace("\n", "\n   ")
    kind = "py:function" if callable(value) else "py:data"
    arguments = "(x, ...)" if callable(value) else ""
    return f".. {kind}:: {full}{arguments}\n\n   {text}\n"


_KEPT = re.compile(r"(``.+?``|:[\w:]+:`.+?`|`[^`]+`|^ *>>>.*?(?:\n\s*\n|\Z))", re.M | re.S)


def escaped(text: str) -> str:
    """Docstrings write |x - y|, *args and name_ as they stand; reStructuredText wants them marked."""
    parts = _KEPT.split(text)
    for k, part in enumerate(parts[::2]):
        marked = re.sub(r"(?<!\\)(\||\*(?!\s))", r"\\\1", part)  # "* " starts a list
        parts[2 * k] = re.sub(r"(?<=\w)_(?!\w)", r"\\_", marked)
    return "".join(parts)


def _escape_docstring(
    _app: Any, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]
) -> None:
    lines[:] = escaped("\n".join(lines)).split("\n")


def _optional_entries(app: Any, name: str, source: list[str]) -> None:
    """``page?`` in a table of contents: only if it is there; ``others?``: pages that no table names."""
    there = {path.stem for path in Path(app.srcdir).glob("*.md")}
    if name == "index":
        others = sorted(there - set(re.findall(r"^([\w-]+)\??$", source[0], flags=re.M)) - {"index"})
        source[0] = source[0].replace("others?\n", "".join(f"{page}\n" for page in others))
    kept = lambda entry: f"{entry[1]}\n" if entry[1] in there else ""  # noqa: E731
    source[0] = re.sub(r"^([\w-]+)\?\n", kept, source[0], flags=re.M)


def setup(app: Any) -> dict[str, Any]:
    """Register the directive, and the escaping before numpydoc reads."""
    app.add_directive("reference", Reference)
    app.connect("autodoc-process-docstring", _escape_docstring, priority=100)
    app.connect("source-read", _optional_entries)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
