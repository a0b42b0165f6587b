"""``python -m bench score PROBLEM ANSWER``: the judge on what any other code answered, read from a file.

    python -m bench convert uniform:100 p.mps
    highs --solution_file p.sol p.mps                 or any other code, in whatever language
    python -m bench score uniform:100 p.sol           right, or how wrong; exit code 0 only if right

ANSWER: `.sol` an LP solution (lines `xi_j value`), `.flow` a DIMACS answer (lines `f i j flow`), `.mtx` a
plan as Matrix Market, `.npy` a plan or a number; or the value itself, as in `score uniform:100 0.0123`.
It is scored on the costs as they are, not as DIMACS rounds them. Seconds for n = 1000.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from bench import problems
from bench.formats import dimacs, matrix_market, mps

ENDINGS = (".sol", ".flow", ".mtx", ".npy")


def read(path: Path, problem: problems.Problem) -> tuple[float | None, Any]:
    """(value, plan) of a file, one of them None.

    Raises
    ------
    ValueError
        Another ending, or a file that is not what its ending says.
    """
    if path.suffix not in ENDINGS:
        raise ValueError(f"no answer {str(path)!r}: a number, or a file that ends in {', '.join(ENDINGS)}")
    if path.suffix == ".sol":
        return None, mps.read_solution(path)
    if path.suffix == ".flow":
        return None, dimacs.read_flow(path, problem)
    if path.suffix == ".mtx":
        return None, matrix_market.read_plan(path)
    array = np.load(path, allow_pickle=False)
    return (float(array), None) if array.ndim == 0 else (None, array)


def main(argv: list[str]) -> int:
    """Score it: 0 if it is right, 1 if not, 2 if it cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m bench score",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("problem", help="family:n[:option=value ...]")
    parser.add_argument("answer", help="a file, or the value")
    options = parser.parse_args(argv)
    from bench.score import judge, truth

    try:
        problem = problems.build(options.problem)
        try:
            value, plan = float(options.answer), None
        except ValueError:
            value, plan = read(Path(options.answer), problem)
        known = truth(problem)
        found = judge(problem, known, {} if value is None else {"value": value}, plan)
    except (ValueError, OSError, problems.Unavailable) as error:
        parser.error(str(error))
    print(f"optimum          [{known.lower!r}, {known.upper!r}], certified")
    if value is not None:
        print(f"value            {value!r}")
    print(f"relative gap     {found['gap']:.1e}")
    if plan is not None:
        print(f"marginal error   {found['marginal_error']:.1e}")
    if "detail" in found:
        print(f"cannot be scored {found['detail']}")
    print("right" if found["verdict"] == "right" else "wrong")
    return int(found["verdict"] != "right")
