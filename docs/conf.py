"""Sphinx: `make docs` builds the site into build/site, warnings as errors."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).parent / "_ext")]

project = "kantorovich"
author = "the authors of kantorovich"
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
extensions = [
    "sphinx.ext.autodoc",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "mathml",
    "reference",
]
exclude_patterns = ["_ext"]
default_role = "py:obj"  # `Exact` in a docstring is a link
suppress_warnings = ["myst.xref_missing"]  # links out of docs/; tests/test_readme.py checks every link
nitpicky = False  # ... and `a`, an argument, is not an error

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
myst_dmath_double_inline = True

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say shapes and units, which `Any` does not
numpydoc_show_class_members = False  # autodoc lists them
numpydoc_class_members_toctree = False

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"kantorovich {version}"
html_static_path = ["_static"]
html_css_files = ["kantorovich.css"]
html_copy_source = html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5fbf", "color-brand-content": "#1f5fbf"},
    "dark_css_variables": {"color-brand-primary": "#7fa8e8", "color-brand-content": "#7fa8e8"},
}
