"""Nets for images of any shape up to 64 x 64: halve, or double, until the longer side is at most eight.

The generator is that of Radford, Metz, Chintala (2016): fractionally strided convolutions of 4 x 4 with batch
norm and relu. The judge mirrors it, without a norm: where its slope is held, by spectral norm or by a
gradient penalty, a norm over the batch would couple the samples that the penalty takes one by one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from generative import ops
from generative._nets import Activation, BatchNorm, Conv, ConvTranspose, Dense, Layer, Reshape, Sequential

Shape = tuple[int, int, int]
"""Height, width, channels."""

_SMALL = 8  # the longer side at which halving ends


@dataclass(frozen=True)
class Crop(Layer):
    """The first rows and columns of images: (n, h, w, c) -> (n, *sides, c)."""

    sides: tuple[int, int]

    def apply(self, params: Any, x: Any, state: Any, *, train: bool = False) -> tuple[Any, Any]:
        if tuple(x.shape[1:3]) == self.sides:
            return x, state
        index = (slice(None), slice(0, self.sides[0]), slice(0, self.sides[1]), slice(None))
        return ops.getitem(x, index=index), state


@dataclass(frozen=True)
class Labelled(Dense):
    """A `Dense` whose last ``classes`` inputs are a one-hot label.

    One input of 1 among many draws of variance 1 is hardly heard. The label's weights therefore begin larger,
    by half the root of the number of draws: it then moves each unit half as far as all draws together.
    """

    classes: int = 0

    def init(self, rng: np.random.Generator) -> tuple[Any, Any]:
        params, state = super().init(rng)
        draws = self.n_in - self.classes
        gain = np.where(np.arange(self.n_in) < draws, 1.0, max(1.0, math.sqrt(draws) / 2))
        return params | {"w": params["w"] * gain[:, None]}, state


@dataclass(frozen=True)
class Projection(Layer):
    """Scores of images whose last ``classes`` channels are a one-hot label, and logits of their labels.

    With φ the ``body`` of the image alone the score is ``w·φ + b + v_label·φ`` (Miyato and Koyama 2018): the
    label costs one product a sample, not a convolution over channels that are constant. The logits
    ``U φ + c`` do not see the label (Odena, Olah, Shlens 2017). Shape (n, 1 + classes), the score first.
    """

    body: Sequential
    n_features: int
    classes: int

    weight: str = "free"  # of the two last layers

    @property
    def n_out(self) -> int:
        """The score and a logit for each label."""
        return 1 + self.classes

    @property
    def _score(self) -> Dense:
        return Dense(self.n_features, 1, weight=self.weight)

    @property
    def _labels(self) -> Dense:
        return Dense(self.classes, self.n_features, weight=self.weight)

    @property
    def _logits(self) -> Dense:
        return Dense(self.n_features, self.classes, weight=self.weight)

    def with_options(self, **options: Any) -> Projection:
        """As `Sequential.with_options`, of the body too."""
        return replace(
            self, body=self.body.with_options(**options), weight=options.get("weight", self.weight)
        )

    def init(self, rng: np.random.Generator) -> tuple[Any, Any]:
        parts = {"body": self.body, "score": self._score, "labels": self._labels, "logits": self._logits}
        found = {name: part.init(rng) for name, part in parts.items()}
        params = {name: pair[0] for name, pair in found.items()}
        params["labels"] = {
            "w": params["labels"]["w"] / math.sqrt(self.n_features),
            "b": params["labels"]["b"],
        }
        return params, {name: pair[1] for name, pair in found.items()}

    def apply(self, params: Any, x: Any, state: Any, *, train: bool = False) -> tuple[Any, Any]:
        every, cut = slice(None), x.shape[3] - self.classes
        image = ops.getitem(x, index=(every, every, every, slice(0, cut)))
        hot = ops.getitem(x, index=(every, 0, 0, slice(cut, None)))
        features, body = self.body.apply(params["body"], image, state["body"], train=train)
        score, one = self._score.apply(params["score"], features, state["score"], train=train)
        along, two = self._labels.apply(params["labels"], hot, state["labels"], train=train)
        score = score + ops.sum(along * features, axis=1, keepdims=True)
        logits, three = self._logits.apply(params["logits"], features, state["logits"], train=train)
        after = {"body": body, "score": one, "labels": two, "logits": three}
        return ops.concat(score, logits, axis=1), after

    def lipschitz(self, params: Any, state: Any) -> float:
        """No bound: the label is an input too, and its product with the features has none."""
        return math.inf


def halvings(shape: Shape) -> int:
    """How often the sides are halved."""
    return max(1, math.ceil(math.log2(max(shape[:2]) / _SMALL)))


def generator(
    shape: Shape, n_in: int, *, channels: int, classes: int = 0, norm: bool = True, last: str = "sigmoid"
) -> Sequential:
    """(n, n_in) -> images (n, *shape); ``channels`` of the largest hidden image, doubled as it halves.

    The last ``classes`` inputs are a one-hot label.
    """
    depth = halvings(shape)
    sides = [tuple(math.ceil(n / 2**k) for n in shape[:2]) for k in range(depth + 1)]
    widths = [channels * 2**k for k in range(depth)]
    start = (*sides[-1], widths[-1])
    count = math.prod(start)
    first = Labelled(n_in, count, classes=classes) if classes else Dense(n_in, count)
    layers: list[Layer] = [*_hidden(first, count, norm=norm)]
    layers.append(Reshape(start))
    for k in range(depth - 1, 0, -1):
        layers += _hidden(ConvTranspose(widths[k], widths[k - 1]), widths[k - 1], norm=norm)
        layers += _cropped(sides[k], sides[k - 1])
    layers.append(ConvTranspose(widths[0], shape[2], activation=last))
    return Sequential(*layers, *_cropped(sides[1], sides[0]))


def _hidden(layer: Dense | ConvTranspose, n: int, *, norm: bool) -> list[Layer]:
    """The layer with relu, behind a batch norm if asked for."""
    return [layer, BatchNorm(n), Activation("relu")] if norm else [replace(layer, activation="relu")]


def normed(layer: Conv | Dense) -> list[Layer]:
    """The layer with a batch norm before its activation."""
    return [replace(layer, activation="linear"), BatchNorm(layer.n_out), Activation(layer.activation)]


def _cropped(before: tuple[int, ...], after: tuple[int, ...]) -> list[Layer]:
    return [] if all(2 * a == b for a, b in zip(before, after, strict=True)) else [Crop((after[0], after[1]))]


def features(
    shape: Shape, *, channels: int, weight: str = "free", norm: bool = False
) -> tuple[Sequential, int]:
    """Strided convolutions with leaky relu, images -> (n, count), and the count.

    ``norm``: batch norm from the second on.
    """
    widths = [shape[2], *(channels * 2**k for k in range(halvings(shape)))]
    layers: list[Layer] = []
    for k, (a, b) in enumerate(pairwise(widths)):
        conv = Conv(a, b, 4, 2, 1, activation="leaky_relu", weight=weight)
        layers += normed(conv) if norm and k else [conv]
    count = widths[-1] * math.prod(n // 2 ** halvings(shape) for n in shape[:2])
    return Sequential(*layers, Reshape((count,))), count


def judge(shape: Shape, *, channels: int, classes: int = 0, weight: str = "free") -> Sequential:
    """Images -> scores (n, 1); with a one-hot label in further channels for ``classes``, -> (n, 1 + classes).

    ``weight`` is that of the convolutions. The last layer is free: scores may be as large as they need be.
    """
    body, count = features(shape, channels=channels, weight=weight)
    if classes:
        return Sequential(Projection(body, count, classes))
    return Sequential(*body.layers, Dense(count, 1))
