"""pytest plugin: which functions each test calls, how long it takes, whether it passes; or only some tests.

``MUTATION_RECORD=FILE`` writes a JSON line a test; ``MUTATION_TESTS=FILE`` runs the tests listed there, in
that order.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

ROOT = str(Path.cwd()) + os.sep
WATCHED = tuple(ROOT + package + os.sep for package in ("transport", "divergences"))
_seen: dict[Any, None] = {}


def _profile(frame: Any, event: str, _: Any) -> None:
    if event == "call":
        code = frame.f_code
        if code not in _seen:
            _seen[code] = None


def _names() -> list[str]:
    return sorted(
        {
            f"{code.co_filename[len(ROOT) :]}::{code.co_qualname.replace('.<locals>', '')}"
            for code in list(_seen)
            if code.co_filename.startswith(WATCHED)
        }
    )


if "MUTATION_RECORD" in os.environ:

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(item: Any) -> Any:
        _seen.clear()
        threading.setprofile(_profile)
        sys.setprofile(_profile)
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def pytest_runtest_logreport(report: Any) -> None:
        if report.when == "call" or report.outcome != "passed":
            line = {
                "test": report.nodeid,
                "passed": report.outcome == "passed",
                "seconds": report.duration,
                "functions": _names(),
            }
            with open(os.environ["MUTATION_RECORD"], "a") as file:
                file.write(json.dumps(line) + "\n")


if "MUTATION_TESTS" in os.environ:

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
        order = {
            name: k for k, name in enumerate(Path(os.environ["MUTATION_TESTS"]).read_text().splitlines())
        }
        items[:] = sorted((i for i in items if i.nodeid in order), key=lambda i: order[i.nodeid])
