"""Entropic, partial and unbalanced transport; costs are divided by their largest: ``reg`` is relative."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.problems import Problem, family
from bench.problems.clouds import cells, uniform
from bench.problems.matrices import iid


def _scaled(made: Problem) -> Problem:
    cost = made.matrix / made.matrix.max()
    return Problem(made.a, made.b, given=cost)


@family("entropic/plane", smoke=("100",), entropic=("500", "500:reg=0.001", "500:reg=0.0001", "1000"))
def plane(n: int, *, reg: float = 0.01, seed: int = 0) -> Problem:
    """Uniform points of the square, squared distances, <C, P> + reg KL(P | a b^T)."""
    return replace(_scaled(uniform(n, seed=seed)), kind="entropic", reg=reg)


@family("entropic/cells", entropic=("500", "500:reg=0.001"))
def entropic_cells(n: int, *, reg: float = 0.01, seed: int = 0) -> Problem:
    """The clouds of ``cells``, as above."""
    return replace(_scaled(cells(n, seed=seed)), kind="entropic", reg=reg)


@family("entropic/iid", entropic=("500", "500:reg=0.001"))
def entropic_iid(n: int, *, reg: float = 0.01, seed: int = 0) -> Problem:
    """Independent costs, as above."""
    return replace(_scaled(iid(n, seed=seed)), kind="entropic", reg=reg)


@family("partial/plane", smoke=("100",), entropic=("500", "500:mass=0.9"))
def partial_plane(n: int, *, mass: float = 0.5, seed: int = 0) -> Problem:
    """Move the share ``mass`` only, exactly, as cheaply as possible."""
    return replace(_scaled(uniform(n, seed=seed)), kind="partial", mass=mass)


@family("unbalanced/plane", smoke=("100",), entropic=("500", "500:reg=0.001"))
def unbalanced_plane(n: int, *, reg: float = 0.01, rho: float = 0.1, seed: int = 0) -> Problem:
    """<C, P> + reg KL(P | a b^T) + rho KL(P 1 | a) + rho KL(P^T 1 | b), each KL with its masses."""
    made = _scaled(uniform(n, seed=seed))
    return replace(made, b=np.asarray(made.b) * 1.25, kind="unbalanced", reg=reg, rho=rho)
