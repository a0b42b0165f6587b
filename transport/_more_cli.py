"""``python -m transport sliced X Y`` and ``python -m transport barycenter A B C --out OUT``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from transport._answer import Status
from transport._barycenters.fixed import barycenter
from transport._max_sliced import max_sliced_wasserstein
from transport._sliced import estimate_sliced
from transport.internal._cli import GAP_LEFT, Parser, add_reading_options, reading_options
from transport.internal._files import load
from transport.internal._measures import load_measure
from transport.internal._whole import whole


def sliced_main(argv: Sequence[str]) -> int:
    """Print the sliced distance between two files, with its standard error."""
    parser = Parser(
        prog="python -m transport sliced",
        description="Sliced Wasserstein distance between two measures: the mean over projections.",
    )
    parser.add_argument("x", metavar="X", help=".npy, .npz (points, weights), .csv or image")
    parser.add_argument("y", metavar="Y", help="the same")
    parser.add_argument("--p", type=float, default=2.0, help="exponent (default 2)")
    add_reading_options(parser)
    parser.add_argument("--projections", type=int, default=256, metavar="N", help="directions (default 256)")
    parser.add_argument(
        "--directions",
        choices=("independent", "orthogonal", "quasi"),
        default="independent",
        help="how they are drawn; quasi: evenly spread (default independent)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the directions (default 0)")
    parser.add_argument("--max", action="store_true", help="also the largest projection found")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    args = parser.parse_args(list(argv))
    options = reading_options(args)
    first, second = (load_measure(path, kind=args.kind, **options) for path in (args.x, args.y))
    a, b = (None if np.all(w == w[0]) else w for w in (first.weights, second.weights))
    weights = {"a": a, "b": b, "p": args.p, "rng": args.seed, "normalize": True}
    found = estimate_sliced(
        first.points, second.points, **weights, n_projections=args.projections, directions=args.directions
    )
    facts: dict[str, Any] = {
        "p": args.p,
        "distance": found.value,
        "standard_error": found.standard_error,
        "directions": len(found.distances),
        "n": len(first.points),
        "m": len(second.points),
    }
    if args.max:
        facts["max_sliced_at_least"] = max_sliced_wasserstein(first.points, second.points, **weights).value
    sys.stdout.write(json.dumps(facts) + "\n" if args.json else _table(facts))
    return 0


def _table(facts: dict[str, Any]) -> str:
    return "".join(
        f"{name.replace('_', ' '):<20} {value if isinstance(value, int) else format(value, '.12g')}\n"
        for name, value in facts.items()
    )


def barycenter_main(argv: Sequence[str]) -> int:
    """Write the barycentre of images (or of arrays on one grid) to a file; print its certified interval."""
    parser = Parser(
        prog="python -m transport barycenter",
        description="Wasserstein barycentre of images of one size, with a certified interval.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="images or .npy arrays, masses on one grid")
    parser.add_argument("--shares", type=float, nargs="+", metavar="W", help="one a file (default: equal)")
    parser.add_argument(
        "--tol", type=float, default=1e-3, help="relative width of the interval (default 1e-3)"
    )
    parser.add_argument(
        "--time-limit", type=float, metavar="S", help="stop after S seconds; a gap left is exit code 3"
    )
    parser.add_argument("--out", metavar="OUT", help=".npy (masses) or an image")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    args = parser.parse_args(list(argv))
    if args.shares is not None and len(args.shares) != len(args.files):
        parser.error(f"--shares has {len(args.shares)} numbers for {len(args.files)} files")
    if args.out and Path(args.out).suffix != ".npy":
        _pillow()
    found = barycenter(
        [load(path).values for path in args.files],
        args.shares,
        normalize=True,
        tol=args.tol,
        time_limit=args.time_limit,
        throw=args.time_limit is None,
    )
    if args.out:
        _write(found.measure, args.out)
    facts = {
        "objective": found.value,
        "lower": found.lower_bound,
        "upper": found.upper_bound,
        "status": found.status.name,
        "seconds": round(found.elapsed, 3),
    }
    sys.stdout.write(json.dumps(facts) + "\n" if args.json else _words(facts, found.measure.shape, args.out))
    return GAP_LEFT if found.status is Status.TIME_LIMIT else 0


def _words(facts: dict[str, Any], shape: tuple[int, ...], out: str | None) -> str:
    size = " x ".join(map(str, shape))
    return (
        f"{'objective':<12} {facts['objective']:.10g}   mean squared W_2, unit: one cell\n"
        f"{'certified':<12} [{facts['lower']:.10g}, {facts['upper']:.10g}]\n"
        f"{'measure':<12} {size}" + (f", written to {out}" if out else "") + "\n"
        f"{'time':<12} {facts['seconds']:.3g} s, {facts['status']}\n"
    )


def _write(measure: np.ndarray, out: str) -> None:
    path = Path(out)
    if path.suffix == ".npy":
        with whole(path) as file:
            np.save(file, measure)
        return
    if measure.ndim != 2:
        raise ValueError(f"--out {out}: a measure of shape {measure.shape} is no image; write a .npy file")
    with whole(path) as file:
        _pillow().fromarray(np.rint(255 * measure / measure.max()).astype(np.uint8)).save(file)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise ValueError("writing images needs Pillow: pip install 'kantorovich[cli]'") from None
    return Image
