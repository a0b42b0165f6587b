"""Tables on screen and in ``bench/results``: with machine, versions and date, or they mean nothing."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cpu = next(
        (
            line.split(":")[1].strip()
            for line in _lines(Path("/proc/cpuinfo"))
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    versions = {}
    for name in ("numpy", "scipy", "numba", "POT", "lapjv", "torch", "cupy-cuda12x", "cupy-cuda13x"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": versions,
    }


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def table(rows: Sequence[Sequence[Any]], header: Sequence[str]) -> str:
    """A Markdown table with aligned columns."""
    cells = [[str(c) for c in row] for row in (header, *rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(header))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def save(name: str, rows: Sequence[Sequence[Any]], header: Sequence[str], *, note: str = "") -> Path:
    """Write ``bench/results/<name>.md``: the table, the machine, the command's note."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.md"
    facts = json.dumps(machine(), ensure_ascii=False)
    path.write_text(f"# {name}\n\n{note}\n\n{table(rows, header)}\n\n```json\n{facts}\n```\n")
    return path
