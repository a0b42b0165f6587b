"""The loop: learn, look, save, stop. It prints nothing; `callback` hears everything."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from generative import _checkpoint
from generative._data import Augment, Source
from generative._graph import GraphStep
from generative._model import Array, HasCritic, Metrics, Model, State, is_named
from generative._random import SAMPLE, STEP, Key, Place, key_of, stream
from generative._watch import Watch, is_best
from transport import FittedCritic
from transport.internal import CtrlC, check_choice, check_count, namespace

Record = dict[str, float]
_LOG_EVERY = 10  # steps between looks at the losses: each look waits for the device
_RUNAWAY = 1e8  # no useful parameter is this large


@dataclass
class Run:
    """A model in training or trained; what `fit` returns.

    Attributes
    ----------
    model : Model
        `GAN`, `WGAN`, `VAE`, or your own.
    history : list of dict
        One record every ten steps (losses), and more in it at ``eval_every``: ``w1``, ``w2`` (exact,
        between samples of the model and held-out data), ``w1_floor``, ``w2_floor`` (real against real),
        ``precision``, ``recall``, ``density``, ``coverage``, ``kernel``, ``frechet`` and more of `evaluate`,
        and what the model's ``evaluate`` adds. ``spread`` and ``energy_ratio`` (see `generative._collapse`)
        every ten steps, later every fifty; ``collapsed``, the step since when, while the run is.
    step : int
        Steps made.
    status : {"finished", "interrupted", "diverged", "collapsed", "stopped"}
        "stopped": by the callback. "collapsed": at the last look samples were all alike, or no nearer to the
        data than one point is, and had been for long.
    message : str
        What happened, in words.
    """

    model: Model = field(repr=False)
    state: State = field(repr=False)
    key: Key = field(repr=False)
    step: int
    shape: tuple[int, ...]
    options: dict[str, Any] = field(repr=False)
    history: list[Record] = field(default_factory=list, repr=False)
    status: str = "finished"
    message: str = ""
    source: Source | None = field(default=None, repr=False)

    def sample(self, n: int, *, labels: Array = None, rng: int | np.random.Generator | None = None) -> Array:
        """``n`` samples of the model, shaped as the data; the same ones each time unless ``rng`` is given.

        Parameters
        ----------
        labels : array of int, shape (n,), optional
            Of a conditional model; uniform if not given.

        Raises
        ------
        ValueError
            If the run diverged before anything was learned.
        """
        n = check_count(n, "n")
        if self.status == "diverged" and self.step == 0:
            raise ValueError(f"nothing was learned, so there is nothing to sample: {self.message}")
        key = self.key if rng is None else key_of(rng)
        made = self.model.sample(self.state, n, stream(key, SAMPLE), labels=labels)
        return namespace(made).reshape(made, (n, *self.shape))

    def critic(self, *, n_samples: int = 2048) -> FittedCritic:
        """The critic of a WGAN as `transport`'s: ``lower_bound(confidence=)`` of W₁(data, model).

        Judged on at most ``n_samples`` held-out data and as many fresh samples of the model.

        Raises
        ------
        TypeError
            If the model has no critic.
        """
        if not isinstance(self.model, HasCritic) or self.source is None:
            raise TypeError(f"{type(self.model).__name__} has no critic (or this run has no data)")
        return self.model.fitted_critic(self.state, self.source, n=n_samples, key=self.key)

    def curve(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """``(steps, values)`` of one quantity of the history."""
        pairs = [(record["step"], record[name]) for record in self.history if name in record]
        if not pairs:
            known = sorted({key for record in self.history for key in record})
            raise KeyError(f"{name!r} is not in the history; it holds {', '.join(known)}")
        steps, values = zip(*pairs, strict=True)
        return np.array(steps), np.array(values)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint: whole or not at all, whatever happens meanwhile."""
        meta = {
            "model": repr(self.model),
            "key": list(self.key),
            "step": self.step,
            "shape": list(self.shape),
            "options": self.options,
            "history": self.history,
            "status": self.status,
            "message": self.message,
        }
        _checkpoint.write(path, self.state, meta)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        model: Model,
        data: Any = None,
        *,
        holdout: Any = None,
        augment: Augment | None = None,
    ) -> Run:
        """The run saved at ``path``.

        Parameters
        ----------
        model : Model
            Built as it was when saved; another one is refused.
        data, holdout, augment : optional
            As given to `fit`; needed to resume, not to sample.

        Raises
        ------
        ValueError
            If the file is damaged or belongs to another model.
        """
        arrays, meta = _checkpoint.read(path)
        if not is_named(model, meta["model"]):
            raise ValueError(
                f"{path} holds {meta['model']}, not {model!r}; build the model it was saved from"
            )
        key, shape, options = tuple(meta["key"]), tuple(meta["shape"]), meta["options"]
        source = None
        if data is not None:
            source = _source(data, holdout, key, options, augment)
        blank = Source(np.zeros((2, *shape)), holdout=0.5, batch_size=1, key=key, dtype=options["dtype"])
        place = (source or blank).place
        form = model.begin(blank, key)
        state = _checkpoint.refill(form, {name: _restored(x, place) for name, x in arrays.items()})
        return cls(
            model,
            state,
            key,
            shape=shape,
            options=options,
            source=source,
            step=meta["step"],
            history=meta["history"],
            status=meta["status"],
            message=meta["message"],
        )

    def resume(self, steps: int, **options: Any) -> Run:
        """The run after ``steps`` more steps; other options as in `fit`, which were not kept.

        Bitwise what one longer run would have given, on the CPU.
        """
        if self.source is None:
            raise ValueError("this run has no data; load it with Run.load(path, model, data)")
        kept = (self.status, self.message) if self.status == "collapsed" else ("finished", "")
        run = replace(self, history=list(self.history), status=kept[0], message=kept[1])
        return _Loop(run, **{**_WATCH, **options}).until(self.step + check_count(steps, "steps", 0))


