"""The report as Markdown and HTML with pictures, readable by someone who never saw the source."""

from __future__ import annotations

import base64
import html
import math
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from divergences.hierarchy._bound import Verdict
from divergences.hierarchy._classify import Classification, Kind
from divergences.hierarchy._figures import LABELS, joint_ranges, sequence_panels
from divergences.hierarchy._sequences import SEQUENCES
from divergences.hierarchy._stages import STAGES
from divergences.hierarchy._table import BOUNDS
from divergences.hierarchy._verify import Report
from transport.internal import whole

_PARTS = {
    "1": "(1) TV → 0 ⇔ JS → 0",
    "2": "(2) W → 0 ⇔ weak convergence",
    "3": "(3) KL → 0 or reverse KL → 0 ⇒ (1)",
    "4": "(4) (1) ⇒ (2)",
}
_TONE = {Kind.ZERO: "zero", Kind.AWAY: "away", Kind.INFINITE: "infinite", Kind.INCONCLUSIVE: "unsure"}


@dataclass(frozen=True)
class _Heading:
    text: str
    level: int = 2


@dataclass(frozen=True)
class _Text:
    text: str


@dataclass(frozen=True)
class _Table:
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    tones: list[tuple[str, ...]] | None = None  # a CSS class for each cell


@dataclass(frozen=True)
class _Picture:
    file: str
    caption: str
    png: bytes


_Block = _Heading | _Text | _Table | _Picture


