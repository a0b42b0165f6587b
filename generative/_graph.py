"""A step of training as one CUDA graph: recorded once, replayed with a single launch.

What a graph holds is a list of kernels with the addresses and the numbers they were recorded with. So all
that differs from step to step lies in arrays that never move: the samples and the random draws, made outside
as ever and copied in; the state; the few numbers of the optimisers that follow a schedule or count updates.
The host's random numbers are asked for in the order of the step that was recorded, so a replayed step has the
draws of the ordinary one.

Nobody has run this on a GPU yet. The first replay is therefore compared with the ordinary step from the same
state, and a difference stops the training; `tests/test_graph.py` replays against ordinary steps on the CPU,
where "replay" means: the same Python code again, on the same arrays, with the Python numbers it had before.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import array_api_compat as aac
import numpy as np

from generative._autodiff.tape import space_of
from generative._autodiff.tree import leaves, rebuild
from generative._data import Source
from generative._flat import joined
from generative._kernels import blas
from generative._model import Metrics, Model, Recordable, State
from transport.internal import namespace, to_numpy

Body = Callable[[], None]
_NO_DRAWS: Any = None  # a replayed step draws from the feed; one that asks for numbers itself fails here
_CLOSE = 0.01  # of the largest entry of an array; a wrong product or address is off by as much as that entry


class Recorder(Protocol):
    """What makes a graph of a function without arguments and results, which works on arrays in place."""

    def record(self, body: Body) -> Body:
        """``body`` recorded: a call replays it. ``body`` itself may run any number of times meanwhile."""


class CudaRecorder:
    """CUDA graphs by CuPy: on a stream of its own, in memory of its own, with its own cuBLAS handle."""

    def __init__(self) -> None:
        import cupy as cp

        self._cp = cp
        self._stream = cp.cuda.Stream(non_blocking=True)
        self._pool = cp.cuda.MemoryPool()  # the graph's intermediate arrays: they keep their addresses
        self._blas = blas.own(cp.cuda.Device().id)
        with cp.cuda.using_allocator(self._pool.malloc):
            self._workspace = cp.empty(blas.WORKSPACE, dtype=cp.uint8)
        self._graph: Any = None

    def record(self, body: Body) -> Body:
        """See `Recorder`."""
        cp, stream = self._cp, self._stream
        cp.cuda.get_current_stream().synchronize()
        products = self._blas.bound(stream.ptr, self._workspace)
        with stream, cp.cuda.using_allocator(self._pool.malloc), products:
            body()  # compiles every kernel and fills the pool: neither may happen in the recording
            stream.synchronize()
            stream.begin_capture()
            try:
                body()
            except BaseException:
                with suppress(Exception):  # a stream left recording refuses everything after it
                    stream.end_capture()
                raise
            self._graph = stream.end_capture()
        return self._replay

    def _replay(self) -> None:
        self._graph.launch(self._cp.cuda.get_current_stream())


class _Draws:
    """Stands for the data and the random numbers of a step; see `_Listening` and `_Feeding`."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.batch_size = source.batch_size
        self.like = source.place.like
        self.place = self  # it is its own `Place`

    def put(self, x: Any) -> Any:
        """As `Place.put`."""
        return self._source.place.put(x)

    @property
    def single(self) -> bool:
        """As `Place.single`."""
        return self._source.place.single

    def normal(self, rng: Any, *shape: int) -> Any:
        """As `Place.normal`."""
        raise NotImplementedError(f"{type(self).__name__}.normal")

    def uniform(self, rng: Any, *shape: int) -> Any:
        """As `Place.uniform`."""
        raise NotImplementedError(f"{type(self).__name__}.uniform")


