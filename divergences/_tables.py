"""Distribution functions and quantiles of laws on the line, from their log-densities alone.

scipy's default ``isf`` is ``ppf(1 - q)``, which cannot see below 1e-17, and a `Density` has none. Here the
density is interpolated on the panels of the quadrature by Legendre series, and summed from both ends, so that
lower and upper tails keep their relative accuracy down to the last double.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre

from divergences._laws import REACH, Law
from divergences._line import continued
from divergences._quadrature import G10, K21, NODES21, Integrand, rays, survey, tail

_EPS = float(np.finfo(np.float64).eps)
# Values at the Kronrod nodes -> coefficients of the Legendre series through them.
_TO_SERIES = np.linalg.inv(legendre.legvander(NODES21, 20))
# Coefficients -> those of the integral from -1.
_FROM_LEFT = legendre.legint(np.eye(21), lbnd=-1)
_LADDER = np.concatenate([[-1.0], NODES21, [1.0]])
_RUNGS = legendre.legvander(_LADDER, 21)
GAUSS_NODES, GAUSS_WEIGHTS = legendre.leggauss(24)


def series(coefficients: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Legendre series of row i at t[i]: coefficients (m, k), t (m, ...)."""
    shape = (-1,) + (1,) * (t.ndim - 1)
    columns = [c.reshape(shape) for c in coefficients.T]
    n = len(columns) - 1
    after, now = np.zeros_like(t), columns[n] + np.zeros_like(t)
    for k in range(n - 1, -1, -1):  # Clenshaw
        after, now = now, columns[k] + (2 * k + 1) / (k + 1) * t * now - (k + 1) / (k + 2) * after
    return now


