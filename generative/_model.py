"""What a model is: the functions that `fit` calls, and the state they hand to each other.

A model is a frozen description and owns no arrays. Its state is a tree of arrays that `fit` keeps, saves and
gives back; a step returns a new state and leaves the old one as it was. Whoever writes these four functions
has a model that `fit` trains, watches, saves and resumes:

>>> import numpy as np
>>> import generative as gen
>>> class Mean:
...     def __repr__(self):
...         return "Mean()"
...     def begin(self, source, key):
...         return {"mean": {"params": source.place.put(np.zeros(source.shape))}}
...     def step(self, state, source, index, rng):
...         gap = source.batch(index)[0].mean(axis=0) - state["mean"]["params"]
...         return {"mean": {"params": state["mean"]["params"] + 0.1 * gap}}, {"gap": abs(gap).max()}
...     def sample(self, state, n, rng, *, labels=None):
...         return np.repeat(state["mean"]["params"][None], n, axis=0)
...     def evaluate(self, state, source, *, n, key, index):
...         return {}
>>> run = gen.fit(Mean(), np.full((50, 2), 3.0), steps=60)
>>> run.sample(1).astype(float).round(2).tolist()
[[2.99, 2.99]]
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

from generative._data import Source
from generative._player import Entry, Player
from generative._random import Draws, Key
from transport import FittedCritic

Array = Any
"""NumPy's, CuPy's, or a value that the differentiation follows."""

State = dict[str, Entry]
"""One entry for each net in training, by its name; ``entry["params"]`` is one array."""

Metrics = dict[str, Array]
"""Costs of a step, each an array without dimensions that may still be on its way from the device."""

Batch = tuple[Array, np.ndarray | None]
"""Samples (n, ...) and their labels (n,), or None."""


class Batches(Protocol):
    """What a step sees of the data."""

    @property
    def batch_size(self) -> int:
        """Samples in each batch."""

    @property
    def place(self) -> Draws:
        """Puts arrays, and draws random ones, where the data are."""

    def batch(self, index: int) -> Batch:
        """Batch number ``index``."""


@runtime_checkable
class Model(Protocol):
    """Anything that `fit` can train. Its ``repr`` names it in checkpoints: all that matters must be in it."""

    def begin(self, source: Source, key: Key) -> State:
        """Fresh parameters; ValueError if model and data do not fit together."""

    def step(
        self, state: State, source: Batches, index: int, rng: np.random.Generator
    ) -> tuple[State, Metrics]:
        """The state after step number ``index``, and its costs; all randomness comes from ``rng``."""

    def sample(self, state: State, n: int, rng: np.random.Generator, *, labels: Array = None) -> Array:
        """``n`` samples, shape (n, ...)."""

    def evaluate(self, state: State, source: Source, *, n: int, key: Key, index: int) -> dict[str, float]:
        """What to write into the history about the state, from at most ``n`` held-out samples."""


@runtime_checkable
class Recordable(Model, Protocol):
    """A model whose step can be recorded as a CUDA graph, or says why not."""

    @property
    def players(self) -> dict[str, Player]:
        """The nets in training, by their names in the state."""

    @property
    def host_work(self) -> str | None:
        """What a step takes from the host each time, which no graph holds; None if nothing."""


@runtime_checkable
class HasCritic(Model, Protocol):
    """A model with a function that bounds W₁ from below."""

    def fitted_critic(self, state: State, source: Source, *, n: int, key: Key) -> FittedCritic:
        """The critic with held-out data, and as many samples of the model, to judge it."""


@runtime_checkable
class Renamed(Model, Protocol):
    """A model whose ``repr`` was another one in checkpoints of earlier versions."""

    def was_named(self, saved: str) -> bool:
        """Whether ``saved`` was the ``repr`` of this model."""


def is_named(model: Model, saved: str) -> bool:
    """Whether ``saved``, the model's name in a checkpoint, is that of ``model``."""
    return saved == repr(model) or (isinstance(model, Renamed) and model.was_named(saved))
