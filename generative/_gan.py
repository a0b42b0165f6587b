"""The generative adversarial network: its game, and what its discriminator claims."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from generative._adversarial import Adversarial, Labels, Tree
from generative._autodiff import value_of
from generative._data import Source
from generative._model import Array, Batches, Metrics, State
from generative._monitor import as_rows, js_estimate
from generative._nets import Sequential
from generative._objectives import gan_value, generator_cost
from generative._optim import Adam
from generative._player import Optimizer, Player
from generative._random import Key
from transport.internal import cached_property, check_choice, check_count, check_positive

_ADAM = Adam(2e-4, beta1=0.5)
_NEIGHBOURS = 5


@dataclass(frozen=True)
class GAN(Adversarial):
    """Generative adversarial network (Goodfellow et al. 2014, Alg. 1).

    Parameters
    ----------
    generator : net
        Latent variables (and one-hot labels) in, samples out.
    discriminator : net
        Samples (and labels) in, one score out: D = sigmoid(score).
    loss : {"non_saturating", "minimax"}
        The generator's cost; see `generator_cost`.
    k : int
        Discriminator steps for each generator step.
    generator_optimizer, discriminator_optimizer
        Adam(2e-4, beta1=0.5) by default.
    classes : int
        Number of labels of a conditional model; 0: none.
    latent : {"normal", "uniform"}
        Standard normal, or uniform on [-1, 1].
    average : float
        Decay of the running average of the generator that `sample` uses; 0: none.
    truncation : float
        Latent draws of `sample` are this times those of training: below 1 samples are nearer to what the
        generator knows best, and less varied (Brock, Donahue, Simonyan 2019, section 3.1).
    label_weight : float
        Above 0 the judge learns to tell the labels too (it gives 1 + ``classes`` numbers: the score and their
        logits), and the generator's cost has this times the cross-entropy of the labels that it was asked
        for (Odena, Olah, Shlens 2017).

    Examples
    --------
    >>> from generative import GAN, MLP, fit
    >>> data = np.random.default_rng(0).normal(3.0, 1.0, size=(200, 1))
    >>> run = fit(GAN(MLP(1, 8, 1), MLP(1, 8, 1)), data, steps=5, rng=0)
    >>> run.sample(4).shape
    (4, 1)
    """

    generator: Sequential
    discriminator: Sequential
    loss: str = "non_saturating"
    k: int = 1
    generator_optimizer: Optimizer = _ADAM
    discriminator_optimizer: Optimizer = _ADAM
    classes: int = 0
    latent: str = "normal"
    average: float = 0.0
    truncation: float = field(default=1.0, repr=False)  # of samples only: a checkpoint fits with any
    label_weight: float = field(default=0.0, repr=False)  # of training only: the same

    def __post_init__(self) -> None:
        check_choice(self.loss, "loss", ("minimax", "non_saturating"))
        check_choice(self.latent, "latent", ("normal", "uniform"))
        check_positive(self.truncation, "truncation")
        check_count(self.k, "k")
        self.check_labels(self.discriminator)

    @cached_property
    def maker(self) -> Player:
        """The generator in training."""
        return Player(self.generator, self.generator_optimizer, self.average)

    @cached_property
    def judge(self) -> Player:
        """The discriminator in training."""
        return Player(self.discriminator, self.discriminator_optimizer)

    def step(
        self, state: State, source: Batches, index: int, rng: np.random.Generator
    ) -> tuple[State, Metrics]:
        """``k`` discriminator updates on fresh data, then one of the generator."""
        labels: Labels = None
        value: dict[str, Array] = {}
        for j in range(self.k):
            x, labels = source.batch(index * self.k + j)
            fake = self.fakes(state, self.draw_latent(rng, x.shape[0], labels, source.place))

            def loss(
                params: Tree, net_state: Tree, x: Array = x, fake: Array = fake, labels: Labels = labels
            ) -> tuple[Array, Tree]:
                real_score, fake_score, told, net_state = self.score_both(
                    params, x, fake, labels=labels, state=net_state
                )
                reached = gan_value(real_score, fake_score)
                value["value"] = value_of(reached)
                return told - reached, net_state

            judge, _ = self.judge.learn(state["judge"], loss)
            state = {**state, "judge": judge}
        z = self.draw_latent(rng, source.batch_size, labels, source.place)
        maker, cost = self.generator_turn(state, z, labels, lambda s: generator_cost(s, loss=self.loss))
        return {**state, "generator": maker}, value | {"generator_cost": cost}

    def evaluate(self, state: State, source: Source, *, n: int, key: Key, index: int) -> dict[str, float]:
        """The value of the game on held-out samples and the JS it claims.

        ``js_discriminator = log 4 + V`` is a lower bound of JS(data, model) in expectation, whatever the
        discriminator, because V(D) <= V(D*) = -log 4 + JS. ``js_estimate`` is of the same samples by nearest
        neighbours, no discriminator asked: where it is much larger, the discriminator lags behind.
        """
        x, fake, real_score, fake_score = self.held_scores(state, source, n=n, key=key, index=index)
        value = float(gan_value(real_score, fake_score))
        found = {"held_out_value": value, "js_discriminator": value + math.log(4)}
        if x.shape[0] > _NEIGHBOURS:
            found["js_estimate"] = js_estimate(as_rows(x), as_rows(fake), k=_NEIGHBOURS)
        return found
