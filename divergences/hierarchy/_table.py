"""The inequalities of the convergence hierarchy, each with its constant, extremal pair and source.

TV in [0, 1]; JS = KL(P|M) + KL(Q|M) in [0, 2 log 2]; H^2 = half the sum of (sqrt p - sqrt q)^2;
Delta = sum (p-q)^2 / (p+q); D the diameter, delta the smallest non-zero distance of the space.
"""

from __future__ import annotations

from fractions import Fraction

from divergences.hierarchy._bound import Bound, dyadic
from divergences.hierarchy._continuous_pairs import GaussianPair, StepPair
from divergences.hierarchy._fht import extremal_binary
from divergences.hierarchy._pair import Pair

_UNIT = [Fraction(0), Fraction(1)]


def _swap(k: int) -> Pair:
    """((1+t)/2, (1-t)/2) and its mirror image, t = 2^-k, on {0, 1}."""
    t = dyadic(k)
    up, down = (1 + t) / 2, (1 - t) / 2
    return Pair([up, down], [down, up], points=_UNIT)


def _side_by_side(k: int) -> Pair:
    """(t, 1-t, 0) and (0, 1-t, t): a common part, and the rest disjoint."""
    t = dyadic(k)
    return Pair([t, 1 - t, 0], [0, 1 - t, t], points=[0, 1, 2])


def _leak(k: int) -> Pair:
    """Dirac at 0 and its mixture with 2^-k of a Dirac at 1."""
    return Pair([1, 0], [1 - dyadic(k), dyadic(k)], points=_UNIT)


def _almost_gone(k: int) -> Pair:
    """Dirac at 0 and a law that keeps only 2^-k there: TV = 1 - 2^-k, KL = k log 2."""
    return Pair([1, 0], [dyadic(k), 1 - dyadic(k)], points=_UNIT)


def _fht_pair(k: int) -> Pair:
    """The optimal binary pair at t = k / (k+1)."""
    p, q = map(Fraction, extremal_binary(k / (k + 1)))
    return Pair([p, 1 - p], [q, 1 - q], points=_UNIT)


def _half(k: int) -> Pair:
    """Dirac at 0 and the fair coin."""
    return Pair([1, 0], [Fraction(1, 2), Fraction(1, 2)], points=_UNIT)


def _diracs(k: int) -> Pair:
    """Two Diracs at distance 1."""
    return Pair([1, 0], [0, 1], points=_UNIT)


def _near_diracs(k: int) -> Pair:
    """Two Diracs at distance 2^-k."""
    return Pair([1, 0], [0, 1], points=[0, dyadic(k)])


def _gibbs_su_low(k: int) -> Pair:
    """(1-e) delta_0 + e delta_e against delta_0: pi = e, W = e^2."""
    e = dyadic(k)
    return Pair([1 - e, e], [1, 0], points=[0, e])


def _gibbs_su_high(k: int) -> Pair:
    """(1-e) delta_e + e delta_1 against delta_0: pi = e, W = (1-e) e + e."""
    e = dyadic(k)
    return Pair([0, 1 - e, e], [1, 0, 0], points=[0, e, 1])


def _heaped(k: int) -> StepPair:
    """U[0, 1] and the same mass heaped on the last 2^-k of the interval."""
    e = dyadic(k)
    return StepPair([1 - e, e], [0, 1], edges=[0, 1 - e, 1])


