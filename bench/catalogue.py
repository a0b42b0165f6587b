"""``python -m bench list``: suites, families of problems, solvers and why one is missing.

Two seconds for each Python.
"""

from __future__ import annotations

import argparse
import sys

from bench import problems, solvers
from bench.process import homes, survey


def main(argv: list[str]) -> int:
    """Print them."""
    parser = argparse.ArgumentParser(prog="python -m bench list", description=__doc__)
    parser.add_argument(
        "what", nargs="*", default=["suites", "problems", "solvers"], help="suites problems solvers"
    )
    parser.add_argument(
        "--python", action="append", default=[], metavar="PATH", help="a further Python (repeatable)"
    )
    options = parser.parse_args(argv)
    if unknown := set(options.what) - {"suites", "problems", "solvers"}:
        parser.error(f"no list of {', '.join(unknown)}; choose of suites, problems, solvers")
    if "suites" in options.what:
        print("suites")
        for suite in problems.suites():
            print(f"  {suite:12s} {len(problems.instances(suite)):3d} instances")
    if "problems" in options.what:
        print("problems (family:n[:option=value ...])")
        for name, family in problems.load().items():
            print(f"  {name:24s} {family.text}  [{', '.join(family.suites)}]")
    if "solvers" in options.what:
        found = survey([sys.executable, *options.python])
        print("solvers")
        for name, solver in solvers.load().items():
            able, reason = homes(found, name, ours=solver.package == "kantorovich")
            state = reason if not able else "by --solvers alone" if solver.on_request else ""
            print(f"  {name:36s} {solver.claims:9s} {', '.join(solver.kinds):24s} {state}")
    return 0
