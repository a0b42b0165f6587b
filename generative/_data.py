"""Data to learn from: an array, an array with labels, or an endless sampler; split, shuffled, batched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_compat as aac
import numpy as np

from generative._random import AUGMENT, EVALUATE, ORDER, SPLIT, Key, Place, stream
from transport.internal import namespace, require_finite, to_numpy

_LOST = 1e-3  # of a column's standard deviation: more rounding than this would be learned


def _refuse_lost_digits(x: Any, dtype: str) -> None:
    """Columns whose values single precision cannot tell apart (a year of timestamps, say)."""
    wide = isinstance(x, np.ndarray) and x.dtype.kind in "iuf" and x.dtype.itemsize >= 8
    if dtype != "float32" or not wide or x.ndim == 0 or x.size == 0:
        return
    columns = x.reshape(len(x), -1)
    with np.errstate(all="ignore"):
        spread = np.std((columns - columns[:1]).astype(np.float64), axis=0)
        rounding = np.abs(columns).max(axis=0).astype(np.float64) * 2.0**-24
    bad = np.flatnonzero((spread > 0) & (rounding > _LOST * spread))
    if len(bad):
        k = int(bad[0])
        raise ValueError(
            f"column {k} of data varies by {spread[k]:.3g} around {float(columns[0, k]):.12g}: float32 loses "
            "that; subtract the mean of the column, or fit(..., dtype='float64')"
        )


Sampler = Callable[[np.random.Generator, int], Any]
Augment = Callable[[Any, np.random.Generator], Any]
Batch = tuple[Any, Any]
"""Samples (n, ...) and their labels (n,), or None."""


class Source:
    """Training batches and held-out samples, each a function of an index.

    Parameters
    ----------
    data : array (n,) or (n, ...), pair (array, labels), or callable ``(rng, n) -> array``
    holdout : None, float in (0, 1), array, or pair (array, labels)
        What is kept from training to measure with; None keeps a tenth. Endless samplers draw afresh.
    augment : callable ``(x, rng) -> x``, optional
        Applied to the samples of each batch; not to those that are measured with.
    """

    def __init__(
        self,
        data: Any,
        *,
        holdout: Any,
        batch_size: int,
        key: Key,
        dtype: str,
        augment: Augment | None = None,
    ) -> None:
        self.key, self.augment = key, augment
        self.sampler: Sampler | None = data if callable(data) else None
        self.labels: np.ndarray | None = None
        self.held_labels: np.ndarray | None = None
        if self.sampler is not None:
            probe = np.asarray(self.sampler(stream(key, EVALUATE), 2))
            self.place = Place(np.zeros(0, dtype=dtype))
            self.shape = tuple(probe.shape[1:]) or (1,)
            self.batch_size = batch_size
        else:
            self._take_arrays(data, holdout, batch_size, dtype)
        self._known: dict[str, Any] = {}
        self._epoch = -1
        self._order: Any = None

    def _take_arrays(self, data: Any, holdout: Any, batch_size: int, dtype: str) -> None:
        x, labels = data if isinstance(data, tuple) and len(data) == 2 else (data, None)
        xp = namespace(x)
        x = x if aac.is_array_api_obj(x) else np.asarray(x)
        self.place = Place(xp.zeros(0, dtype=getattr(xp, dtype), device=aac.device(x)))
        _refuse_lost_digits(x, dtype)
        x = self._prepared(x, "data")
        if x.shape[0] < 2:
            raise ValueError(f"data has {x.shape[0]} samples; learning needs at least 2")
        if labels is not None:
            labels = to_numpy(labels)
            if labels.shape != (x.shape[0],) or labels.dtype.kind not in "iu" or labels.min() < 0:
                raise ValueError(
                    f"labels have shape {labels.shape} and dtype {labels.dtype}; they must be non-negative "
                    f"integers, one for each of the {x.shape[0]} samples"
                )
        if holdout is None or isinstance(holdout, float):
            share = 0.1 if holdout is None else holdout
            if not 0 < share < 1:
                raise ValueError(f"holdout = {holdout}; a share must be in (0, 1)")
            order = stream(self.key, SPLIT).permutation(x.shape[0])
            kept = min(max(1, round(share * x.shape[0])), x.shape[0] - 1)
            self.held, self.train = self._rows(x, order[:kept]), self._rows(x, order[kept:])
            if labels is not None:
                self.held_labels, self.labels = labels[order[:kept]], labels[order[kept:]]
        else:
            held, held_labels = holdout if isinstance(holdout, tuple) else (holdout, None)
            held = self._prepared(held, "holdout")
            order = stream(self.key, SPLIT).permutation(held.shape[0])
            self.held, self.train, self.labels = self._rows(held, order), x, labels
            self.held_labels = None if held_labels is None else to_numpy(held_labels)[order]
        self.shape = tuple(x.shape[1:])
        self.batch_size = min(batch_size, self.train.shape[0])

    def _prepared(self, x: Any, name: str) -> Any:
        x = self.place.put(x)
        if x.ndim == 1:
            x = namespace(x).reshape(x, (-1, 1))
        require_finite(x, name, xp=namespace(x))
        return x

    def _rows(self, x: Any, rows: np.ndarray) -> Any:
        if isinstance(x, np.ndarray):
            return x[rows]
        xp = namespace(x)
        return xp.take(x, xp.asarray(rows, device=aac.device(x)), axis=0)

    def once(self, name: str, find: Callable[[], Any]) -> Any:
        """``find()``, kept under ``name`` for as long as the data are: what is measured with them."""
        if name not in self._known:
            self._known[name] = find()
        return self._known[name]

    def batch(self, index: int) -> Batch:
        """Batch number ``index``: the data in a fresh random order each epoch, incomplete batches dropped."""
        x, labels = self._batch(index)
        if self.augment is not None:
            x = self.place.put(self.augment(x, stream(self.key, AUGMENT, index)))
        return x, labels

    def _batch(self, index: int) -> Batch:
        if self.sampler is not None:
            return self._sampled(stream(self.key, ORDER, index), self.batch_size)
        per_epoch = self.train.shape[0] // self.batch_size
        epoch, k = divmod(index, per_epoch)
        if epoch != self._epoch:
            self._order = stream(self.key, ORDER, epoch).permutation(self.train.shape[0])
            self._epoch = epoch
        rows = self._order[k * self.batch_size : (k + 1) * self.batch_size]
        return self._rows(self.train, rows), None if self.labels is None else self.labels[rows]

    def held_out(self, n: int, index: int = 0) -> Batch:
        """At most ``n`` samples that training never sees; another ``index`` draws others of a sampler."""
        if self.sampler is not None:
            return self._sampled(stream(self.key, EVALUATE, index), n)
        return self.held[:n, ...], None if self.held_labels is None else self.held_labels[:n]

    def seen(self, n: int) -> Any:
        """``n`` real samples of training (all, if fewer), in random order: disjoint from `held_out`."""
        if self.sampler is not None:
            return self._sampled(stream(self.key, SPLIT), n)[0]
        return self._rows(self.train, stream(self.key, SPLIT, 1).permutation(self.train.shape[0])[:n])

    def _sampled(self, rng: np.random.Generator, n: int) -> Batch:
        assert self.sampler is not None
        drawn = self.sampler(rng, n)
        x, labels = drawn if isinstance(drawn, tuple) else (drawn, None)
        return self._prepared(x, "data"), None if labels is None else np.asarray(labels)
