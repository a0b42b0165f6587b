"""DIMACS minimum-cost flow (``p min``): nodes 1..n are sources, n+1..n+m sinks; all numbers whole.

Masses and costs are written in units given by the comments ``c mass unit`` and ``c cost unit``; both are
exact where the problem's are whole multiples of them, else rounded to them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.problems import Problem


def arcs_of(problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows, cols, costs) of the allowed arcs."""
    if problem.arcs is not None:
        return problem.arcs
    rows, cols = np.nonzero(np.isfinite(problem.matrix))
    return rows, cols, problem.matrix[rows, cols]


def unit_of(values: np.ndarray, bits: int) -> float:
    """A power of two of which ``bits``-bit whole numbers reach the largest value."""
    top = float(np.abs(values).max(initial=0.0))
    return 2.0 ** (int(np.ceil(np.log2(top))) - bits) if top else 1.0


def write(path: Path, problem: Problem, *, bits: int = 52) -> None:
    """Write the problem; costs are rounded to ``bits`` bits of the largest."""
    rows, cols, costs = arcs_of(problem)
    n, m = problem.shape
    mass_unit = 2.0**-50
    supply = [np.rint(w / mass_unit).astype(np.int64) for w in (problem.a, problem.b)]
    supply[1][np.argmax(supply[1])] += supply[0].sum() - supply[1].sum()
    shared = int(np.gcd.reduce(np.concatenate(supply))) or 1
    supply = [w // shared for w in supply]
    mass_unit *= shared
    unit = unit_of(costs, bits)
    whole = np.rint(costs / unit).astype(np.int64)
    if np.all(costs == whole * unit) and whole.size and np.gcd.reduce(whole) > 0:
        factor = int(np.gcd.reduce(whole))
        whole, unit = whole // factor, unit * factor
    with path.open("w") as file:
        file.write(f"c {problem.name}\nc mass unit {mass_unit.hex()}\nc cost unit {unit.hex()}\n")
        file.write(f"c shape {n} {m}\np min {n + m} {len(rows)}\n")
        nodes = [*supply[0].tolist(), *(-supply[1]).tolist()]
        file.writelines(f"n {k} {flow}\n" for k, flow in enumerate(nodes, 1) if flow)
        capacity = np.minimum(supply[0][rows], supply[1][cols])
        lines = zip((rows + 1).tolist(), (cols + n + 1).tolist(), capacity.tolist(), whole.tolist())
        file.writelines(f"a {i} {j} 0 {top} {cost}\n" for i, j, top, cost in lines)


def read(path: Path) -> Problem:
    """The problem of a bipartite ``p min`` file: nodes with positive supply are sources, in order.

    Raises
    ------
    ValueError
        For a malformed line, lower bounds, or arcs that do not go from a source to a sink.
    """
    mass_unit = cost_unit = 1.0
    supply: dict[int, int] = {}
    nodes, shape, arcs = 0, None, []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split()
        try:
            if words[:1] == ["c"]:
                if words[1:3] == ["mass", "unit"]:
                    mass_unit = float.fromhex(words[3])
                elif words[1:3] == ["cost", "unit"]:
                    cost_unit = float.fromhex(words[3])
                elif words[1:2] == ["shape"]:
                    shape = int(words[2]), int(words[3])
            elif words[:1] == ["p"]:
                if words[1] != "min":
                    raise ValueError("not a minimum-cost flow")
                nodes = int(words[2])
            elif words[:1] == ["n"]:
                supply[int(words[1])] = int(words[2])
            elif words[:1] == ["a"]:
                i, j, low, _, cost = (int(word) for word in words[1:6])
                if low:
                    raise ValueError("lower bounds are not for transport")
                arcs.append((i, j, cost))
        except (ValueError, IndexError) as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
    if shape is None:
        sources = [k for k in range(1, nodes + 1) if supply.get(k, 0) > 0]
        sinks = [k for k in range(1, nodes + 1) if supply.get(k, 0) <= 0]
    else:
        sources, sinks = list(range(1, shape[0] + 1)), list(range(shape[0] + 1, shape[0] + shape[1] + 1))
    place_i, place_j = ({k: t for t, k in enumerate(side)} for side in (sources, sinks))
    try:
        found = [(place_i[i], place_j[j], cost) for i, j, cost in arcs]
    except KeyError as error:
        raise ValueError(f"{path}: an arc at node {error} does not go from a source to a sink") from None
    rows, cols, costs = (np.array(column) for column in zip(*found))
    a = np.array([supply.get(k, 0) for k in sources]) * mass_unit
    b = np.array([-supply.get(k, 0) for k in sinks]) * mass_unit
    return Problem(a, b, arcs=(rows, cols, costs * cost_unit), name=path.stem)
