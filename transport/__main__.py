"""``python -m transport X Y``: the optimal-transport distance between two files, with its certificate."""

from __future__ import annotations

import importlib
import json
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import transport as tp
from transport.internal import check_exponent
from transport.internal._cli import (
    GAP_LEFT,
    Parser,
    Ticker,
    add_reading_options,
    guard,
    read_as,
    reading_options,
)
from transport.internal._measures import load_measure
from transport.internal._plot import draw_plan, pyplot
from transport.internal._whole import whole

_EXAMPLES = """examples:
  python -m transport a.csv b.csv                 W2 between two point sets, one point a row
  python -m transport a.png b.png --p 1           W1 between two images, masses on pixels, unit: one pixel
  python -m transport a.csv b.csv --column lon,lat --weights population
  python -m transport a.npy b.npy --plan plan.npz --plot plan.png
  python -m transport colours photo.jpg style.jpg --out after.png
  python -m transport critic a.npy b.npy --plot critic.png
  python -m transport sliced a.npy b.npy           mean over projections, with its standard error
  python -m transport barycenter a.png b.png c.png --out mean.png
  python -m transport pairwise clouds/ --out D.npy --plot D.png
  python -m transport doctor                      which kernels are compiled, for what, and what is left

exit codes: 0 done, 2 refused or failed (one line says why), 3 a time limit left a gap, 130 Ctrl-C
"""

_LIMIT = "time limit reached: the interval is what is certified so far; raise --time-limit"

COMMANDS = {
    "barycenter": ("transport._more_cli", "barycenter_main"),
    "colours": ("transport._colour", "main"),
    "critic": ("transport._critic_cli", "main"),
    "doctor": ("transport.internal._doctor", "main"),
    "pairwise": ("transport._pairwise_cli", "main"),
    "sliced": ("transport._more_cli", "sliced_main"),
}


