"""The Wasserstein GAN: its critic in training, as a function, and as a bound of W₁."""

from __future__ import annotations

import re
from dataclasses import InitVar, dataclass, field

import numpy as np

from generative import ops
from generative._adversarial import Adversarial, Labels
from generative._autodiff import tree_map
from generative._critic import NetCritic
from generative._data import Source
from generative._lipschitz import Lipschitz, Turn, lipschitz_of
from generative._model import Array, Batches, Metrics, State
from generative._nets import Sequential
from generative._objectives import wgan_value
from generative._player import Optimizer, Player
from generative._random import EVALUATE, Key, Place, stream
from generative._semidual import DistanceCritic
from transport import FittedCritic
from transport.internal import cached_property, check_choice, check_count, check_positive, namespace


@dataclass(frozen=True)
class WGAN(Adversarial):
    """Wasserstein GAN (Arjovsky, Chintala, Bottou 2017): the judge is a critic of bounded slope.

    Parameters
    ----------
    generator, critic : net
        As in `GAN`; the critic's one output is f(x).
    lipschitz : Lipschitz or str
        How the slope is held: `GradientPenalty` (the default), `Clip`, `Spectral`, `GroupSort`, or, for a
        `DistanceCritic`, `SemiDual`, the best there is in few dimensions. A name stands for the method with
        its defaults: "gradient_penalty", "clip", "spectral", "groupsort", "semidual".
    k : int, optional
        Critic steps for each generator step; 5 by default, 1 under "semidual".
    penalty, clip : float, optional
        With a name: the weight of "gradient_penalty" and the bound of "clip".
    lambda_ : float, optional
        ``penalty`` under the name of the paper and of lecture notes.
    generator_optimizer, critic_optimizer
        By default RMSProp(5e-5) under "clip", else Adam(1e-4, 0, 0.9); SGD(0.025) for a `DistanceCritic`.
    classes, latent, average, truncation, label_weight
        As in `GAN`.

    Examples
    --------
    >>> from generative import MLP, WGAN, Clip
    >>> nets = MLP(2, 8, 1), MLP(1, 8, 1)
    >>> WGAN(*nets, lipschitz="clip", clip=0.05) == WGAN(*nets, Clip(0.05))
    True
    >>> WGAN(*nets).lipschitz
    GradientPenalty(weight=10.0, one_sided=False)
    """

    generator: Sequential
    critic: Sequential | DistanceCritic
    lipschitz: Lipschitz | str = "gradient_penalty"  # after construction a `Lipschitz`
    k: int = 0  # after construction at least 1
    penalty: InitVar[float | None] = None
    clip: InitVar[float | None] = None
    lambda_: InitVar[float | None] = field(default=None, kw_only=True)
    generator_optimizer: Optimizer | None = None
    critic_optimizer: Optimizer | None = None
    classes: int = 0
    latent: str = "normal"
    average: float = 0.0
    truncation: float = field(default=1.0, repr=False)  # of samples only: a checkpoint fits with any
    label_weight: float = field(default=0.0, repr=False)  # of training only: the same

    def __post_init__(self, penalty: float | None, clip: float | None, lambda_: float | None) -> None:
        check_choice(self.latent, "latent", ("normal", "uniform"))
        check_positive(self.truncation, "truncation")
        if lambda_ is not None:
            if penalty not in (None, lambda_):
                raise ValueError(f"penalty = {penalty} and lambda_ = {lambda_}: two names of one number")
            penalty = lambda_
        method = lipschitz_of(self.lipschitz, penalty=penalty, clip=clip)
        method.check(self.critic, self.classes)
        self.check_labels(self.critic)
        object.__setattr__(self, "lipschitz", method)
        object.__setattr__(self, "k", check_count(self.k, "k", 0) or method.k)

    @property
    def method(self) -> Lipschitz:
        """``lipschitz``, an object whatever was given."""
        assert isinstance(self.lipschitz, Lipschitz)
        return self.lipschitz

    @cached_property
    def maker(self) -> Player:
        """The generator in training."""
        optimizer = self.generator_optimizer or self.method.optimizer(critic=False)
        return Player(self.generator, optimizer, self.average)

    @cached_property
    def judge(self) -> Player:
        """The critic in training, its layers as ``lipschitz`` asks."""
        optimizer = self.critic_optimizer or self.method.optimizer(critic=True)
        return Player(self.method.net(self.critic), optimizer)

    @property
    def host_work(self) -> str | None:
        """See `Recordable`."""
        return super().host_work or self.method.host_work

    def was_named(self, saved: str) -> bool:
        """Whether ``saved`` was the ``repr`` of this model when ``lipschitz`` was a string."""
        options = self.method.former()
        if options is None:
            return False
        shown = {"lipschitz": self.method.name, "k": self.k, **dict.fromkeys(("penalty", "clip"))}
        rest = ("generator_optimizer", "critic_optimizer", "classes", "latent", "average")
        shown = {"generator": self.generator, "critic": self.critic} | shown
        shown |= {name: getattr(self, name) for name in rest}
        parts = []
        for name, value in shown.items():
            other = name in ("penalty", "clip") and name not in options
            wanted = r"[-+.\de]+" if other else re.escape(repr(options.get(name, value)))
            parts.append(f"{name}={wanted}")
        return re.fullmatch(rf"WGAN\({', '.join(parts)}\)", saved) is not None

    def begin(self, source: Source, key: Key) -> State:
        """Fresh parameters for both players; real samples as anchors of a `DistanceCritic`."""
        state = super().begin(source, key)
        judge = state["judge"]
        return state | {"judge": judge | {"state": self.method.begin(self.critic, source, judge["state"])}}

    def step(
        self, state: State, source: Batches, index: int, rng: np.random.Generator
    ) -> tuple[State, Metrics]:
        """``k`` critic updates on fresh data, then one of the generator."""
        labels: Labels = None
        cost: Array = 0.0
        for j in range(self.k):
            x, labels = source.batch(index * self.k + j)
            fake = self.fakes(state, self.draw_latent(rng, x.shape[0], labels, source.place))
            loss = self.method.cost(self, Turn(x, fake, labels), source.place, rng)
            judge, cost = self.judge.learn(state["judge"], loss, project=self.method.project)
            state = {**state, "judge": judge}
        z = self.draw_latent(rng, source.batch_size, labels, source.place)
        maker, score = self.generator_turn(state, z, labels, lambda s: -ops.mean(s))
        return {**state, "generator": maker}, {"critic_cost": cost, "generator_cost": score}

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
        x, fake, real_score, fake_score = self.held_scores(state, source, n=n, key=key, index=index)
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
