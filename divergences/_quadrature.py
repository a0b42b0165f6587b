"""Adaptive quadrature of non-negative integrands on the line, with an error bound and a verdict on infinity.

The line is cut into *rays*: half-lines or segments that start at a centre (a median, a support end, a
breakpoint) and are parametrised by x = centre ± exp(v). In v every length scale costs the same, so a
density of width 1e-6 beside one of width 1e6, a power tail and an algebraic singularity at a support end
are all smooth on panels of unit length. Positions reach the integrand as (centre, offset), never as their
rounded sum. Panels are integrated by the 21-point Gauss-Kronrod rule, all at once.

Before anything is summed the integrands are surveyed by their logarithms, one node a panel: what grows or
decays beyond the double range is seen there, the panels that matter are chosen, and the ends of the rays are
judged. A sum diverges only if its terms, per unit of log distance, do not shrink at the end of a ray
(10^±150 from its centre).

The error of a panel is taken as |K21 - G10|, the error of the *coarser* rule: an overestimate by many
orders of magnitude for a resolved integrand (Piessens et al., QUADPACK, 1983, §2.2.1.1).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from divergences._laws import HIGHEST, REACH

Integrand = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(centre, offset), equal shapes S -> values (k, *S) of k non-negative integrands, or their logarithms."""

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
NODES21 = np.concatenate([-_NODES[:-1], _NODES[::-1]])
K21 = np.concatenate([_KRONROD[:-1], _KRONROD[::-1]])
G10 = np.zeros(21)
G10[1:20:2] = np.concatenate([_GAUSS, _GAUSS[::-1]])
# With the panel's ends, at weight zero: a corner between the last node and the end must be seen too.
_CLOSED = [np.concatenate([[end], row, [-end]]) for end, row in ((-1.0, NODES21), (0.0, K21), (0.0, G10))]

_EPS = float(np.finfo(np.float64).eps)
_FAR = -41.5  # panels below e^-41.5 = 1e-18 of the largest are not summed
ORDER = ("finite", "unclear", "infinite")


@dataclass(frozen=True)
class Ray:
    """The points centre + sign·exp(v) for v_min <= v <= v_max; `endless` if cut only by REACH."""

    center: float
    sign: float
    v_min: float
    v_max: float
    endless: bool


@dataclass(frozen=True)
class Survey:
    """Logarithms of the integrands, one node to each unit panel of the rays.

    Attributes
    ----------
    center, sign, v, owner : (n,)
        Ray of each panel and the log distance of its node.
    edges : (n, 2)
    height : (k, n)
        log integrand + v: masses per unit of log distance.
    """

    rays: list[Ray]
    center: np.ndarray
    sign: np.ndarray
    edges: np.ndarray
    v: np.ndarray
    owner: np.ndarray
    height: np.ndarray

    @property
    def peak(self) -> int:
        """The node at which the first integrand is largest."""
        return int(np.argmax(self.height[0]))

    def beside(self, keep: np.ndarray) -> np.ndarray:
        """``keep`` and the neighbours of its panels, those across the meeting of two rays included."""
        near = keep.copy()
        near[1:] |= keep[:-1]
        near[:-1] |= keep[1:]
        last = np.append(np.flatnonzero(np.diff(self.owner)), len(keep) - 1)
        for left, right in itertools.pairwise(range(len(self.rays))):
            if self.rays[left].sign > 0 > self.rays[right].sign:
                meeting = keep[last[left]] or keep[last[right]]
                near[last[left]] |= meeting
                near[last[right]] |= meeting
        return near


@dataclass(frozen=True)
class Integral:
    """Integrals of k integrands, and bounds on their errors."""

    values: np.ndarray
    errors: np.ndarray
    n_evaluations: int


def rays(lower: float, upper: float, points: list[float], scale: float, spread: float = 0.0) -> list[Ray]:
    """Cut (lower, upper) half-way between consecutive points; one ray to each side of each point.

    Rays run from scale e^-345 to scale e^345, or further by ``spread``, the log ratio of the laws' scales.
    """
    ends = [x for x in (lower, upper) if np.isfinite(x)]
    places = sorted({float(c) for c in [*points, *ends] if lower <= c <= upper})
    out = []
    reach = max(REACH, spread + 60)
    floor = max(np.log(scale) - reach, -HIGHEST)
    for i, c in enumerate(places):
        left = lower if i == 0 else places[i - 1]
        right = upper if i == len(places) - 1 else places[i + 1]
        for sign, end, inner in ((-1.0, left, i > 0), (1.0, right, i < len(places) - 1)):
            length = abs(end - c)
            if length == 0:
                continue
            endless = not np.isfinite(length)
            stop = min(np.log(scale) + reach, HIGHEST) if endless else np.log(length / 2 if inner else length)
            out.append(Ray(c, sign, min(floor, stop - 50), float(stop), endless))
    return out


def survey(log_rows: Integrand, all_rays: list[Ray]) -> Survey:
    """Heights of the integrands at the middle of every unit panel."""
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
    with np.errstate(all="ignore"):
        height = log_rows(center, sign * np.exp(v)) + v
    height = np.where(np.isnan(height), -np.inf, height)
    return Survey(all_rays, center, sign, edges, v, owner, height)


