"""``python -m transport pairwise FOLDER|FILE --out D.npy``: all distances between many measures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

import transport as tp
from transport.internal._cli import Parser, Ticker
from transport.internal._measures import grid_measure, load_measure
from transport.internal._plot import pyplot
from transport.internal._whole import whole

_STACK = 3  # axes of an array that holds many measures


def _parser() -> Parser:
    parser = Parser(
        prog="python -m transport pairwise",
        description="W_p between all pairs of many measures, exact and certified; run it again to go on.",
    )
    parser.add_argument(
        "measures",
        metavar="FOLDER|FILE",
        help="a folder of files or an .npz of arrays, one a measure; or one array (k, n, d)",
    )
    parser.add_argument("--out", required=True, metavar="D.npy", help="the matrix (an .npz with --nearest)")
    parser.add_argument("--p", type=float, default=2.0, help="exponent of the Euclidean cost (default 2)")
    parser.add_argument(
        "--kind",
        choices=("auto", "points", "grid"),
        default="auto",
        help="reading of arrays; grid: one array (k, height, width) holds k images",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="N processes (default: threads of this one)")
    parser.add_argument(
        "--nearest", type=int, metavar="K", help="the K nearest of each instead of the matrix"
    )
    parser.add_argument("--plot", metavar="OUT.png", help="heat map and embedding of the matrix")
    return parser


def main(argv: Sequence[str]) -> int:
    """Read, compute, draw."""
    args = _parser().parse_args(argv)
    if args.nearest is not None and not args.out.endswith(".npz"):
        raise ValueError(f"--out {args.out}: with --nearest it must end in .npz")
    if args.nearest is not None and args.plot:
        raise ValueError("--plot draws the matrix; leave out --nearest")
    if args.plot:
        pyplot()
    if args.workers is not None and args.workers < 1:
        raise ValueError(f"--workers {args.workers}: it must be at least 1")
    names, measures = _read(Path(args.measures), args.kind)
    ticker = Ticker(f"{len(measures)} measures")
    options: dict[str, Any] = {"p": args.p, "callback": ticker}
    if args.nearest is None:
        options["out"] = args.out
    else:
        options["nearest"] = args.nearest
    try:
        with _executor(args.workers) as executor:
            result = tp.pairwise(measures, executor=executor, **options)
    finally:
        ticker.done()
    with whole(Path(args.out).with_suffix(".names.txt")) as file:
        file.write_text("".join(f"{name}\n" for name in names))
    if args.nearest is not None:
        found = {name: getattr(result, name) for name in ("indices", "distances", "lower", "upper")}
        with whole(args.out) as name, open(name, "wb") as file:
            np.savez(file, **found)
    elif args.plot:
        _draw(result.matrix, args.p, args.plot)
    for text in list(dict.fromkeys(result.failures.values()))[:10]:
        sys.stderr.write(f"no distance: {text}\n")
    sys.stdout.write(_summary(result, args, len(measures)))
    return 1 if result.failures else 0


def _executor(workers: int | None) -> Any:
    if workers is None:
        return nullcontext()
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def _read(path: Path, kind: str) -> tuple[list[str], list[Any]]:
    """(names, measures)."""
    if not path.exists():
        raise ValueError(f"{path} does not exist; give a folder of measures, an .npz or a .npy file")
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
        loaded = [load_measure(p, kind=kind) for p in files]
        found: list[tuple[str, Any]] = [(p.name, (m.points, m.weights)) for p, m in zip(files, loaded)]
    else:
        arrays = _arrays(path)
        if len(arrays) == 1 and next(iter(arrays.values())).ndim == _STACK:
            stack = next(iter(arrays.values()))
            arrays = {str(k): stack[k] for k in range(len(stack))}
        found = []
        for name, array in arrays.items():
            if kind == "grid":
                m = grid_measure(array)
                found.append((name, (m.points, m.weights)))
            else:
                found.append((name, array))
    if len(found) < 2:
        raise ValueError(f"{path} holds {len(found)} measures; give at least two")
    return [name for name, _ in found], [measure for _, measure in found]


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {path.stem: loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error


def _summary(result: Any, args: Any, count: int) -> str:
    if args.nearest is not None:
        text = f"{count} measures, {args.nearest} nearest each: {result.computed} of {result.pairs} pairs"
        text += f" computed ({result.pruned:.0%} ruled out by bounds)"
    else:
        text = f"{count} measures, {result.stats['pairs']} pairs, {result.stats['computed']} computed now"
    lost = f", {len(result.failures)} pairs without" if result.failures else ""
    return f"{text}{lost}, {result.elapsed:.1f} s\n{args.out}\n"


def _draw(matrix: np.ndarray, p: float, path: str) -> None:
    """The matrix in the order of the first coordinate of its embedding, and the embedding."""
    plt = pyplot()
    known = np.flatnonzero(np.isfinite(matrix).sum(axis=1) > 1)
    d = matrix[np.ix_(known, known)]
    centred = np.where(np.isfinite(d), d, np.nanmean(d)) ** 2
    centred = centred - centred.mean(axis=0) - centred.mean(axis=1)[:, None] + centred.mean()
    values, vectors = np.linalg.eigh(-0.5 * centred)
    at = vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 0.0))
    order = np.argsort(at[:, -1])
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
    picture = left.imshow(d[np.ix_(order, order)], interpolation="nearest")
    left.set_title(f"W_{p:g}, ordered by the first coordinate")
    figure.colorbar(picture, ax=left)
    right.scatter(at[:, -1], at[:, -2] if at.shape[1] > 1 else np.zeros(len(at)), s=12)
    right.set_title("classical scaling")
    right.set_aspect("equal", adjustable="datalim")
    with whole(path) as file:
        figure.savefig(file, dpi=120)
    plt.close(figure)
