"""VAE on the 8x8 digits with a categorical(17) decoder, by the protocol of Tomczak's `intro_dgm`.

``python -m bench.digits_vae [--seeds 3]``. `sklearn.datasets.load_digits` in its order: 1000 training, 350
validation, 447 test images of 64 pixels in 0..16; 16 latent variables, two hidden layers of 256 in encoder
and decoder, Adam, batch 64, stop after 20 epochs without improvement of the validation -ELBO. Published
there: about 100.5 nats (read off the figure). Ours adds weight decay and averaged parameters. Reported: the
best validation -ELBO (mean of ten draws of z for each image), and for that state -ELBO and the
importance-sampled -log p (1000 draws) on the test images; nats for each image.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

import generative as gen
from generative._random import stream

DRAWS = 10


def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training, validation and test images, float32 in 0..16."""
    from sklearn.datasets import load_digits

    images = load_digits().data.astype(np.float32)
    return images[:1000], images[1000:1350], images[1350:]


def build(rate: float, decay: float, average: float) -> gen.VAE:
    """The protocol's nets."""
    encoder = gen.MLP(64, 256, 256, 32, activation="leaky_relu", slope=0.01)
    decoder = gen.MLP(16, 256, 256, 64 * 17, activation="leaky_relu", slope=0.01)
    optimizer = gen.Adam(rate, decay=decay)
    return gen.VAE(encoder, decoder, "categorical", levels=17, optimizer=optimizer, average=average)


def minus_elbo(run: gen.Run, images: np.ndarray, draws: int = DRAWS) -> float:
    """Mean -ELBO over ``images``, in nats."""
    entry = run.state["autoencoder"]
    params = run.model.player.views(entry, averaged=True)
    place = run.source.place  # type: ignore[union-attr]
    found = []
    for k in range(draws):
        noise = place.normal(stream((1, 2), 4, k), len(images), run.model.latent)
        found.append(float(run.model.bound(params, (images, None), noise, state=entry["state"])[0]))
    return -float(np.mean(found))


def train(seed: int, model: gen.VAE, *, patience: int) -> tuple[gen.Run, float, int]:
    """The run at its best validation score, the score, and the epochs made."""
    images, validation, _ = data()
    epoch_steps = len(images) // 64
    run = gen.fit(model, images, steps=0, batch_size=64, rng=seed, holdout=validation)
    best: tuple[float, Any] = (float("inf"), None)
    waited = epoch = 0
    while waited < patience:
        run = run.resume(epoch_steps)
        epoch += 1
        score = minus_elbo(run, validation)
        waited += 1
        if score < best[0]:
            best, waited = (score, run), 0
    return best[1], best[0], epoch


def sheet(run: gen.Run, path: Path) -> None:
    """64 samples, 8x8 pixels each, as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    made = np.asarray(run.sample(64)).reshape(8, 8, 8, 8).transpose(0, 2, 1, 3).reshape(64, 64)
    plt.imsave(path, made, cmap="gray_r")


def main() -> None:
    """Print one line a seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--decay", type=float, default=2.0)
    parser.add_argument("--average", type=float, default=0.995)
    parser.add_argument("--patience", type=int, default=20)
    parser.add_argument("--sheet", type=Path)
    given = parser.parse_args()
    _, _, test = data()
    for seed in range(given.seeds):
        start = time.perf_counter()
        run, best, epochs = train(
            seed, build(given.rate, given.decay, given.average), patience=given.patience
        )
        batch = (test, None)
        seconds = time.perf_counter() - start
        likelihood = run.model.importance_log_likelihood(run.state, batch, stream((3, 4), 4), samples=1000)
        print(
            f"seed {seed}: validation -ELBO {best:.2f}, test -ELBO {minus_elbo(run, test):.2f}, "
            f"test -log p {-likelihood.mean():.2f} nats; {epochs} epochs, {seconds:.0f} s",
            flush=True,
        )
        if given.sheet:
            sheet(run, given.sheet)


if __name__ == "__main__":
    main()
