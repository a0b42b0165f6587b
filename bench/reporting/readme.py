"""What README and docs/bench.md say of the published results, made from them: never by hand."""

from __future__ import annotations

from pathlib import Path

from bench.report import RESULTS, table
from bench.reporting import data

ROOT = RESULTS.parent.parent
BEGIN, END = "<!-- results: python -m bench report --readme -->", "<!-- end of results -->"


def published() -> dict[str, data.Results]:
    """Name -> results, of bench/results."""
    return {path.parent.name: data.read(path.parent) for path in sorted(RESULTS.glob("*/results.jsonl"))}


def is_ours(row: data.Row) -> bool:
    """Whether a row is of one of our solvers."""
    return str(row["solver"]).startswith("kantorovich")


def sentence(found: dict[str, data.Results]) -> str:
    """For README: where a rival wins, what is wrong silently."""
    wins, wrong, right, ours = [], 0, 0, 0
    for name, results in found.items():
        lost, total = data.wins(results)
        if total:
            wins.append(f"`{name}` [{lost} of {total}](bench/results/{name}/report.md)")
        wrong += sum(row["verdict"] == "wrong silently" for row in results.rows if not is_ours(row))
        mine = [row["verdict"] == "right" for row in results.rows if is_ours(row)]
        right, ours = right + sum(mine), ours + len(mine)
    rivals = {str(row["solver"]) for results in found.values() for row in results.rows if not is_ours(row)}
    return (
        f"{len(rivals)} solvers of other libraries on small and hard problems, every answer certified "
        f"([docs/bench.md](docs/bench.md)): a rival is faster than the best of ours on {', '.join(wins)}; "
        f"{wrong} answers of others are silently wrong, {right} of our {ours} right."
    )


def overview(found: dict[str, data.Results]) -> str:
    """For docs/bench.md: a line a suite."""
    rows = []
    for name, results in found.items():
        lost, total = data.wins(results)
        mine = [row["verdict"] == "right" for row in results.rows if is_ours(row)]
        wrong = sum(row["verdict"] == "wrong silently" for row in results.rows if not is_ours(row))
        rows.append(
            [
                f"[{name}](../bench/results/{name}/report.md)", len(results.problems), len(results.solvers),
                len(results.rows), f"{sum(mine)} of {len(mine)}", wrong, f"{lost} of {total}",
            ]
        )  # fmt: skip
    header = (
        "suite",
        "problems",
        "solvers",
        "runs",
        "ours right",
        "others wrong silently",
        "a rival is faster",
    )
    return table(rows, header)


def filled(text: str, inside: str) -> str:
    """``text`` with what lies between the markers replaced."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the markers {BEGIN} and {END} are missing")
    return f"{before}{BEGIN}\n{inside}\n{END}{after}"


def pages() -> dict[Path, str]:
    """Both files as they should be."""
    found = published()
    made = {ROOT / "README.md": sentence(found), ROOT / "docs" / "bench.md": overview(found)}
    return {path: filled(path.read_text(), inside) for path, inside in made.items()}
