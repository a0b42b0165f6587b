"""All parameters of a net in one flat buffer: one optimiser launch, one clip, one average, one file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from generative._autodiff import leaves, rebuild
from generative._autodiff.tape import space_of
from transport.internal import kernels


def joined(parts: list[Any]) -> Any:
    """Arrays copied into one flat array."""
    xp = space_of(*parts)
    return kernels("generative", xp).concat([xp.reshape(part, (-1,)) for part in parts], 0, xp=xp)


@dataclass(frozen=True)
class Layout:
    """Where the leaves of a tree of arrays lie in a flat buffer.

    Examples
    --------
    >>> import numpy as np
    >>> tree = {"b": np.array([5.0]), "w": np.ones((2, 2))}
    >>> layout = Layout.of(tree)
    >>> layout.gather({"b": np.array([5.0]), "w": np.ones((2, 2))})
    array([5., 1., 1., 1., 1.])
    >>> layout.views(np.arange(5.0))["w"]
    array([[1., 2.],
           [3., 4.]])
    """

    form: Any
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, tree: Any) -> Layout:
        """The layout of ``tree``."""
        form = rebuild(tree, iter(range(len(leaves(tree)))))
        return cls(form, tuple(tuple(leaf.shape) for leaf in leaves(tree)))

    @property
    def size(self) -> int:
        """Number of parameters."""
        return sum(math.prod(shape) for shape in self.shapes)

    def gather(self, tree: Any) -> Any:
        """The leaves of ``tree`` copied into one flat array."""
        return joined(leaves(tree))

    def views(self, flat: Any) -> Any:
        """The tree whose leaves are views of ``flat``."""
        xp = space_of(flat)
        out, start = [], 0
        for shape in self.shapes:
            stop = start + math.prod(shape)
            out.append(xp.reshape(flat[start:stop], shape))
            start = stop
        return rebuild(self.form, iter(out))
