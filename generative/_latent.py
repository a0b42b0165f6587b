"""What a model makes of latent variables that are given, not drawn: paths between samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from generative import ops
from generative._adversarial import Adversarial
from generative._fit import Run
from generative._player import with_labels
from generative._random import SAMPLE as PURPOSE
from generative._random import Place, key_of, stream
from generative._vae import VAE
from transport.internal import to_numpy


def made_of(run: Run, z: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
    """Samples (n, ...) of latent variables ``z`` (n, L), without the noise of a decoder.

    Raises
    ------
    ValueError
        If the model has no latent variables that are known here.
    """
    model, state = run.model, run.state
    if isinstance(model, Adversarial):
        entry = state["generator"]
        latent = with_labels(Place(entry["params"]).put(z), labels, model.classes)
        made = model.maker.apply(entry, latent, averaged=True)
    elif isinstance(model, VAE):
        entry = state["autoencoder"]
        params = model.player.views(entry, averaged=True)
        out, _ = model.decode(params, Place(entry["params"]).put(z), labels, entry["state"])
        made = _mean(model, out, entry["state"].get("units"))
    else:
        raise ValueError(f"{type(model).__name__} has no latent variables to go along")
    return np.asarray(to_numpy(made), dtype=np.float64).reshape(len(z), *run.shape)


def _mean(model: VAE, out: Any, units: Any) -> Any:
    if model.likelihood == "bernoulli":
        return ops.sigmoid(out)
    if model.likelihood == "categorical":
        scores = np.asarray(to_numpy(out), dtype=np.float64)
        scores = scores.reshape(len(scores), -1, model.levels)
        weights = np.exp(scores - scores.max(axis=2, keepdims=True))
        return (weights @ np.arange(model.levels)) / weights.sum(axis=2)
    return out if units is None else units["origin"] + units["length"] * out


def width(run: Run) -> int:
    """Latent variables of the model."""
    model = run.model
    if isinstance(model, Adversarial):
        return int(model.generator.n_in - model.classes)
    if isinstance(model, VAE):
        return int(model.latent)
    raise ValueError(f"{type(model).__name__} has no latent variables to go along")


def paths(run: Run, rows: int, columns: int, *, rng: int | np.random.Generator | None = None) -> np.ndarray:
    """Samples (rows, columns, ...) between latent points: on arcs if they are normal, straight if uniform.

    Along a straight path between normal points the norm falls below any that training saw (White 2016,
    arXiv:1609.04468).
    """
    key = run.key if rng is None else key_of(rng)
    draw = stream(key, PURPOSE, 1)
    size = width(run)
    uniform = getattr(run.model, "latent", None) == "uniform"
    ends = draw.uniform(-1, 1, (2, rows, size)) if uniform else draw.standard_normal((2, rows, size))
    z = np.stack(
        [_between(ends[0], ends[1], t, straight=uniform) for t in np.linspace(0, 1, columns)], axis=1
    )
    classes = getattr(run.model, "classes", 0)
    labels = np.repeat(np.arange(rows) % classes, columns) if classes else None
    made = made_of(run, z.reshape(rows * columns, size), labels)
    return made.reshape(rows, columns, *made.shape[1:])


def _between(a: np.ndarray, b: np.ndarray, t: float, *, straight: bool) -> np.ndarray:
    if straight:
        return (1 - t) * a + t * b
    norms = np.linalg.norm(a, axis=1, keepdims=True) * np.linalg.norm(b, axis=1, keepdims=True)
    cosine = np.clip(np.sum(a * b, axis=1, keepdims=True) / norms, -1, 1)
    angle = np.arccos(cosine)
    sine = np.sin(angle)
    near = sine < 1e-6
    first = np.where(near, 1 - t, np.sin((1 - t) * angle) / np.where(near, 1, sine))
    second = np.where(near, t, np.sin(t * angle) / np.where(near, 1, sine))
    return np.asarray(first * a + second * b)
