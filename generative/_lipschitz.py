"""How the slope of a WGAN's critic is held: one object for each method."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from dataclasses import InitVar, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from generative import ops
from generative._data import Source
from generative._model import Array
from generative._nets import Sequential
from generative._objectives import gradient_penalty, wgan_value
from generative._optim import SGD, Adam, RMSProp
from generative._player import Optimizer
from generative._random import Draws
from generative._semidual import DistanceCritic
from transport.internal import check_choice, check_count, check_positive, namespace, on_device_of

Tree = Any
"""A nested dict, list or tuple of arrays: the parameters or the state of a net."""

Cost = Callable[[Tree, Tree], tuple[Array, Tree]]
"""``(params, state) -> (cost, state)`` of the critic, on one batch."""


@dataclass(frozen=True)
class Turn:
    """The batch of one update of the critic: real and made samples (n, ...), and labels or None."""

    real: Array
    fake: Array
    labels: np.ndarray | None


class Judged(Protocol):
    """What a method asks of the model: the critic's scores."""

    @property
    def critic(self) -> Any:
        """The critic as given."""

    def score(
        self, params: Tree, x: Array, *, labels: np.ndarray | None, state: Tree, train: bool
    ) -> tuple[Array, Tree]:
        """``(scores (n,), state)``."""

    def score_both(
        self, params: Tree, x: Array, fake: Array, *, labels: np.ndarray | None, state: Tree
    ) -> tuple[Array, Array, Array, Tree]:
        """Scores of x and of fake from one pass over both, cost of the labels of x, state; in training."""


class Lipschitz(ABC):
    """A way to hold the slope of a critic; the methods here are those of a critic that is left alone."""

    name: ClassVar[str]
    k: ClassVar[int] = 5  # critic steps for each generator step, if the model does not say

    def check(self, critic: Any, classes: int) -> None:
        """ValueError if this method cannot hold ``critic``."""
        if isinstance(critic, DistanceCritic):
            raise ValueError(
                f"lipschitz = {self.name!r} with critic {critic!r}: a DistanceCritic goes with "
                "lipschitz='semidual' only, which trains its heights"
            )

    def net(self, critic: Any) -> Any:
        """The critic with the layers that this method asks for."""
        return critic

    def optimizer(self, *, critic: bool) -> Optimizer:
        """The default of the critic, or of the generator."""
        return Adam(1e-4, beta1=0.0, beta2=0.9)

    def begin(self, critic: Any, source: Source, state: Tree) -> Tree:
        """The critic's state when training begins."""
        return state

    def cost(self, game: Judged, turn: Turn, place: Draws, rng: np.random.Generator) -> Cost:
        """The critic's cost on one batch: -(E f(x) - E f(fake)), and what this method adds."""

        def cost(params: Tree, state: Tree) -> tuple[Array, Tree]:
            real, fake, told, after = game.score_both(
                params, turn.real, turn.fake, labels=turn.labels, state=state
            )
            return told - wgan_value(real, fake), after

        return cost

    def project(self, params: Array) -> Array:
        """The flat parameters after an update, put back into the admitted set."""
        return params

    @property
    def host_work(self) -> str | None:
        """As `Recordable.host_work`."""
        return None

    def former(self) -> dict[str, float] | None:
        """The options ``penalty`` and ``clip`` that said this in earlier versions; None if nothing did."""
        return {}


@dataclass(frozen=True)
class Clip(Lipschitz):
    """Every weight clamped to [-bound, bound] after each update (Arjovsky et al. 2017, Alg. 1).

    The slope is then bounded by some constant that depends on the net, so the value is not W₁.
    """

    bound: float = 0.01
    name: ClassVar[str] = "clip"

    def __post_init__(self) -> None:
        check_positive(self.bound, "clip")

    def optimizer(self, *, critic: bool) -> Optimizer:
        return RMSProp(5e-5)

    def project(self, params: Array) -> Array:
        where, bound = namespace(params).where, self.bound  # CuPy's clip of the standard waits for the device
        return where(params > bound, bound, where(params < -bound, -bound, params))

    def former(self) -> dict[str, float] | None:
        return {"clip": self.bound}


