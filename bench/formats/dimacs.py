"""DIMACS minimum-cost flow (``p min``): nodes 1..n are sources, n+1..n+m sinks; all numbers whole.

Masses and costs are written in units given by the comments ``c mass unit`` and ``c cost unit``; both are
exact where the problem's are whole multiples of them, else rounded to them. ``read_flow`` reads what a code
answers: ``f i j flow`` lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
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
    return float(np.ldexp(1.0, max(int(np.frexp(top)[1]) - bits, -1074))) if top else 1.0


def masses_in_units(problem: Problem) -> tuple[np.ndarray, np.ndarray, float]:
    """(supplies, demands, unit): whole numbers of equal total."""
    unit = 2.0**-50
    supply, demand = (np.rint(w / unit).astype(np.int64) for w in (problem.a, problem.b))
    demand[np.argmax(demand)] += supply.sum() - demand.sum()
    shared = int(np.gcd.reduce(np.concatenate([supply, demand]))) or 1
    return supply // shared, demand // shared, unit * shared


def write(path: Path, problem: Problem, *, bits: int = 52) -> None:
    """Write the problem; costs are rounded to ``bits`` bits of the largest."""
    rows, cols, costs = arcs_of(problem)
    n, m = problem.shape
    supply, demand, mass_unit = masses_in_units(problem)
    unit = unit_of(costs, bits)
    most = (1 << bits) - int(np.frexp(unit)[1] - 1 + bits > 1023)  # times the unit it is still a float
    whole = np.clip(np.rint(costs / unit), -most, most).astype(np.int64)
    if np.all(costs == whole * unit) and whole.size and np.gcd.reduce(whole) > 0:
        factor = int(np.gcd.reduce(whole))
        whole, unit = whole // factor, unit * factor
    with path.open("w") as file:
        file.write(f"c {problem.name}\nc mass unit {mass_unit.hex()}\nc cost unit {unit.hex()}\n")
        file.write(f"c shape {n} {m}\np min {n + m} {len(rows)}\n")
        nodes = [*supply.tolist(), *(-demand).tolist()]
        file.writelines(f"n {k} {flow}\n" for k, flow in enumerate(nodes, 1) if flow)
        capacity = np.minimum(supply[rows], demand[cols])
        lines = zip((rows + 1).tolist(), (cols + n + 1).tolist(), capacity.tolist(), whole.tolist())
        file.writelines(f"a {i} {j} 0 {top} {cost}\n" for i, j, top, cost in lines)


@dataclass
class _Network:
    """What the lines of a file say."""

    nodes: int = 0
    mass_unit: float = 1.0
    cost_unit: float = 1.0
    shape: tuple[int, int] | None = None
    supply: dict[int, int] = field(default_factory=dict)
    arcs: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)

    def take(self, words: list[str]) -> None:
        """One line."""
        kind = words[0] if words else "c"
        if kind == "c":
            self._comment(words)
        elif kind == "p":
            if words[1] != "min":
                raise ValueError("not a minimum-cost flow")
            self.nodes = int(words[2])
        elif kind == "n":
            self.supply[self._node(words[1])] = int(words[2])
        elif kind == "a":
            i, j = self._node(words[1]), self._node(words[2])
            low, capacity, cost = (int(word) for word in words[3:6])
            if low:
                raise ValueError("lower bounds are not for transport")
            if (i, j) in self.arcs:
                raise ValueError(f"a second arc from {i} to {j}")
            self.arcs[i, j] = capacity, cost
        else:
            raise ValueError(f"{kind!r} begins no line of a minimum-cost flow")

    def _comment(self, words: list[str]) -> None:
        # the units are ours; other comments say what they like
        if words[1:3] == ["mass", "unit"]:
            self.mass_unit = float.fromhex(words[3])
        elif words[1:3] == ["cost", "unit"]:
            self.cost_unit = float.fromhex(words[3])
        elif words[1:2] == ["shape"] and len(words) == 4:
            self.shape = int(words[2]), int(words[3])

    def _node(self, word: str) -> int:
        if not 1 <= int(word) <= self.nodes:
            raise ValueError(f"node {word} of {self.nodes}")
        return int(word)

    def sides(self) -> tuple[list[int], list[int]]:
        """Sources and sinks."""
        if self.shape is not None:
            n, m = self.shape
            if n < 1 or m < 1 or n + m != self.nodes:
                raise ValueError(f"shape {n} {m} of {self.nodes} nodes")
            return list(range(1, n + 1)), list(range(n + 1, n + m + 1))
        tails = {i for i, _ in self.arcs}
        flow = [(k, self.supply.get(k, 0)) for k in range(1, self.nodes + 1)]
        sources = [k for k, supply in flow if supply > 0 or (supply == 0 and k in tails)]
        return sources, [k for k, supply in flow if supply < 0 or (supply == 0 and k not in tails)]


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        yield number, line.split()


def read(path: Path) -> Problem:
    """The problem of a bipartite ``p min`` file: nodes with supply or leaving arcs are sources, in order.

    Raises
    ------
    ValueError
        For a malformed line, lower bounds, capacities that bind, two arcs between the same nodes, supplies
        and demands of different totals, or arcs that do not go from a source to a sink.
    """
    network = _Network()
    for number, words in _lines(path):
        try:
            network.take(words)
        except (ValueError, IndexError, OverflowError) as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
    try:
        return _problem(network, path.stem)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _problem(network: _Network, name: str) -> Problem:
    sources, sinks = network.sides()
    if not network.arcs:
        raise ValueError("no arc")
    place_i, place_j = ({k: t for t, k in enumerate(side)} for side in (sources, sinks))
    supply = [network.supply.get(k, 0) for k in sources]
    demand = [-network.supply.get(k, 0) for k in sinks]
    if away := [arc for arc in network.arcs if arc[0] not in place_i or arc[1] not in place_j]:
        raise ValueError(f"the arc {away[0][0]} {away[0][1]} does not go from a source to a sink")
    if min([*supply, *demand]) < 0 or sum(supply) != sum(demand) or not sum(supply):
        raise ValueError(f"supplies {sum(supply)}, demands {sum(demand)}: both due >= 0, and equal in total")
    found = []
    for (i, j), (capacity, cost) in network.arcs.items():
        if capacity < min(supply[place_i[i]], demand[place_j[j]]):
            raise ValueError(f"the arc {i} {j} has a capacity of {capacity}; transport knows none")
        found.append((place_i[i], place_j[j], cost))
    rows, cols, costs = (np.array(column) for column in zip(*found))
    a, b = (np.array(side, dtype=float) * network.mass_unit for side in (supply, demand))
    return Problem(a, b, arcs=(rows, cols, costs.astype(float) * network.cost_unit), name=name)


def read_flow(path: Path, problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows, cols, mass) of an answer to what `write` wrote: lines ``f i j flow``, others left aside.

    Raises
    ------
    ValueError
        For a malformed ``f`` line, or an arc that does not go from a source to a sink.
    """
    n, m = problem.shape
    unit = masses_in_units(problem)[2]
    found = []
    for number, words in _lines(path):
        if words[:1] != ["f"]:
            continue
        try:
            i, j, flow = int(words[1]) - 1, int(words[2]) - 1 - n, float(words[3])
        except (ValueError, IndexError):
            raise ValueError(f"{path}, line {number}: 'f i j flow' is due") from None
        if not (0 <= i < n and 0 <= j < m):
            raise ValueError(f"{path}, line {number}: no arc from a source to a sink")
        found.append((i, j, flow * unit))
    if not found:
        raise ValueError(f"{path}: no 'f i j flow' line")
    rows, cols, mass = (np.array(column) for column in zip(*found))
    return rows, cols, mass