def _parser() -> Parser:
    parser = Parser(
        prog="python -m transport",
        description="Wasserstein distance W_p between two measures, exact, with a certificate.",
        epilog=_EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("x", metavar="X", help=".npy, .npz (points, weights), .csv or image")
    parser.add_argument("y", metavar="Y", help="the same")
    parser.add_argument("--p", type=float, default=2.0, help="exponent of the Euclidean cost (default 2)")
    add_reading_options(parser)
    parser.add_argument(
        "--reg", type=float, metavar="R", help="entropic plan, regularisation R times the largest cost"
    )
    soft = parser.add_mutually_exclusive_group()
    soft.add_argument("--partial", type=float, metavar="M", help="move only the mass M, where it is cheapest")
    soft.add_argument(
        "--unbalanced", type=float, metavar="RHO", help="marginals at the price RHO KL, in units of the cost"
    )
    parser.add_argument(
        "--plan", metavar="OUT", help="write the plan: .npz (rows, cols, mass, f, g, points) or .csv"
    )
    parser.add_argument("--plot", metavar="OUT.png", help="draw the plan")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument(
        "--time-limit", type=float, metavar="S", help="stop after S seconds; a gap left is exit code 3"
    )
    return parser


def _root(value: float, p: float) -> float:
    return max(value, 0.0) ** (1.0 / p)


def main(argv: Sequence[str]) -> int:
    """A command of its own, or: solve, print, draw."""
    if argv and argv[0] in COMMANDS:
        module, name = COMMANDS[argv[0]]
        command: Callable[[Sequence[str]], int] = getattr(importlib.import_module(module), name)
        return command(argv[1:])
    args = _parser().parse_args(argv)
    p = check_exponent(args.p, "--p")
    if p == float("inf"):
        raise ValueError("--p inf is not available here; transport.wasserstein_1d has it on the line")
    _refuse_outputs(args)
    options = reading_options(args)
    first, second = (load_measure(path, kind=args.kind, **options) for path in (args.x, args.y))
    words = (first.reading, second.reading)
    _refuse_mixture((args.x, args.y), first, second)
    cost = tp.PointCloud(first.points, second.points, "euclidean", power=p)
    ticker = Ticker(f"{len(first.points)} x {len(second.points)}")
    try:
        solution = tp.solve(
            cost,
            first.weights,
            second.weights,
            callback=ticker,
            time_limit=args.time_limit,
            throw=args.time_limit is None,
            solver=None if args.reg is None else tp.Sinkhorn(args.reg, relative=True),
            marginals=tp.Partial(args.partial)
            if args.partial is not None
            else tp.KL(args.unbalanced)
            if args.unbalanced is not None
            else None,
        )
    finally:
        ticker.done()
    if args.plan:
        _write_plan(solution, first, second, args.plan)
    if args.plot:
        draw_plan(first, second, solution, args.plot, title=f"W_{p:g} = {_root(solution.value, p):.6g}")
    facts = _facts(solution, p) | {"read_as": words}
    facts |= {k: float(solution.stats[k]) for k in ("reg", "regularised", "mass", "transport_cost")
              if k in solution.stats}  # fmt: skip
    lines = read_as((args.x, args.y), words)
    sys.stdout.write(json.dumps(facts) + "\n" if args.json else _table(facts) + lines)
    return GAP_LEFT if solution.status is tp.Status.TIME_LIMIT else 0


def _refuse_outputs(args: Any) -> None:
    """What would fail after the solve is said before it."""
    if args.plan and not args.plan.lower().endswith((".npz", ".csv")):
        raise ValueError(f"--plan {args.plan}: plans are written as .npz or .csv; change the ending")
    if args.plot:
        pyplot()


def _write_plan(solution: Any, first: Any, second: Any, path: str) -> None:
    """Arcs with their mass; in an .npz potentials and points too."""
    plan = solution.plan
    if path.lower().endswith(".csv"):
        table = np.column_stack([plan.row, plan.col, plan.data])
        kinds = ("%d", "%d", "%.17g")
        with whole(path) as file:
            np.savetxt(file, table, fmt=kinds, delimiter=",", header="row,col,mass", comments="")
        return
    f, g = solution.potentials
    arrays = {"rows": plan.row, "cols": plan.col, "mass": plan.data, "f": f, "g": g}
    with whole(path) as name, open(name, "wb") as file:
        np.savez_compressed(file, **arrays, x=first.points, y=second.points)


def _refuse_mixture(paths: tuple[str, str], first: Any, second: Any) -> None:
    """Pixels have a unit of their own; columns of the same names are in the same order."""
    if (first.shape is None) != (second.shape is None):
        raise ValueError(
            f"{paths[0]} holds {first.reading} and {paths[1]} {second.reading}; cells and points have no "
            "common unit: say --kind points or --kind grid for both, or save the cells as weighted points"
        )
    names = [m.contents.names for m in (first, second)]
    if None not in names and names[0] != names[1] and set(names[0]) & set(names[1]):
        raise ValueError(
            f"{paths[0]} has columns {', '.join(names[0])} and {paths[1]} {', '.join(names[1])}; give both "
            f"in one order: --column {','.join(names[0])}"
        )


def _facts(solution: Any, p: float) -> dict[str, Any]:
    n, m = solution.plan.shape
    return {
        "p": p,
        "distance": _root(solution.value, p),
        "lower": _root(solution.lower_bound, p),
        "upper": _root(solution.upper_bound, p),
        "cost": solution.value,
        "gap": solution.gap,
        "marginal_error": solution.marginal_error,
        "status": solution.status.name,
        "advice": _LIMIT if solution.status is tp.Status.TIME_LIMIT else solution.status.advice,
        "n": n,
        "m": m,
        "arcs": int(solution.plan.nnz),
        "iterations": solution.n_iter,
        "seconds": round(solution.elapsed, 4),
    }


def _table(facts: dict[str, Any]) -> str:
    name = f"W_{facts['p']:g}"
    return (
        f"{name:<12} {facts['distance']:.15g}\n"
        f"{'certified':<12} [{facts['lower']:.15g}, {facts['upper']:.15g}]\n"
        f"{'plan':<12} {facts['n']} x {facts['m']}, {facts['arcs']} arcs, "
        f"marginals to {facts['marginal_error']:.1e}\n"
        + "".join(f"{k:<12} {facts[k]:.15g}\n" for k in ("reg", "regularised", "mass") if k in facts)
        + f"{'status':<12} {facts['advice']}\n"
        f"{'time':<12} {facts['seconds']:.3g} s, {facts['iterations']} iterations\n"
    )


def run() -> int:
    """The console script ``kantorovich-transport``."""
    return guard(main, sys.argv[1:])


if __name__ == "__main__":
    raise SystemExit(run())
