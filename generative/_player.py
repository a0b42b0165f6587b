"""A net being trained: its flat parameters, its state, its optimiser, and one step of learning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from generative import ops
from generative._autodiff import tree_map, value_and_grad, value_of
from generative._flat import Layout
from generative._random import Place
from transport.internal import cached_property, namespace

Entry = dict[str, Any]
"""``{"params": flat array, "state": tree, "optimizer": dict, "average": flat array or absent}``."""


class Initialised(Protocol):
    """Anything with ``init(rng) -> (params, state)``."""

    def init(self, rng: np.random.Generator) -> tuple[Any, Any]:
        """Fresh parameters and state."""


class Optimizer(Protocol):
    """``init`` and ``update`` on one flat array; see `generative.Adam`."""

    def init(self, params: Any) -> dict[str, Any]:
        """The state before the first update."""

    def update(self, gradient: Any, state: dict[str, Any], params: Any) -> tuple[Any, dict[str, Any]]:
        """``(params, state)`` after one step."""


@dataclass(frozen=True)
class Player:
    """One side of the game.

    Parameters
    ----------
    net : Initialised
    optimizer : Optimizer
    average : float
        Decay of the running average of the parameters, used for sampling; 0 keeps none.
    """

    net: Any
    optimizer: Any
    average: float = 0.0

    @cached_property
    def layout(self) -> Layout:
        """Where the parameters lie in the flat buffer."""
        return Layout.of(self.net.init(np.random.default_rng(0))[0])

    def begin(self, rng: np.random.Generator, place: Place) -> Entry:
        """Fresh parameters, in the place of the data."""
        params, state = self.net.init(rng)
        flat = place.put(self.layout.gather(params))
        entry = {
            "params": flat,
            "state": tree_map(place.put, state),
            "optimizer": self.optimizer.init(flat),
        }
        return entry | {"average": flat} if self.average else entry

    def learn(
        self,
        entry: Entry,
        loss: Callable[[Any, Any], tuple[Any, Any]],
        *,
        project: Callable[[Any], Any] | None = None,
    ) -> tuple[Entry, Any]:
        """One update of the parameters against ``loss(params, state) -> (cost, state)``.

        Returns the new entry and the cost before the update; ``project`` maps the flat parameters back
        into the admitted set.
        """
        (value, state), gradient = value_and_grad(lambda params: loss(params, entry["state"]), has_aux=True)(
            self.layout.views(entry["params"])
        )
        params, optimizer = self.optimizer.update(
            self.layout.gather(gradient), entry["optimizer"], entry["params"]
        )
        if project is not None:
            params = project(params)
        after = {"params": params, "state": state, "optimizer": optimizer}
        if self.average:
            after["average"] = self.average * entry["average"] + (1 - self.average) * params
        return after, value

    def apply(self, entry: Entry, x: Any, *, averaged: bool = False) -> Any:
        """The net at ``x`` outside training."""
        return self.net.apply(self.views(entry, averaged=averaged), x, entry["state"])[0]

    def views(self, entry: Entry, *, averaged: bool = False) -> Any:
        """The tree of parameters (of their running average, if kept and asked for)."""
        return self.layout.views(entry["average" if averaged and self.average else "params"])


def with_labels(x: Any, labels: Any, classes: int) -> Any:
    """``x`` with one-hot labels appended to its features (to its channels, for images)."""
    if not classes:
        return x
    if labels is None:
        raise ValueError(f"the model is conditional on {classes} classes; give data as a pair (x, labels)")
    labels = np.asarray(labels)
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels go from {labels.min()} to {labels.max()}; there are classes={classes}")
    plain = value_of(x)
    hot = Place(plain).put(labels[:, None] == np.arange(classes))
    if plain.ndim > 2:
        xp = namespace(plain)
        hot = xp.reshape(hot, (-1, *(1,) * (plain.ndim - 2), classes))
        hot = xp.broadcast_to(hot, (*plain.shape[:-1], classes))
    return ops.concat(x, hot, axis=-1)
