"""Random numbers as a function of (seed, purpose, index): resuming needs no generator's state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import array_api_compat as aac
import numpy as np

from generative._autodiff.tape import space_of

INIT, SPLIT, ORDER, STEP, EVALUATE, SAMPLE, AUGMENT = range(7)
"""Purposes: each has its own streams."""

Key = tuple[int, int]


def key_of(rng: int | np.random.Generator) -> Key:
    """A 128-bit key from a seed, or drawn from a generator.

    Raises
    ------
    TypeError
        For anything else; there is no global generator to fall back on.
    """
    if isinstance(rng, np.random.Generator):
        words: Any = rng.integers(0, 2**63, size=2)
    elif isinstance(rng, (int, np.integer)) and not isinstance(rng, bool):
        words = np.random.SeedSequence(int(rng)).generate_state(2, np.uint64)
    else:
        raise TypeError(f"rng = {rng!r}; pass an integer seed or a numpy.random.Generator")
    return int(words[0]), int(words[1])


def stream(key: Key, purpose: int, index: int = 0) -> np.random.Generator:
    """The generator of (purpose, index): Philox keyed by ``key``, its counter starting at their own range."""
    bits = np.random.Philox(key=np.array(key, dtype=np.uint64), counter=[0, 0, purpose, index])
    return np.random.Generator(bits)


class Draws(Protocol):
    """Puts arrays, and draws random ones, in one place; `Place` is one."""

    @property
    def like(self) -> Any:
        """An array of that library, device and dtype."""

    @property
    def single(self) -> bool:
        """Whether the dtype is float32."""

    def put(self, x: Any) -> Any:
        """``x`` there, in that dtype."""

    def normal(self, rng: np.random.Generator, *shape: int) -> Any:
        """Standard normal numbers."""

    def uniform(self, rng: np.random.Generator, *shape: int) -> Any:
        """Numbers uniform on [0, 1)."""


@dataclass(frozen=True)
class Place:
    """Where arrays live: the library and device of ``like``, and its floating dtype."""

    like: Any

    def put(self, x: Any) -> Any:
        """NumPy (or native) ``x`` there, in that dtype."""
        xp = space_of(self.like)
        if isinstance(self.like, np.ndarray):
            return np.asarray(x, dtype=self.like.dtype)
        return xp.astype(xp.asarray(x, device=aac.device(self.like)), self.like.dtype, copy=False)

    def normal(self, rng: np.random.Generator, *shape: int) -> Any:
        """Standard normal numbers."""
        return self.put(rng.standard_normal(shape, dtype=np.float32 if self.single else np.float64))

    def uniform(self, rng: np.random.Generator, *shape: int) -> Any:
        """Numbers uniform on [0, 1)."""
        return self.put(rng.random(shape, dtype=np.float32 if self.single else np.float64))

    @property
    def single(self) -> bool:
        """Whether the dtype is float32."""
        return "float32" in str(self.like.dtype)
