"""``python -m divergences P Q``: every distance between two histograms or images, in one table."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from transport.internal import whole
from transport.internal._cli import Parser, Ticker, add_reading_options, guard, read_as, reading_options

_EXAMPLES = """examples:
  python -m divergences p.csv q.csv               two histograms on the same bins
  python -m divergences a.png b.png --json        two images of one size, masses on pixels
  python -m divergences demo --out demo-out       two real MNIST digits, with pictures
  python -m divergences hierarchy --out report    verify KL => TV <=> JS => W <=> weak, as a report
"""


def _parser() -> Parser:
    from argparse import RawDescriptionHelpFormatter

    parser = Parser(
        prog="python -m divergences",
        description="KL, JS, TV, Hellinger, chi2 and exact W1, W2 between two histograms or images.",
        epilog=_EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("p", metavar="P", help=".npy, .npz, .csv or image: masses on bins or pixels")
    parser.add_argument("q", metavar="Q", help="the same, same shape")
    add_reading_options(parser)
    parser.add_argument("--no-wasserstein", action="store_true", help="skip the transport distances")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    return parser


def _demo_parser() -> Parser:
    parser = Parser(prog="python -m divergences demo", description="Two real MNIST digits, end to end.")
    parser.add_argument("--out", metavar="DIR", default="demo-out", help="where the pictures go")
    parser.add_argument("--digits", metavar="A,B", default="3,5", help="which two digits (default 3,5)")
    return parser


def compare(p: np.ndarray, q: np.ndarray, *, wasserstein: bool = True) -> list[dict[str, Any]]:
    """Rows of the table: name, value, unit or remark, and bounds where there is a certificate."""
    import divergences as dv
    from transport.internal._measures import grid_measure

    if p.shape != q.shape:
        raise ValueError(
            f"P has shape {p.shape} and Q {q.shape}; histograms need the same bins (crop or resample one), "
            "and point sets go to: python -m transport P Q"
        )
    first, second = grid_measure(p), grid_measure(q)
    flat = [np.ravel(array) for array in (p, q)]
    entries: list[tuple[str, Callable[..., Any]]] = [
        ("KL(P||Q)", lambda a, b: dv.kl(a, b, normalize=True)),
        ("KL(Q||P)", lambda a, b: dv.kl(b, a, normalize=True)),
        ("JS", lambda a, b: dv.js(a, b, normalize=True)),
        ("TV", lambda a, b: dv.tv(a, b, normalize=True)),
        ("Hellinger", lambda a, b: dv.hellinger(a, b, normalize=True)),
        ("chi2(P||Q)", lambda a, b: dv.chi2(a, b, normalize=True)),
    ]
    rows: list[dict[str, Any]] = []
    for name, distance in entries:
        value = float(distance(*flat))
        remark = _REMARKS[name]
        if math.isinf(value):
            gone = "P has mass where Q has none" if "P||" in name else "Q has mass where P has none"
            remark = f"infinite: {gone}"
        rows.append({"name": name, "value": value, "remark": remark})
    return rows + (_transports(first, second, "unit: one bin") if wasserstein else [])


def _transports(first: Any, second: Any, unit: str) -> list[dict[str, Any]]:
    """W1 and W2, certified."""
    import transport as tp

    rows: list[dict[str, Any]] = []
    for order in (1, 2):
        ticker = Ticker(f"W{order}")
        try:
            solution = tp.solve(
                tp.PointCloud(first.points, second.points, "euclidean", power=order),
                first.weights,
                second.weights,
                callback=ticker,
            )
        finally:
            ticker.done()
        value, lower, upper = (
            max(v, 0.0) ** (1 / order) for v in (solution.value, solution.lower_bound, solution.upper_bound)
        )
        rows.append({"name": f"W{order}", "value": value, "lower": lower, "upper": upper, "remark": unit})
    return rows


_REMARKS = {
    "KL(P||Q)": "nats",
    "KL(Q||P)": "nats",
    "JS": "nats, at most 2 log 2 = 1.386",
    "TV": "at most 1",
    "Hellinger": "at most 1",
    "chi2(P||Q)": "",
}


def format_table(rows: list[dict[str, Any]]) -> str:
    """Plain text, one distance a line."""
    lines = []
    for row in rows:
        text = f"{row['name']:<11} {row['value']:<22.15g} "
        if "lower" in row:
            text += f"certified in [{row['lower']:.15g}, {row['upper']:.15g}]  "
        lines.append((text + row["remark"]).rstrip())
    return "\n".join(lines) + "\n"


def _to_json(rows: list[dict[str, Any]], words: list[str]) -> str:
    """Infinities as the string "inf": JSON has no number for them."""
    table: dict[str, Any] = {"read_as": words}
    for row in rows:
        values = {k: v for k, v in row.items() if k in ("value", "lower", "upper")}
        table[row["name"]] = {k: "inf" if math.isinf(v) else v for k, v in values.items()}
    return json.dumps(table)


def demo(argv: Sequence[str]) -> int:
    """Two real digits: table, certificate, pictures, what to try next."""
    args = _demo_parser().parse_args(argv)
    import transport as tp
    from transport.internal._measures import grid_measure
    from transport.internal._plot import draw_digits, pyplot

    pyplot()  # a missing library is said before the work
    try:
        wanted = [int(text) for text in args.digits.split(",")]
        (label_p, label_q) = wanted
    except ValueError:
        raise ValueError(f"--digits {args.digits!r}; give two digits, for example --digits 3,5") from None
    with np.load(Path(__file__).parent / "data" / "mnist10k.npz", allow_pickle=False) as archive:
        images, labels = archive["images"], archive["labels"]
    picked: list[np.ndarray] = []
    for label in wanted:
        if label not in range(10):
            raise ValueError(f"--digits {args.digits!r}; digits run from 0 to 9")
        order = np.flatnonzero(labels == label)
        picked.append(images[order[len(picked)]].astype(float))
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    names = [out / f"digit-{side}.npy" for side in ("p", "q")]
    for name, image in zip(names, picked):
        with whole(name) as file:
            np.save(file, image)
    print(f"Two real MNIST digits as measures on the 28 x 28 grid: P is a {label_p}, Q is a {label_q}.\n")
    print(format_table(compare(*picked)))
    first, second = (grid_measure(image) for image in picked)
    solution = tp.solve(
        tp.PointCloud(first.points, second.points, "sqeuclidean"), first.weights, second.weights
    )
    picture = out / "digits.png"
    title = f"W₂ = {math.sqrt(solution.value):.6f} pixels, certified to {solution.gap:.0e} of squared cost"
    draw_digits(first, second, solution, picture, title=title)
    print(f"The optimal plan moves {solution.plan.nnz} parcels of mass; its certificate says that no plan on")
    print(f"earth is cheaper by more than {solution.gap:.1e} (of {solution.value:.6g} squared pixels).")
    print(f"Picture: {picture}\n")
    python = os.path.relpath(sys.executable) if sys.prefix != sys.base_prefix else "python"
    print("Try next:")
    print(f"  {python} -m divergences demo --digits {label_q},{(label_q + 3) % 10}")
    print(f"  {python} -m transport {names[0]} {names[1]} --kind grid --p 1 --plot {out / 'w1.png'}")
    print(f"  {python} -m divergences hierarchy --out report")
    return 0


def main(argv: Sequence[str]) -> int:
    """Dispatch to the demo, the hierarchy report, or the table."""
    if argv and argv[0] == "demo":
        return demo(argv[1:])
    if argv and argv[0] == "hierarchy":
        from divergences.hierarchy._cli import main as hierarchy_main

        return hierarchy_main(argv[1:])
    args = _parser().parse_args(argv)
    words, rows = _of_files(args)
    text = (
        _to_json(rows, words) + "\n" if args.json else format_table(rows) + read_as((args.p, args.q), words)
    )
    sys.stdout.write(text)
    return 0


def _of_files(args: Any) -> tuple[list[str], list[dict[str, Any]]]:
    """What the two files were read as, and the rows of their table."""
    from transport.internal._files import load
    from transport.internal._measures import as_measure, decide, matched

    paths, options = (args.p, args.q), reading_options(args)
    contents = [load(path, **options) for path in paths]
    kinds = [decide(c, args.kind, only="grid") for c in contents]
    if args.kind == "auto" and "points" in kinds:
        found = as_measure(contents[kinds.index("points")], "points")
        raise ValueError(
            f"{paths[kinds.index('points')]} holds {found.reading}, not masses on common bins; points go to: "
            "python -m transport P Q (or here with --kind points; --kind grid if they are masses)"
        )
    first, second = matched(*(as_measure(c, kind) for c, kind in zip(contents, kinds)))
    words = [first.reading, second.reading]
    if args.kind == "points":
        if args.no_wasserstein:
            raise ValueError("--no-wasserstein leaves nothing for points: KL and its kin need common bins")
        return words, _transports(first, second, "unit: that of the points")
    return words, compare(first.values, second.values, wasserstein=not args.no_wasserstein)


def run() -> int:
    """The console script ``kantorovich-divergences``."""
    return guard(main, sys.argv[1:])


if __name__ == "__main__":
    raise SystemExit(run())
