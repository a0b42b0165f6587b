"""MPS, free form: rows s1..sn and t1..tm, columns xi_j, all floats with 17 digits (exact)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.formats.dimacs import arcs_of
from bench.problems import Problem

ARC, ROW = re.compile(r"x([1-9]\d{0,8})_([1-9]\d{0,8})"), re.compile(r"([st])([1-9]\d{0,8})")


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
    """The problem of a file of that form, as `write` or HiGHS writes it.

    Raises
    ------
    ValueError
        For a line that is not of this form, or a program that is none of transport: other bounds than >= 0,
        ranges, coefficients other than 1, a maximum.
    """
    program = _Program(name=path.stem)
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split()
        if not words or line.startswith("*"):
            continue
        if program.section == "ENDATA":
            break
        try:
            if line[0].isspace():
                program.take(words)
            else:
                program.begin(words)
        except (ValueError, KeyError, IndexError) as error:
            said = f": {error}" if type(error) is ValueError else ""
            raise ValueError(f"{path}, line {number}: no transport problem{said}") from None
    try:
        return program.problem()
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


@dataclass
class _Program:
    """What the sections say."""

    name: str
    section: str = ""
    costs: dict[tuple[int, int], float] = field(default_factory=dict)
    rows: dict[str, dict[int, float]] = field(default_factory=lambda: {"s": {}, "t": {}})
    seen: dict[tuple[int, int], set[str]] = field(default_factory=dict)

    def begin(self, words: list[str]) -> None:
        """The head of a section."""
        if words[0] not in ("NAME", "ROWS", "COLUMNS", "RHS", "ENDATA", "BOUNDS", "OBJSENSE"):
            raise ValueError(f"section {words[0]}")
        self.section = words[0]
        if self.section == "NAME" and len(words) > 1:
            self.name = words[1]

    def take(self, words: list[str]) -> None:
        """A line of a section."""
        if self.section == "ROWS":
            if words[0] == "E":
                side, k = _row(words[1])
                self.rows[side].setdefault(k, 0.0)
            elif words != ["N", "COST"]:
                raise ValueError(f"row {' '.join(words)}; N COST and E rows are due")
        elif self.section == "COLUMNS":
            self._column(words)
        elif self.section == "RHS":
            for name, value in _pairs(words):
                side, k = _row(name)
                if k not in self.rows[side]:
                    raise ValueError(f"no row {name}")
                self.rows[side][k] = _finite(value)
        elif self.section == "BOUNDS":
            if words[0] not in ("PL", "LO") or (words[0] == "LO" and float(words[-1])):
                raise ValueError("bounds other than >= 0")
        elif self.section == "OBJSENSE" and words[0] not in ("MIN", "MINIMIZE"):
            raise ValueError("a maximum")

    def _column(self, words: list[str]) -> None:
        arc = arc_of(words[0])
        self.costs.setdefault(arc, 0.0)
        touched = self.seen.setdefault(arc, set())
        for name, value in _pairs(words):
            if name in touched:
                raise ValueError(f"{name} twice in {words[0]}")
            touched.add(name)
            if name == "COST":
                self.costs[arc] = _finite(value)
            elif name not in (f"s{arc[0] + 1}", f"t{arc[1] + 1}") or float(value) != 1:
                raise ValueError(f"{words[0]} has {value} in row {name}")

    def problem(self) -> Problem:
        """All together."""
        a, b = (
            np.array([side[k] for k in range(len(side))] if set(side) == set(range(len(side))) else [])
            for side in self.rows.values()
        )
        if not (len(a) and len(b) and self.costs):
            raise ValueError("rows s1..sn and t1..tm, and columns, are due")
        for (i, j), touched in self.seen.items():
            if i >= len(a) or j >= len(b) or not {f"s{i + 1}", f"t{j + 1}"} <= touched:
                raise ValueError(f"column x{i + 1}_{j + 1} is not in its two rows")
        rows, cols = (np.array(column, dtype=np.int64) for column in zip(*self.costs))
        return Problem(a, b, arcs=(rows, cols, np.array(list(self.costs.values()))), name=self.name)


def arc_of(name: str) -> tuple[int, int]:
    """(i, j) of the column xi_j, from 0."""
    match = ARC.fullmatch(name)
    if not match:
        raise ValueError(f"column {name}; xi_j is due")
    return int(match[1]) - 1, int(match[2]) - 1


def _row(name: str) -> tuple[str, int]:
    match = ROW.fullmatch(name)
    if not match:
        raise ValueError(f"row {name}; si or tj is due")
    return match[1], int(match[2]) - 1


def _pairs(words: list[str]) -> list[tuple[str, str]]:
    if len(words) not in (3, 5):
        raise ValueError("a name and one or two pairs are due")
    return list(zip(words[1::2], words[2::2]))


def _finite(word: str) -> float:
    value = float(word)
    if not math.isfinite(value):
        raise ValueError(f"{word} is no number")
    return value


def read_solution(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows, cols, mass) of a solution file: ``xi_j value`` (HiGHS, SCIP) or ``index xi_j value`` (CBC).

    A column's first value counts: HiGHS writes reduced costs under the same names further down.

    Raises
    ------
    ValueError
        Without any such line, or for a value that is no number.
    """
    found: dict[tuple[int, int], float] = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split()
        place = next((k for k, word in enumerate(words[:3]) if ARC.fullmatch(word)), None)
        if place is None or place + 1 == len(words):
            continue
        try:
            found.setdefault(arc_of(words[place]), float(words[place + 1]))
        except ValueError:
            raise ValueError(f"{path}, line {number}: {words[place + 1]!r} is no number") from None
    if not found:
        raise ValueError(f"{path}: no line 'xi_j value'")
    rows, cols = (np.array(column, dtype=np.int64) for column in zip(*found))
    return rows, cols, np.array(list(found.values()))
