"""Bernoulli VAE on 10 000 real MNIST digits: ELBO, importance-sampled log p, and a sheet of samples.

``python -m bench.mnist_vae [--steps 6000] [--sheet samples.png]``. Pixels are probabilities of a bit
(grey/255), as in Kingma and Welling; 9 000 images train, 1 000 are held out. Nets 784-400-400-40 and
20-400-400-784, relu.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import divergences
import generative as gen


def images() -> np.ndarray:
    """(10000, 784) in [0, 1]."""
    with np.load(Path(divergences.__file__).parent / "data" / "mnist10k.npz", allow_pickle=False) as archive:
        return archive["images"].reshape(-1, 784).astype(np.float32) / 255


def sheet(made: np.ndarray, path: Path) -> None:
    """The first 100 images in a square."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    tiles = made[:100].reshape(10, 10, 28, 28).transpose(0, 2, 1, 3).reshape(280, 280)
    plt.imsave(path, tiles, cmap="gray_r", vmin=0, vmax=1)


def main() -> None:
    """Train, print the measurements, write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--sheet", type=Path, default=Path("mnist_vae.png"))
    given = parser.parse_args()
    model = gen.VAE(
        gen.MLP(784, 400, 400, 40),
        gen.MLP(20, 400, 400, 784),
        "bernoulli",
        optimizer=gen.Adam(gen.LinearDecay(1e-3, 1e-4, given.steps), decay=0.1),
        average=0.999,
    )
    start = time.perf_counter()
    every = max(given.steps // 3, 1)
    run = gen.fit(model, images(), steps=given.steps, batch_size=128, eval_every=every, eval_size=1000)
    for record in run.history:
        if "w2" in record:
            print({name: round(value, 3) for name, value in record.items()}, flush=True)
    print(f"{run.status}, {time.perf_counter() - start:.0f} s")
    sheet(np.asarray(run.sample(100)), given.sheet)


if __name__ == "__main__":
    main()
