"""``python -m bench``: the benchmark of optimal-transport solvers.

    run       solvers on the problems of a suite; results go to --out, resumable
    report    a results folder as Markdown and one HTML page; --publish NAME copies it to bench/results
    list      suites, families of problems, solvers and why one is missing
    optima    certified optima of the standard instances: check them, or write them anew
    convert   a problem as DIMACS min, MPS or Matrix Market, for codes that are not Python
    score     what such a code answered
    benchopt  problems, solvers and judge as a benchopt benchmark
    against   rows of a commit and of the working tree, in turns
    table     the older tables (exact, exact_points, families, entropic, ...), one alone

Each has --help. Nothing is measured and nothing written without one of these words.
"""

from __future__ import annotations

import importlib
import sys

COMMANDS = {
    "run": "bench.run",
    "report": "bench.reporting",
    "list": "bench.catalogue",
    "optima": "bench.optima",
    "convert": "bench.formats",
    "score": "bench.answers",
    "benchopt": "bench.benchopt",
    "against": "bench.against",
    "table": "bench.tables",
}


def main(argv: list[str]) -> int:
    """Hand the rest of the line to the command."""
    if not argv or argv[0] in ("-h", "--help"):
        print(__doc__.strip())
        return 0 if argv else 2
    if argv[0] not in COMMANDS:
        print(f"bench: no command {argv[0]!r}; one of {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        return int(importlib.import_module(COMMANDS[argv[0]]).main(argv[1:]) or 0)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
