"""Tables on screen and in ``bench/results``: with machine, versions and date, or they mean nothing."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import importlib.util
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
    for name in (
        "kantorovich",
        "numpy",
        "scipy",
        "numba",
        "POT",
        "lapjv",
        "torch",
        "cupy-cuda12x",
        "cupy-cuda13x",
    ):
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


def arguments(text: str | None, *, needs: Sequence[str] = ("ot",)) -> argparse.ArgumentParser:
    """A parser with --out and --publish; `save` writes only where one of them says so."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the table to this folder")
    parser.add_argument(
        "--publish", action="store_true", help="write it to bench/results, which the docs quote"
    )
    parser.set_defaults(needs=needs)
    return parser


def parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse, and end with one line if a library is missing."""
    options = parser.parse_args(argv)
    packages = {"ot": "POT"}
    for module in options.needs:
        if importlib.util.find_spec(module) is None:
            package = packages.get(module, module)
            raise SystemExit(f"{parser.prog} needs {package}: pip install {package}")
    return options


def save(
    name: str, rows: Sequence[Sequence[Any]], header: Sequence[str], *, to: argparse.Namespace, note: str = ""
) -> Path | None:
    """Write ``<name>.md``: table, machine, the command's note; where ``--out`` or ``--publish`` says."""
    folder = RESULTS if to.publish else to.out
    if folder is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.md"
    facts = json.dumps(machine(), ensure_ascii=False)
    path.write_text(f"# {name}\n\n{note}\n\n{table(rows, header)}\n\n```json\n{facts}\n```\n")
    return path
