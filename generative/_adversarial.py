"""What GAN and WGAN share: a generator and a judge, latent draws, scores, the generator's turn."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from generative import ops
from generative._data import Source
from generative._model import Array, State
from generative._nets import BatchNorm, Sequential
from generative._objectives import label_cost
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
    label_weight: float

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

    def check_labels(self, judge: Any) -> None:
        """ValueError where ``label_weight`` asks for logits of the labels that the judge does not give."""
        if not (math.isfinite(self.label_weight) and self.label_weight >= 0):
            raise ValueError(f"label_weight = {self.label_weight}; it must be finite and at least 0")
        given = getattr(judge, "n_out", 1)
        if self.label_weight and (not self.classes or given != 1 + self.classes):
            raise ValueError(
                f"label_weight = {self.label_weight}: the judge must give 1 + classes numbers, a score and a "
                f"logit for each label; it gives {given}, and classes = {self.classes}"
            )

    def judged(
        self, params: Tree, x: Array, *, labels: Labels, state: Tree, train: bool
    ) -> tuple[Array, Array, Tree]:
        """``(scores (n,), logits (n, classes) of the labels, state)`` of the judge; no logits: (n, 0)."""
        net: Sequential = self.judge.net
        out, state = net.apply(params, with_labels(x, labels, self.classes), state, train=train)
        every = slice(None)
        return ops.getitem(out, index=(every, 0)), ops.getitem(out, index=(every, slice(1, None))), state

    def score(
        self, params: Tree, x: Array, *, labels: Labels, state: Tree, train: bool
    ) -> tuple[Array, Tree]:
        """``(scores (n,), state)`` of the judge at ``x``."""
        score, _, state = self.judged(params, x, labels=labels, state=state, train=train)
        return score, state

    def score_both(
        self, params: Tree, x: Array, fake: Array, *, labels: Labels, state: Tree
    ) -> tuple[Array, Array, Array, Tree]:
        """Scores of real and fake samples from one pass over both, cost of the real ones' labels, state."""
        xp, n = namespace(x), x.shape[0]
        doubled = None if labels is None else np.concatenate([labels, labels])
        both = xp.concat([x, fake])
        scores, logits, state = self.judged(params, both, labels=doubled, state=state, train=True)
        told = label_cost(logits[:n, :], labels) if self.label_weight else 0.0
        return scores[:n], scores[n:], told, state

    def generator_turn(
        self, state: State, z: Array, labels: Labels, cost: Callable[[Array], Array]
    ) -> tuple[Entry, Array]:
        """One update of the generator against ``cost`` of the judge's scores, and the cost of the labels."""
        views = self.judge.views(state["judge"])  # plain arrays: no gradient of the judge is computed

        def loss(params: Tree, net_state: Tree) -> tuple[Array, Tree]:
            fake, net_state = self.generator.apply(params, z, net_state, train=True)
            judge_state = state["judge"]["state"]
            score, logits, _ = self.judged(views, fake, labels=labels, state=judge_state, train=False)
            if self.label_weight:
                return cost(score) + self.label_weight * label_cost(logits, labels), net_state
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