class _Listening(_Draws):
    """Hands through, and notes what was asked for, in order: batches, and draws by kind and shape."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.asked: list[tuple[str, Any, Any]] = []

    def _noted(self, kind: str, detail: Any, value: Any) -> Any:
        self.asked.append((kind, detail, value))
        return value

    def batch(self, index: int) -> tuple[Any, Any]:
        x, labels = self._source.batch(index)
        return self._noted("batch", index, x), labels

    def normal(self, rng: np.random.Generator, *shape: int) -> Any:
        return self._noted("normal", shape, self._source.place.normal(rng, *shape))

    def uniform(self, rng: np.random.Generator, *shape: int) -> Any:
        return self._noted("uniform", shape, self._source.place.uniform(rng, *shape))


class _Feeding(_Draws):
    """Hands out the arrays that the graph reads, in the order of the recording."""

    def __init__(self, source: Source, buffers: list[Any]) -> None:
        super().__init__(source)
        self._buffers = buffers
        self.restart()

    def restart(self) -> None:
        self._next = iter(self._buffers)

    def batch(self, index: int) -> tuple[Any, Any]:
        return next(self._next), None

    def normal(self, rng: Any, *shape: int) -> Any:
        return next(self._next)

    uniform = normal


def obstacle(model: Recordable, state: State, source: Source) -> str | None:
    """Why a step of ``model`` cannot be a graph, or None."""
    if model.host_work is not None:
        return model.host_work
    for name, player in model.players.items():
        if not hasattr(player.optimizer, "scalars"):
            return f"the optimizer of the {name} has no method scalars(t) that says what differs by update"
        inner = leaves(state[name]["state"])
        if any(isinstance(leaf, int) for leaf in inner):
            return f"the {name} counts on the host"
    kind = source.place.like.dtype
    if any(not isinstance(leaf, int) and leaf.dtype != kind for leaf in leaves(state)):
        return f"its state is not all {kind}"
    return None


class GraphStep:
    """``step(state, index, rng)``, as ``model.step`` with the data in it, by a graph after the first.

    Parameters
    ----------
    model : GAN, WGAN or VAE
    source : Source
    recorder : Recorder, optional
        `CudaRecorder` by default.

    Raises
    ------
    ValueError
        If the data are not CuPy arrays (and no recorder is given), or the step cannot be a graph: says why.
    """

    def __init__(self, model: Model, source: Source, recorder: Recorder | None = None) -> None:
        if not isinstance(model, Recordable):
            raise ValueError(
                f"capture=True with a {type(model).__name__}: a model that is recorded has properties "
                "players and host_work (generative.GAN has); drop capture"
            )
        if recorder is None and not aac.is_cupy_array(source.place.like):
            raise ValueError(
                f"capture=True with data of type {type(source.place.like).__name__}: only steps on CuPy "
                "arrays are recorded; drop it, or give the data as CuPy arrays"
            )
        self.model, self.source = model, source
        self._recorder = recorder
        self._replay: Body | None = None
        self._last: Any = None  # the state that lies in the graph's own arrays

    def step(self, state: State, index: int, rng: np.random.Generator) -> tuple[State, Metrics]:
        """``(state, metrics)`` after one more step; nothing given is written to.

        Raises
        ------
        ValueError
            If the step cannot be a graph.
        RuntimeError
            If recording fails, or the first replay is not the ordinary step.
        """
        if self._replay is None:
            return self._first(state, index, rng)
        for buffer, (kind, detail) in zip(self._buffers, self._asked, strict=True):
            if kind == "batch":
                buffer[...] = self.source.batch(index * self._batches + detail)[0]
            else:
                buffer[...] = getattr(self.source.place, kind)(rng, *detail)
        if state is not self._last:
            self._load(state)
        self._set_numbers(state)
        self._last = None  # an interrupt from here on leaves the graph's state ahead of the caller's
        self._replay()
        return self._result(state)

    def _first(self, state: Any, index: int, rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
        """The ordinary step, and the recording of one like it, judged by it."""
        reason = obstacle(self.model, state, self.source)
        if reason is not None:
            raise ValueError(f"this step cannot be recorded: {reason}; train with capture=False")
        ear = _Listening(self.source)
        after, metrics = self.model.step(state, ear, index, rng)
        batches = [detail for kind, detail, _ in ear.asked if kind == "batch"]
        self._batches = len(batches)
        if batches != list(range(index * self._batches, (index + 1) * self._batches)):
            raise ValueError(f"step {index} reads batches {batches}; its graph could not follow")
        self._asked = [
            (kind, detail - index * self._batches if kind == "batch" else detail)
            for kind, detail, _ in ear.asked
        ]
        xp = namespace(self.source.place.like)
        self._buffers = [xp.asarray(value, copy=True) for _, _, value in ear.asked]
        self._lay_out(state, after, metrics)
        self._load(state)
        self._set_numbers(state)
        recorder = CudaRecorder() if self._recorder is None else self._recorder
        try:
            replay = recorder.record(self._body(state, index))
        except Exception as error:
            raise RuntimeError(f"the step cannot be recorded ({error}); train with capture=False") from error
        self._load(state)
        replay()
        self._judge(state, after)
        self._replay = replay
        return after, metrics

    def _lay_out(self, state: Any, after: Any, metrics: dict[str, Any]) -> None:
        """One array for all of the state and the metrics, and one for the numbers of the optimisers."""
        xp = namespace(self.source.place.like)
        made = {"dtype": self.source.place.like.dtype, "device": aac.device(self.source.place.like)}
        shapes = [tuple(leaf.shape) for leaf in _arrays(state)]
        if shapes != [tuple(leaf.shape) for leaf in _arrays(after)]:
            raise ValueError("this step changes the shapes of its state; train with capture=False")
        self._names = list(metrics)
        shapes += [()] * len(metrics)
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes]).tolist()
        self._parts = list(zip([0, *ends], ends, shapes))
        self._slab = xp.zeros(ends[-1], **made)
        self._rows = {}
        start = 0
        for name in self.model.players:
            updates = after[name]["optimizer"]["t"] - state[name]["optimizer"]["t"]
            width = len(self.model.players[name].optimizer.scalars(1))
            self._rows[name] = (start, updates, width)
            start += updates * width
        self._numbers = xp.zeros(start, **made)

    def _body(self, state: Any, index: int) -> Body:
        """One step on the arrays of the graph, in place; no argument and no result."""
        feed = _Feeding(self.source, self._buffers)
        xp = space_of(self._slab)
        tree = rebuild(state, self._filled(state, self._slab))
        for name, (start, updates, width) in self._rows.items():
            at = xp.reshape(self._numbers[start : start + updates * width], (updates, width))
            tree[name] = {**tree[name], "optimizer": {**tree[name]["optimizer"], "at": at}}

        def body() -> None:
            feed.restart()
            after, metrics = self.model.step(tree, feed, index, _NO_DRAWS)
            for name in self._rows:
                after[name]["optimizer"].pop("at")
            # Gathered before anything is overwritten: a new array may be a view of an old one.
            self._slab[...] = joined([*_arrays(after), *(metrics[name] for name in self._names)])

        return body

    def _filled(self, state: Any, slab: Any) -> Any:
        """The leaves of ``state``, those that are arrays taken from ``slab``."""
        xp = space_of(slab)
        views = iter([xp.reshape(slab[a:b], shape) for a, b, shape in self._parts])
        return iter([leaf if isinstance(leaf, int) else next(views) for leaf in leaves(state)])

    def _load(self, state: Any) -> None:
        flat = joined(_arrays(state))
        self._slab[: flat.shape[0]] = flat

    def _set_numbers(self, state: Any) -> None:
        rows = []
        for name, (_, updates, _) in self._rows.items():
            done, optimizer = state[name]["optimizer"]["t"], self.model.players[name].optimizer
            rows += [number for j in range(updates) for number in optimizer.scalars(done + j + 1)]
        self._numbers[...] = self.source.place.put(np.array(rows))

    def _result(self, state: Any) -> tuple[Any, dict[str, Any]]:
        """State and metrics in arrays of their own, the counters moved on."""
        xp = space_of(self._slab)
        fresh = xp.asarray(self._slab, copy=True)
        after = rebuild(state, self._filled(state, fresh))
        for name, (_, updates, _) in self._rows.items():
            after[name]["optimizer"]["t"] += updates
        tail = [fresh[a] for a, _, _ in self._parts[len(self._parts) - len(self._names) :]]
        self._last = after
        return after, dict(zip(self._names, tail, strict=True))

    def _judge(self, state: Any, after: Any) -> None:
        """The replayed step against the ordinary one."""
        found, _ = self._result(state)  # the metrics are costs, small by cancellation: no scale to judge by
        self._last = None  # the caller goes on from ``after``
        pairs = zip(_arrays(found), _arrays(after), strict=True)
        for ours, theirs in pairs:
            a, b = (to_numpy(x).astype(np.float64) for x in (ours, theirs))
            gap, size = np.max(np.abs(a - b), initial=0.0), np.max(np.abs(b), initial=0.0)
            if np.isfinite(size) and not gap <= _CLOSE * size:  # else it has diverged: not for us to say
                raise RuntimeError(
                    f"the recorded step is not the ordinary one: an array of shape {b.shape} differs by "
                    f"{gap} where the largest entry is {size}. Please report this, with the model; train "
                    "with capture=False"
                )


def _arrays(tree: Any) -> list[Any]:
    return [leaf for leaf in leaves(tree) if not isinstance(leaf, int)]
