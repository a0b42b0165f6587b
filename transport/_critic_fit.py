"""Training of inf-convolution critics: exact discrete dual, then stochastic subgradient steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from transport._critic import FittedCritic, InfConvolution, _draws
from transport._points import PointCloud
from transport._samplers import Sampler, as_sampler
from transport._solve import solve
from transport.internal import check_count

_RATE = 0.05  # Adam's first step, in units of (discrete W1)/√d


def critic(
    P: Any,
    Q: Any,
    *,
    n_samples: int = 1024,
    n_evaluation: int = 1 << 16,
    n_steps: int = 400,
    batch_size: int = 512,
    time_limit: float | None = None,
    diameter: float | None = None,
    rng: Any = 0,
    callback: Callable[[dict[str, Any]], Any] | None = None,
) -> FittedCritic:
    """An exactly 1-Lipschitz critic of P against Q, with a lower confidence bound on W1(P, Q).

    The exact dual between ``n_samples`` draws gives heights at the draws of Q (f = min_j h_j + |x - y_j|)
    and at those of P (f = -min_i ...). The better of the two is refined by Adam steps on heights *and*
    anchors along the stochastic subgradient of E_P f - E_Q f; a validation sample keeps the best; further
    fresh draws judge it.

    Parameters
    ----------
    P, Q : callable (n, rng) -> (n, d), distribution, or array
        An array stands for its empirical law.
    n_samples : int
        Draws of each law in the discrete problem, hence anchors.
    n_evaluation : int
        Fresh draws of each law behind `FittedCritic.lower_bound`.
    n_steps, batch_size : int
        Refinement; 0 steps keeps the discrete dual.
    time_limit : float, optional
        Seconds for the refinement, instead of ``n_steps``.
    diameter : float, optional
        A bound on |x - y| over both supports; makes the lower bound free of assumptions.
    rng : seed or Generator
    callback : callable, optional
        Called with a dict about ten times a second; return True to stop refining.

    Returns
    -------
    FittedCritic
        ``critic(x)``, ``critic.gradient(x)``, ``critic.lower_bound(confidence=.99)``.

    Raises
    ------
    TypeError, ValueError
        See `as_sampler`: not a law; draws not finite; different dimensions.

    Examples
    --------
    >>> import transport as tp
    >>> P = lambda n, rng: rng.uniform(0, 1, (n, 2))
    >>> Q = lambda n, rng: rng.uniform(0, 1, (n, 2)) + [3, 4]
    >>> f = tp.critic(P, Q, n_samples=64, n_steps=20, n_evaluation=20_000)
    >>> 4.9 < f.lower_bound(confidence=0.99) <= 5.0
    True
    """
    samplers = as_sampler(P, "P"), as_sampler(Q, "Q")
    n = check_count(n_samples, "n_samples", 2)
    check_count(n_steps, "n_steps", 0)
    train, valid, judge = np.random.default_rng(rng).spawn(3)
    started = time.monotonic()
    x, y = _draws(samplers, n, train)
    solution = solve(PointCloud(x, y, "euclidean"), throw=False)
    f, g = (np.asarray(v) for v in solution.potentials)
    scale = max(float(solution.value), 1e-300)
    check = _draws(samplers, max(2000, n_evaluation // 3), valid)
    tried: list[tuple[float, str, InfConvolution]] = []
    for sign, anchors, heights in ((1, y, -g), (-1, x, -f)):
        start = InfConvolution(anchors, heights, sign=sign)
        tried.append((_objective(start, check), "discrete dual", start))
    start = max(tried, key=lambda t: t[0])[2]
    limit = None if time_limit is None else started + float(time_limit)
    refined, steps = _refine(start, samplers, train, scale, n_steps, batch_size, limit, callback)
    tried.append((_objective(refined, check), "refined", refined))
    value, kind, best = max(tried, key=lambda t: t[0])
    stats = {
        "kept": kind,
        "sign": best.sign,
        "validation": value,
        "discrete": float(solution.value),
        "steps": steps,
        "seconds": time.monotonic() - started,
    }
    return FittedCritic(
        best,
        _draws(samplers, check_count(n_evaluation, "n_evaluation", 2), judge),
        diameter=diameter,
        stats=stats,
    )


def _objective(f: InfConvolution, sample: tuple[np.ndarray, np.ndarray]) -> float:
    return float(f(sample[0]).mean() - f(sample[1]).mean())


def _refine(
    f: InfConvolution,
    samplers: tuple[Sampler, Sampler],
    rng: np.random.Generator,
    scale: float,
    n_steps: int,
    batch: int,
    limit: float | None,
    callback: Callable[[dict[str, Any]], Any] | None,
) -> tuple[InfConvolution, int]:
    """Adam (Kingma, Ba 2015) on (h, y), cosine learning rate; progress is counted in steps or in time."""
    sign, d = f.sign, f.anchors.shape[1]
    theta = np.concatenate([f.anchors, f.heights[:, None]], axis=1)  # (m, d + 1)
    first, second = np.zeros_like(theta), np.zeros_like(theta)
    rate = _RATE * scale / math.sqrt(d)
    began, told, step = time.monotonic(), 0.0, 0
    while step < n_steps or limit is not None:
        now = time.monotonic()
        done = step / n_steps if limit is None else (now - began) / max(limit - began, 1e-9)
        if done >= 1:
            break
        if callback is not None and now - told > 0.1:
            told = now
            if callback({"step": step, "fraction": done}):
                break
        now_f = InfConvolution(theta[:, :d], theta[:, d], sign=sign)
        gradient = np.zeros_like(theta)
        for z, side in zip(_draws(samplers, batch, rng), (sign, -sign)):
            _, j = now_f.nearest(z)
            gap = now_f.anchors[j] - z
            size = np.linalg.norm(gap, axis=1, keepdims=True)
            step_of = np.concatenate([gap / np.maximum(size, 1e-300), np.ones_like(size)], axis=1)
            np.add.at(gradient, j, (side / len(z)) * step_of)
        step += 1
        first += 0.1 * (gradient - first)
        second += 0.01 * (gradient**2 - second)
        ratio = first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.99**step)) + 1e-12)
        theta = theta + rate * 0.5 * (1 + math.cos(math.pi * done)) * ratio
    return InfConvolution(theta[:, :d], theta[:, d], sign=sign), step
