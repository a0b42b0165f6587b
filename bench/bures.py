"""Bures-Wasserstein against the usual formula by `eigh`, in turns: ``python -m bench.bures [D ...]``.

The formula is ``tr A + tr B - 2 Σ sqrt(eigvalsh(A^(1/2) B A^(1/2)))``, the root by `eigh`. Kinds:
covariances of 2 d samples; eigenvalues that fall like 1/i, in two bases (features of an image model); of d/4
samples (rank-deficient); B = A + 1e-6 C (nearly equal, where the formula has no digits left).
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable

import numpy as np

from transport import bures_wasserstein

KINDS = ("samples", "decaying", "rank d/4", "near")


def formula(a: np.ndarray, b: np.ndarray) -> float:
    """The usual formula."""
    values, vectors = np.linalg.eigh(a)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    inner = np.linalg.eigvalsh(root @ b @ root)
    return math.sqrt(max(0.0, np.trace(a) + np.trace(b) - 2 * np.sum(np.sqrt(np.maximum(inner, 0.0)))))


def pair(kind: str, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Two covariances."""
    rng = np.random.default_rng(d)

    def sampled(n: int) -> np.ndarray:
        x = rng.normal(size=(d, n))
        return x @ x.T / n

    if kind == "near":
        a = sampled(2 * d)
        return a, a + 1e-6 * sampled(2 * d)
    if kind == "decaying":
        made = []
        for _ in range(2):
            q, _ = np.linalg.qr(rng.normal(size=(d, d)))
            c = (q / np.arange(1, d + 1)) @ q.T
            made.append((c + c.T) / 2)
        return made[0], made[1]
    n = 2 * d if kind == "samples" else d // 4
    return sampled(n), sampled(n)


def measure(sizes: list[int], kinds: list[str]) -> None:
    """Medians of three, ours and the formula in turns."""
    print(f"{'d':>6} {'kind':<10} {'ours s':>8} {'formula s':>10} {'ratio':>6}  relative difference")
    for d in sizes:
        zero = np.zeros(d)
        for kind in kinds:
            a, b = pair(kind, d)
            ways: dict[str, Callable[[], float]] = {
                "ours": lambda a=a, b=b, zero=zero: bures_wasserstein(zero, a, zero, b),
                "formula": lambda a=a, b=b: formula(a, b),
            }
            took: dict[str, list[float]] = {name: [] for name in ways}
            found = {}
            for _ in range(3 if d <= 1024 else 1):
                for name, way in ways.items():
                    start = time.perf_counter()
                    found[name] = way()
                    took[name].append(time.perf_counter() - start)
            ours, theirs = (statistics.median(took[name]) for name in ("ours", "formula"))
            gap = abs(found["ours"] - found["formula"]) / found["ours"]
            print(
                f"{d:>6} {kind:<10} {ours:>8.3f} {theirs:>10.3f} {theirs / ours:>6.2f}  {gap:.1e}", flush=True
            )


def main() -> None:
    """Read the sizes and kinds, and measure."""
    parser = argparse.ArgumentParser(prog="python -m bench.bures", description=__doc__)
    parser.add_argument(
        "sizes", nargs="*", type=int, default=[512, 1024, 2048], metavar="D", help="512 1024 2048: 4 minutes"
    )
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    options = parser.parse_args()
    measure(options.sizes, options.kinds)


if __name__ == "__main__":
    main()
