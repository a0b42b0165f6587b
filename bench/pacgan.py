"""Mode collapse by the PacGAN protocol (Lin et al. 2018, Table 1): a ring of 8 Gaussians, a grid of 25.

``python -m bench.pacgan --task grid --model wgan --seeds 10 --out FILE.json``. Ring: radius 1, σ = 0.01;
grid: means in {-4, -2, 0, 2, 4}², σ = 0.05; 100 000 training samples. Scored on 2 500 samples as
`generative.datasets.coverage` says: modes found, share of good samples, reverse KL. Besides: exact W₂ to
2 500 fresh data, the same between two fresh data sets (the floor), and the spread of the samples within 8σ
of a mode over σ, by coordinate: near 0 for a generator that puts every mode on a point, where all are good.

Every seed is written to FILE as it ends; the same command goes on where it stopped. ``--model gan`` is the
paper's own plain GAN with the paper's nets and budget, hours a seed, and has options of its own: see
`bench.pacgan_gan`. The others have nets and budgets of ours, much smaller.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import generative as gen
from bench import pacgan_gan
from bench.pacgan_tasks import SCORED, TASKS
from generative import datasets
from generative._monitor import wasserstein
from generative._presets import semidual

BATCH = {"wgan-gp": 256, "wgan": 512}
STEPS = {"wgan-gp": 5_000, "wgan": 8_000}
COLUMNS = ("modes", "good_percent", "reverse_kl", "w2", "w2_floor", "spread_ratio", "seconds")


def score(data: datasets.Dataset, made: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    """The protocol's three numbers, exact W₂ beside its floor, and the spread within modes."""
    assert callable(data.source)
    assert data.centres is not None
    found = datasets.coverage(made, data.centres, sd=data.sd)
    gaps = made[:, None] - data.centres
    nearest = np.argmin(np.linalg.norm(gaps, axis=2), axis=1)
    inner = gaps[np.arange(len(made)), nearest]
    inner = inner[np.linalg.norm(inner, axis=1) <= 8 * data.sd]
    fresh, again = data.source(rng, SCORED), data.source(rng, SCORED)
    return {
        "modes": found.modes,
        "good_percent": 100 * found.good,
        "reverse_kl": found.reverse_kl,
        "w2": wasserstein(made, fresh, p=2),
        "w2_floor": wasserstein(again, fresh, p=2),
        "spread_ratio": float(np.sqrt(np.mean(inner**2)) / data.sd) if len(inner) else 0.0,
    }


def build(model: str, data: datasets.Dataset, *, steps: int, width: int) -> Any:
    """Ours: WGAN-GP, and our best WGAN: the semi-dual one."""
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
    return semidual(data, steps=steps, width=width)


def train(task: str, model: Any, *, steps: int, batch_size: int, seed: int) -> dict[str, Any]:
    """One seed: the row of the table."""
    rng = np.random.default_rng(1000 + seed)
    data = TASKS[task]
    assert callable(data.source)
    start = time.perf_counter()
    run = gen.fit(model, data.source(rng, 100_000), steps=steps, batch_size=batch_size, rng=seed)
    seconds = time.perf_counter() - start
    made = np.asarray(run.sample(SCORED, rng=seed), dtype=float)
    return {"seed": seed, "seconds": seconds, "status": run.status, **score(data, made, rng)}


def main() -> None:
    """Run, print one line a seed, and the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--task", choices=sorted(TASKS), required=True)
    parser.add_argument("--model", choices=("gan", *sorted(STEPS)), required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="the first seed, of a new FILE")
    parser.add_argument("--steps", type=int, help=f"default: {STEPS}")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--out", type=Path, help="JSON file for the results; rows already in it are kept")
    given, rest = parser.parse_known_args()
    if given.model == "gan":
        seeds = ["--first", str(given.first), "--seeds", str(given.seeds)]
        pacgan_gan.main(["--task", given.task, *seeds, *rest])
        return
    if rest:
        parser.error(f"unknown options {' '.join(rest)}")
    steps, batch = given.steps or STEPS[given.model], BATCH[given.model]
    model = build(given.model, TASKS[given.task], steps=steps, width=given.width)
    asked = {"task": given.task, "model": repr(model), "steps": steps, "batch": batch}
    rows: list[dict[str, Any]] = []
    if given.out and given.out.exists():
        before = json.loads(given.out.read_text())
        if before["asked"] != asked:
            raise SystemExit(f"error: {given.out} holds other runs; name another --out")
        rows = before["rows"]
    first = rows[-1]["seed"] + 1 if rows else given.first
    for seed in range(first, given.first + given.seeds):
        rows.append(train(given.task, model, steps=steps, batch_size=batch, seed=seed))
        if given.out:  # after every seed: an interrupted run keeps what it has
            given.out.write_text(json.dumps({"asked": asked, "rows": rows}, indent=1))
        line = {k: round(v, 4) if isinstance(v, float) else v for k, v in rows[-1].items()}
        print(json.dumps(line), flush=True)
    for name in COLUMNS:
        values = np.array([row[name] for row in rows], dtype=float)
        print(f"{name:14s} {values.mean():9.4f} ± {values.std(ddof=1) if len(values) > 1 else 0.0:.4f}")


if __name__ == "__main__":
    main()