_WATCH: dict[str, Any] = {
    "callback": None,
    "checkpoint": None,
    "checkpoint_every": None,
    "eval_every": None,
    "eval_size": 512,
    "capture": False,
    "best": None,
    "budget": None,
    "on_collapse": "stop",
}


def _restored(x: np.ndarray, place: Place) -> Any:
    return int(x) if x.dtype.kind in "iu" and x.ndim == 0 else place.put(x)


def _source(
    data: Any, holdout: Any, key: Key, options: dict[str, Any], augment: Augment | None = None
) -> Source:
    size, dtype = options["batch_size"], options["dtype"]
    return Source(data, holdout=holdout, batch_size=size, key=key, dtype=dtype, augment=augment)


def fit(
    model: Model,
    data: Any,
    *,
    steps: int,
    batch_size: int = 256,
    rng: int | np.random.Generator = 0,
    holdout: Any = None,
    dtype: str = "float32",
    callback: Callable[[Record], Any] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    eval_every: int | None = None,
    eval_size: int = 512,
    capture: bool = False,
    best: str | os.PathLike[str] | None = None,
    budget: int | None = None,
    on_collapse: str = "stop",
    augment: Augment | None = None,
) -> Run:
    """Train ``model`` on ``data``.

    Parameters
    ----------
    model : Model
        `GAN`, `WGAN`, `VAE`, or your own: an object with the four functions of `Model`.
    data : array (n,) or (n, ...), pair (array, labels), or callable ``(rng, n) -> array``
        On the GPU if the array is CuPy's: everything then happens there.
    steps : int
        Generator (or autoencoder) updates.
    batch_size : int
        Samples an update; all of them if there are fewer.
    rng : int or numpy.random.Generator
        The same seed gives the same run, bit by bit, on the CPU.
    holdout : None, float, array, or pair (array, labels)
        Share kept from training, or samples given apart; None keeps a tenth.
    dtype : {"float32", "float64"}
        Of parameters and arithmetic.
    callback : callable, optional
        ``callback(record)`` each time the history grows; a true answer stops the run.
    checkpoint : path, optional
        Written at the end, when interrupted, and every ``checkpoint_every`` steps (default: a tenth of
        ``steps``); see `Run.load`.
    eval_every : int, optional
        Steps between measurements on held-out data: exact W₁ and W₂, their real-vs-real floor, and what the
        model adds. None: never.
    eval_size : int
        Samples for a measurement.
    capture : bool
        On CuPy arrays: record a step as a CUDA graph and replay it, one launch instead of hundreds. The same
        numbers to rounding; not for conditional models and semi-dual critics. The first replay is checked
        against the ordinary step. **Never yet run on a device.**
    best : path, optional
        Where the best state so far is kept, by the Fréchet distance to held-out data where labels came with
        them, else by exact W₁; needs ``eval_every``.
    budget : int, optional
        Steps of the whole run, where this call makes a part of them: how long a collapse must last to be
        called one depends on it (5 %).
    on_collapse : {"stop", "go_on"}
        A collapse is told to the callback (``record["collapsed"]``, the step since when) as soon as it is
        seen. "stop": the run ends if it lasts as long again.
    augment : callable ``(x, rng) -> x``, optional
        What each batch (n, ...) is varied by, as `Affine` does images; measurements see the data as they are.

    Returns
    -------
    Run
        Also after Ctrl-C ("interrupted") or divergence ("diverged": the last good parameters are kept).

    Raises
    ------
    ValueError
        If model and data do not fit together, or the data are not finite, or ``capture`` cannot be: says why.
    RuntimeError
        If ``capture`` fails on the device.

    Examples
    --------
    >>> from generative import MLP, WGAN
    >>> data = np.random.default_rng(0).normal(size=(256, 2))
    >>> run = fit(WGAN(MLP(2, 16, 2), MLP(2, 16, 1), k=1), data, steps=10, rng=0)
    >>> run.step, run.status, run.sample(3).shape
    (10, 'finished', (3, 2))
    """
    steps = check_count(steps, "steps", 0)
    options = {
        "batch_size": check_count(batch_size, "batch_size"),
        "dtype": check_choice(dtype, "dtype", ("float32", "float64")),
    }
    key = key_of(rng)
    source = _source(data, holdout, key, options, augment)
    run = Run(model, model.begin(source, key), key, 0, source.shape, options, source=source)
    watch: dict[str, Any] = {"callback": callback, "checkpoint": checkpoint, "best": best, "capture": capture}
    watch |= {"checkpoint_every": checkpoint_every or max(1, steps // 10), "budget": budget or steps}
    watch |= {"eval_every": eval_every, "eval_size": check_count(eval_size, "eval_size")}
    watch["on_collapse"] = check_choice(on_collapse, "on_collapse", ("stop", "go_on"))
    return _Loop(run, **watch).until(steps)


@dataclass
class _Loop:
    run: Run
    callback: Any
    checkpoint: Any
    checkpoint_every: int | None
    eval_every: int | None
    eval_size: int
    capture: bool = False
    best: Any = None
    budget: int | None = None
    on_collapse: str = "stop"
    graph: GraphStep | None = None
    good: tuple[int, State] = (0, {})
    watch: Watch | None = None

    def until(self, last: int) -> Run:
        """Steps until ``last``; every way out leaves a good state and, if asked for, a checkpoint."""
        run = self.run
        self.good = (run.step, run.state)
        assert run.source is not None
        budget = max(self.budget or 0, last)
        self.watch = Watch(run.model, run.source, run.key, n=self.eval_size, budget=budget)
        if self.capture:
            self.graph = GraphStep(run.model, run.source)
        try:
            with CtrlC():
                while run.step < last and not self._after(self._advance(), last):
                    pass
        except KeyboardInterrupt:
            run.status = "interrupted"
            run.message = f"interrupted after step {run.step}; resume(steps) goes on from there"
        if self.checkpoint is not None:
            run.save(self.checkpoint)
        return run

    def _advance(self) -> Metrics:
        run = self.run
        assert run.source is not None
        rng = stream(run.key, STEP, run.step)
        with np.errstate(all="ignore"):  # overflow shows as a non-finite loss, which `_after` reports
            if self.graph is None:
                state, metrics = run.model.step(run.state, run.source, run.step, rng)
            else:
                state, metrics = self.graph.step(run.state, run.step, rng)
        # One assignment: an interrupt between two would leave a state that is not the step's.
        run.__dict__.update(state=state, step=run.step + 1)
        return metrics

    def _after(self, metrics: Metrics, last: int) -> bool:
        """Look, measure, save as due; True to stop."""
        run = self.run
        due = bool(self.eval_every) and run.step % self.eval_every == 0  # type: ignore[operator]
        if run.step % _LOG_EVERY == 0 or run.step == last or due:
            record: Record = {"step": run.step} | {name: float(value) for name, value in metrics.items()}
            if self._diverged(record):
                return True
            self.good = (run.step, run.state)
            assert self.watch is not None
            record |= self.watch.look(run.state, run.step)
            if due:
                record |= self.watch.measured(run.state, run.step)
            found = self.watch.collapse(record, run.history)
            if found is not None:
                run.status, run.message = "collapsed" if found else "finished", found
            if run.step % _LOG_EVERY == 0 or due:
                run.history.append(record)
            if due and self.best is not None and is_best(run.history, Path(self.best)):
                run.save(self.best)
            if self.callback is not None and self.callback(record):
                run.status, run.message = "stopped", f"stopped by the callback after step {run.step}"
                return True
            if found and self.on_collapse == "stop" and self.watch.lasts(run.history):
                return True
        if self.checkpoint is not None and self.checkpoint_every and run.step % self.checkpoint_every == 0:
            run.save(self.checkpoint)
        return False

    def _diverged(self, record: Record) -> bool:
        run = self.run
        wrong = next((f"{k} is {v}" for k, v in record.items() if not math.isfinite(v)), None)
        if wrong is None:
            for name, entry in run.state.items():
                size = float(namespace(entry["params"]).max(abs(entry["params"])))
                if not size < _RUNAWAY:  # NaN included
                    wrong = f"a parameter of the {name} has size {size}"
        if wrong is None:
            return False
        found = run.step
        run.step, run.state = self.good
        run.status = "diverged"
        run.message = (
            f"diverged at step {found}: {wrong}. The state of step {run.step} is kept; "
            "lower the learning rate, or give the data zero mean and unit spread"
        )
        return True
