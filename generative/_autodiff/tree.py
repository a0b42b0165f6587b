"""Trees of arrays: nested dicts, lists and tuples, walked in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def leaves(tree: Any) -> list[Any]:
    """The leaves of ``tree``; dictionaries in sorted order of their keys.

    >>> leaves({"b": (1, 2), "a": [3]})
    [3, 1, 2]
    """
    if isinstance(tree, dict):
        return [leaf for key in sorted(tree) for leaf in leaves(tree[key])]
    if isinstance(tree, (list, tuple)):
        return [leaf for branch in tree for leaf in leaves(branch)]
    return [] if tree is None else [tree]


def rebuild(tree: Any, new: Iterator[Any]) -> Any:
    """A tree of the form of ``tree`` whose leaves are taken from ``new`` in order.

    >>> rebuild({"b": (1, 2), "a": [3]}, iter("xyz"))
    {'a': ['x'], 'b': ('y', 'z')}
    """
    if isinstance(tree, dict):
        return {key: rebuild(tree[key], new) for key in sorted(tree)}
    if isinstance(tree, tuple):
        branches = [rebuild(branch, new) for branch in tree]
        return type(tree)(*branches) if hasattr(tree, "_fields") else tuple(branches)
    if isinstance(tree, list):
        return [rebuild(branch, new) for branch in tree]
    return None if tree is None else next(new)


def tree_map(function: Callable[[Any], Any], tree: Any) -> Any:
    """``tree`` with ``function`` applied to each leaf."""
    return rebuild(tree, map(function, leaves(tree)))
