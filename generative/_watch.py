"""What is measured about a run while it goes on: distances, judges, looks for collapse, the best state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from generative import _collapse, _monitor
from generative._data import Source
from generative._judges import Panel
from generative._model import Model
from generative._random import EVALUATE, Key, stream

Record = dict[str, float]
_TRAINING = 10_000  # samples of training that the judges know at most


class Watch:
    """The judges of one model in training on one source; all its memory is the history it is given.

    Parameters
    ----------
    n : int
        Samples of a measurement.
    budget : int
        Steps of the whole run.
    """

    def __init__(self, model: Model, source: Source, key: Key, *, n: int, budget: int) -> None:
        self.model, self.source, self.key, self.n, self.budget = model, source, key, n, budget

    def look(self, state: Any, step: int) -> Record:
        """``spread``, ``energy_ratio``, ``gradient``, where it is time to look."""
        if not _collapse.is_time(step):
            return {}
        look = self.source.once("look", lambda: _collapse.Look.at(self.source))
        return look(self.model, state, self.key, step)

    def measured(self, state: Any, step: int) -> Record:
        """Exact W₁ and W₂ to held-out samples, their floor, the judges' figures, the model's own."""
        source, n = self.source, self.n
        floor: Record = source.once(f"floor {n}", lambda: _monitor.floor(source, n))
        panel: Panel = source.once(f"panel {n}", lambda: _panel(source, n))
        held, labels = source.held_out(n, step)
        real = _monitor.as_rows(held)
        rng = stream(self.key, EVALUATE, 2**32 + step)
        made = _monitor.as_rows(self.model.sample(state, real.shape[0], rng, labels=labels))
        asked = labels if getattr(self.model, "classes", 0) else None
        return {
            "w1": _monitor.wasserstein(real, made, p=1),
            "w2": _monitor.wasserstein(real, made, p=2),
            **floor,
            **panel.figures(made, asked=asked, exact=False),
            **self.model.evaluate(state, source, n=n, key=self.key, index=step),
        }

    def collapse(self, record: Record, history: list[Record]) -> str | None:
        """What to say of a collapse ("" for none), also put into ``record``; None where nobody looked."""
        if "energy_ratio" not in record:
            return None
        since = _collapse.verdict([*history, record], self.budget)
        if since is None:
            return ""
        record["collapsed"] = since
        return _collapse.in_words(record, history, model=type(self.model).__name__)

    def lasts(self, history: list[Record]) -> bool:
        """Whether a collapse has lasted as long again since it was first told."""
        told = last = history[-1]["step"]
        for earlier in reversed(history):
            if "energy_ratio" in earlier:
                if "collapsed" not in earlier:
                    break
                told = earlier["step"]
        return last - told >= _collapse.patience(self.budget)


def is_best(history: list[Record], path: Path) -> bool:
    """Whether the last record of ``history`` is the best: by Fréchet distance with labels, else by W₁."""
    last = history[-1]
    name = "frechet" if "sure" in last and "frechet" in last else "w1"
    earlier = [record[name] for record in history[:-1] if name in record and "w1" in record]
    return not path.exists() or not earlier or last[name] < min(earlier)


def _panel(source: Source, n: int) -> Panel:
    held, labels = _monitor.as_rows(source.held_out(n)[0]), None
    if source.sampler is not None:
        training = _monitor.as_rows(source.seen(4 * n))
    else:
        training = _monitor.as_rows(source.train)[:_TRAINING]
        labels = None if source.labels is None else source.labels[:_TRAINING]
    return Panel.of(held, training, n=n, training_labels=labels, shape=source.shape, exact=False)
