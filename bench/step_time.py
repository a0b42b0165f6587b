"""One training step of a GAN (16-256-256-256-2 against 2-256-256-256-1, batch 256, float32) on the CPU.

``python -m bench.step_time [--threads N]``: ours against PyTorch eager, interleaved in one process, both with
all a step costs: drawing the batch and the noise, one discriminator update, one generator update, Adam.
PyTorch is written twice: as tutorials write it, and "frugal": the discriminator frozen in the generator's
turn, real and fake in one pass, fused Adam. Without PyTorch only ours is timed. Also: overhead of the tape on
tiny arrays, microseconds an operation. ``--conv``: the convolutional WGAN-GP of `bench.conv_step` instead.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

STEPS = 20
WIDTH = 256
BATCH = 256
LATENT = 16


def ring() -> np.ndarray:
    """Eight narrow Gaussians on a circle, float32 (10000, 2)."""
    rng = np.random.default_rng(0)
    angle = 2 * np.pi * rng.integers(0, 8, 10_000) / 8
    ring = np.column_stack([np.cos(angle), np.sin(angle)])
    return (ring + 0.01 * rng.standard_normal((10_000, 2))).astype(np.float32)


def ours(data: Any = None, *, capture: bool = False) -> Callable[[], Any]:
    """``STEPS`` steps of our GAN, where ``data`` are (default: `ring` in NumPy); ``capture``: by a graph."""
    import generative as gen
    from generative._data import Source
    from generative._graph import GraphStep
    from generative._random import STEP, key_of, stream

    model = gen.GAN(
        gen.MLP(LATENT, WIDTH, WIDTH, WIDTH, 2), gen.MLP(2, WIDTH, WIDTH, WIDTH, 1, activation="leaky_relu")
    )
    key = key_of(0)
    source = Source(ring() if data is None else data, holdout=0.1, batch_size=BATCH, key=key, dtype="float32")
    state = model.begin(source, key)
    graph = GraphStep(model, source) if capture else None

    def run() -> Any:
        nonlocal state
        for i in range(STEPS):
            rng = stream(key, STEP, i)
            ordinary = graph is None
            state, metrics = model.step(state, source, i, rng) if ordinary else graph.step(state, i, rng)
        return float(metrics["value"])

    return run


def torch_eager(*, frugal: bool, device: str = "cpu", compiled: str | None = None) -> Callable[[], Any]:
    """The same in PyTorch eager, or with the step compiled in the mode ``compiled`` of ``torch.compile``."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    if device == "cpu":
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

    def mlp(n_in: int, n_out: int, activation: Any) -> Any:
        sizes = [n_in, WIDTH, WIDTH, WIDTH]
        layers: list[Any] = []
        for a, b in pairwise(sizes):
            layers += [nn.Linear(a, b), activation]
        return nn.Sequential(*layers, nn.Linear(WIDTH, n_out))

    generator = mlp(LATENT, 2, nn.ReLU(inplace=True)).to(device)
    discriminator = mlp(2, 1, nn.LeakyReLU(0.2, inplace=True)).to(device)
    options = {"lr": 2e-4, "betas": (0.5, 0.999), "fused": frugal}
    adam_g = torch.optim.Adam(generator.parameters(), **options)
    adam_d = torch.optim.Adam(discriminator.parameters(), **options)
    softplus = nn.functional.softplus
    data = torch.from_numpy(ring()).to(device)

    def step() -> Any:
        x = data[torch.randint(0, len(data), (BATCH,), device=device)]
        with torch.no_grad():
            fake = generator(torch.randn(BATCH, LATENT, device=device))
        adam_d.zero_grad()
        if frugal:
            scores = discriminator(torch.cat([x, fake]))
            real_score, fake_score = scores[:BATCH], scores[BATCH:]
        else:
            real_score, fake_score = discriminator(x), discriminator(fake)
        cost = softplus(-real_score).mean() + softplus(fake_score).mean()
        cost.backward()
        adam_d.step()
        if frugal:
            discriminator.requires_grad_(False)
        adam_g.zero_grad()
        z = torch.randn(BATCH, LATENT, device=device)
        softplus(-discriminator(generator(z))).mean().backward()
        adam_g.step()
        if frugal:
            discriminator.requires_grad_(True)
        return cost

    play = step if compiled is None else torch.compile(step, mode=compiled)

    def run() -> Any:
        for _ in range(STEPS):
            cost = play()
        return float(cost.detach())

    return run


def tape_overhead() -> float:
    """Microseconds to record and pull back one operation on a (2, 3) array."""
    import time

    import generative as gen
    from generative import ops

    x, w = np.ones((2, 3)), np.ones((2, 3))

    def chain(p: Any) -> Any:
        for _ in range(30):
            p = ops.tanh(p * w + 0.5)
        return ops.sum(p)

    gradient = gen.grad(chain)
    best = float("inf")
    for _ in range(200):
        start = time.perf_counter()
        gradient(x)
        best = min(best, time.perf_counter() - start)
    return best / 91 * 1e6


def main() -> None:
    """Print one line a rival."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--conv", action="store_true", help="a convolutional WGAN-GP instead")
    given = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        if os.environ.get(name) != str(given.threads):
            os.environ[name] = str(given.threads)
            os.environ["RESTARTED"] = "1"
    if os.environ.pop("RESTARTED", ""):  # BLAS reads its thread count once, at import
        import sys

        os.execv(sys.executable, [sys.executable, "-m", "bench.step_time", *sys.argv[1:]])
    from bench.measure import interleaved

    steps = 2 if given.conv else STEPS
    for name, timing in interleaved(_rivals(steps, conv=given.conv), repeats=given.repeats).items():
        low, high = min(timing.seconds), max(timing.seconds)
        print(
            f"{name:22s} {timing.median / steps * 1e3:7.2f} ms a step "
            f"(min {low / steps * 1e3:.2f}, max {high / steps * 1e3:.2f}; {given.threads} threads)"
        )
    print(f"{'tape':22s} {tape_overhead():7.2f} µs an operation")


def _rivals(steps: int, *, conv: bool) -> dict[str, Callable[[], Any]]:
    from bench import conv_step

    rivals = {"kantorovich": conv_step.ours(steps) if conv else ours()}
    try:
        for name, frugal in (("torch eager", False), ("torch eager, frugal", True)):
            rivals[name] = conv_step.torch_eager(steps, frugal=frugal) if conv else torch_eager(frugal=frugal)
    except ImportError:
        print("PyTorch is not installed: only ours is timed")
    return rivals


if __name__ == "__main__":
    main()
