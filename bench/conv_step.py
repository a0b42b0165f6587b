"""One training step of a convolutional WGAN-GP on images 28 x 28: ours, and PyTorch eager written twice.

Five critic updates and one of the generator; batch 64, float32, Adam(1e-4, 0, 0.9), penalty 10. Generator
64 - 7·7·2c - (14, 14, c) - (28, 28, 1) with batch norm and relu, critic (14, 14, c) - (7, 7, 2c) - 1 with
leaky relu, convolutions 4 x 4 with stride 2. "frugal": the critic frozen in the generator's turn, real and
fake in one pass, fused Adam. Run by ``python -m bench.step_time --conv``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

CRITIC_STEPS = 5
BATCH = 64
LATENT = 64
CHANNELS = 32


def pictures() -> np.ndarray:
    """Noise in place of digits: a step takes as long on either; float32 (4096, 28, 28, 1)."""
    return np.random.default_rng(0).random((4096, 28, 28, 1), dtype=np.float32)


def ours(steps: int) -> Callable[[], Any]:
    """``steps`` steps of our WGAN-GP."""
    import generative as gen
    from generative._data import Source
    from generative._random import STEP, key_of, stream

    c = CHANNELS
    generator = gen.Sequential(
        gen.Dense(LATENT, 98 * c),
        gen.BatchNorm(98 * c),
        gen.Activation("relu"),
        gen.Reshape((7, 7, 2 * c)),
        gen.ConvTranspose(2 * c, c),
        gen.BatchNorm(c),
        gen.Activation("relu"),
        gen.ConvTranspose(c, 1, activation="sigmoid"),
    )
    critic = gen.Sequential(
        gen.Conv(1, c, 4, 2, 1, "leaky_relu"),
        gen.Conv(c, 2 * c, 4, 2, 1, "leaky_relu"),
        gen.Reshape((98 * c,)),
        gen.Dense(98 * c, 1),
    )
    model = gen.WGAN(generator, critic, k=CRITIC_STEPS)
    key = key_of(0)
    source = Source(pictures(), holdout=0.1, batch_size=BATCH, key=key, dtype="float32")
    state = model.begin(source, key)

    def run() -> Any:
        nonlocal state
        for i in range(steps):
            state, metrics = model.step(state, source, i, stream(key, STEP, i))
        return float(metrics["critic_cost"])

    return run


def torch_eager(steps: int, *, frugal: bool) -> Callable[[], Any]:
    """The same in PyTorch eager."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    c = CHANNELS
    generator = nn.Sequential(
        nn.Linear(LATENT, 98 * c),
        nn.BatchNorm1d(98 * c),
        nn.ReLU(inplace=True),
        nn.Unflatten(1, (2 * c, 7, 7)),
        nn.ConvTranspose2d(2 * c, c, 4, 2, 1),
        nn.BatchNorm2d(c),
        nn.ReLU(inplace=True),
        nn.ConvTranspose2d(c, 1, 4, 2, 1),
        nn.Sigmoid(),
    )
    critic = nn.Sequential(
        nn.Conv2d(1, c, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(c, 2 * c, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(98 * c, 1),
    )
    options = {"lr": 1e-4, "betas": (0.0, 0.9), "fused": frugal}
    adam_g = torch.optim.Adam(generator.parameters(), **options)
    adam_c = torch.optim.Adam(critic.parameters(), **options)
    data = torch.from_numpy(pictures().transpose(0, 3, 1, 2).copy())

    def critic_update() -> Any:
        x = data[torch.randint(0, len(data), (BATCH,))]
        with torch.no_grad():
            fake = generator(torch.randn(BATCH, LATENT))
        adam_c.zero_grad()
        if frugal:
            scores = critic(torch.cat([x, fake]))
            real_score, fake_score = scores[:BATCH], scores[BATCH:]
        else:
            real_score, fake_score = critic(x), critic(fake)
        mix = torch.rand(BATCH, 1, 1, 1)
        between = (fake + mix * (x - fake)).requires_grad_(True)
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        penalty = ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
        cost = fake_score.mean() - real_score.mean() + 10.0 * penalty
        cost.backward()
        adam_c.step()
        return cost

    def run() -> Any:
        for _ in range(steps):
            for _ in range(CRITIC_STEPS):
                cost = critic_update()
            if frugal:
                critic.requires_grad_(False)
            adam_g.zero_grad()
            (-critic(generator(torch.randn(BATCH, LATENT))).mean()).backward()
            adam_g.step()
            if frugal:
                critic.requires_grad_(True)
        return float(cost.detach())

    return run