@dataclass(frozen=True)
class GradientPenalty(Lipschitz):
    """``weight`` times the mean of (|∇f| - 1)² between real and made samples (Gulrajani et al. 2017).

    ``one_sided``: slopes below 1 are not penalised (Petzka et al. 2018). ``lambda_`` is the weight under the
    name that the paper gives it.

    >>> GradientPenalty(lambda_=5.0)
    GradientPenalty(weight=5.0, one_sided=False)
    """

    weight: float = 10.0
    one_sided: bool = False
    lambda_: InitVar[float | None] = None
    name: ClassVar[str] = "gradient_penalty"

    def __post_init__(self, lambda_: float | None) -> None:
        if lambda_ is not None:
            if self.weight not in (10.0, lambda_):
                raise ValueError(f"weight = {self.weight} and lambda_ = {lambda_}: two names of one number")
            object.__setattr__(self, "weight", lambda_)
        check_positive(self.weight, "penalty")

    def cost(self, game: Judged, turn: Turn, place: Draws, rng: np.random.Generator) -> Cost:
        plain = super().cost(game, turn, place, rng)
        mix = place.uniform(rng, turn.real.shape[0])

        def cost(params: Tree, state: Tree) -> tuple[Array, Tree]:
            def critic(points: Array) -> Array:
                return game.score(params, points, labels=turn.labels, state=state, train=False)[0]

            value, after = plain(params, state)
            slopes = gradient_penalty(critic, turn.real, turn.fake, mix, one_sided=self.one_sided)
            return value + self.weight * slopes, after

        return cost

    def former(self) -> dict[str, float] | None:
        return None if self.one_sided else {"penalty": self.weight}


@dataclass(frozen=True)
class Spectral(Lipschitz):
    """Weights over their spectral norm (Miyato et al. 2018); replaces ``weight`` of the critic's layers."""

    name: ClassVar[str] = "spectral"

    def net(self, critic: Sequential) -> Sequential:
        return critic.with_options(weight="spectral")


@dataclass(frozen=True)
class GroupSort(Lipschitz):
    """Orthonormal weights and GroupSort activations (Anil et al. 2019), in place of the critic's own."""

    name: ClassVar[str] = "groupsort"

    def net(self, critic: Sequential) -> Sequential:
        return critic.with_options(weight="orthonormal", activation="groupsort")


@dataclass(frozen=True)
class SemiDual(Lipschitz):
    """The critic is a `DistanceCritic`, 1-Lipschitz by its form, trained on the concave semi-dual.

    Parameters
    ----------
    samples_per_anchor : int
        Training samples that each anchor stands for when training begins: they give it its weight.
    """

    samples_per_anchor: int = 50
    name: ClassVar[str] = "semidual"
    k: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_count(self.samples_per_anchor, "samples_per_anchor")

    def check(self, critic: Any, classes: int) -> None:
        if not isinstance(critic, DistanceCritic):
            raise ValueError(
                f"lipschitz = 'semidual' with critic {critic!r}: it trains a DistanceCritic and nothing else"
            )
        if classes:
            raise ValueError(f"classes = {classes}; a DistanceCritic knows no labels")

    def optimizer(self, *, critic: bool) -> Optimizer:
        return SGD(0.025) if critic else super().optimizer(critic=critic)

    def begin(self, critic: DistanceCritic, source: Source, state: Tree) -> Tree:
        samples = source.seen(self.samples_per_anchor * critic.anchors)
        rows = np.arange(max(critic.anchors, samples.shape[0])) % samples.shape[0]
        return critic.anchored(namespace(samples).take(samples, on_device_of(rows, samples), axis=0))

    def cost(self, game: Judged, turn: Turn, place: Draws, rng: np.random.Generator) -> Cost:
        critic: DistanceCritic = game.critic

        def cost(params: Tree, state: Tree) -> tuple[Array, Tree]:
            score, _ = critic.apply(params, turn.fake, state)
            return ops.mean(score) - critic.mean_height(params, state), critic.updated(state)

        return cost

    @property
    def host_work(self) -> str | None:
        return "the smoothing of a DistanceCritic is a number of the host that changes"

    def former(self) -> dict[str, float] | None:
        return {} if self.samples_per_anchor == 50 else None


_METHODS: dict[str, type[Lipschitz]] = {
    kind.name: kind for kind in (Clip, GradientPenalty, Spectral, GroupSort, SemiDual)
}
_OPTION = {"penalty": "gradient_penalty", "clip": "clip"}


def lipschitz_of(given: str | Lipschitz, *, penalty: float | None, clip: float | None) -> Lipschitz:
    """The method that ``given`` names; ``penalty`` and ``clip`` are options of two of the names."""
    if isinstance(given, type) and issubclass(given, Lipschitz):
        raise TypeError(f"lipschitz = {given.__name__}; give an object: {given.__name__}()")
    name = given if isinstance(given, str) else None
    if name is None and not isinstance(given, Lipschitz):
        raise TypeError(
            f"lipschitz is {type(given).__name__}; give one of {', '.join(map(repr, _METHODS))}, or an "
            "object such as GradientPenalty(10.0)"
        )
    if name is not None:
        check_choice(name, "lipschitz", tuple(_METHODS))
    options = {"penalty": penalty, "clip": clip}
    for option, value in options.items():
        if value is not None and name != _OPTION[option]:
            asked = repr(name) if name else repr(given)
            raise ValueError(
                f"{option} = {value} is for lipschitz={_OPTION[option]!r}, not for {asked}; leave it out"
            )
    if isinstance(given, Lipschitz):
        return given
    value = clip if penalty is None else penalty  # the one that is this method's, if given
    return _METHODS[given](*() if value is None else (value,))
