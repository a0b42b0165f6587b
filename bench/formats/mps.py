"""MPS, free form: rows s1..sn and t1..tm, columns x_i_j, all floats with 17 digits (exact)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.formats.dimacs import arcs_of
from bench.problems import Problem


def write(path: Path, problem: Problem) -> None:
    """Write the linear program: minimise the cost, all rows equalities."""
    rows, cols, costs = arcs_of(problem)
    n, m = problem.shape
    with path.open("w") as file:
        file.write(f"NAME {problem.name.replace(' ', '_') or 'transport'}\nROWS\n N COST\n")
        file.writelines(f" E s{i + 1}\n" for i in range(n))
        file.writelines(f" E t{j + 1}\n" for j in range(m))
        file.write("COLUMNS\n")
        for i, j, cost in zip((rows + 1).tolist(), (cols + 1).tolist(), costs.tolist()):
            file.write(f" x{i}_{j} COST {cost!r} s{i} 1\n x{i}_{j} t{j} 1\n")
        file.write("RHS\n")
        file.writelines(f" RHS s{i} {mass!r}\n" for i, mass in enumerate(problem.a.tolist(), 1))
        file.writelines(f" RHS t{j} {mass!r}\n" for j, mass in enumerate(problem.b.tolist(), 1))
        file.write("ENDATA\n")


def read(path: Path) -> Problem:
    """The problem of a file of that form.

    Raises
    ------
    ValueError
        For a line that is not of this form.
    """
    section = ""
    costs: dict[tuple[int, int], float] = {}
    sides: dict[str, dict[int, float]] = {"s": {}, "t": {}}
    name = path.stem
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split()
        if not words or line.startswith("*"):
            continue
        if not line[0].isspace():
            section = words[0]
            name = words[1] if section == "NAME" and len(words) > 1 else name
            continue
        try:
            if section == "COLUMNS":
                i, j = (int(part) for part in words[0][1:].split("_"))
                for row, value in zip(words[1::2], words[2::2]):
                    costs.setdefault((i - 1, j - 1), 0.0)
                    if row == "COST":
                        costs[i - 1, j - 1] = float(value)
            elif section == "RHS":
                for row, value in zip(words[1::2], words[2::2]):
                    sides[row[0]][int(row[1:]) - 1] = float(value)
            elif section == "ROWS" and words[0] == "E":
                sides[words[1][0]].setdefault(int(words[1][1:]) - 1, 0.0)
        except (ValueError, KeyError, IndexError):
            raise ValueError(f"{path}, line {number}: not a transport problem as `write` makes it") from None
    a, b = (np.array([side[k] for k in range(len(side))]) for side in (sides["s"], sides["t"]))
    rows, cols = (np.array(column, dtype=np.int64) for column in zip(*costs))
    return Problem(a, b, arcs=(rows, cols, np.array(list(costs.values()))), name=name)