_TV_JS = (
    Bound("js_tv_lower", "JS ≥ (1+TV) log(1+TV) + (1−TV) log(1−TV)", "1", "js", ">=", ("tv",),
          lambda m, t: m.g(t), _swap, "equality at every TV: a law and its swap on two points",
          "Topsøe, IEEE-IT 46 (2000); Harremoës–Vajda (2011)"),
    Bound("js_tv_square", "JS ≥ TV²", "1", "js", ">=", ("tv",),
          lambda m, t: t * t, _swap, "constant 1 reached as TV → 0", "first term of the bound above"),
    Bound("js_tv_upper", "JS ≤ 2 log 2 · TV", "1", "js", "<=", ("tv",),
          lambda m, t: 2 * m.log2 * t, _side_by_side, "equality: a common part, the rest disjoint",
          "Lin, IEEE-IT 37 (1991)"),
    Bound("js_triangular_lower", "JS ≥ ½ Δ", "1", "js", ">=", ("triangular",),
          lambda m, x: x / 2, _swap, "constant ½ reached as P → Q", "Topsøe, IEEE-IT 46 (2000)"),
    Bound("js_triangular_upper", "JS ≤ log 2 · Δ", "1", "js", "<=", ("triangular",),
          lambda m, x: m.log2 * x, _side_by_side, "equality when every atom is common or disjoint",
          "Topsøe, IEEE-IT 46 (2000)"),
    Bound("js_hellinger_lower", "JS ≥ 2 log 2 · H²", "1", "js", ">=", ("squared_hellinger",),
          lambda m, h: 2 * m.log2 * h, _side_by_side, "equality when every atom is common or disjoint",
          "range of the generator ratio"),
    Bound("js_hellinger_upper", "JS ≤ 2 H²", "1", "js", "<=", ("squared_hellinger",),
          lambda m, h: 2 * h, _swap, "constant 2 reached as P → Q", "range of the generator ratio"),
    Bound("hellinger_tv", "H² ≤ TV", "1", "squared_hellinger", "<=", ("tv",),
          lambda m, t: t, _side_by_side, "equality when every atom is common or disjoint", "Le Cam (1969)"),
    Bound("tv_hellinger", "TV ≤ √(H² (2−H²))", "1", "tv", "<=", ("squared_hellinger",),
          lambda m, h: m.sqrt(1 - (1 - h) * (1 - h)), _swap, "equality at every TV: a law and its swap",
          "Le Cam (1969)"),
)  # fmt: skip

