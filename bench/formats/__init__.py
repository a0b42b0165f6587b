"""``python -m bench convert PROBLEM FILE``: a problem in one of the field's exchange formats, and back.

    python -m bench convert uniform:100 problem.min     DIMACS minimum-cost flow (whole numbers)
    python -m bench convert uniform:100 problem.mps     MPS, free form: the linear program
    python -m bench convert sparse:1000 problem.mtx     Matrix Market: costs; masses in problem.a.mtx,
    problem.b.mtx

`python -m bench score` judges what a code answered. Readers and writers are `dimacs`, `mps`, `matrix_market`;
each ``write(path, problem)`` and ``read(path)``, and a reader of answers.
Under a second for 10^5 pairs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench import problems
from bench.formats import dimacs, matrix_market, mps

FORMATS = {".min": dimacs, ".mps": mps, ".mtx": matrix_market}


def main(argv: list[str]) -> int:
    """Write the file."""
    parser = argparse.ArgumentParser(
        prog="python -m bench convert",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("problem", help="family:n[:option=value ...]")
    parser.add_argument("file", type=Path, help="its ending decides: .min, .mps, .mtx")
    options = parser.parse_args(argv)
    if options.file.suffix not in FORMATS:
        parser.error(f"no format {options.file.suffix!r}; choose of {', '.join(FORMATS)}")
    try:
        made = problems.build(options.problem)
        if made.kind not in ("transport", "assignment"):
            raise ValueError(f"{made.kind} problems have no such form; these are for exact transport")
        FORMATS[options.file.suffix].write(options.file, made)
    except (ValueError, problems.Unavailable) as error:
        parser.error(str(error))
    print(f"{options.problem}, {made.shape[0]} x {made.shape[1]}: {options.file}", file=sys.stderr)
    return 0
