"""``python -m transport critic a.npy b.npy``: a lower and an upper bound on W1, and the critic's picture."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from transport._critic import coupling_bound
from transport._critic_fit import critic
from transport._plot_critic import draw_critic
from transport.internal._cli import Parser, add_reading_options, read_as, reading_options
from transport.internal._measures import load_measure
from transport.internal._plot import pyplot


def _parser() -> Parser:
    parser = Parser(
        prog="python -m transport critic",
        description="Train a 1-Lipschitz critic on two samples; print confidence bounds on W1 between the "
        "empirical laws of the two files.",
    )
    parser.add_argument("x", metavar="X", help="points of P: .npy, .npz, .csv, or an image")
    parser.add_argument("y", metavar="Y", help="points of Q")
    add_reading_options(parser)
    parser.add_argument(
        "--plot", metavar="OUT.png", help="draw the critic's level sets (points in the plane)"
    )
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="refinement time (default 5)")
    parser.add_argument(
        "--samples", type=int, default=1024, metavar="N", help="anchors, at most (default 1024)"
    )
    parser.add_argument(
        "--confidence", type=float, default=0.99, metavar="C", help="of each bound (default 0.99)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the draws (default 0)")
    return parser


def main(argv: Sequence[str]) -> int:
    """Load, train, print, draw."""
    args = _parser().parse_args(list(argv))
    if args.plot:
        pyplot()  # a missing library is said before the work
    points, words = [], []
    for path in (args.x, args.y):
        measure = load_measure(path, kind=args.kind, **reading_options(args))
        words.append(measure.reading)
        if measure.weights.max() > measure.weights.min() * (1 + 1e-9):
            raise ValueError(f"{path} has unequal weights; a critic is trained on equally weighted points")
        points.append(measure.points)
    f = critic(
        *points,
        n_samples=min(args.samples, *map(len, points)),
        time_limit=args.seconds,
        rng=args.seed,
    )
    low = f.lower_bound(confidence=args.confidence)
    high = coupling_bound(*points, confidence=args.confidence, rng=args.seed)
    lines = [
        f"P {args.x}: {points[0].shape[0]} points   Q {args.y}: {points[1].shape[0]} points",
        f"W1 >= {float(low):.6g}   {low.method}, {low.confidence:.0%}, {low.n_samples} draws of each file",
        f"W1 <= {float(high):.6g}   {high.method}, {high.confidence:.0%}, {high.n_samples} draws",
        f"critic: {f.stats['kept']}, {f.stats['steps']} steps in {f.stats['seconds']:.1f} s, 1-Lipschitz",
    ]
    if args.plot:
        draw_critic(f, points[0], points[1], args.plot)
        lines.append(f"picture: {args.plot}")
    sys.stdout.write("\n".join(lines) + "\n" + read_as((args.x, args.y), words))
    return 0