_KL = (
    Bound("fht", "KL ≥ least KL at that TV (Fedotov–Harremoës–Topsøe)", "3", "kl", ">=", ("tv",),
          lambda m, t: m.fht(t), _fht_pair, "equality at every TV", "IEEE-IT 49 (2003)"),
    Bound("pinsker", "KL ≥ 2 TV²", "3", "kl", ">=", ("tv",),
          lambda m, t: 2 * t * t, _swap, "constant 2 reached as TV → 0", "Pinsker; Csiszár; Kullback (1967)"),
    Bound("pinsker_8th", "KL ≥ 2 TV² + 4/9 TV⁴ + 32/135 TV⁶ + 7072/42525 TV⁸", "3", "kl", ">=", ("tv",),
          lambda m, t: t**2 * 2 + t**4 * 4 / 9 + t**6 * 32 / 135 + t**8 * 7072 / 42525,
          _swap, "reached as TV → 0", "Topsøe (2001); Fedotov–Harremoës–Topsøe (2003)"),
    Bound("bretagnolle_huber", "KL ≥ −log(1−TV²)", "3", "kl", ">=", ("tv",),
          lambda m, t: m.neg_log1m(t * t), _almost_gone, "reached as TV → 1, at the pace 1/log",
          "Bretagnolle–Huber (1979)"),
    Bound("vajda", "KL ≥ log((1+TV)/(1−TV)) − 2 TV/(1+TV)", "3", "kl", ">=", ("tv",),
          lambda m, t: m.log1p(t) + m.neg_log1m(t) - 2 * (1 - 1 / (1 + t)), _swap,
          "reached as TV → 0 and, at the pace 1/log, as TV → 1", "Vajda, IEEE-IT 16 (1970)"),
    Bound("gilardoni", "KL ≥ −log(1−TV) − (1−TV) log(1+TV)", "3", "kl", ">=", ("tv",),
          lambda m, t: m.neg_log1m(t) - (1 - t) * m.log1p(t), _swap, "reached as TV → 0 and as TV → 1",
          "Gilardoni, IEEE-IT 56 (2010)"),
    Bound("js_kl", "JS ≤ log 2 · KL(P‖Q)", "3", "js", "<=", ("kl",),
          lambda m, k: m.log2 * k, _leak, "reached as a point of Q vanishes from P, mass → 0",
          "range of the generator ratio"),
    Bound("js_kl_reverse", "JS ≤ log 2 · KL(Q‖P)", "3", "js", "<=", ("kl_reverse",),
          lambda m, k: m.log2 * k, lambda k: _leak(k).swapped(), "mirror image of the bound above",
          "range of the generator ratio"),
    Bound("js_kl_jensen", "JS ≤ log(2/(1+exp(−KL))) + log(2/(1+exp(−KL′)))", "3", "js", "<=",
          ("kl", "kl_reverse"),
          lambda m, k, r: 2 * m.log2 - m.log1p(m.exp_neg(k)) - m.log1p(m.exp_neg(r)), _diracs,
          "equality for disjoint laws", "Jensen; Crooks (2008)"),
    Bound("kl_chi2", "KL ≤ log(1+χ²)", "3", "kl", "<=", ("chi2",),
          lambda m, x: m.log1p(x), _half, "equality: P is Q conditioned on a set", "Jensen; Gibbs–Su (2002)"),
    Bound("chi2_tv", "χ² ≤ 2 TV² / min Q", "3", "chi2", "<=", ("tv",),
          lambda m, t, r: 2 * t * t * r, _half, "equality: two equal atoms of Q", "finite spaces only",
          space=("inverse_mass",)),
    Bound("kl_tv_finite", "KL ≤ log(1 + 2 TV² / min Q)", "3", "kl", "<=", ("tv",),
          lambda m, t, r: m.log1p(2 * t * t * r), _half, "equality: fair coin against a Dirac",
          "the two bounds above; finite spaces only", space=("inverse_mass",)),
)  # fmt: skip

_TRANSPORT = (
    Bound("w_tv", "W ≤ D · TV", "4", "w", "<=", ("tv",),
          lambda m, t, d: d * t, _swap, "equality on two points", "Villani (2009), Theorem 6.15",
          space=("diameter",)),
    Bound("w2_tv", "W₂ ≤ D √TV", "4", "w2", "<=", ("tv",),
          lambda m, t, d: d * m.sqrt(t), _swap, "equality on two points", "Villani (2009), Theorem 6.15",
          space=("diameter",)),
    Bound("w_weighted_tv", "W ≤ min over x₀ of ∫ d(x₀,x) d|P−Q|", "4", "w", "<=", ("weighted_tv",),
          lambda m, x: x, _leak, "equality: one of the laws is a Dirac at x₀", "Villani (2009), 6.15"),
    Bound("w_tv_lower", "W ≥ δ · TV", "4", "w", ">=", ("tv",),
          lambda m, t, d: d * t, _swap, "equality on two points", "finite spaces only",
          space=("separation",)),
    Bound("w2_tv_lower", "W₂ ≥ δ √TV", "4", "w2", ">=", ("tv",),
          lambda m, t, d: d * m.sqrt(t), _swap, "equality on two points", "finite spaces only",
          space=("separation",)),
    Bound("w_kl", "W ≤ D √(KL/2)", "4", "w", "<=", ("kl",),
          lambda m, k, d: d * m.sqrt(k / 2), _swap, "reached as P → Q on two points",
          "W ≤ D · TV, and Pinsker", space=("diameter",)),
    Bound("w_kl_bounded", "W ≤ D √(1−exp(−KL))", "4", "w", "<=", ("kl",),
          lambda m, k, d: d * m.sqrt(1 - m.exp_neg(k)), _diracs, "equality for disjoint laws on two points",
          "W ≤ D · TV, and Bretagnolle–Huber", space=("diameter",)),
    Bound("w_js", "W ≤ D √JS", "4", "w", "<=", ("js",),
          lambda m, j, d: d * m.sqrt(j), _swap, "reached as P → Q on two points", "W ≤ D · TV, and JS ≥ TV²",
          space=("diameter",)),
    Bound("talagrand", "W₂ ≤ σ √(2 KL(P‖N(m,σ²I)))", "4", "w2", "<=", ("kl",),
          lambda m, k, s: s * m.sqrt(2 * k), lambda k: GaussianPair(k, 1, 1), "equality for translates",
          "Talagrand (1996)", space=("sigma",)),
)  # fmt: skip

