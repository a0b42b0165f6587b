"""The plain GAN of PacGAN (Lin et al. 2018, Table 1), as its code trains it: github.com/fjxmlzn/PacGAN.

``python -m bench.pacgan --task ring --model gan --runs DIR`` (and ``--seeds``, ``--first``, ``--epochs``,
``--every``, ``--cuda``): every seed leaves a checkpoint and its scores in DIR; the same command goes on.

Latent N(0, I₂); generator 2-400-400-400-400-2, hidden layers without bias, batch norm (ε = 1e-4, running
averages at 0.05), ReLU; discriminator 2-200-200-200-1 of maxout units with 5 pieces, no normalisation; every
weight from N(0, 0.02²), every bias 0; batches of 100 from 100 000 samples in a fresh order each epoch, 400
epochs. Both players move at once, on gradients at the same parameters, the same batch and the same latent
draw: the discriminator along the mean of softplus(-real) + softplus(fake), the generator along that of
softplus(-fake); Adam 1e-4, β₁ = 0.8. (The code runs on the development version of Blocks, which until
February 2017 called β₁ what is now 1 - β₁; the paper is of December 2017, so 0.8 is taken at its word.)
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import generative as gen
from bench.pacgan_tasks import SCORED, TASKS
from generative import datasets, ops
from generative._autodiff import tree_map, value_of
from transport.internal import to_numpy

BATCH, EPOCH = 100, 100_000
_SD = 0.02
_HAIR = 1e-30


@dataclass(frozen=True)
class Linear(gen.Layer):
    """``x W``: what stands before a batch norm, which would take a bias out again."""

    n_in: int
    n_out: int

    def init(self, rng: np.random.Generator) -> tuple[Any, Any]:
        """``W`` as `Small` will redraw it."""
        return {"w": np.zeros((self.n_in, self.n_out))}, {}

    def apply(self, params: Any, x: Any, state: Any, *, train: bool = False) -> tuple[Any, Any]:
        """``(x W, state)``."""
        return ops.matmul(x, params["w"]), state


class Small(gen.Sequential):
    """A net whose matrices start at N(0, 0.02²)."""

    def init(self, rng: np.random.Generator) -> tuple[Any, Any]:
        """Matrices redrawn, the rest as the layers have it."""
        params, state = super().init(rng)
        return tree_map(lambda p: _SD * rng.standard_normal(p.shape) if p.ndim == 2 else p, params), state


@dataclass(frozen=True)
class SimultaneousGAN(gen.GAN):
    """`generative.GAN` whose players move at once: one forward and one backward pass for both."""

    def step(self, state: Any, source: Any, index: int, rng: np.random.Generator) -> tuple[Any, Any]:
        """One update of both, from gradients at the parameters before it."""
        x, _ = source.batch(index)
        n = x.shape[0]
        z = self.draw_latent(rng, n, None, source.place)
        seen: dict[str, Any] = {}
        # A sample's cotangent is linear in that of its score s: what the discriminator's cost sends back,
        # σ(s) times a vector, times -σ(-s)/σ(s) is what the generator's sends back. The hair keeps σ(s) from
        # underflow; in the discriminator's own gradient it is far below rounding.
        turn = gen.custom_vjp(lambda made: made, lambda g, out, made: (g * seen["turn"],), name="turn")

        def cost(params: Any) -> tuple[Any, Any]:
            made, after = self.generator.apply(
                params["generator"], z, state["generator"]["state"], train=True
            )
            both = ops.concat(x, turn(made))
            scores, _ = self.score(
                params["judge"], both, labels=None, state=state["judge"]["state"], train=True
            )
            real, fake = scores[:n], scores[n:]
            plain = seen["fake"] = value_of(fake)
            seen["turn"] = (-ops.sigmoid(-plain) / (ops.sigmoid(plain) + _HAIR))[:, None]
            value = gen.gan_value(real, fake)
            states = {"generator": after, "judge": state["judge"]["state"]}
            return _HAIR * ops.mean(fake) - value, states

        views = {name: player.views(state[name]) for name, player in self.players.items()}
        (value, states), gradients = gen.value_and_grad(cost, has_aux=True)(views)
        new = {}
        for name, player in self.players.items():
            flat = player.layout.gather(gradients[name])
            params, optimizer = player.optimizer.update(flat, state[name]["optimizer"], state[name]["params"])
            new[name] = {"params": params, "state": states[name], "optimizer": optimizer}
        return new, {"value": -value, "generator_cost": gen.generator_cost(seen["fake"])}


def build() -> SimultaneousGAN:
    """The model, its widths and rates those of the code."""
    hidden: list[gen.Layer] = []
    for n_in in (2, 400, 400, 400):
        hidden += [Linear(n_in, 400), gen.BatchNorm(400, momentum=0.95, eps=1e-4), gen.Activation("relu")]
    adam = gen.Adam(1e-4, beta1=0.8)
    return SimultaneousGAN(
        Small(*hidden, gen.Dense(400, 2)),
        Small(gen.Maxout(2, 200), gen.Maxout(200, 200), gen.Maxout(200, 200), gen.Dense(200, 1)),
        generator_optimizer=adam,
        discriminator_optimizer=adam,
    )


def scores(made: Any, data: datasets.Dataset) -> dict[str, float]:
    """The protocol's three numbers of 2 500 samples."""
    assert data.centres is not None
    found = datasets.coverage(to_numpy(made).astype(float), data.centres, sd=data.sd)
    return {"modes": found.modes, "good_percent": 100 * found.good, "reverse_kl": found.reverse_kl}


