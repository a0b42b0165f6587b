"""Models of known conduct, for the tests of training."""

from __future__ import annotations

import numpy as np


class Stuck:
    """One sample, for ever."""

    def __repr__(self):
        return "Stuck()"

    def begin(self, source, key):
        return {"generator": {"params": source.place.put(np.zeros(1))}}

    def step(self, state, source, index, rng):
        return state, {"value": 0.0}

    def sample(self, state, n, rng, *, labels=None):
        return np.full((n, 2), 3.0, dtype=np.float32)

    def evaluate(self, state, source, **at):
        return {}
