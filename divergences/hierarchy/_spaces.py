"""Families of pairs with float coordinates and closed-form functionals, many at once: where a search moves.

Independent of every other implementation here: laws on three points of an arbitrary metric space, where
mass flows straight between the lone sign and the others; Gaussians; step densities.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from divergences.hierarchy._bound import Encloses
from divergences.hierarchy._continuous_pairs import GaussianPair, StepPair
from divergences.hierarchy._functions import FloatMath
from divergences.hierarchy._pair import Pair

Values = Mapping[str, np.ndarray]


class Space(Protocol):
    """A family of pairs with float coordinates."""

    dimension: int

    def start(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Random coordinates, shape (size, dimension)."""
        ...

    def values(self, x: np.ndarray, names: frozenset[str]) -> Values:
        """The named functionals and constants (and cheap others) at the coordinates, shape (size,) each."""
        ...

    def pair(self, x: np.ndarray) -> Encloses:
        """The pair at one coordinate vector, in fractions."""
        ...


def _phi(x: np.ndarray) -> np.ndarray:
    """(1+x) log(1+x) - x, with its series near 0."""
    near = np.abs(x) < 1e-3
    series = x * x * (0.5 + x * (-1 / 6 + x * (1 / 12 - x / 20)))
    far = np.where(near, 1.0, x)
    with np.errstate(divide="ignore", invalid="ignore"):
        direct = np.where(far <= -1, 1.0, (1 + far) * np.log1p(np.maximum(far, -1)) - far)
    return np.where(near, series, direct)