def train(
    task: str, seed: int, *, epochs: int, every: int, directory: Path, cuda: bool = False
) -> list[dict[str, float]]:
    """One seed up to ``epochs``, from where its checkpoint in ``directory`` left it; its scores so far.

    Every ``every`` epochs the state goes to ``TASK-SEED.npz`` and the scores to ``TASK-SEED.json``.
    """
    data, rng = TASKS[task], np.random.default_rng(1000 + seed)
    assert callable(data.source)
    samples, held = data.source(rng, EPOCH), data.source(rng, SCORED)
    if cuda:
        import cupy

        samples, held = cupy.asarray(samples), cupy.asarray(held)
    state, log = directory / f"{task}-{seed}.npz", directory / f"{task}-{seed}.json"
    steps = EPOCH // BATCH
    if state.exists():
        run = gen.Run.load(state, build(), samples, holdout=held)
        rows = [row for row in json.loads(log.read_text()) if row["epoch"] * steps <= run.step]
    else:
        run = gen.fit(build(), samples, steps=0, batch_size=BATCH, rng=seed, holdout=held)
        rows = []
    while run.step < epochs * steps and run.status == "finished":
        start = time.process_time()
        run = run.resume(min(every * steps, epochs * steps - run.step), capture=cuda)
        run.history.clear()  # 100 records an epoch that nobody reads
        row = {"epoch": run.step / steps, **scores(run.sample(SCORED), data)}
        rows.append(row | {"cpu_seconds": time.process_time() - start})
        run.save(state)
        log.write_text(json.dumps(rows))
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Run the seeds one after the other; a line for each, then the means at the epoch all have reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--task", choices=sorted(TASKS), required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--epochs", type=int, default=400)
    parser.add_argument("--every", type=int, default=1, help="epochs between scores and checkpoints")
    parser.add_argument("--runs", type=Path, required=True, help="directory of the checkpoints")
    parser.add_argument("--cuda", action="store_true", help="on CuPy arrays, steps recorded as a graph")
    given = parser.parse_args(arguments)
    given.runs.mkdir(parents=True, exist_ok=True)
    ends = []
    for seed in range(given.first, given.first + given.seeds):
        rows = train(
            given.task, seed, epochs=given.epochs, every=given.every, directory=given.runs, cuda=given.cuda
        )
        ends.append(next(row for row in rows if row["epoch"] >= given.epochs or row is rows[-1]))
        print(json.dumps({"seed": seed} | ends[-1]), flush=True)
    for name in ("epoch", "modes", "good_percent", "reverse_kl"):
        values = np.array([row[name] for row in ends])
        print(f"{name:14s} {values.mean():9.4f} ± {values.std(ddof=1) if len(values) > 1 else 0.0:.4f}")
