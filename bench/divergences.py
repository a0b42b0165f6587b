"""KL, JS, TV of large arrays against SciPy: medians of interleaved runs. ``python -m bench.divergences``.

About a minute; --entries is the size."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr
from scipy.stats import wasserstein_distance

import divergences as dv
import transport as tp


def interleaved(contenders: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median seconds of each, the contenders taking turns so that all see the same machine."""
    for run in contenders.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def proportions(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    x = rng.random(shape)
    return x / x.sum(axis=-1, keepdims=True)


def report(title: str, baseline: str, medians: dict[str, float]) -> None:
    for name, seconds in medians.items():
        print(f"{title:<28} {name:<26} {1e3 * seconds:10.1f} ms {medians[baseline] / seconds:8.2f} x")


def masses(p: np.ndarray, q: np.ndarray, repeats: int) -> None:
    title = " x ".join(map(str, p.shape))
    medians = interleaved(
        {
            "scipy rel_entr().sum()": lambda: rel_entr(p, q).sum(axis=-1),
            "divergences.kl": lambda: dv.kl(p, q),
            "divergences.tv": lambda: dv.tv(p, q),
        },
        repeats,
    )
    report(title, "scipy rel_entr().sum()", medians)
    medians = interleaved(
        {"scipy jensenshannon": lambda: jensenshannon(p, q, axis=-1), "divergences.js": lambda: dv.js(p, q)},
        repeats,
    )
    report(title, "scipy jensenshannon", medians)


def line(x: np.ndarray, y: np.ndarray, *, a: Any = None, b: Any = None, repeats: int) -> None:
    medians = interleaved(
        {
            "scipy wasserstein_distance": lambda: wasserstein_distance(x, y, a, b),
            "transport.wasserstein_1d": lambda: tp.wasserstein_1d(x, y, a=a, b=b),
            "... p=2": lambda: tp.wasserstein_1d(x, y, a=a, b=b, p=2),
        },
        repeats,
    )
    report(f"line, {x.size}{'' if a is None else ' weighted'}", "scipy wasserstein_distance", medians)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--entries", type=int, default=10**7)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    print(f"{'problem':<28} {'method':<26} {'median':>13} {'speed-up':>10}")
    for shape in ((options.entries,), (options.entries // 100, 100)):
        masses(proportions(rng, shape), proportions(rng, shape), options.repeats)
    n = options.entries // 10
    x, y = rng.normal(size=n), rng.normal(size=n) + 0.1
    line(x, y, repeats=options.repeats)
    line(x, y, a=proportions(rng, (n,)), b=proportions(rng, (n,)), repeats=options.repeats)


if __name__ == "__main__":
    main()