_WEAK = (
    Bound("prokhorov_w", "π² ≤ W", "2", "w", ">=", ("prokhorov",),
          lambda m, x: x * x, _gibbs_su_low, "equality: mass ε moved by ε", "Gibbs–Su (2002), Theorem 2"),
    Bound("w_prokhorov", "W ≤ (D+1) π", "2", "w", "<=", ("prokhorov",),
          lambda m, x, d: (d + 1) * x, _gibbs_su_high, "reached as ε → 0: all mass moved by ε, ε of it by D",
          "Gibbs–Su (2002), Theorem 2", space=("diameter",)),
    Bound("bounded_lipschitz_w", "β ≤ W", "2", "bounded_lipschitz", "<=", ("w",),
          lambda m, w: w, _near_diracs, "reached by two Diracs as their distance → 0", "Dudley (2002), 11.3"),
    Bound("w_bounded_lipschitz", "W ≤ (1+D/2) β", "2", "w", "<=", ("bounded_lipschitz",),
          lambda m, b, d: (1 + d / 2) * b, _diracs, "equality for two Diracs", "scaling of the critic",
          space=("diameter",)),
    Bound("w_w2", "W ≤ W₂", "2", "w", "<=", ("w2",),
          lambda m, w: w, _diracs, "equality when all mass moves equally far", "Jensen"),
    Bound("w2_w", "W₂ ≤ √(D W)", "2", "w2", "<=", ("w",),
          lambda m, w, d: m.sqrt(d * w), _swap, "equality on two points", "Villani (2003), 7.1.2",
          space=("diameter",)),
    Bound("prokhorov_tv", "π ≤ TV", "2", "prokhorov", "<=", ("tv",),
          lambda m, t: t, _swap, "equality when the points are at least TV apart", "Gibbs–Su (2002)"),
    Bound("bounded_lipschitz_tv", "β ≤ 2D/(2+D) · TV", "2", "bounded_lipschitz", "<=", ("tv",),
          lambda m, t, d: (2 - 4 / (2 + d)) * t, _swap, "equality on two points", "scaling of the critic",
          space=("diameter",)),
    Bound("w_kolmogorov", "W ≤ (b−a) K", "2", "w", "<=", ("kolmogorov",),
          lambda m, k, d: d * k, _swap, "equality on two points", "W = ∫|F−G|, on the line",
          space=("diameter",)),
    Bound("kolmogorov_tv", "K ≤ TV", "2", "kolmogorov", "<=", ("tv",),
          lambda m, t: t, _swap, "equality on two points", "half-lines are sets"),
    Bound("kolmogorov_w", "K ≤ √(2 C W), C a bound on one density", "2", "kolmogorov", "<=", ("w",),
          lambda m, w, c: m.sqrt(2 * c * w), _heaped, "reached by U[0,1] heaped on its last ε",
          "Ross, Probab. Surveys 8 (2011), Prop. 1.2", space=("density",)),
)  # fmt: skip


BOUNDS: dict[str, Bound] = {bound.name: bound for bound in (*_TV_JS, *_KL, *_TRANSPORT, *_WEAK)}
"""Every inequality, by name."""
