"""What users compute from a plan: where points go on average, and which labels come along."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from transport._answer import Answer
from transport._callable import FunctionCost
from transport._points import PointCloud
from transport.internal import Array, as_points, namespace, on_device_of, to_numpy


class Labels(NamedTuple):
    """Labels that came with the mass.

    ``labels`` (m,): of every sink, the class most of its mass comes from (the first of equals).
    ``shares`` (m, k): the part of its mass from each class; rows sum to 1. ``classes`` (k,): their names.
    """

    labels: np.ndarray
    shares: np.ndarray
    classes: np.ndarray


def barycentric_map(solution: Answer, x_new: Any, y: Any) -> Array:
    """See `Solution.map`."""
    arcs, cost = solution.arcs, _cost(solution)
    n, m = arcs.shape
    if y is None:
        if not isinstance(cost, (PointCloud, FunctionCost)):
            raise ValueError(
                f"the cost ({type(cost).__name__}) knows no points of a vector space to average; "
                "pass y=, the positions of the sinks, shape (m, d)"
            )
        target = _coordinates(cost, cost.y)
    else:
        target = to_numpy(as_points(y, "y", xp=namespace(y)))
        if len(target) != m:
            raise ValueError(f"y has {len(target)} points for {m} sinks; their numbers must match")
    sent = np.bincount(arcs.rows, weights=arcs.mass, minlength=n)
    mean: np.ndarray = np.stack(
        [np.bincount(arcs.rows, weights=arcs.mass * part[arcs.cols], minlength=n) for part in target.T],
        axis=1,
    )
    with_mass = sent > 0
    mean = mean / np.where(with_mass, sent, 1.0)[:, None]
    if x_new is None and with_mass.all():
        return on_device_of(mean, arcs.like)
    if not (isinstance(cost, (PointCloud, FunctionCost)) and cost.x.shape[1] == target.shape[1]):
        raise ValueError(
            "points off the sources (and sources without mass) move like the nearest source, for which the "
            "cost must be between points; solve with a PointCloud"
        )
    source = _coordinates(cost, cost.x)
    asked = source if x_new is None else to_numpy(as_points(x_new, "x_new", xp=namespace(x_new)))
    if asked.shape[1] != source.shape[1]:
        raise ValueError(f"x_new has dimension {asked.shape[1]} and the sources {source.shape[1]}")
    moved = asked + _displacement(source[with_mass], mean[with_mass], asked)
    if x_new is None:
        moved[with_mass] = mean[with_mass]
    return on_device_of(moved, arcs.like if x_new is None else x_new)


def _displacement(source: np.ndarray, image: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """T(x_i) - x_i for the source x_i nearest to each asked point."""
    from scipy.spatial import cKDTree

    _, nearest = cKDTree(source).query(asked)
    return np.asarray(image[nearest] - source[nearest])


def transfer(solution: Answer, labels: Any) -> Labels:
    """See `Solution.transfer`."""
    arcs = solution.arcs
    n, m = arcs.shape
    given = np.asarray(labels)
    if given.shape != (n,):
        raise ValueError(f"labels have shape {given.shape}; one for each of the {n} sources is needed")
    if given.dtype.kind == "f" and np.isnan(given).any():
        raise ValueError("labels hold NaN; give every source a class, or leave it out of the problem")
    classes, code = np.unique(given, return_inverse=True)
    k = len(classes)
    shares = np.bincount(arcs.cols * k + code[arcs.rows], weights=arcs.mass, minlength=m * k).reshape(m, k)
    total = shares.sum(axis=1)
    empty = np.flatnonzero(total == 0)
    shares[empty, code[_cheapest(solution, empty)]] = total[empty] = 1.0
    shares = shares / total[:, None]
    return Labels(classes[np.argmax(shares, axis=1)], shares, classes)


def _cheapest(solution: Answer, cols: np.ndarray) -> np.ndarray:
    """For sinks without mass the source that a little mass would come from: the least C_ij - f_i."""
    arcs, cost = solution.arcs, _cost(solution)
    if len(cols) == 0:
        return cols
    if cost is None:
        raise ValueError(
            f"sink {cols[0]} receives no mass, so that no label comes along; leave {len(cols)} such sinks out"
        )
    rows = np.unique(arcs.rows)
    f = to_numpy(solution.potentials.f)[rows]
    where = [int(np.argmin(cost.entries(rows, np.full(len(rows), j)) - f)) for j in cols]
    return rows[np.array(where, dtype=np.intp)]


def _cost(solution: Answer) -> Any:
    """The cost of the problem; None where the solution keeps none."""
    return None if solution.problem is None else solution.problem.cost


def _coordinates(cost: Any, points: np.ndarray) -> np.ndarray:
    """Points in the unit they were given in."""
    return cost.coordinates(points) if isinstance(cost, PointCloud) else points
