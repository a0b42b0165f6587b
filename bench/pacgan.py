"""Mode collapse by the PacGAN protocol (Lin et al. 2018, Table 1): a ring of 8 Gaussians, a grid of 25.

``python -m bench.pacgan --task grid --model wgan --seeds 10``. Ring: radius 1, σ = 0.01; grid: means in
{-4, -2, 0, 2, 4}², σ = 0.05; 100 000 training samples. Scored on 2 500 samples: a sample is good within 3σ of
a mean; a mode is found if a good sample has it nearest; reverse KL is KL(shares of nearest modes ‖ uniform).
Besides: exact W₂ to 2 500 fresh data, and the same between two fresh data sets (the floor).

Nets and budgets are ours and smaller than the paper's (printed with the results): the paper trains a 4x400
batch-norm generator and a maxout discriminator for 400 epochs.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import generative as gen
from generative._monitor import wasserstein

SCORED = 2_500
TASKS = {
    "ring": (np.column_stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)]), 0.01),
    "grid": (np.stack(np.meshgrid(np.arange(-4.0, 5, 2), np.arange(-4.0, 5, 2)), -1).reshape(-1, 2), 0.05),
}


def draw(task: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """``n`` samples of the mixture."""
    means, sigma = TASKS[task]
    return means[rng.integers(0, len(means), n)] + sigma * rng.standard_normal((n, 2))


def score(task: str, made: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    """The protocol's three numbers, and exact W₂ beside its floor."""
    means, sigma = TASKS[task]
    distance = np.linalg.norm(made[:, None] - means, axis=-1)
    nearest, good = distance.argmin(1), distance.min(1) <= 3 * sigma
    share = np.bincount(nearest, minlength=len(means)) / len(made)
    positive = share[share > 0]
    fresh, again = draw(task, SCORED, rng), draw(task, SCORED, rng)
    return {
        "modes": len(set(nearest[good])),
        "good_percent": 100 * float(good.mean()),
        "reverse_kl": float(np.sum(positive * np.log(positive * len(means)))),
        "w2": wasserstein(made, fresh, p=2),
        "w2_floor": wasserstein(again, fresh, p=2),
    }


def build(model: str, steps: int, width: int) -> Any:
    """The contestants: the plain GAN, WGAN-GP, and our best WGAN: the semi-dual one."""
    if model == "gan":
        return gen.GAN(gen.MLP(2, width, width, 2), gen.MLP(2, width, width, 1, activation="leaky_relu"))
    if model == "wgan-gp":
        rate = gen.LinearDecay(5e-4, 0.0, steps)
        return gen.WGAN(
            gen.MLP(2, width, width, width, 2),
            gen.MLP(2, width, width, width, 1, activation="leaky_relu"),
            penalty=0.1,
            generator_optimizer=gen.Adam(rate, beta1=0.5, beta2=0.9),
            critic_optimizer=gen.Adam(gen.LinearDecay(5e-4, 0.0, 5 * steps), beta1=0.5, beta2=0.9),
            average=0.999,
        )
    return gen.WGAN(
        gen.MLP(2, *[width] * 4, 2),
        gen.DistanceCritic(2, anchors=2000),
        lipschitz="semidual",
        generator_optimizer=gen.Adam(gen.LinearDecay(1e-3, 1e-5, steps), beta1=0.5, beta2=0.9),
        critic_optimizer=gen.SGD(gen.LinearDecay(0.025, 0.00125, steps)),
        average=0.995,
    )


def main() -> None:
    """Run, print one line a seed, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--task", choices=sorted(TASKS), required=True)
    parser.add_argument("--model", choices=["gan", "wgan-gp", "wgan"], required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    model = build(given.model, given.steps, given.width)
    for seed in range(given.seeds):
        rng = np.random.default_rng(1000 + seed)
        start = time.perf_counter()
        run = gen.fit(model, draw(given.task, 100_000, rng), steps=given.steps, rng=seed)
        seconds = time.perf_counter() - start
        made = np.asarray(run.sample(SCORED, rng=seed), dtype=float)
        row = {"seed": seed, "seconds": seconds, "status": run.status, **score(given.task, made, rng)}
        rows.append(row)
        if given.out:  # after every seed: an interrupted run keeps what it has
            asked = {k: str(v) for k, v in vars(given).items()}
            given.out.write_text(json.dumps({"asked": asked, "model": repr(model), "rows": rows}, indent=1))
        print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}), flush=True)
    for name in ("modes", "good_percent", "reverse_kl", "w2", "w2_floor", "seconds"):
        values = np.array([row[name] for row in rows], dtype=float)
        print(f"{name:14s} {values.mean():9.4f} ± {values.std(ddof=1) if len(values) > 1 else 0.0:.4f}")


if __name__ == "__main__":
    main()
