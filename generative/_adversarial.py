"""What GAN and WGAN share: a generator and a judge, latent draws, scores, the generator's turn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from generative import ops
from generative._data import Source
from generative._model import Array, State
from generative._nets import BatchNorm, Sequential
from generative._player import Entry, Player, with_labels
from generative._random import EVALUATE, INIT, Draws, Key, Place, stream
from transport.internal import namespace

Labels = np.ndarray | None
Tree = Any
"""A nested dict, list or tuple of arrays."""

_SETTLING = 1000  # latent draws that tell the moments of the averaged generator


class Adversarial(ABC):
    """Two players. A subclass adds ``step`` and ``evaluate`` and is a `Model`."""

    generator: Sequential
    classes: int
    latent: str
    truncation: float

    @property
    @abstractmethod
    def maker(self) -> Player:
        """The generator in training."""

    @property
    @abstractmethod
    def judge(self) -> Player:
        """The discriminator or critic in training."""

    @property
    def players(self) -> dict[str, Player]:
        """The players by their names in the state."""
        return {"generator": self.maker, "judge": self.judge}

    @property
    def host_work(self) -> str | None:
        """See `Recordable`."""
        return "a conditional model takes its labels from the host" if self.classes else None

    def begin(self, source: Source, key: Key) -> State:
        """Fresh parameters for both players."""
        state = {
            "generator": self.maker.begin(stream(key, INIT, 0), source.place),
            "judge": self.judge.begin(stream(key, INIT, 1), source.place),
        }
        shape = tuple(self.sample(state, 2, stream(key, INIT, 2)).shape[1:])
        if shape != source.shape:
            raise ValueError(f"the generator makes samples of shape {shape}; the data have {source.shape}")
        return state

    def draw_latent(
        self, rng: np.random.Generator, n: int, labels: Labels, place: Draws, *, scale: float = 1.0
    ) -> Array:
        """``n`` inputs of the generator, ``scale`` times the draws of training, labels appended."""
        width = self.generator.n_in - self.classes
        z = place.normal(rng, n, width) if self.latent == "normal" else place.uniform(rng, n, width) * 2 - 1
        return with_labels(z if scale == 1.0 else z * scale, labels, self.classes)

    def fakes(self, state: State, z: Array) -> Array:
        """Samples made of ``z`` by the generator in training."""
        entry = state["generator"]
        return self.generator.apply(self.maker.views(entry), z, entry["state"], train=True)[0]

    def score(
        self, params: Tree, x: Array, *, labels: Labels, state: Tree, train: bool
    ) -> tuple[Array, Tree]:
        """``(scores (n,), state)`` of the judge at ``x``."""
        net: Sequential = self.judge.net
        score, state = net.apply(params, with_labels(x, labels, self.classes), state, train=train)
        return ops.reshape(score, shape=(score.shape[0],)), state

    def score_both(
        self, params: Tree, x: Array, fake: Array, *, labels: Labels, state: Tree
    ) -> tuple[Array, Array, Tree]:
        """Scores of real and fake samples from one pass over both."""
        xp = namespace(x)
        doubled = None if labels is None else np.concatenate([labels, labels])
        scores, state = self.score(params, xp.concat([x, fake]), labels=doubled, state=state, train=True)
        n = x.shape[0]
        return scores[:n], scores[n:], state

    def generator_turn(
        self, state: State, z: Array, labels: Labels, cost: Callable[[Array], Array]
    ) -> tuple[Entry, Array]:
        """One update of the generator against ``cost`` of the judge's scores."""
        views = self.judge.views(state["judge"])  # plain arrays: no gradient of the judge is computed

        def loss(params: Tree, net_state: Tree) -> tuple[Array, Tree]:
            fake, net_state = self.generator.apply(params, z, net_state, train=True)
            score, _ = self.score(views, fake, labels=labels, state=state["judge"]["state"], train=False)
            return cost(score), net_state

        return self.maker.learn(state["generator"], loss)

    def sample(self, state: State, n: int, rng: np.random.Generator, *, labels: Array = None) -> Array:
        """``n`` samples of the generator (of its averaged parameters, if an average is kept)."""
        entry = state["generator"]
        place = Place(entry["params"])
        if self.classes and labels is None:
            labels = rng.integers(0, self.classes, n)
        z = self.draw_latent(rng, n, labels, place, scale=self.truncation)
        return self.generator.apply(
            self.maker.views(entry, averaged=True), z, self._settled(entry, place), train=False
        )[0]

    def _settled(self, entry: Entry, place: Place) -> Tree:
        """The state that goes with the averaged parameters: their own moments in each batch norm.

        The running ones are of the parameters in training, whose hidden units the average does not share.
        Always from the same latent draws, so that the same state gives the same samples.
        """
        if not self.maker.average or not any(isinstance(x, BatchNorm) for x in self.generator.layers):
            return entry["state"]
        net = Sequential(
            *(replace(x, momentum=0.0) if isinstance(x, BatchNorm) else x for x in self.generator.layers)
        )
        labels = np.arange(_SETTLING) % self.classes if self.classes else None
        z = self.draw_latent(np.random.default_rng(0), _SETTLING, labels, place)
        return net.apply(self.maker.views(entry, averaged=True), z, entry["state"], train=True)[1]

    def held_scores(
        self, state: State, source: Source, *, n: int, key: Key, index: int
    ) -> tuple[Array, Array, Array, Array]:
        """Held-out samples, fresh fakes (the generator as trained, not averaged), and both their scores."""
        x, labels = source.held_out(n, index)
        rng = stream(key, EVALUATE, index)
        z = self.draw_latent(rng, x.shape[0], labels, source.place)
        fake = self.maker.apply(state["generator"], z)
        views, judge_state = self.judge.views(state["judge"]), state["judge"]["state"]
        real_score, _ = self.score(views, x, labels=labels, state=judge_state, train=False)
        fake_score, _ = self.score(views, fake, labels=labels, state=judge_state, train=False)
        return x, fake, real_score, fake_score
