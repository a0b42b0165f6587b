"""Adaptive quadrature of non-negative integrands on the line, with an error bound and a verdict on infinity.

The line is cut into *rays*: half-lines or segments that start at a centre (a median, a support end, a
breakpoint) and are parametrised by x = centre ± exp(v). In v every length scale costs the same, so a
density of width 1e-6 beside one of width 1e6, a power tail and an algebraic singularity at a support end
are all smooth on panels of unit length. Positions reach the integrand as (centre, offset), never as their
rounded sum. Panels are integrated by the 21-point Gauss-Kronrod rule, all at once.

The error of a panel is taken as |K21 - G10|, the error of the *coarser* rule: an overestimate by many
orders of magnitude for a resolved integrand (Piessens et al., QUADPACK, 1983, §2.2.1.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Integrand = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(centre, offset), equal shapes S -> values (k, *S) of k >= 2 non-negative integrands.

The first is the aim; the second is a density (or any scale) whose subnormal values are not to be trusted."""

# Piessens, de Doncker-Kapenga, Überhuber, Kahaner: QUADPACK (1983), table of qk21.
_NODES = np.array(
    [
        0.995657163025808080735527280689003,
        0.973906528517171720077964012084452,
        0.930157491355708226001207180059508,
        0.865063366688984510732096688423493,
        0.780817726586416897063717578345042,
        0.679409568299024406234327365114874,
        0.562757134668604683339000099272694,
        0.433395394129247190799265943165784,
        0.294392862701460198131126603103866,
        0.148874338981631210884826001129720,
        0.0,
    ]
)
_GAUSS = np.array(
    [
        0.066671344308688137593568809893332,
        0.149451349150580593145776339657697,
        0.219086362515982043995534934228163,
        0.269266719309996355091226921569469,
        0.295524224714752870173892994651338,
    ]
)
_KRONROD = np.array(
    [
        0.011694638867371874278064396062192,
        0.032558162307964727478818972459390,
        0.054755896574351996031381300244580,
        0.075039674810919952767043140916190,
        0.093125454583697605535065465083366,
        0.109387158802297641899210590325805,
        0.123491976262065851077958109831074,
        0.134709217311473325928054001771707,
        0.142775938577060080797094273138717,
        0.147739104901338491374841515972068,
        0.149445554002916905664936468389821,
    ]
)
_X = np.concatenate([-_NODES[:-1], _NODES[::-1]])
_K = np.concatenate([_KRONROD[:-1], _KRONROD[::-1]])
_G = np.zeros(21)
_G[1:20:2] = np.concatenate([_GAUSS, _GAUSS[::-1]])
# With the panel's ends, at weight zero: a corner between the last node and the end must be seen too.
_CLOSED = [np.concatenate([[end], row, [-end]]) for end, row in ((-1.0, _X), (0.0, _K), (0.0, _G))]

_REACH = 345.0  # rays run from scale * e^-345 to scale * e^345 (1e±150): squares stay finite
_HUGE = 1e308  # stands for an overflow
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Ray:
    """The points centre + sign·exp(v) for v_min <= v <= v_max; `endless` if cut only by _REACH."""

    center: float
    sign: float
    v_min: float
    v_max: float
    endless: bool


@dataclass(frozen=True)
class Integral:
    """Integrals of k integrands, bounds on their errors, and how the first one ends.

    tail : {"finite", "unclear", "infinite", "overflow"}
        Whether the first integral converges at the ends of the rays; "overflow" when it exceeds 1e308.
    """

    values: np.ndarray
    errors: np.ndarray
    tail: str
    n_evaluations: int


def rays(lower: float, upper: float, centers: list[float], scale: float) -> list[Ray]:
    """Cut (lower, upper) half-way between consecutive centres; one ray to each side of each centre."""
    ends = [x for x in (lower, upper) if np.isfinite(x)]
    points = sorted({float(c) for c in [*centers, *ends] if lower <= c <= upper})
    out = []
    floor = np.log(scale) - _REACH
    for i, c in enumerate(points):
        left = lower if i == 0 else points[i - 1]
        right = upper if i == len(points) - 1 else points[i + 1]
        for sign, end, inner in ((-1.0, left, i > 0), (1.0, right, i < len(points) - 1)):
            length = abs(end - c)
            if length == 0:
                continue
            endless = not np.isfinite(length)
            stop = np.log(scale) + _REACH if endless else np.log(length / 2 if inner else length)
            out.append(Ray(c, sign, min(floor, stop - 50), float(stop), endless))
    return out


def _tail(v: np.ndarray, c: np.ndarray) -> tuple[str, float]:
    """Verdict on sum(c) beyond the last positive entry, and a bound on what is missing there.

    c holds masses of panels of equal width in v = log distance. A regularly varying integrand has
    log c ~ slope·v: summable iff slope < 0, and then the remainder is about c_last / |slope|.
    """
    last = np.flatnonzero(c > 0)
    if last.size == 0:
        return "finite", 0.0
    j = int(last[-1])
    i = max(0, j - 10)
    if c[j] >= _HUGE:
        return "overflow", np.inf
    if i == j or c[i] == 0:
        return "finite", float(c[j])
    slope = (np.log(c[j]) - np.log(c[i])) / abs(v[j] - v[i])
    slope = min(slope, np.log(c[j]) - np.log(c[j - 1])) if c[j - 1] > 0 else slope
    if slope > -1e-4:
        return "infinite", np.inf
    if slope > -0.01:
        return "unclear", np.inf
    return "finite", float(2 * c[j] / -slope)


