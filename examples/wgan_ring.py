"""A WGAN on a ring of eight modes, watched by the exact W1 to held-out data instead of its own loss."""

from __future__ import annotations

import numpy as np
from _pictures import ACCENT, P, Q, cloud, out, save, sheet, size

import generative as gen


def main(path: str) -> None:
    """Train, plot the exact distance beside the real-vs-real floor, and draw samples."""
    data = gen.datasets.ring(np.random.default_rng(0), size(8000, 400))
    steps = size(3000, 20)
    net = gen.Sequential(gen.Fourier(2, 64), *gen.MLP(64, 128, 128, 128, 2, activation="tanh").layers)
    model = gen.WGAN(
        net,
        gen.DistanceCritic(2, size(1000, 64), smoothing=gen.GeometricDecay(0.025, 0.0025, steps)),
        lipschitz="semidual",
        generator_optimizer=gen.Adam(gen.LinearDecay(2e-4, 2e-6, steps), beta1=0.5, beta2=0.9),
        critic_optimizer=gen.SGD(gen.LinearDecay(0.025, 0.00125, steps)),
        average=0.995,
    )
    run = gen.fit(model, data, steps=steps, rng=0, eval_every=max(steps // 20, 10), eval_size=size(512, 64))
    at, w1 = run.curve("w1")
    floor = run.curve("w1_floor")[1]
    print(f"exact W1 after {steps} steps: {w1[-1]:.4f}; between two real samples: {floor[-1]:.4f}")
    figure, (left, right) = sheet(2, height=3.4)
    left.semilogy(at, w1, color=ACCENT, label="model to held-out data")
    left.semilogy(at, floor, color="0.6", label="real to real")
    left.set(xlabel="step", ylabel="exact W₁")
    left.legend(frameon=False)
    left.spines[["top", "right"]].set_visible(False)
    cloud(right, data[:400], P, "data", s=8)
    cloud(right, np.asarray(run.sample(400)), Q, "model", s=8)
    right.legend(frameon=False, loc="center", markerscale=2)
    save(figure, path)


if __name__ == "__main__":
    main(out("wgan_ring"))
