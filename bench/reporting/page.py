"""The report: sections once, written as Markdown and as HTML."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from bench.report import table
from bench.reporting import data, svg
from bench.reporting.data import Results, number
from bench.score import TOLERANCE, VERDICTS

Table = tuple[Sequence[str], list[list[str]]]
WORDS = ("problem", "series", "solver", "claims", "verdict", "ours", "fastest other", "what it said")
EXACT = ("transport", "assignment")
SOFT = ("entropic", "unbalanced")
JUDGED = (
    "Every answer is scored by transport.certify on the problem as it was given: the plan's cost, marginals "
    "repaired or as it is, whichever is kinder, against the certified optimum; a claimed value as it is. "
    f"Right: within {TOLERANCE['exact']:g} of the optimum and of the marginals (entropic and unbalanced "
    f"problems {TOLERANCE['entropic']:g}, of the regularised objective). Silently: no exception, no warning, "
    "and a status that says converged, if there is one. Seconds: median of the repeats after a first call, "
    "conversion and compilation not counted; each solver in a process of its own, repeats in turns."
)
PROFILES = (("exact problems", EXACT), ("entropic and unbalanced problems", SOFT))
PROFILED = (
    "Share of its problems that a solver answers rightly within a factor of the time of the fastest right "
    "answer (Dolan and Moré 2002); problems with fewer than two right answers are left out."
)
STYLE = (Path(__file__).parent / "style.css").read_text()


def correctness(results: Results) -> Table:
    """Verdicts of each solver."""
    rows = [
        [name, claim, str(sum(found.values())), *(str(found[v] or "") for v in VERDICTS)]
        for name, claim, found in data.counts(results)
    ]
    return ("solver", "claims", "problems", *VERDICTS), rows


def failures(results: Results) -> Table:
    """Every answer that is not right, one by one."""
    rows = []
    graveness = {verdict: k for k, verdict in enumerate(VERDICTS)}
    for row in sorted(results.rows, key=lambda r: (graveness[r["verdict"]], r["solver"], r["problem"])):
        if row["verdict"] != "right":
            why = "; ".join(
                [*row.get("warnings", [])[:1], row.get("reason", ""), row.get("detail", "")]
            ).strip("; ")
            off = "" if "gap" not in row else f"{row['gap']:.0e}"
            error = "" if "marginal_error" not in row else f"{row['marginal_error']:.0e}"
            rows.append([row["solver"], row["problem"], row["verdict"], off, error, why[:90]])
    return ("solver", "problem", "verdict", "gap", "marginal error", "what it said"), rows


def speed(results: Results) -> Table:
    """The best of ours against the best of the others."""
    rows = [
        [name, mine, number(own), rival, number(theirs), number(theirs / own)]
        for name, mine, own, rival, theirs in data.fastest(results)
    ]
    return ("problem", "ours", "s", "fastest other", "s", "times faster"), rows


def profile(results: Results, kinds: tuple[str, ...]) -> Table:
    """The profiles in numbers."""
    within = (1.0, 2.0, 10.0, 100.0, math.inf)
    rows, tried = [], data.compared(results, kinds)[0]
    for name, steps in _ours_first(data.profiles(results, kinds)).items():
        shares = [max((share for ratio, share in steps if ratio <= w), default=0.0) for w in within]
        rows.append([name, str(len(tried[name])), *(f"{100 * share:.0f} %" for share in shares)])
    return (
        "solver",
        "problems",
        "fastest",
        "within 2 x",
        "within 10 x",
        "within 100 x",
        "right at all",
    ), rows


def growth(results: Results) -> Table:
    """Exponents of time and memory."""
    times, memory = data.series(results, "seconds"), data.series(results, "added_mb")
    rows = []
    for name, lines in times.items():
        for solver, line in lines.items():
            if (slope := data.exponent(line)) is not None:
                mb = data.exponent([p for p in memory.get(name, {}).get(solver, []) if p[1] > data.BASE_MB])
                sizes = f"{line[0][0]}–{line[-1][0]}"
                rows.append([name, solver, sizes, f"{slope:.2f}", number(mb), number(line[-1][1])])
    return ("series", "solver", "n", "time ~ n^", "memory ~ n^", "s at the largest"), rows


def measurements(results: Results) -> Table:
    """Every row."""
    rows = []
    for row in results.rows:
        cells = [row["problem"], f"{row['n']} x {row['m']}", row["solver"], row["verdict"]]
        cells += [number(row.get(key)) for key in ("seconds", "spread", "compile", "prepare", "peak_mb")]
        rows.append([*cells, "" if "gap" not in row else f"{row['gap']:.0e}"])
    header = (
        "problem",
        "size",
        "solver",
        "verdict",
        "s",
        "spread",
        "first call adds s",
        "import, convert s",
        "peak MB",
        "gap",
    )
    return header, rows


def sections(results: Results) -> list[tuple[str, str, Table]]:
    """(title, text, table)."""
    lost, total = data.wins(results)
    profiles = [
        (f"Profiles of {title}, in numbers", PROFILED, profile(results, kinds)) for title, kinds in PROFILES
    ]
    return [
        ("What is right", JUDGED, correctness(results)),
        (
            "What is not, one by one",
            "gap: relative; marginal error: in units of the total mass.",
            failures(results),
        ),
        *[section for section in profiles if section[2][1]],
        (
            "Fastest of ours, fastest of the others",
            f"A rival is faster on {lost} of {total}.",
            speed(results),
        ),
        ("Growth", "Exponents fitted to right answers at three sizes or more.", growth(results)),
        ("All measurements", "spread: (largest - least) / median.", measurements(results)),
    ]


def _intro(results: Results) -> str:
    lost, total = data.wins(results)
    wrong = sum(row["verdict"] == "wrong silently" for row in results.rows)
    return (
        f"{len(results.rows)} runs of {len(results.solvers)} solvers on {len(results.problems)} problems; "
        f"{wrong} silently wrong answers. On {total} problems with a right answer of both kinds a rival was "
        f"faster than kantorovich on {lost}."
    )


def _commands(results: Results) -> list[str]:
    return list(dict.fromkeys(head["command"] for head in results.heads if "command" in head))


def _machine(results: Results) -> dict[str, Any]:
    return results.heads[-1]["machine"] | {"limits": results.heads[-1].get("limits")} if results.heads else {}


def markdown(results: Results) -> str:
    """The whole report as Markdown."""
    parts = ["# Benchmark of optimal-transport solvers", _intro(results)]
    parts.append("```\n" + "\n".join(_commands(results)) + "\n```")
    for title, text, (header, rows) in sections(results):
        parts += [f"## {title}", text, table(rows, header) if rows else "None."]
    if results.absent:
        parts.append("## Left out\n\n" + "\n".join(f"- {k}: {v}" for k, v in results.absent.items()))
    parts.append(f"```json\n{json.dumps(_machine(results), ensure_ascii=False)}\n```")
    return "\n\n".join(parts) + "\n"


def _html_table(made: Table) -> str:
    header, rows = made
    if not rows:
        return "<p>None.</p>"
    words = [" left" if title in WORDS else "" for title in header]
    head = "".join(f'<th class="{side}">{escape(cell)}</th>' for cell, side in zip(header, words))
    body = []
    for row in rows:
        cells = []
        for title, cell, side in zip(header, row, words):
            bad = (cell not in ("", "0") and title.startswith("wrong")) or cell == "wrong silently"
            mark = "bad" if bad else "good" if cell == "right" else ""
            cells.append(f'<td class="{mark}{side}">{escape(cell)}</td>')
        body.append(f"<tr>{''.join(cells)}</tr>")
    inside = f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody>"
    return f'<div class="scroll"><table>{inside}</table></div>'


def charts(results: Results) -> str:
    """Profiles, then time and memory of each series."""
    made = []
    for title, kinds in PROFILES:
        if lines := _ours_first(data.profiles(results, kinds)):
            made.append(_figure(title, svg.chart(lines, ("times the fastest", "share solved"), steps=True)))
    parts = [f"<h2>Profiles</h2><p>{PROFILED}</p>{_grid(made)}"]
    made = []
    memory = data.series(results, "added_mb")
    for name, found in data.series(results, "seconds").items():
        lines = _ours_first(found)
        made.append(_figure(f"{name}: time", svg.chart(lines, ("n", "seconds"), notes=_slopes(lines))))
        mb = {s: memory.get(name, {}).get(s, []) for s in lines}
        large = {s: [point for point in line if point[1] > data.BASE_MB] for s, line in mb.items()}
        made.append(_figure(f"{name}: memory", svg.chart(mb, ("n", "MB added"), notes=_slopes(large))))
    if made:
        parts.append(f"<h2>Time and memory against size</h2>{_grid(made)}")
    return "".join(parts)


def _slopes(lines: dict[str, Any]) -> dict[str, str]:
    return {s: f"n^{e:.1f}" for s, line in lines.items() if (e := data.exponent(line)) is not None}


def _figure(title: str, picture: str) -> str:
    return f"<div><h3>{escape(title)}</h3>{picture}</div>"


def _grid(figures: list[str]) -> str:
    return f'<div class="grids">{"".join(figures)}</div>'


def _ours_first(lines: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(lines.items(), key=lambda item: (not item[0].startswith("kantorovich"), item[0])))


def html(results: Results) -> str:
    """The whole report as one page, nothing loaded from elsewhere."""
    body = [f"<h1>Benchmark of optimal-transport solvers</h1><p>{escape(_intro(results))}</p>"]
    body.append("<pre>" + escape("\n".join(_commands(results))) + "</pre>")
    made = sections(results)
    for k, (title, text, rows) in enumerate(made):
        if k == 2:
            body.append(charts(results))
        body.append(f"<h2>{escape(title)}</h2><p>{escape(text)}</p>{_html_table(rows)}")
    if results.absent:
        items = "".join(f"<li>{escape(k)}: {escape(v)}</li>" for k, v in results.absent.items())
        body.append(f"<h2>Left out</h2><ul>{items}</ul>")
    body.append(
        f"<h2>Machine</h2><pre>{escape(json.dumps(_machine(results), indent=1, ensure_ascii=False))}</pre>"
    )
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Benchmark of optimal-transport solvers</title><style>{STYLE}</style>"
    )
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n'
