"""The version, once: `pyproject.toml` and `CITATION.cff` are tested against it."""

VERSION = "0.1.0"