def write_report(report: Report, out_dir: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` (self-contained), ``report.md`` and its pictures into a folder.

    Parameters
    ----------
    report : Report
    out_dir : path
        Created if missing.

    Returns
    -------
    Path
        Of the HTML page.

    Raises
    ------
    ImportError
        Without matplotlib (``pip install 'kantorovich[plot]'``).

    Examples
    --------
    >>> from divergences.hierarchy import verify
    >>> write_report(verify(), "report").name          # doctest: +SKIP
    'report.html'
    """
    out = Path(out_dir)
    blocks = list(_content(report))
    out.mkdir(parents=True, exist_ok=True)
    for block in blocks:
        if isinstance(block, _Picture):
            with whole(out / block.file) as file:
                file.write_bytes(block.png)
    with whole(out / "report.md") as file:
        file.write_text("\n\n".join(map(_markdown, blocks)) + "\n", encoding="utf-8")
    page = out / "report.html"
    body = "\n".join(map(_html, blocks))
    with whole(page) as file:
        file.write_text(_PAGE.replace("{body}", body), encoding="utf-8")
    return page


def _content(report: Report) -> Iterator[_Block]:
    yield _Heading("The convergence hierarchy of KL, JS, TV and Wasserstein, put to the test", 1)
    verdict = "passed" if report.passed else "failed"
    yield _Text(
        f"**Verdict: {verdict}.** Distances under test: {report.subject}. Profile {report.profile}, "
        f"seed {report.seed}, {report.elapsed:.0f} seconds."
    )
    yield from _what_is_claimed(report)
    yield from _bounds(report)
    yield from _sequences(report)
    yield from _distances(report)
    yield from _mutants(report)


def _what_is_claimed(report: Report) -> Iterator[_Block]:
    yield _Heading("What is claimed")
    yield _Text(
        "How far apart are two probability laws P and Q? The Kullback–Leibler divergence KL, the "
        "Jensen–Shannon divergence JS (here KL(P‖M) + KL(Q‖M) with M the average, at most 2 log 2 = 1.386), "
        "the total variation TV (largest difference of probabilities, at most 1) and the Wasserstein "
        "distance W (least mean distance mass must travel) answer differently. A theorem of Arjovsky, "
        "Chintala and Bottou (2017) ranks them on compact spaces: convergence in KL forces convergence in "
        "TV and JS, which are equivalent, and that forces convergence in W, which is the same as weak "
        "convergence. No arrow turns back. The table states each claim and what was seen."
    )
    rows: list[tuple[str, ...]] = []
    tones: list[tuple[str, ...]] = []
    for c in report.claims:
        rows.append((c.part, c.statement, "as claimed" if c.passed else "BROKEN", c.evidence))
        tones.append(("", "", "good" if c.passed else "bad", ""))
    yield _Table(("part", "claim", "outcome", "evidence"), rows, tones)
    yield _Text(
        "A finite computation proves no limit. So three things are done instead: the inequalities behind "
        "each part are checked, with their constants, in rational arithmetic; rates are fitted on sequences "
        "whose exact behaviour is known; and the same checks are run on wrong code, which must fail."
    )


def _bounds(report: Report) -> Iterator[_Block]:
    yield _Heading("The inequalities")
    checks: Counter[Verdict] = sum(report.proved.values(), Counter())
    yield _Text(
        f"{len(BOUNDS)} inequalities, each tried on random pairs of laws with rational masses and "
        f"distances: {sum(checks.values())} checks, {checks[Verdict.HOLDS]} proved to hold, "
        f"{checks[Verdict.VIOLATED]} violated, {checks[Verdict.INCONCLUSIVE]} undecided (both sides equal "
        "to over 25 digits: the pair is extremal). Both sides are enclosed between fractions, so rounding "
        "cannot decide. Then a search pushes the smaller side against the larger: the ratio must never "
        "exceed 1 and must come within 10⁻⁴ of it, or the constant would not be the best one."
    )
    yield _Picture(
        "joint-ranges.png",
        "Each dot is a pair of laws. No dot may cross a curve; where dots reach a curve, it is sharp.",
        joint_ranges(report.searched),
    )
    by_name = {found.bound: found for found in report.searched}
    for part, title in _PARTS.items():
        rows: list[tuple[str, ...]] = []
        tones: list[tuple[str, ...]] = []
        for bound in BOUNDS.values():
            if bound.part != part:
                continue
            found, counts = by_name[bound.name], report.proved[bound.name]
            seen = f"{counts[Verdict.HOLDS]} / {counts[Verdict.VIOLATED]} / {counts[Verdict.INCONCLUSIVE]}"
            reached = f"{math.floor(found.ratio_lower * 1e6) / 1e6:.6f}"
            rows.append((bound.statement, seen, reached, bound.constant, bound.source))
            clean = not counts[Verdict.VIOLATED]
            tones.append(("", "good" if clean else "bad", "good" if found.passed else "bad", "", ""))
        yield _Heading(title, 3)
        header = ("inequality", "holds / violated / undecided", "largest ratio", "why it is sharp", "source")
        yield _Table(header, rows, tones)
    yield _Text(
        "Symbols: H² squared Hellinger distance, Δ triangular discrimination, χ² chi-square divergence, "
        "D diameter and δ smallest distance of the space, W₂ the quadratic Wasserstein distance, π "
        "Prokhorov's and β the bounded-Lipschitz distance (both describe weak convergence), K "
        "Kolmogorov's distance. Largest ratio: smaller side divided by larger side, rounded down."
    )


def _sequences(report: Report) -> Iterator[_Block]:
    yield _Heading("The truth table")
    yield _Text(
        "Sequences of laws Pₙ approaching a law P (or refusing to). Each cell says what a distance does as n "
        "grows, as measured on the distances under test: a rate and a constant where there is one. Green: "
        "goes to 0. Amber: stays away from 0. Red: infinite, or grows without bound. A bold **≠** marks a "
        "cell that disagrees with the known answer (rates to 0.02, constants to 1 %). Prokhorov's π and the "
        "bounded-Lipschitz β say whether Pₙ converges weakly; they are computed on laws cut into finitely "
        "many atoms, so their constants may be a few per cent off, their verdicts not."
    )
    rows: list[tuple[str, ...]] = []
    tones: list[tuple[str, ...]] = []
    weak = {"prokhorov": "π", "bounded_lipschitz": "β"}
    for name, found in report.table.items():
        sequence = SEQUENCES[name]
        row = [name, sequence.statement]
        tone = ["", ""]
        for functional in LABELS:
            text, colour = _cell(found.get(functional), sequence.expected.get(functional))
            if functional not in found and functional in sequence.closed:
                text, colour = "∞ (closed form)", "infinite"
            row.append(text)
            tone.append(colour)
        for functional in weak:
            text, colour = _cell(report.weak.get(name, {}).get(functional), None)
            row.append(text or "–")
            tone.append(colour)
        rows.append((*row, sequence.shows))
        tones.append((*tone, ""))
    header = ("", "Pₙ → P", *LABELS.values(), *weak.values(), "what it shows")
    yield _Table(header, rows, tones)
    yield _Picture(
        "sequences.png",
        "The same on logarithmic axes: straight lines are powers of n, level lines stay away from 0.",
        sequence_panels(report.table),
    )
    noticed, total = report.row_swaps
    yield _Text(
        f"Would a wrong table be noticed? The expected rows of every two sequences were exchanged: {noticed} "
        f"of {total} exchanges changed the verdict."
    )


def _cell(found: Classification | None, expected: object) -> tuple[str, str]:
    if found is None:
        return "", ""
    text, tone = str(found.limit), _TONE[found.limit.kind]
    if expected is not None and not found.limit.agrees(expected):  # type: ignore[arg-type]
        return f"**≠** {text} (expected {expected})", "bad"
    return text, tone


def _distances(report: Report) -> Iterator[_Block]:
    yield _Heading("The distances under test")
    yield _Text(
        f"{report.subject[:1].upper()}{report.subject[1:]}, through seven stages. A, B and F are the "
        "hierarchy itself; the others are there because the hierarchy alone cannot tell W from, say, D · TV."
    )
    rows: list[tuple[str, ...]] = []
    tones: list[tuple[str, ...]] = []
    for stage, meaning in STAGES.items():
        found = report.failures[stage]
        example = str(found[0]) if found else ""
        rows.append((stage, meaning, f"{len(found)} broken" if found else "passed", example))
        tones.append(("", "", "bad" if found else "good", ""))
    yield _Table(("stage", "demand", "outcome", "first failure"), rows, tones)


def _mutants(report: Report) -> Iterator[_Block]:
    yield _Heading("Wrong code must fail")
    survivors = [f"{kill.functional.upper()} := {kill.name}" for kill in report.kills if not kill.core]
    yield _Text(
        f"{len(report.kills)} wrong sets of distances went through the same stages; "
        f"{sum(kill.killed for kill in report.kills)} were killed (mutation score "
        f"{report.mutation_score:.0%}). The column 'theorem only' uses nothing but inequalities among "
        f"KL, JS, TV and W: it lets {len(survivors)} live ({'; '.join(survivors)}). W := D · TV satisfies "
        "every one of them; only the further stages tell it from W."
    )
    rows: list[tuple[str, ...]] = []
    tones: list[tuple[str, ...]] = []
    for kill in report.kills:
        marks = ["●" if stage in kill.stages else "" for stage in STAGES]
        what = "labels" if kill.functional == "labels" else kill.functional.upper()
        rows.append((what, kill.name, "●" if kill.core else "", *marks, kill.example))
        tones.append(("", "", *("mark" if mark else "" for mark in rows[-1][2:-1]), ""))
        if not kill.killed:
            tones[-1] = ("bad",) * len(rows[-1])
    yield _Table(("distance", "replaced by", "theorem only", *STAGES, "first to notice"), rows, tones)


def _markdown(block: _Block) -> str:
    if isinstance(block, _Heading):
        return f"{'#' * block.level} {block.text}"
    if isinstance(block, _Text):
        return block.text
    if isinstance(block, _Picture):
        return f"![{block.caption}]({block.file})\n\n*{block.caption}*"
    lines = [block.header, tuple("---" for _ in block.header), *block.rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _rich(text: str) -> str:
    parts = html.escape(text).split("**")
    return "".join(f"<b>{part}</b>" if i % 2 else part for i, part in enumerate(parts))


def _html(block: _Block) -> str:
    if isinstance(block, _Heading):
        return f"<h{block.level}>{_rich(block.text)}</h{block.level}>"
    if isinstance(block, _Text):
        return f"<p>{_rich(block.text)}</p>"
    if isinstance(block, _Picture):
        data = base64.b64encode(block.png).decode()
        caption = html.escape(block.caption)
        image = f'<img alt="{caption}" src="data:image/png;base64,{data}">'
        return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"
    head = "".join(f"<th>{_rich(cell)}</th>" for cell in block.header)
    tones = block.tones or [("",) * len(block.header)] * len(block.rows)
    body = "".join(
        "<tr>" + "".join(f'<td class="{t}">{_rich(cell)}</td>' for cell, t in zip(row, tone)) + "</tr>"
        for row, tone in zip(block.rows, tones)
    )
    return f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>The convergence hierarchy, put to the test</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body{font:16px/1.5 system-ui,sans-serif;color:#1f2933;margin:2rem auto;max-width:1180px;padding:0 1rem}
h1{font-size:1.7rem;line-height:1.25}h2{margin-top:2.4rem;border-bottom:1px solid #d9e2ec}
h3{margin-bottom:.4rem}p{max-width:80ch}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px;margin:.6rem 0}
th,td{padding:.28rem .55rem;border-bottom:1px solid #e4e9ef;text-align:left;vertical-align:top}
th{background:#f0f4f8;position:sticky;top:0}tr:hover td{background:#f7fafc}
td.good,td.zero{background:#e3f4e8}td.away{background:#fdf1d3}td.infinite{background:#fbe0de}
td.unsure{background:#e8e8ee}td.bad{background:#c0392b;color:#fff}td.mark{color:#1b6ca8;text-align:center}
figure{margin:1rem 0}img{max-width:100%;height:auto}figcaption{color:#52606d;font-size:14px}
</style></head><body>
{body}
</body></html>
"""
