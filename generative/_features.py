"""Where samples are compared: themselves, their principal components, or what a small classifier sees.

Nothing is downloaded: the classifier is trained here, once, on the labels that came with the data. Its last
hidden layer is the space of the Fréchet and kernel distances and of the neighbours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from generative._data import Source
from generative._nets import MLP, Activation, Conv, Dense, Reshape, Sequential
from generative._objectives import label_cost
from generative._optim import Adam, LinearDecay
from generative._player import Player
from generative._random import INIT, Key, Place, key_of, stream

_FEW = 32  # features kept of samples without labels
_WIDTH = 64  # of the classifier's last hidden layer
_BATCH = 128
_UPDATES = 500
_UNITS = 2000  # samples that tell the units of the features
_BLOCK = 512  # samples through the classifier at a time


class Features(Protocol):
    """A map of samples to the space they are compared in."""

    @property
    def text(self) -> str:
        """What the space is, in words."""

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """(n, d) samples to (n, features), float64."""


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of the real samples; the samples themselves where they have few features."""

    mean: np.ndarray
    axes: np.ndarray
    text: str

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray((rows - self.mean) @ self.axes)


def components(rows: np.ndarray) -> Components:
    """The 32 leading components of ``rows`` (n, d), in units of their root mean square distance."""
    mean = rows.mean(axis=0)
    centred = rows - mean
    size = math.sqrt(float(np.mean(np.sum(centred * centred, axis=1)))) or 1.0
    d = rows.shape[1]
    if d <= _FEW:
        return Components(mean, np.eye(d) / size * math.sqrt(d), "the samples themselves")
    if d <= len(rows):
        values, vectors = np.linalg.eigh(centred.T @ centred)
        axes, kept = vectors[:, ::-1][:, :_FEW], values[::-1]
    else:
        values, vectors = np.linalg.eigh(centred @ centred.T)
        lead = vectors[:, ::-1][:, :_FEW]
        axes, kept = centred.T @ lead, values[::-1]
        axes /= np.maximum(np.linalg.norm(axes, axis=0), 1e-12 * size)
    share = float(kept[:_FEW].sum() / max(kept.sum(), 1e-300))
    text = f"{axes.shape[1]} principal components ({100 * share:.0f} % of the variance)"
    return Components(mean, axes / size * math.sqrt(_FEW), text)


@dataclass(frozen=True, eq=False)
class Classifier:
    """A small classifier trained on the labels.

    Attributes
    ----------
    accuracy : float
        Share of the samples kept from its training that it gets right.
    sure : float
        Share of them that it gives a probability above 0.9 to one label.
    origin, size : (64,) array, float
        Mean of the features over the training samples, and their root mean square about it.
    """

    net: Sequential
    params: Any
    state: Any
    shape: tuple[int, ...]
    units: tuple[float, float]
    classes: int
    accuracy: float = 0.0
    sure: float = 0.0
    origin: Any = 0.0
    size: float = 1.0
    _blocks: int = field(default=_BLOCK, repr=False)

    @property
    def text(self) -> str:
        """What the space is, in words."""
        return (
            f"{_WIDTH} features of a classifier trained on the {self.classes} labels "
            f"({100 * self.accuracy:.1f} % right on data kept from it)"
        )

    def _through(self, rows: np.ndarray, *, last: bool) -> np.ndarray:
        count = len(self.net.layers) if last else len(self.net.layers) - 1
        made = []
        for start in range(0, len(rows), self._blocks):
            block = (rows[start : start + self._blocks] - self.units[0]) / self.units[1]
            x: Any = block.astype(np.float32).reshape(len(block), *self.shape)
            for layer, p, s in zip(self.net.layers[:count], self.params, self.state):
                x, _ = layer.apply(p, x, s)
            made.append(np.asarray(x, dtype=np.float64))
        return np.concatenate(made)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        return (self._through(rows, last=False) - self.origin) / self.size

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """(n, classes): how likely each label is to the classifier."""
        return _softmax(self._through(rows, last=True))


def _softmax(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def classifier(
    rows: np.ndarray, labels: np.ndarray, shape: tuple[int, ...], *, updates: int = _UPDATES
) -> Classifier:
    """Train on ``rows`` (n, d) of images or points of ``shape``; the same data give the same classifier."""
    classes = int(labels.max()) + 1
    key: Key = key_of(0)
    mean, spread = float(rows.mean()), float(rows.std()) or 1.0
    net, fitting = _net(shape, rows.shape[1], classes)
    x = ((rows - mean) / spread).astype(np.float32).reshape(len(rows), *fitting)
    source = Source((x, labels), holdout=0.1, batch_size=_BATCH, key=key, dtype="float32")
    # Few data are seen at most 30 times, so that it does not learn them by heart.
    updates = max(60, min(updates, 30 * source.train.shape[0] // source.batch_size))
    player = Player(net, Adam(LinearDecay(2e-3, 1e-4, updates)))
    entry = player.begin(stream(key, INIT), Place(x[:0]))
    for index in range(updates):
        batch, hot = source.batch(index)
        assert hot is not None

        def loss(params: Any, state: Any, batch: Any = batch, hot: Any = hot) -> tuple[Any, Any]:
            scores, state = net.apply(params, batch, state, train=True)
            return label_cost(scores, hot), state

        entry, _ = player.learn(entry, loss)
    made = Classifier(net, player.views(entry), entry["state"], fitting, (mean, spread), classes)
    held, truth = source.held_out(len(rows))
    assert truth is not None
    seen = made(rows[:_UNITS])
    origin = seen.mean(axis=0)
    chances = made.probabilities(np.asarray(held, dtype=np.float64).reshape(len(held), -1) * spread + mean)
    return Classifier(
        *(made.net, made.params, made.state, fitting, made.units, classes),
        accuracy=float(np.mean(chances.argmax(axis=1) == truth)),
        sure=float(np.mean(chances.max(axis=1) > 0.9)),
        origin=origin,
        size=math.sqrt(float(np.mean((seen - origin) ** 2))) or 1.0,
    )


def _net(shape: tuple[int, ...], dim: int, classes: int) -> tuple[Sequential, tuple[int, ...]]:
    """Two strided convolutions for images of 12 pixels and more, else two hidden layers."""
    if len(shape) not in (2, 3) or min(shape[:2]) < 12:
        hidden = MLP(dim, 2 * _WIDTH, _WIDTH, activation="leaky_relu")
        return Sequential(*hidden.layers, Activation("leaky_relu"), Dense(_WIDTH, classes)), (dim,)
    h, w = shape[:2]
    c = shape[2] if len(shape) == 3 else 1
    for _ in range(2):
        h, w = (h - 1) // 2 + 1, (w - 1) // 2 + 1
    return Sequential(
        Conv(c, 8, size=5, stride=2, padding=2, activation="leaky_relu"),
        Conv(8, 16, size=5, stride=2, padding=2, activation="leaky_relu"),
        Reshape((h * w * 16,)),
        Dense(h * w * 16, _WIDTH, "leaky_relu"),
        Dense(_WIDTH, classes),
    ), (*shape[:2], c)