def refined_peak(log_rows: Integrand, seen: Survey) -> tuple[float, float, float]:
    """Largest height of the first integrand, its position, and the distance over which it falls by 1/2."""
    i = seen.peak
    center, sign, v, half = seen.center[i], seen.sign[i], float(seen.v[i]), 1.0
    top, width = float(seen.height[0, i]), math.inf
    with np.errstate(all="ignore"):
        for _ in range(12):
            grid = v + half * np.linspace(-1, 1, 41)
            height = log_rows(np.full(41, center), sign * np.exp(grid))[0] + grid
            height = np.where(np.isnan(height), -np.inf, height)
            j = int(np.argmax(height))
            v, top = float(grid[j]), float(max(top, height[j]))
            near = height > height[j] - 0.5
            width = half / 20 * max(1, int(near.sum()))
            if near.sum() > 3 or j in (0, 40):
                break
            half /= 10
    return top, float(center + sign * math.exp(v)), width * math.exp(v)


def tail(v: np.ndarray, height: np.ndarray, peak: float = -math.inf) -> tuple[str, float]:
    """Verdict on the sum of exp(height) beyond the end, and the log of a bound on what is missing there.

    ``height`` holds logs of masses of panels of equal width in v, the end of the ray last. A regularly
    varying integrand has height ~ slope·v: summable iff slope < 0, and then the rest is about the last mass
    over |slope|. An integrand that is zero at the end of the ray, or e^-700 of its ``peak``, has no tail
    there: heights so low are rounded.
    """
    j = len(height) - 1
    if j >= 0 and height[j] < peak - 700:
        return "finite", float(height[j])
    if j < 1 or height[j] == -np.inf:
        return "finite", -np.inf
    i = max(0, j - 10)
    if np.isposinf(height[j]) or height[i] == -np.inf:
        return ("infinite" if np.isposinf(height[j]) else "unclear"), np.inf
    step = abs(v[j] - v[j - 1])
    slope = (height[j] - height[i]) / abs(v[j] - v[i])
    slope = min(slope, (height[j] - height[j - 1]) / step)
    if slope > -1e-4:
        return "infinite", np.inf
    if slope > -0.01:
        return "unclear", np.inf
    return "finite", float(height[j] + math.log(2 / -slope))


def tails(seen: Survey, sure: np.ndarray) -> tuple[str, np.ndarray, str]:
    """Verdict on the first integrand, logs of what is missing of each, and which end decided.

    Where not ``sure`` of the integrand at an end, nothing there is taken for a proof of infinity.
    """
    verdict, where = "finite", ""
    missing = np.full(len(seen.height), -np.inf)
    peaks = seen.height.max(axis=1)
    if len(peaks) == 4:  # the fourth counts beside the first
        peaks[3] = max(peaks[3], peaks[0])
    for i, ray in enumerate(seen.rays):
        mine = np.flatnonzero(seen.owner == i)
        for outward in (True, False) if ray.endless else (False,):
            order = mine if outward else mine[::-1]
            for k in range(len(seen.height)):
                found, rest = tail(seen.v[order], seen.height[k, order], float(peaks[k]))
                if found == "infinite" and not sure[order[-1]]:
                    found = "unclear"
                missing[k] = np.logaddexp(missing[k], rest)
                if k == 0 and ORDER.index(found) > ORDER.index(verdict):
                    side = "+inf" if ray.sign > 0 else "-inf"
                    verdict, where = found, side if outward else f"{ray.center:g}"
    return verdict, missing, where


def integrate(
    f: Integrand,
    seen: Survey,
    *,
    goals: np.ndarray,
    unit: float = 0.0,
    max_evaluations: int = 400_000,
    scaled: np.ndarray | None = None,
    kinks: bool = False,
) -> Integral:
    """Integrate k non-negative integrands over the surveyed panels, splitting until the error bounds are met.

    Parameters
    ----------
    f : callable
        Values of the integrands; those of ``scaled`` (1 or 0 each) divided by e^unit.
    seen : Survey
        Its first rows are the logs of the first integrands of ``f``, as many as there are.
    goals : (k,)
        Relative error asked of each integral.
    max_evaluations : int
        Points at which ``f`` may be evaluated; past it the error bound says what was reached.
    kinks : bool
        The last row of ``f`` is not integrated: the first integrand has a corner, at value zero, where that
        row changes sign. Panels with a sign change are split until they do not matter.
    """
    height = seen.height if scaled is None else seen.height - unit * scaled[: len(seen.height), None]
    top = height.max(axis=1, keepdims=True)
    keep = ((height > top + _FAR) & (height > -700)).any(axis=0)
    near = seen.beside(keep)
    center, sign, edges = seen.center[near], seen.sign[near], seen.edges[near]
    missing = np.zeros(len(goals))
    used = seen.v.size
    with np.errstate(all="ignore"):
        missing[: len(height)] = 2 * np.exp(height[:, ~near]).sum(axis=1)
        done_value, done_error = np.zeros(len(goals)), np.zeros(len(goals))
        nodes, kronrod, gauss = _CLOSED if kinks else (NODES21, K21, G10)
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
            share = goals * total / max(1, error.shape[1]) / 2
            # A panel whose error is at rounding level has nothing to gain from a split.
            split = ((error > share[:, None]) & (error > 8 * _EPS * np.abs(value))).any(axis=0)
            split &= half > 1e-14 * (1 + np.abs(v[:, 0]))
            enough = done_error + error.sum(axis=1) <= goals * total
            if enough.all() or not split.any() or used + 2 * len(nodes) * split.sum() > max_evaluations:
                done_error += error.sum(axis=1)
                return Integral(total, done_error + missing + 16 * _EPS * total, used)
            done_value += value[:, ~split].sum(axis=1)
            done_error += error[:, ~split].sum(axis=1)
            mid = edges[split].mean(axis=1)
            edges = np.concatenate(
                [np.stack([edges[split, 0], mid], axis=1), np.stack([mid, edges[split, 1]], axis=1)]
            )
            center, sign = np.tile(center[split], 2), np.tile(sign[split], 2)
