"""Wrong distances, as people write them: each must be killed by the same machine that passes right ones.

A verification that no wrong code fails verifies nothing. Every mutant replaces one distance of an otherwise
correct set; shuffled labels replace them by each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from divergences.hierarchy._instance import Functionals

Array = np.ndarray


@dataclass(frozen=True)
class Mutant:
    """A wrong distance and the name of the one it stands in for."""

    name: str
    functional: str
    wrong: Callable[..., float]

    def infect(self, right: Functionals) -> Functionals:
        """``right`` with one distance replaced."""
        if self.functional != "w":
            return replace(right, **{self.functional: self.wrong})
        return replace(right, w=self.wrong, transport_cost=None)


def _kl(p: Array, q: Array) -> float:
    if ((p > 0) & (q == 0)).any():
        return math.inf
    on = p > 0
    return float(np.sum(p[on] * np.log(p[on] / q[on]) - p[on] + q[on]) + q[~on].sum())


def _js(p: Array, q: Array) -> float:
    m = (p + q) / 2
    return _kl(p, m) + _kl(q, m)


def _tv(p: Array, q: Array) -> float:
    return float(np.abs(p - q).sum() / 2)


def _merge(x: Array, y: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
    """Common sorted support, and both laws on it."""
    z, place = np.unique(np.append(x, y), return_inverse=True)
    p = np.bincount(place[: x.size], weights=a, minlength=z.size)
    return z, p, np.bincount(place[x.size :], weights=b, minlength=z.size)


def _lp(x: Array, y: Array, a: Array, b: Array, order: float = 1.0) -> float:
    """W_order**order by matching quantiles."""
    i, j = np.argsort(x), np.argsort(y)
    u, v = np.cumsum(a[i]), np.cumsum(b[j])
    levels = np.unique(np.clip(np.append(u, v), 0, min(u[-1], v[-1])))
    width = np.diff(levels, prepend=0.0)
    middle = levels - width / 2
    first = x[i][np.minimum(np.searchsorted(u, middle), x.size - 1)]
    second = y[j][np.minimum(np.searchsorted(v, middle), y.size - 1)]
    return float(np.sum(width * np.abs(first - second) ** order))


def _w(x: Array, y: Array, a: Array, b: Array) -> float:
    return _lp(x, y, a, b)


def _where_both(p: Array, q: Array) -> float:
    on = (p > 0) & (q > 0)
    return float(np.sum(p[on] * np.log(p[on] / q[on])))


def _smoothed(eps: float) -> Callable[[Array, Array], float]:
    def wrong(p: Array, q: Array) -> float:
        p, q = (p + eps) / (1 + p.size * eps), (q + eps) / (1 + q.size * eps)
        return _kl(p, q)

    return wrong


def _renyi(p: Array, q: Array) -> float:
    overlap = float(np.sqrt(p * q).sum())
    return -2 * math.log(overlap) if overlap > 0 else math.inf


def _chi2(p: Array, q: Array) -> float:
    if ((p > 0) & (q == 0)).any():
        return math.inf
    on = q > 0
    return float(np.sum((p - q)[on] ** 2 / q[on]))


def _geometric_js(p: Array, q: Array) -> float:
    m = np.sqrt(p * q)
    return _kl(p, m / m.sum()) + _kl(q, m / m.sum()) if m.sum() > 0 else math.inf


def _masked_js(p: Array, q: Array) -> float:
    on = (p > 0) & (q > 0)
    return _js(p[on], q[on]) if on.any() else 0.0


def _entropy_js_no_half(p: Array, q: Array) -> float:
    def h(v: Array) -> float:
        return float(-np.sum(v[v > 0] * np.log(v[v > 0])))

    return max(0.0, 2 * h((p + q) / 2) - h(p) - 0.98 * h(q))


def _absolute_kl(p: Array, q: Array) -> float:
    if ((p > 0) & (q == 0)).any():
        return math.inf
    on = p > 0
    return float(np.sum(np.abs(p[on] * np.log(p[on] / q[on]))))


def _prefix_tv(p: Array, q: Array) -> float:
    return float(np.abs(np.cumsum(p - q)).max())


def _kl_mutants() -> list[tuple[str, Callable[[Array, Array], float]]]:
    return [
        ("swapped arguments", lambda p, q: _kl(q, p)),
        ("clipped at 10", lambda p, q: min(_kl(p, q), 10.0)),
        ("finite off the support", lambda p, q: min(_kl(p, q), 1e3)),
        ("zeros of q skipped", _where_both),
        ("smoothed by 1e-3", _smoothed(1e-3)),
        ("smoothed by 1e-10", _smoothed(1e-10)),
        ("1 % low", lambda p, q: 0.99 * _kl(p, q)),
        ("1 % high", lambda p, q: 1.01 * _kl(p, q)),
        ("one part in 1e6 low", lambda p, q: (1 - 1e-6) * _kl(p, q)),
        ("halved", lambda p, q: _kl(p, q) / 2),
        ("base 2", lambda p, q: _kl(p, q) / math.log(2)),
        ("absolute values inside the sum", _absolute_kl),
        ("symmetrised (Jeffreys/2)", lambda p, q: (_kl(p, q) + _kl(q, p)) / 2),
        ("larger direction", lambda p, q: max(_kl(p, q), _kl(q, p))),
        ("chi-square instead", _chi2),
        ("Rényi order 1/2 instead", _renyi),
        ("log(1 + chi2) instead", lambda p, q: math.log1p(_chi2(p, q))),
        ("Pinsker's bound instead", lambda p, q: 2 * _tv(p, q) ** 2),
    ]


def _js_mutants() -> list[tuple[str, Callable[[Array, Array], float]]]:
    return [
        ("with the half", lambda p, q: _js(p, q) / 2),
        ("base 2", lambda p, q: _js(p, q) / math.log(2)),
        ("square root", lambda p, q: math.sqrt(max(_js(p, q), 0.0))),
        ("SciPy's distance", lambda p, q: math.sqrt(max(_js(p, q), 0.0) / 2)),
        ("geometric mean as centre", _geometric_js),
        ("Jeffreys/2 instead", lambda p, q: (_kl(p, q) + _kl(q, p)) / 2),
        ("one side doubled", lambda p, q: 2 * _kl(p, (p + q) / 2)),
        ("common support only", _masked_js),
        ("1 % low", lambda p, q: 0.99 * _js(p, q)),
        ("clipped at log 2", lambda p, q: min(_js(p, q), math.log(2))),
        ("2 log 2 TV instead", lambda p, q: 2 * math.log(2) * _tv(p, q)),
        ("2 Hellinger squared instead", lambda p, q: 2 - 2 * float(np.sqrt(p * q).sum())),
        ("one entropy 2 % off", _entropy_js_no_half),
    ]


def _tv_mutants() -> list[tuple[str, Callable[[Array, Array], float]]]:
    return [
        ("without the half (L1)", lambda p, q: 2 * _tv(p, q)),
        ("L2", lambda p, q: float(np.linalg.norm(p - q))),
        ("largest atom gap", lambda p, q: float(np.abs(p - q).max())),
        ("largest prefix gap (Kolmogorov)", _prefix_tv),
        ("squared", lambda p, q: _tv(p, q) ** 2),
        ("Hellinger squared instead", lambda p, q: 1 - float(np.sqrt(p * q).sum())),
        ("Hellinger instead", lambda p, q: math.sqrt(max(0.0, 1 - float(np.sqrt(p * q).sum())))),
        ("1 % high", lambda p, q: 1.01 * _tv(p, q)),
        ("common support only", lambda p, q: _tv(p * (q > 0), q * (p > 0))),
        ("first half of the atoms", lambda p, q: float(np.abs(p - q)[: p.size // 2 + 1].sum() / 2)),
    ]


def _w_mutants() -> list[tuple[str, Callable[[Array, Array, Array, Array], float]]]:
    def on_support(g: Callable[[Array, Array, Array], float]) -> Callable[..., float]:
        return lambda x, y, a, b: g(*_merge(x, y, a, b))

    def unsorted(x: Array, y: Array, a: Array, b: Array) -> float:
        z = np.append(x, y)
        gap = np.cumsum(np.append(a, -b))[:-1]
        return float(np.sum(np.abs(gap * np.diff(z))))

    def nearest(x: Array, y: Array, a: Array, b: Array) -> float:
        on = b > 0
        return float(np.sum(a * np.abs(x[:, None] - y[None, on]).min(1)))

    def quantiles(x: Array, y: Array, a: Array, b: Array) -> float:
        """A thousand quantiles: right up to its resolution."""
        u = (np.arange(1000) + 0.5) / 1000
        i, j = np.argsort(x), np.argsort(y)
        first = x[i][np.minimum(np.searchsorted(np.cumsum(a[i]), u), x.size - 1)]
        second = y[j][np.minimum(np.searchsorted(np.cumsum(b[j]), u), y.size - 1)]
        return float(np.abs(first - second).mean())

    def largest_move(x: Array, y: Array, a: Array, b: Array) -> float:
        size = max(float(np.abs(x).max()), float(np.abs(y).max())) or 1.0
        return size * _lp(x / size, y / size, a, b, 64.0) ** (1 / 64)

    return [
        ("D · TV", on_support(lambda z, p, q: float(np.ptp(z)) * _tv(p, q))),
        ("δ · TV", on_support(lambda z, p, q: float(np.diff(z).min(initial=np.inf)) * _tv(p, q)
                              if z.size > 1 else 0.0)),
        ("signed areas", on_support(lambda z, p, q: abs(float(np.cumsum(p - q)[:-1] @ np.diff(z))))),
        ("gap of the means", lambda x, y, a, b: abs(float(x @ a - y @ b))),
        ("unsorted atoms", unsorted),
        ("W₂", lambda x, y, a, b: math.sqrt(_lp(x, y, a, b, 2.0))),
        ("W₂ squared", lambda x, y, a, b: _lp(x, y, a, b, 2.0)),
        ("squared", lambda x, y, a, b: _w(x, y, a, b) ** 2),
        ("2 % high", lambda x, y, a, b: 1.02 * _w(x, y, a, b)),
        ("2 % low", lambda x, y, a, b: 0.98 * _w(x, y, a, b)),
        ("one part in 1e6 low", lambda x, y, a, b: (1 - 1e-6) * _w(x, y, a, b)),
        ("independent coupling", lambda x, y, a, b: float(a @ np.abs(x[:, None] - y[None]) @ b)),
        ("weights ignored", lambda x, y, a, b: _w(
            x, y, np.full(x.size, 1 / x.size), np.full(y.size, 1 / y.size))),
        ("Kolmogorov distance", on_support(lambda z, p, q: _prefix_tv(p, q))),
        ("positions ignored", on_support(lambda z, p, q: float(np.abs(np.cumsum(p - q)).sum()))),
        ("energy distance", on_support(
            lambda z, p, q: math.sqrt(2 * float(np.cumsum(p - q)[:-1] ** 2 @ np.diff(z))))),
        ("cost capped at 1", lambda x, y, a, b: min(_w(x, y, a, b), 1.0)),
        ("nearest neighbour (one marginal)", nearest),
        ("thousand quantiles", quantiles),
        ("worst displacement (W∞)", lambda x, y, a, b: largest_move(x, y, a, b)),
        ("weighted TV", on_support(
            lambda z, p, q: float((np.abs(z[:, None] - z[None]) @ np.abs(p - q)).min()))),
    ]  # fmt: skip


def all_mutants() -> list[Mutant]:
    """Every wrong distance of the collection."""
    families: dict[str, list[tuple[str, Callable[..., Any]]]] = {
        "kl": list(_kl_mutants()), "js": list(_js_mutants()), "tv": list(_tv_mutants()),
        "w": list(_w_mutants()),
    }  # fmt: skip
    return [Mutant(name, key, wrong) for key, family in families.items() for name, wrong in family]


def shuffles(right: Functionals) -> dict[str, Functionals]:
    """The same distances under each other's labels: every other arrangement of KL, JS, TV, and W := TV."""
    from itertools import permutations

    names = ("kl", "js", "tv")
    found = {}
    for order in permutations(names):
        if order != names:
            label = ", ".join(f"{a} := {b}" for a, b in zip(names, order) if a != b)
            found[label] = replace(right, **{a: getattr(right, b) for a, b in zip(names, order)})

    def tv_of_atoms(x: Array, y: Array, a: Array, b: Array) -> float:
        _, p, q = _merge(x, y, a, b)
        return float(right.tv(p, q))

    def w_of_cells(p: Array, q: Array) -> float:
        places = np.arange(float(p.size))
        return float(right.w(places, places, p, q))

    found["tv := w, w := tv"] = replace(right, tv=w_of_cells, w=tv_of_atoms)
    return found
