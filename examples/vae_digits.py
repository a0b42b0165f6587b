"""A VAE on 8 x 8 digits: real ones, its samples, and the bound it raises."""

from __future__ import annotations

import numpy as np
from _pictures import ACCENT, out, plt, save, size

import generative as gen


def main(path: str) -> None:
    """Twelve real digits, twelve samples, and the ELBO of held-out data."""
    images, _ = gen.datasets.digits()
    flat = images.reshape(len(images), -1)[: size(len(images), 200)] / 16.0
    vae = gen.VAE(gen.MLP(64, 128, 24), gen.MLP(12, 128, 64), likelihood="bernoulli")
    steps = size(3000, 20)
    run = gen.fit(
        vae, flat, steps=steps, batch_size=128, rng=0, eval_every=max(steps // 15, 10), eval_size=128
    )
    at, elbo = run.curve("elbo")
    print(f"ELBO of held-out digits: {elbo[0]:.1f} -> {elbo[-1]:.1f} nats")
    figure = plt.figure(figsize=(10, 3.2), layout="constrained")
    left, right = figure.subfigures(1, 2)
    rows = left.subplots(4, 6)
    for axis, digit in zip(rows.ravel(), [*flat[:12], *np.asarray(run.sample(12))]):
        axis.imshow(np.reshape(digit, (8, 8)), cmap="gray_r", vmin=0, vmax=1)
        axis.set_axis_off()
    left.suptitle("above: data; below: samples", fontsize=10)
    axis = right.subplots()
    axis.plot(at, elbo, color=ACCENT)
    axis.set(xlabel="step", ylabel="ELBO, nats")
    axis.spines[["top", "right"]].set_visible(False)
    save(figure, path)


if __name__ == "__main__":
    main(out("vae_digits"))
