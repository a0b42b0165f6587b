"""GAN and WGAN: two players, one step of the game, and what to measure about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from generative import ops
from generative._autodiff import tree_map
from generative._critic import NetCritic
from generative._data import Source
from generative._monitor import as_rows, js_estimate
from generative._nets import Sequential
from generative._objectives import gan_value, generator_cost, gradient_penalty, wgan_value
from generative._optim import SGD, Adam, RMSProp
from generative._player import Entry, Player, with_labels
from generative._random import EVALUATE, INIT, Key, Place, stream
from generative._semidual import DistanceCritic
from transport import FittedCritic
from transport.internal import (
    cached_property,
    check_choice,
    check_count,
    check_positive,
    namespace,
    on_device_of,
)

State = dict[str, Entry]
Metrics = dict[str, Any]
_ADAM = Adam(2e-4, beta1=0.5)


class _Adversarial:
    """What GAN and WGAN share: latent draws, the fakes, the generator's turn.

    Subclasses have fields ``generator``, ``classes``, ``latent``, and players ``maker`` and ``judge``.
    """

    generator: Sequential
    classes: int
    latent: str
    maker: Player
    judge: Player

    @property
    def players(self) -> dict[str, Player]:
        """The players by their names in the state."""
        return {"generator": self.maker, "judge": self.judge}

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

    def draw_latent(self, rng: np.random.Generator, n: int, labels: Any, place: Place) -> Any:
        """``n`` inputs of the generator, labels appended."""
        width = self.generator.n_in - self.classes
        z = place.normal(rng, n, width) if self.latent == "normal" else place.uniform(rng, n, width) * 2 - 1
        return with_labels(z, labels, self.classes)

    def _fakes(self, state: State, z: Any) -> Any:
        entry = state["generator"]
        return self.generator.apply(self.maker.views(entry), z, entry["state"], train=True)[0]

    def _score(self, params: Any, x: Any, *, labels: Any, state: Any, train: bool) -> tuple[Any, Any]:
        net: Sequential = self.judge.net
        score, state = net.apply(params, with_labels(x, labels, self.classes), state, train=train)
        return ops.reshape(score, shape=(score.shape[0],)), state

    def _score_both(self, params: Any, x: Any, fake: Any, *, labels: Any, state: Any) -> tuple[Any, Any, Any]:
        """Scores of real and fake samples from one pass over both."""
        xp = namespace(x)
        doubled = None if labels is None else np.concatenate([labels, labels])
        scores, state = self._score(params, xp.concat([x, fake]), labels=doubled, state=state, train=True)
        n = x.shape[0]
        return scores[:n], scores[n:], state

    def _generator_turn(self, state: State, z: Any, labels: Any, cost: Any) -> tuple[Entry, Any]:
        views = self.judge.views(state["judge"])  # plain arrays: no gradient of the judge is computed

        def loss(params: Any, net_state: Any) -> tuple[Any, Any]:
            fake, net_state = self.generator.apply(params, z, net_state, train=True)
            score, _ = self._score(views, fake, labels=labels, state=state["judge"]["state"], train=False)
            return cost(score), net_state

        return self.maker.learn(state["generator"], loss)

    def sample(self, state: State, n: int, rng: np.random.Generator, *, labels: Any = None) -> Any:
        """``n`` samples of the generator (of its averaged parameters, if an average is kept)."""
        entry = state["generator"]
        place = Place(entry["params"])
        if self.classes and labels is None:
            labels = rng.integers(0, self.classes, n)
        return self.maker.apply(entry, self.draw_latent(rng, n, labels, place), averaged=True)

    def _held_scores(
        self, state: State, source: Source, *, n: int, key: Key, index: int
    ) -> tuple[Any, Any, Any, Any]:
        """Held-out samples, fresh fakes (the generator as trained, not averaged), and both their scores."""
        x, labels = source.held_out(n, index)
        rng = stream(key, EVALUATE, index)
        z = self.draw_latent(rng, x.shape[0], labels, source.place)
        fake = self.maker.apply(state["generator"], z)
        views, judge_state = self.judge.views(state["judge"]), state["judge"]["state"]
        real_score, _ = self._score(views, x, labels=labels, state=judge_state, train=False)
        fake_score, _ = self._score(views, fake, labels=labels, state=judge_state, train=False)
        return x, fake, real_score, fake_score


@dataclass(frozen=True)
class GAN(_Adversarial):
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
    generator_optimizer: Any = _ADAM
    discriminator_optimizer: Any = _ADAM
    classes: int = 0
    latent: str = "normal"
    average: float = 0.0

    def __post_init__(self) -> None:
        check_choice(self.loss, "loss", ("minimax", "non_saturating"))
        check_choice(self.latent, "latent", ("normal", "uniform"))
        check_count(self.k, "k")

    @cached_property
    def maker(self) -> Player:  # type: ignore[override]
        """The generator in training."""
        return Player(self.generator, self.generator_optimizer, self.average)

    @cached_property
    def judge(self) -> Player:  # type: ignore[override]
        """The discriminator in training."""
        return Player(self.discriminator, self.discriminator_optimizer)

    def step(
        self, state: State, source: Source, index: int, rng: np.random.Generator
    ) -> tuple[State, Metrics]:
        """``k`` discriminator updates on fresh data, then one of the generator."""
        labels = None
        value = 0.0
        for j in range(self.k):
            x, labels = source.batch(index * self.k + j)
            fake = self._fakes(state, self.draw_latent(rng, x.shape[0], labels, source.place))

            def loss(params: Any, net_state: Any, x: Any = x, fake: Any = fake, labels: Any = labels) -> Any:
                real_score, fake_score, net_state = self._score_both(
                    params, x, fake, labels=labels, state=net_state
                )
                return -gan_value(real_score, fake_score), net_state

            judge, value = self.judge.learn(state["judge"], loss)
            state = {**state, "judge": judge}
        z = self.draw_latent(rng, source.batch_size, labels, source.place)
        maker, cost = self._generator_turn(state, z, labels, lambda s: generator_cost(s, loss=self.loss))
        return {**state, "generator": maker}, {"value": -value, "generator_cost": cost}

    def evaluate(self, state: State, source: Source, *, n: int, key: Key, index: int) -> dict[str, float]:
        """The value of the game on held-out samples and the JS it claims.

        ``js_discriminator = log 4 + V`` is a lower bound of JS(data, model) in expectation, whatever the
        discriminator, because V(D) <= V(D*) = -log 4 + JS. ``js_estimate`` is of the same samples by nearest
        neighbours, no discriminator asked: where it is much larger, the discriminator lags behind.
        """
        x, fake, real_score, fake_score = self._held_scores(state, source, n=n, key=key, index=index)
        value = float(gan_value(real_score, fake_score))
        found = {"held_out_value": value, "js_discriminator": value + math.log(4)}
        if x.shape[0] > _NEIGHBOURS:
            found["js_estimate"] = js_estimate(as_rows(x), as_rows(fake), k=_NEIGHBOURS)
        return found


_NEIGHBOURS = 5
_SAMPLES_AN_ANCHOR = 50
_LIPSCHITZ = ("clip", "gradient_penalty", "spectral", "groupsort", "semidual")


@dataclass(frozen=True)
class WGAN(_Adversarial):
    """Wasserstein GAN (Arjovsky, Chintala, Bottou 2017): the judge is a critic of bounded slope.

    Parameters
    ----------
    generator, critic : net
        As in `GAN`; the critic's one output is f(x).
    lipschitz : {"gradient_penalty", "clip", "spectral", "groupsort", "semidual"}
        How the slope is held: a penalty on it (Gulrajani et al. 2017); every weight clamped to ±``clip``
        (the original Alg. 1: slope bounded by some K, so the value is not W₁); weights over their spectral
        norm; orthonormal weights with GroupSort activations (Anil et al. 2019). These two replace the
        ``weight`` and ``activation`` of the critic's layers. "semidual": the critic is a `DistanceCritic`,
        1-Lipschitz by its form, trained on the concave semi-dual: the best there is in few dimensions.
    k : int
        Critic steps for each generator step; 5 by default, 1 under "semidual".
    penalty : float
        Weight of the gradient penalty.
    clip : float
        Bound of each weight under "clip".
    generator_optimizer, critic_optimizer
        By default RMSProp(5e-5) under "clip", else Adam(1e-4, 0, 0.9); SGD(0.025) for a `DistanceCritic`.
    classes, latent, average
        As in `GAN`.
    """

    generator: Sequential
    critic: Any
    lipschitz: str = "gradient_penalty"
    k: int = 0
    penalty: float = 10.0
    clip: float = 0.01
    generator_optimizer: Any = None
    critic_optimizer: Any = None
    classes: int = 0
    latent: str = "normal"
    average: float = 0.0

    def __post_init__(self) -> None:
        check_choice(self.lipschitz, "lipschitz", _LIPSCHITZ)
        check_choice(self.latent, "latent", ("normal", "uniform"))
        if check_count(self.k, "k", 0) == 0:
            object.__setattr__(self, "k", 1 if self.lipschitz == "semidual" else 5)
        if (self.lipschitz == "semidual") != isinstance(self.critic, DistanceCritic):
            raise ValueError(
                f"lipschitz = {self.lipschitz!r} with critic {self.critic!r}: a DistanceCritic and "
                "lipschitz='semidual' go together"
            )
        if self.lipschitz == "semidual" and self.classes:
            raise ValueError(f"classes = {self.classes}; a DistanceCritic knows no labels")
        check_positive(self.penalty, "penalty")
        check_positive(self.clip, "clip")

    def _optimizer(self, given: Any) -> Any:
        if given is not None:
            return given
        return RMSProp(5e-5) if self.lipschitz == "clip" else Adam(1e-4, beta1=0.0, beta2=0.9)

    @cached_property
    def maker(self) -> Player:  # type: ignore[override]
        """The generator in training."""
        return Player(self.generator, self._optimizer(self.generator_optimizer), self.average)

    @cached_property
    def judge(self) -> Player:  # type: ignore[override]
        """The critic in training, its layers as ``lipschitz`` asks."""
        net = self.critic
        if self.lipschitz == "spectral":
            net = net.with_options(weight="spectral")
        elif self.lipschitz == "groupsort":
            net = net.with_options(weight="orthonormal", activation="groupsort")
        optimizer = self.critic_optimizer
        if optimizer is None and self.lipschitz == "semidual":
            optimizer = SGD(0.025)
        return Player(net, self._optimizer(optimizer))

    def begin(self, source: Source, key: Key) -> State:
        """Fresh parameters for both players; real samples as anchors of a `DistanceCritic`."""
        state = super().begin(source, key)
        if self.lipschitz == "semidual":
            samples = source.seen(_SAMPLES_AN_ANCHOR * self.critic.anchors)
            rows = np.arange(max(self.critic.anchors, samples.shape[0])) % samples.shape[0]
            samples = namespace(samples).take(samples, on_device_of(rows, samples), axis=0)
            state["judge"]["state"] = self.critic.anchored(samples)
        return state

    def _project(self, params: Any) -> Any:
        if self.lipschitz != "clip":
            return params
        where, bound = namespace(params).where, self.clip  # CuPy's clip of the standard waits for the device
        return where(params > bound, bound, where(params < -bound, -bound, params))

    def _critic_loss(self, x: Any, fake: Any, labels: Any, mix: Any) -> Any:
        if self.lipschitz == "semidual":
            return self._semidual_loss(fake)

        def loss(params: Any, net_state: Any) -> tuple[Any, Any]:
            real_score, fake_score, after = self._score_both(params, x, fake, labels=labels, state=net_state)
            cost = -wgan_value(real_score, fake_score)
            if mix is not None:

                def critic(points: Any) -> Any:
                    return self._score(params, points, labels=labels, state=net_state, train=False)[0]

                cost = cost + self.penalty * gradient_penalty(critic, x, fake, mix)
            return cost, after

        return loss

    def step(
        self, state: State, source: Source, index: int, rng: np.random.Generator
    ) -> tuple[State, Metrics]:
        """``k`` critic updates on fresh data, then one of the generator."""
        labels = None
        cost = 0.0
        for j in range(self.k):
            x, labels = source.batch(index * self.k + j)
            fake = self._fakes(state, self.draw_latent(rng, x.shape[0], labels, source.place))
            penalised = self.lipschitz == "gradient_penalty"
            mix = source.place.uniform(rng, x.shape[0]) if penalised else None
            judge, cost = self.judge.learn(
                state["judge"], self._critic_loss(x, fake, labels, mix), project=self._project
            )
            state = {**state, "judge": judge}
        z = self.draw_latent(rng, source.batch_size, labels, source.place)
        maker, score = self._generator_turn(state, z, labels, lambda s: -ops.mean(s))
        return {**state, "generator": maker}, {"critic_cost": cost, "generator_cost": score}

    def _semidual_loss(self, fake: Any) -> Any:
        def loss(params: Any, net_state: Any) -> tuple[Any, Any]:
            score, _ = self.critic.apply(params, fake, net_state)
            height = self.critic.mean_height(params, net_state)
            return ops.mean(score) - height, self.critic.updated(net_state)

        return loss

    def critic_of(self, state: State) -> NetCritic:
        """The critic as a function with a gradient and a Lipschitz constant (unconditional models)."""
        entry = state["judge"]
        xp = namespace(entry["params"])
        place = Place(xp.astype(entry["params"][:0], xp.float64))
        params = self.judge.layout.views(place.put(entry["params"]))
        return NetCritic(self.judge.net, params, tree_map(place.put, entry["state"]))

    def fitted_critic(self, state: State, source: Source, *, n: int, key: Key) -> FittedCritic:
        """The critic with held-out data, and as many fresh samples of the model, to judge it."""
        xp = namespace(state["judge"]["params"])
        x, _ = source.held_out(n, 1)
        made = self.sample(state, x.shape[0], stream(key, EVALUATE, 2**33))
        return FittedCritic(self.critic_of(state), (xp.astype(x, xp.float64), xp.astype(made, xp.float64)))

    def evaluate(self, state: State, source: Source, *, n: int, key: Key, index: int) -> dict[str, float]:
        """The critic's estimate of W₁ on held-out samples, raw and divided by its slope.

        ``critic_value`` is E f(x) - E f(fake); over ``lipschitz_bound`` (a proved bound of the slope) it
        bounds W₁ from below in expectation; over ``lipschitz_measured`` (the steepest slope found at the
        samples and between them) it is an estimate only.
        """
        x, fake, real_score, fake_score = self._held_scores(state, source, n=n, key=key, index=index)
        value = float(wgan_value(real_score, fake_score))
        found = {"critic_value": value}
        if not self.classes:
            critic = self.critic_of(state)
            mix = source.place.uniform(stream(key, EVALUATE, index), x.shape[0])
            mix = namespace(x).reshape(mix, (-1,) + (1,) * (x.ndim - 1))
            points = namespace(x).concat([x, fake, fake + mix * (x - fake)])
            measured = critic.measured_lipschitz(namespace(x).astype(points, namespace(x).float64))
            bound = critic.lipschitz
            found |= {
                "lipschitz_measured": measured,
                "lipschitz_bound": bound,
                "w1_critic": value / measured if measured > 0 else 0.0,
                "w1_critic_lower": value / bound if bound > 0 else 0.0,
            }
        return found
