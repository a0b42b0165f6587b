"""The families of laws that separate the parts of the theorem, with closed forms and expected limits.

Each is given in finite form: cells on which the likelihood ratio is constant carry every f-divergence
exactly, and atoms (quantiles, or midpoints of cells) carry W, exactly wherever the closed form is
piecewise linear. n is a power of two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from divergences.hierarchy._classify import Kind, Limit
from divergences.hierarchy._instance import Instance

_LOG2 = math.log(2)
_INFINITE = Limit(Kind.INFINITE, None, math.inf)
_ALL_N = tuple(2**k for k in range(4, 11))


def _zero(rate: float | None = None, constant: float | None = None) -> Limit:
    return Limit(Kind.ZERO, rate, constant)


def _away(constant: float) -> Limit:
    return Limit(Kind.AWAY, None, constant)


@dataclass(frozen=True)
class Sequence:
    """A sequence of pairs (P_n, P) with what is known about it.

    Attributes
    ----------
    name, statement, shows : str
        Identifier, the two laws, and what the sequence demonstrates.
    instance : callable
        ``instance(n)`` -> `Instance`, P_n first.
    expected : mapping
        Functional -> `Limit`; functionals left out are not asked.
    closed : mapping
        Functional -> closed form as a function of n.
    compact : bool
        Whether all laws live on one compact space, as the theorem assumes.
    finite : bool
        Whether all laws live on one finite space.
    ns : tuple of int
        Where it is evaluated: powers of two.
    """

    name: str
    statement: str
    shows: str
    instance: Callable[[int], Instance]
    expected: Mapping[str, Limit] = field(default_factory=dict)
    closed: Mapping[str, Callable[[int], float]] = field(default_factory=dict)
    compact: bool = True
    finite: bool = False
    ns: tuple[int, ...] = _ALL_N


def _uniform(n: int) -> np.ndarray:
    return np.full(n, 1.0 / n)


def _midpoints(n: int) -> np.ndarray:
    return (np.arange(n) + 0.5) / n


def _on_atoms(
    p: list[float], q: list[float], x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray
) -> Instance:
    return Instance(np.array(p), np.array(q), x, y, a, b)


def _diracs(n: int) -> Instance:
    return Instance.of([1.0, 0.0], [0.0, 1.0], [1 / n, 0.0])


def _parallel_lines(n: int) -> Instance:
    heights = _midpoints(8)
    cost = np.hypot(1 / n, heights[:, None] - heights[None, :])
    case = _on_atoms([1.0, 0.0], [0.0, 1.0], heights, heights, _uniform(8), _uniform(8))
    return Instance(case.p, case.q, case.x, case.y, case.a, case.b, cost)


def _comb(n: int) -> Instance:
    x, y = _midpoints(n), _midpoints(16 * n)
    return _on_atoms([1.0, 0.0], [0.0, 1.0], x, y, _uniform(n), _uniform(16 * n))


def _ripple(n: int) -> Instance:
    cells = 2**14
    wave = 1 + np.sin(2 * math.pi * _midpoints(cells))
    x, b = _midpoints(64 * n), _uniform(64 * n)
    a = (1 + np.sin(2 * math.pi * n * x)) * b
    return Instance(wave / wave.sum(), _uniform(cells), x, x, a / a.sum(), b)


def _half_bins(n: int) -> Instance:
    y = _midpoints(16 * n)
    kept = (np.arange(16 * n) // 8) % 2 == 0
    return _on_atoms([1.0, 0.0], [0.5, 0.5], y[kept], y, _uniform(8 * n), _uniform(16 * n))


def _shrunk(n: int) -> Instance:
    y = _midpoints(32)
    return _on_atoms([1.0, 0.0], [1 - 1 / n, 1 / n], (1 - 1 / n) * y, y, _uniform(32), _uniform(32))


def _spiked(n: int) -> Instance:
    y, e = _midpoints(32), 1 / n
    a = np.append((1 - e) * _uniform(32), e)
    return _on_atoms([e, 1 - e], [0.0, 1.0], np.append(y, 0.0), y, a, _uniform(32))


def _slid(n: int) -> Instance:
    y, e = _midpoints(32), 1 / n
    return _on_atoms([0.0, 1 - e, e], [e, 1 - e, 0.0], y + e, y, _uniform(32), _uniform(32))


def _geometric(n: int) -> Instance:
    far = 2.0 ** -(n * n)
    p, q = [(1 - 1 / n) * (1 - far), (1 - 1 / n) * far + 1 / n], [1 - far, far]
    k = np.arange(1.0, 51.0)
    b = 2.0**-k
    b[-1] *= 2
    return _on_atoms(p, q, np.append(1 / k, 1 / n**2), 1 / k, np.append((1 - 1 / n) * b, 1 / n), b)


def _heavy(n: int) -> Instance:
    k = 2.0 ** np.arange(1, 10)  # 2, 4, ..., 512: beyond, the geometric masses underflow
    r = 2.0 ** -np.arange(1, 10)
    r[-1] *= 2
    q_special = 2.0**-k
    q = np.append(q_special, 1 - q_special.sum())
    p = (1 - 1 / n) * q + np.append(r, 0.0) / n
    rest = 0.7  # where the lumped mass sits; any place in [0, 1] does
    x = np.append(1 / k, rest)
    return Instance(p / p.sum(), q, x, x, p / p.sum(), q)


def _coin(n: int) -> Instance:
    t = 1 / (2 * n)
    return Instance.of([0.5 + t, 0.5 - t], [0.5, 0.5])


def _escaping(n: int) -> Instance:
    return Instance.of([1 - 1 / n, 1 / n], [1.0, 0.0], [0.0, n])


def _escaping_fast(n: int) -> Instance:
    return Instance.of([1 - 1 / n, 1 / n], [1.0, 0.0], [0.0, n * n])


def _finite_converging(n: int) -> Instance:
    return Instance.of([0.5 + 1 / n, 0.25 - 1 / n, 0.25], [0.5, 0.25, 0.25], [0.0, 0.25, 1.0])


def _finite_staying(n: int) -> Instance:
    return Instance.of([0.5 + 1 / n, 0.125 - 1 / n, 0.375], [0.5, 0.25, 0.25], [0.0, 0.25, 1.0])


def _js_shrunk(n: int) -> float:
    e = 1 / n
    a = 1 - e
    # (1+a) log(2/(1+a)) + a log a + (1-a) log 2 with the logarithms taken near 1.
    return -(1 + a) * math.log1p(-e / 2) + a * math.log1p(-e) + e * _LOG2


_APART = {"tv": _away(1), "js": _away(2 * _LOG2), "kl": _INFINITE, "kl_reverse": _INFINITE}
_APART_CLOSED: dict[str, Callable[[int], float]] = {
    "tv": lambda n: 1.0, "js": lambda n: 2 * _LOG2, "kl": lambda n: math.inf, "kl_reverse": lambda n: math.inf
}  # fmt: skip


def _minus_log(n: int) -> float:
    return -math.log1p(-1 / n)


def _inf(n: int) -> float:
    return math.inf


_WEAK_ONLY = (
    Sequence("S1", "Dirac at 1/n → Dirac at 0", "(2) does not imply (1)", _diracs,
             _APART | {"w": _zero(1, 1)}, _APART_CLOSED | {"w": lambda n: 1 / n}),
    Sequence("S2", "parallel segments at distance 1/n", "(2) does not imply (1); Example 1 of the paper",
             _parallel_lines, _APART | {"w": _zero(1, 1)}, _APART_CLOSED | {"w": lambda n: 1 / n}),
    Sequence("S3", "n equal atoms → U[0,1]", "(2) does not imply (1): discrete to continuous", _comb,
             _APART | {"w": _zero(1, 0.25)}, _APART_CLOSED | {"w": lambda n: 1 / (4 * n)},
             ns=tuple(2**k for k in range(3, 9))),
    Sequence("S4", "density 1 + sin 2πnx → U[0,1]", "all of KL, JS, TV finite, still (2) does not imply (1)",
             _ripple,
             {"tv": _away(1 / math.pi), "js": _away(0.177576555399), "kl": _away(1 - _LOG2),
              "kl_reverse": _away(_LOG2), "w": _zero(1, 1 / (2 * math.pi))},
             {"tv": lambda n: 1 / math.pi,
              "js": lambda n: math.sqrt(3) - 1 - _LOG2 - 2 * math.log((2 + math.sqrt(3)) / 4),
              "kl": lambda n: 1 - _LOG2, "kl_reverse": lambda n: _LOG2, "w": lambda n: 1 / (2 * math.pi * n)},
             ns=tuple(2**k for k in range(1, 7))),
    Sequence("S5", "density 2 on alternate half-bins → U[0,1]", "(2) does not imply (1): shrinking bins",
             _half_bins,
             {"tv": _away(0.5), "js": _away(math.log(8 / (3 * math.sqrt(3)))), "kl": _away(_LOG2),
              "kl_reverse": _INFINITE, "w": _zero(1, 0.25)},
             {"tv": lambda n: 0.5, "js": lambda n: math.log(8 / (3 * math.sqrt(3))), "kl": lambda n: _LOG2,
              "kl_reverse": _inf, "w": lambda n: 1 / (4 * n)},
             ns=tuple(2**k for k in range(3, 9))),
)  # fmt: skip

_STRONG = (
    Sequence("S6", "U[0, 1−1/n] → U[0,1]", "one KL → 0, the other infinite", _shrunk,
             {"tv": _zero(1, 1), "js": _zero(1, _LOG2), "kl": _zero(1, 1), "kl_reverse": _INFINITE,
              "w": _zero(1, 0.5)},
             {"tv": lambda n: 1 / n, "js": _js_shrunk, "kl": _minus_log,
              "kl_reverse": _inf, "w": lambda n: 1 / (2 * n)}),
    Sequence("S7", "(1−1/n) U[0,1] + δ₀/n → U[0,1]", "the reverse of S6", _spiked,
             {"tv": _zero(1, 1), "js": _zero(1, _LOG2), "kl": _INFINITE, "kl_reverse": _zero(1, 1),
              "w": _zero(1, 0.5)},
             {"tv": lambda n: 1 / n, "js": _js_shrunk, "kl": _inf, "kl_reverse": _minus_log,
              "w": lambda n: 1 / (2 * n)}),
    Sequence("S8", "U[1/n, 1+1/n] → U[0,1]", "(1) does not imply (3), in either direction; JS extremal",
             _slid,
             {"tv": _zero(1, 1), "js": _zero(1, 2 * _LOG2), "kl": _INFINITE, "kl_reverse": _INFINITE,
              "w": _zero(1, 1)},
             {"tv": lambda n: 1 / n, "js": lambda n: 2 * _LOG2 / n, "kl": _inf, "kl_reverse": _inf,
              "w": lambda n: 1 / n}),
    Sequence("S9", "geometric on {1/k}, with mass 1/n moved to k = n²",
             "(1) does not imply (3): mutually absolutely continuous, KL → ∞", _geometric,
             {"tv": _zero(1, 1), "js": _zero(1, _LOG2), "kl": Limit(Kind.INFINITE, 1, _LOG2),
              "kl_reverse": _zero(1, 1), "w": _zero(1, _LOG2)},
             {"tv": lambda n: (1 - 2.0 ** -(n * n)) / n, "kl_reverse": _minus_log},
             ns=(2, 4, 8, 16, 32)),
    Sequence("S9'", "geometric mixed with Σⱼ 2⁻ʲ δ at k = 2ʲ, mass 1/n",
             "(1) does not imply (3): equivalent laws, KL infinite (by the closed form: finite partial sums)",
             _heavy, {"tv": _zero(1), "js": _zero(), "kl_reverse": _zero(), "w": _zero(1)},
             {"kl": _inf}),
    Sequence("S10", "Bernoulli(½ + 1/2n) → Bernoulli(½)", "JS ~ TV²: the other extreme; fixed finite space",
             _coin,
             {"tv": _zero(1, 0.5), "js": _zero(2, 0.25), "kl": _zero(2, 0.5), "kl_reverse": _zero(2, 0.5),
              "w": _zero(1, 0.5)},
             {"tv": lambda n: 1 / (2 * n), "w": lambda n: 1 / (2 * n)}, finite=True),
)  # fmt: skip

_CONTROLS = (
    Sequence("C1", "(1−1/n) δ₀ + δₙ/n → δ₀", "control: (4) fails where the space is not compact", _escaping,
             {"tv": _zero(1, 1), "js": _zero(1, _LOG2), "kl": _INFINITE, "kl_reverse": _zero(1, 1),
              "w": _away(1)},
             {"tv": lambda n: 1 / n, "js": _js_shrunk, "kl": _inf, "kl_reverse": _minus_log,
              "w": lambda n: 1.0}, compact=False),
    Sequence("C1'", "(1−1/n) δ₀ + δ at n², mass 1/n", "control: not compact, W → ∞", _escaping_fast,
             {"tv": _zero(1, 1), "js": _zero(1, _LOG2), "kl": _INFINITE, "kl_reverse": _zero(1, 1),
              "w": Limit(Kind.INFINITE, 1, 1)},
             {"tv": lambda n: 1 / n, "js": _js_shrunk, "kl": _inf, "kl_reverse": _minus_log,
              "w": lambda n: float(n)}, compact=False),
    Sequence("C2", "a convergent sequence on {0, ¼, 1}",
             "control: on a finite space (2) implies (1) and (3)", _finite_converging,
             {"tv": _zero(1, 1), "js": _zero(2, 1.5), "kl": _zero(2, 3), "kl_reverse": _zero(2, 3),
              "w": _zero(1, 0.25)},
             {"tv": lambda n: 1 / n, "w": lambda n: 1 / (4 * n)}, finite=True),
    Sequence("C2'", "a sequence on {0, ¼, 1} that converges elsewhere",
             "control: on a finite space TV away from 0 keeps W away from 0", _finite_staying,
             {"tv": _away(0.125), "js": Limit(Kind.AWAY), "kl": Limit(Kind.AWAY),
              "kl_reverse": Limit(Kind.AWAY), "w": _away(0.09375)}, finite=True),
)  # fmt: skip

SEQUENCES: dict[str, Sequence] = {s.name: s for s in (*_WEAK_ONLY, *_STRONG, *_CONTROLS)}
"""Families S1-S10 and the negative controls C1, C2, by name."""