@dataclass(frozen=True)
class Table:
    """Panels of the line in ascending order, and on each the masses of k laws.

    Attributes
    ----------
    center, sign, low, high : (n,)
        Panel i holds the points center + sign·exp(v), low <= v <= high.
    slope : (k, n, 21)
        Legendre series of density · |dx/dt| in t, -1 <= t <= 1 ascending with x.
    rise : (k, n, 22)
        Series of the mass from the panel's left end.
    left, right : (k, n)
        Mass of each law to the left of each panel, and to the right of it.
    ladder : (k, n, 23)
        That mass at the ends and the nodes of the panel.
    error : (k,)
        Bound on the error of the total masses.
    """

    center: np.ndarray
    sign: np.ndarray
    low: np.ndarray
    high: np.ndarray
    slope: np.ndarray
    rise: np.ndarray
    left: np.ndarray
    right: np.ndarray
    ladder: np.ndarray
    error: np.ndarray

    def place(self, i: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Position at t of panel i, and |dx/dt|; i (m,), t (m, ...)."""
        shape = (-1,) + (1,) * (t.ndim - 1)
        low, high, sign, center = (a[i].reshape(shape) for a in (self.low, self.high, self.sign, self.center))
        half = 0.5 * (high - low)
        distance = np.exp(0.5 * (low + high) + sign * half * t)
        return center + sign * distance, half * distance

    @property
    def edges(self) -> np.ndarray:
        """Left ends of the panels and the right end of the last: (n + 1,)."""
        one = np.ones(len(self.center))
        every = np.arange(len(self.center))
        starts, stops = self.place(every, -one)[0], self.place(every, one)[0]
        return np.maximum.accumulate(np.append(starts, stops[-1]))

    def quantile(self, level: np.ndarray, upper: np.ndarray, k: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """x with mass ``level`` of law k to its left (right where ``upper``), and how far it may be off."""
        level = np.asarray(level, dtype=float)
        low_side = np.searchsorted(self.left[k], level, side="right") - 1
        level = np.ascontiguousarray(level)
        backwards = self.right[k][::-1]
        high_side = len(self.center) - np.searchsorted(backwards, level, side="right")
        i = np.clip(np.where(upper, high_side, low_side), 0, len(self.center) - 1)
        rise, slope, ladder = self.rise[k, i], self.slope[k, i], self.ladder[k, i]
        whole = ladder[:, -1]
        target = np.where(upper, whole - (level - self.right[k, i]), level - self.left[k, i])
        target = np.clip(target, 0.0, whole)
        step = np.clip((ladder <= target[:, None]).sum(axis=1) - 1, 0, len(_LADDER) - 2)
        rows = np.arange(len(i))
        a, b, low, high = _LADDER[step], _LADDER[step + 1], ladder[rows, step], ladder[rows, step + 1]
        with np.errstate(all="ignore"):
            t = a + (b - a) * np.where(high > low, (target - low) / (high - low), 0.5)
        active = rows
        for _ in range(60):
            now = t[active]
            miss = series(rise[active], now) - target[active]
            a[active], b[active] = np.where(miss < 0, now, a[active]), np.where(miss > 0, now, b[active])
            with np.errstate(all="ignore"):
                newton = now - miss / series(slope[active], now)
            good = (newton >= a[active]) & (newton <= b[active])
            new = np.where(miss == 0, now, np.where(good, newton, 0.5 * (a[active] + b[active])))
            t[active] = new
            active = active[np.abs(new - now) > 4 * _EPS]
            if not active.size:
                break
        x, stretch = self.place(i, t)
        with np.errstate(all="ignore"):
            miss = np.abs(series(rise, t) - target) + 8 * _EPS * whole + 64 * _EPS * level
            off = miss / series(slope, t) * stretch
        spread = np.maximum(np.abs(x), np.abs(x - self.center[i]))
        return x, np.where(np.isfinite(off), off, 0.0) + 4 * _EPS * spread


def tabulate(laws: list[Law], order: float = 1.0) -> Table:
    """The table of one law, or of several on common panels: of all that integrals of |x|^order need."""
    lower, upper = min(law.lower for law in laws), max(law.upper for law in laws)
    points = [c for law in laws for c in (*law.centers, law.lower, law.upper) if math.isfinite(c)]
    for law in laws:
        if law.period is not None:
            raise ValueError(
                f"{law.name} is a {law.family}, a law on a circle; draw samples and take "
                "transport.wasserstein_circle, or pass scipy.stats.vonmises_line"
            )
        points += [v for v in (law.known_lower, law.known_upper) if abs(v) < 1e100 * law.scale]

    def heights(center: np.ndarray, offset: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.stack([continued(law, center, offset)[0] for law in laws])

    scale = math.exp(math.fsum(math.log(law.scale) for law in laws) / len(laws))
    all_rays = rays(lower, upper, points, scale)
    seen = survey(heights, all_rays)
    beyond = np.zeros((len(laws), 2))
    for k, law in enumerate(laws):
        for j, ray in enumerate(all_rays):
            if not ray.endless:
                continue
            mine = np.flatnonzero(seen.owner == j)
            verdict, rest = tail(seen.v[mine], seen.height[k, mine], float(seen.height[k].max()))
            if verdict != "finite":
                raise ValueError(
                    f"{law.name}'s density decays too slowly to be integrated: it is not normalised, or "
                    "its tail is "
                    "heavier than |x|^-1.01"
                )
            beyond[k, int(ray.sign > 0)] += 0.5 * math.exp(rest)
    far = order * np.maximum(seen.v - math.log(scale), 0.0)
    keep = (
        (seen.height + far > (seen.height + far).max(axis=1, keepdims=True) - 80) & (seen.height > -690)
    ).any(axis=0)
    keep = seen.beside(keep)
    # Between the outermost of them every length counts, with mass or without.
    x = seen.center + seen.sign * np.exp(seen.v)
    first, last = float(x[keep].min()), float(x[keep].max())
    keep |= (x >= first) & (x <= last) & (np.exp(seen.v) > 1e-20 * (last - first))
    return _refined(laws, heights, (seen.center[keep], seen.sign[keep], seen.edges[keep]), beyond)


def _refined(laws: list[Law], heights: Integrand, panels: tuple, beyond: np.ndarray) -> Table:
    center, sign, edges = panels
    kept: list[tuple] = []
    before = np.full(len(center), np.inf)
    for _ in range(45):
        half = 0.5 * (edges[:, 1] - edges[:, 0])
        v = edges.mean(axis=1)[:, None] + half[:, None] * NODES21 * sign[:, None]
        offset = sign[:, None] * np.exp(v)
        with np.errstate(all="ignore"):
            logs = heights(np.broadcast_to(center[:, None], v.shape), offset)
            y = np.exp(logs + v) * half[:, None]
            value, coarse = y @ K21, y @ G10
            # Resolved: the last terms of the series are rounding of the log-density, its own or scipy's,
            # which shows in that they do not shrink with the panel.
            terms = np.abs(y @ _TO_SERIES.T)
            ratio = terms[:, :, 17:].max(axis=2) / terms.max(axis=2)
        grain = 3e-14 + 8 * _EPS * np.abs(np.where(y > 0, logs, 0.0)).max(axis=2)
        rough = np.abs(value - coarse)
        total = value.sum(axis=1, keepdims=True)
        matters = (ratio > grain) & (value > 1e-35 * total)
        worst = np.where(matters, ratio, 0.0).max(axis=0)
        split = (worst > 0) & (half > 1e-10) & ~((worst < 1e-8) & (worst > 0.2 * before))
        kept.append((center[~split], sign[~split], edges[~split], y[:, ~split], rough[:, ~split]))
        if not split.any() or sum(len(k[0]) for k in kept) > 20_000:
            kept.append((center[split], sign[split], edges[split], y[:, split], rough[:, split]))
            break
        mid = edges[split].mean(axis=1)
        edges = np.concatenate(
            [np.stack([edges[split, 0], mid], axis=1), np.stack([mid, edges[split, 1]], axis=1)]
        )
        center, sign, before = (np.tile(a[split], 2) for a in (center, sign, worst))
    center, sign, edges = (np.concatenate([k[j] for k in kept]) for j in range(3))
    y = np.concatenate([k[3] for k in kept], axis=1)
    rough = np.concatenate([k[4] for k in kept], axis=1)
    order = np.lexsort((sign * edges[:, 0], sign, center))
    center, sign, edges, y = center[order], sign[order], edges[order], y[:, order]
    slope = y @ _TO_SERIES.T
    rise = slope @ _FROM_LEFT.T
    value = y @ K21
    left = np.cumsum(np.concatenate([beyond[:, :1], value], axis=1), axis=1)[:, :-1]
    right = np.cumsum(np.concatenate([beyond[:, 1:], value[:, ::-1]], axis=1), axis=1)[:, :-1][:, ::-1]
    mass = value.sum(axis=1) + beyond.sum(axis=1)
    # |K21 - G10| is the error of the coarser rule; its square is what the finer one is off by
    error = np.abs(mass - 1) + 1e-3 * rough.sum(axis=1)
    for k, law in enumerate(laws):
        if abs(mass[k] - 1) > 1e-6:
            raise ValueError(
                f"{law.name}'s density integrates to {mass[k]:.9g}, not 1: it is not normalised, or mass "
                "hides in a "
                "peak the quadrature did not see (pass Density(..., breakpoints=[its position]))"
            )
    return Table(center, sign, edges[:, 0], edges[:, 1], slope, rise, left, right, rise @ _RUNGS.T, error)


def moment_diverges(law: Law, order: float) -> str:
    """At which end E|X|^order diverges: "", "-inf", "+inf" or both; "?" where the tail does not tell."""
    found = ""
    for sign, end, known in ((-1.0, law.lower, law.known_lower), (1.0, law.upper, law.known_upper)):
        if math.isfinite(end):
            continue
        v = min(math.log(law.scale), 350.0) + np.arange(REACH - 20.5, REACH)
        center = np.full(v.shape, law.centers[0])
        with np.errstate(all="ignore"):
            height = law.log_density(center, sign * np.exp(v)) + (order + 1) * v
        height = np.where(np.isnan(height), -np.inf, height)
        verdict = tail(v, height, 0.0)[0] if height[-1] > -700 else "finite"
        if verdict == "finite":
            continue
        sure = verdict == "infinite" and sign * known >= sign * (law.centers[0] + sign * math.exp(v[-1]))
        found += ("-inf" if sign < 0 else "+inf") if sure else "?"
    return found