def _panels(
    f: Integrand, all_rays: list[Ray], kinks: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, str, int]:
    """Unit panels worth integrating: (centre, sign, edges (n, 2)), error of the rest, tail, evaluations."""
    grids = []
    for ray in all_rays:
        n = int(np.ceil(ray.v_max - ray.v_min))
        edges = ray.v_max - np.arange(n, -1, -1.0)
        grids.append(np.stack([edges[:-1], edges[1:]], axis=1))
    edges = np.concatenate(grids)
    owner = np.repeat(np.arange(len(grids)), [len(g) for g in grids])
    center = np.array([r.center for r in all_rays])[owner]
    sign = np.array([r.sign for r in all_rays])[owner]
    v = edges.mean(axis=1)
    offset = sign * np.exp(v)
    mass = f(center, offset) * np.abs(offset)  # (k, n), one node a panel
    mass = mass[:-1] if kinks else mass
    tail, missing = "finite", np.zeros(len(mass))
    vague = (mass[1] > 0) & (mass[1] < 1e-300 * np.abs(offset))  # subnormal densities have no digits
    if not np.isfinite(mass[0]).all():
        ends = np.array([r.endless for r in all_rays])[owner]
        last = np.append(owner[1:] != owner[:-1], True)
        tail = "infinite" if np.isposinf(mass[0][ends & last]).any() else "overflow"
        mass = np.where(np.isfinite(mass), mass, _HUGE)
    order = ["finite", "unclear", "overflow", "infinite"]
    for i, ray in enumerate(all_rays):
        mine = owner == i
        for reverse in (True, False) if ray.endless else (True,):
            ends = np.flatnonzero(mine)[:: -1 if reverse else 1]
            for k in range(len(mass)):
                verdict, rest = _tail(v[ends], np.where(vague, 0.0, mass[k])[ends])
                missing[k] += rest
                if k == 0:
                    tail = max(tail, verdict, key=order.index)
    total = mass.sum(axis=1, keepdims=True)
    keep = (mass > 1e-18 * total).any(axis=0)
    near = keep.copy()
    near[1:] |= keep[:-1]
    near[:-1] |= keep[1:]
    missing += 2 * mass[:, ~near].sum(axis=1)
    return center[near], sign[near], edges[near], missing, tail, offset.size


def integrate(
    f: Integrand,
    all_rays: list[Ray],
    *,
    rtol: float = 1e-13,
    rtol_rest: float = 1e-11,
    max_evaluations: int = 400_000,
    kinks: bool = False,
) -> Integral:
    """Integrate k non-negative integrands along rays, splitting panels until the error bound is met.

    Parameters
    ----------
    f : callable
        See `Integrand`.
    all_rays : list of Ray
    rtol, rtol_rest : float
        Relative error asked of the first integral and of the others.
    max_evaluations : int
        Points at which ``f`` may be evaluated; past it the error bound says what was reached.
    kinks : bool
        The last row of ``f`` is not integrated: the first integrand has a corner, at value zero, where that
        row changes sign. Panels with a sign change are split until they do not matter.
    """
    with np.errstate(all="ignore"):
        center, sign, edges, missing, tail, used = _panels(f, all_rays, kinks)
        if tail in ("infinite", "overflow"):
            return Integral(np.full(len(missing), np.inf), missing, tail, used)
        done_value = np.zeros(len(missing))
        done_error = np.zeros(len(missing))
        nodes, kronrod, gauss = _CLOSED if kinks else (_X, _K, _G)
        while True:
            half = 0.5 * (edges[:, 1] - edges[:, 0])
            v = (edges.mean(axis=1))[:, None] + half[:, None] * nodes
            offset = sign[:, None] * np.exp(v)
            y = f(np.broadcast_to(center[:, None], v.shape), offset) * np.abs(offset)
            used += v.size
            turns = (np.min(y[-1], axis=1) < 0) & (np.max(y[-1], axis=1) > 0)
            y = y[:-1] if kinks else y
            value = (y @ kronrod) * half  # (k, n)
            error = np.abs(value - (y @ gauss) * half)
            if kinks:  # both rules may miss a corner by the same amount; the panel's own integral does not
                error[0] = np.where(turns, value[0], error[0])
            total = done_value + value.sum(axis=1)
            if not np.isfinite(total[0]):
                return Integral(np.full(len(missing), np.inf), missing, "overflow", used)
            aim = np.full(len(total), rtol_rest)
            aim[0] = rtol
            share = aim * total / max(1, error.shape[1]) / 2
            # A panel whose error is at rounding level has nothing to gain from a split.
            split = ((error > share[:, None]) & (error > 8 * _EPS * np.abs(value))).any(axis=0)
            split &= half > 1e-14 * (1 + np.abs(v[:, 0]))
            enough = done_error + error.sum(axis=1) <= aim * total
            if enough.all() or not split.any() or used + 2 * len(nodes) * split.sum() > max_evaluations:
                done_error += error.sum(axis=1)
                rounding = 16 * _EPS * total
                return Integral(total, done_error + missing + rounding, tail, used)
            done_value += value[:, ~split].sum(axis=1)
            done_error += error[:, ~split].sum(axis=1)
            mid = edges[split].mean(axis=1)
            edges = np.concatenate(
                [np.stack([edges[split, 0], mid], axis=1), np.stack([mid, edges[split, 1]], axis=1)]
            )
            center, sign = np.tile(center[split], 2), np.tile(sign[split], 2)