class ThreePoints:
    """Laws on three points of any metric space.

    Coordinates: log2-masses of P (3); the direction (3) and log2-size (1) of the step to those of Q, so
    that nearly equal laws stay so while they move; log2 of two distances (2) and where the third lies
    between the limits of the triangle rule (1). Masses below 2^-45 count as exactly 0.
    """

    dimension = 10

    def start(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """A mixture of generic, nearly equal, and degenerate pairs."""
        z = np.zeros((size, 10))
        z[:, :3] = -rng.exponential(2.0, (size, 3))
        z[:, 3:6] = rng.normal(0, 1, (size, 3))
        z[:, 6] = rng.uniform(-16, 4, size)
        p_gone, q_gone = rng.random((2, size, 3)) < rng.choice([0.0, 0.3, 0.6], (1, size, 1))
        z[:, :3] = np.where(p_gone, -60.0, z[:, :3])
        z[:, 3:6] = np.where(q_gone, -200.0, np.where(p_gone, 60.0, z[:, 3:6]))
        z[:, 6] = np.where(p_gone.any(1) | q_gone.any(1), 0.0, z[:, 6])
        z[:, 7:9] = rng.normal(0, 3, (size, 2))
        z[:, 9] = np.where(rng.random(size) < 0.5, rng.normal(0, 6, size), 40.0)
        return z

    def decode(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Laws p, q of shape (size, 3) and distances (d01, d12, d02)."""
        steps = x[:, 3:6] * np.exp2(np.clip(x[:, 6:7], -25, 8))
        laws = []
        for logs in (x[:, :3], x[:, :3] + steps):
            weights = np.where(logs < -45, 0.0, np.exp2(np.clip(logs, -45, 45)))
            weights = np.where(weights.any(1, keepdims=True), weights, 1.0)
            laws.append(weights / weights.sum(1, keepdims=True))
        d = np.exp2(np.clip(x[:, 7:9], -20, 10))
        mix = 1 / (1 + np.exp(-np.clip(x[:, 9], -40, 40)))
        d02 = np.abs(d[:, 0] - d[:, 1]) * (1 - mix) + (d[:, 0] + d[:, 1]) * mix
        return laws[0], laws[1], np.stack([d[:, 0], d[:, 1], np.maximum(d02, 2.0**-22)], 1)

    def values(self, x: np.ndarray, names: frozenset[str]) -> Values:
        """Closed forms: on three points mass flows straight between the lone sign and the others."""
        p, q, d = self.decode(x)
        tables: tuple[tuple[Any, dict[str, Any], tuple[Any, ...]], ...] = (
            (names, _F_DIVERGENCES, (p, q)), (names, _TRANSPORT, (p, q, d))
        )  # fmt: skip
        return {name: table[name](*laws) for wanted, table, laws in tables for name in wanted & set(table)}

    def pair(self, x: np.ndarray) -> Pair:
        """The same laws and distances as fractions; d02 is trimmed to obey the triangle rule exactly."""
        p, q, d = (row[0] for row in self.decode(x[None]))
        laws = [[Fraction(float(w)) for w in law] for law in (p, q)]
        p_exact, q_exact = ([w / sum(law) for w in law] for law in laws)
        d01, d12, d02 = (Fraction(float(v)) for v in d)
        d02 = max(abs(d01 - d12), min(d02, d01 + d12))
        return Pair(p_exact, q_exact, distance=[[0, d01, d02], [d01, 0, d12], [d02, d12, 0]])


class LinePoints(ThreePoints):
    """Three points on the line, in order: d02 = d01 + d12."""

    def decode(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As `ThreePoints.decode`, collinear."""
        p, q, d = super().decode(x)
        d[:, 2] = d[:, 0] + d[:, 1]
        return p, q, d

    def values(self, x: np.ndarray, names: frozenset[str]) -> Values:
        """With the Kolmogorov distance."""
        p, q, _ = self.decode(x)
        gaps = np.cumsum(p - q, axis=1)[:, :2]
        return {**super().values(x, names), "kolmogorov": np.abs(gaps).max(1)}

    def pair(self, x: np.ndarray) -> Pair:
        """On the line."""
        general = super().pair(x)
        d01, d12 = general.distance[0][1], general.distance[1][2]
        return Pair(general.p, general.q, points=[0, d01, d01 + d12])


def _per_mass(gap: np.ndarray, mass: np.ndarray, power: int) -> np.ndarray:
    """Sum of gap**power / mass, with 0/0 = 0 and infinite off the support."""
    empty = mass == 0
    term = gap**power / np.where(empty, 1, mass)
    return np.where(empty, np.where(gap > 0, np.inf, 0.0), term).sum(1)


def _tv(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return np.abs(p - q).sum(1) / 2


def _js(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    s = p + q
    return (s * FloatMath.g(np.abs(p - q) / np.where(s > 0, s, 1))).sum(1) / 2


def _kl(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    empty = q == 0
    term = q * _phi((p - q) / np.where(empty, 1, q))
    return np.where(empty, np.where(p > 0, np.inf, 0.0), term).sum(1)


def _squared_hellinger(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return _per_mass(np.abs(p - q), (np.sqrt(p) + np.sqrt(q)) ** 2, 2) / 2


def _inverse_mass(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return 1 / np.where(p + q > 0, q, 1.0).min(1)


_F_DIVERGENCES = {
    "tv": _tv,
    "js": _js,
    "kl": _kl,
    "kl_reverse": lambda p, q: _kl(q, p),
    "squared_hellinger": _squared_hellinger,
    "triangular": lambda p, q: _per_mass(np.abs(p - q), p + q, 2),
    "chi2": lambda p, q: _per_mass(np.abs(p - q), q, 2),
    "inverse_mass": _inverse_mass,
}


def _star(mu: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """Least cost of cancelling mu for a metric cost (c01, c12, c02): all flow through the lone sign."""
    c01, c12, c02 = cost.T
    size = np.abs(mu)
    routes = [c01 * size[:, 1] + c02 * size[:, 2], c01 * size[:, 0] + c12 * size[:, 2]]
    routes.append(c02 * size[:, 0] + c12 * size[:, 1])
    return np.stack(routes, 1)[np.arange(len(mu)), size.argmax(1)]


def _matrix(d: np.ndarray) -> np.ndarray:
    zero = np.zeros(len(d))
    rows = [(zero, d[:, 0], d[:, 2]), (d[:, 0], zero, d[:, 1]), (d[:, 2], d[:, 1], zero)]
    return np.stack([np.stack(row, 1) for row in rows], 1)


def _bounded_lipschitz(p: np.ndarray, q: np.ndarray, d: np.ndarray) -> np.ndarray:
    bends = 2 / (2 + d)  # where min(L d, 2(1 - L)) bends, for each distance: the optimum is one of them
    caps = [(L[:, None], 2 * (1 - L[:, None])) for L in bends.T]
    return np.max([_star(p - q, np.minimum(L * d, cap)) for L, cap in caps], axis=0)


def _weighted_tv(p: np.ndarray, q: np.ndarray, d: np.ndarray) -> np.ndarray:
    return (_matrix(d) * np.abs(p - q)[:, None, :]).sum(2).min(1)


def _prokhorov(p: np.ndarray, q: np.ndarray, d: np.ndarray) -> np.ndarray:
    """min over levels e in {0, d01, d12, d02} of max(e, largest excess P(A) - Q(A^e))."""
    matrix = _matrix(d)
    best = np.ones(len(p))
    for level in (np.zeros(len(p)), *d.T):
        near = matrix <= level[:, None, None]
        excess = np.zeros(len(p))
        for size in (1, 2):
            for chosen in itertools.combinations(range(3), size):
                grown = near[:, list(chosen)].any(1)
                excess = np.maximum(excess, p[:, list(chosen)].sum(1) - (q * grown).sum(1))
        best = np.minimum(best, np.maximum(level, excess))
    return best


def _w2(p: np.ndarray, q: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Transport for d^2 by duality: the best feasible vertex of the dual polytope, one a spanning tree."""
    c = _matrix(d) ** 2
    best = np.full(len(p), -np.inf)
    for tree in _TREES:
        u, v = _tree_duals(c, tree)
        slack = c - u[:, :, None] - v[:, None, :]
        feasible = (slack >= -1e-14 * c.max((1, 2))[:, None, None]).all((1, 2))
        value = (p * u).sum(1) + (q * v).sum(1)
        best = np.maximum(best, np.where(feasible, value, -np.inf))
    # Differences of squared distances leave rounding of the largest: below that level, no answer.
    return np.sqrt(np.where(best >= 1e-6 * c.max((1, 2)), best, np.nan))


def _spanning_trees() -> list[list[tuple[int, int]]]:
    """Spanning trees of K(3,3) as ordered arcs (i, j), each hanging one new node on the tree."""
    trees = []
    for arcs in itertools.combinations(itertools.product(range(3), range(3)), 5):
        rows, cols, order, left = {0}, set(), [], list(arcs)
        progress = True
        while progress:
            progress = False
            for i, j in list(left):
                if (i in rows) != (j in cols):
                    rows.add(i)
                    cols.add(j)
                    order.append((i, j))
                    left.remove((i, j))
                    progress = True
        if not left:
            trees.append(order)
    return trees


_TREES = _spanning_trees()


def _tree_duals(c: np.ndarray, tree: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    u, v = np.full((len(c), 3), np.nan), np.full((len(c), 3), np.nan)
    u[:, 0] = 0.0
    for i, j in tree:
        if np.isnan(v[0, j]):
            v[:, j] = c[:, i, j] - u[:, i]
        else:
            u[:, i] = c[:, i, j] - v[:, j]
    return u, v


_TRANSPORT = {
    "w": lambda p, q, d: _star(p - q, d),
    "w2": _w2,
    "bounded_lipschitz": _bounded_lipschitz,
    "prokhorov": _prokhorov,
    "weighted_tv": _weighted_tv,
    "diameter": lambda p, q, d: d.max(1),
    "separation": lambda p, q, d: d.min(1),
}


class Gaussians:
    """N(0, s^2) and N(m, sigma^2): (m, log2 s, log2 sigma)."""

    dimension = 3

    def start(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Gaps and scales around 1."""
        return rng.normal(0, 2, (size, 3))

    def values(self, x: np.ndarray, names: frozenset[str]) -> Values:
        """Closed forms."""
        gap, s, sigma = np.abs(x[:, 0]), np.exp2(x[:, 1]), np.exp2(x[:, 2])
        kl = np.log(sigma / s) + (s * s + gap * gap) / (2 * sigma**2) - 0.5
        return {"kl": np.maximum(kl, 0), "w2": np.hypot(gap, s - sigma), "sigma": sigma}

    def pair(self, x: np.ndarray) -> GaussianPair:
        """The floats as fractions."""
        return GaussianPair(abs(float(x[0])), float(np.exp2(x[1])), float(np.exp2(x[2])))


class Steps:
    """Step densities on three cells: log2-masses and log2-lengths."""

    dimension = 9

    def start(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Masses and lengths over some orders of magnitude."""
        return -rng.exponential(3, (size, 9))

    def _decode(self, x: np.ndarray) -> list[np.ndarray]:
        parts = [np.exp2(np.clip(x[:, k : k + 3], -40, 40)) for k in (0, 3, 6)]
        return [part / part.sum(1, keepdims=True) for part in parts]

    def values(self, x: np.ndarray, names: frozenset[str]) -> Values:
        """Integrals of piecewise linear functions."""
        p, q, h = self._decode(x)
        right = np.cumsum(p - q, axis=1)
        left = right - (p - q)
        crosses = left * right < 0
        apart = np.where(crosses, np.abs(left - right), 1)
        mean = np.where(crosses, (left**2 + right**2) / (2 * apart), np.abs(left + right) / 2)
        density = np.minimum((p / h).max(1), (q / h).max(1))
        return {"w": (h * mean).sum(1), "kolmogorov": np.abs(right).max(1), "density": density}

    def pair(self, x: np.ndarray) -> StepPair:
        """The floats as fractions."""
        p, q, h = ([Fraction(float(v)) for v in part[0]] for part in self._decode(x[None]))
        edges = list(itertools.accumulate(h, initial=Fraction(0)))
        return StepPair([v / sum(p) for v in p], [v / sum(q) for v in q], edges=edges)
