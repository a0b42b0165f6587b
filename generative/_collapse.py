"""Collapse, seen while it happens: samples that are all alike, or no nearer to the data than one point is.

Every few steps a few samples are looked at. Two numbers go into the history, both free of units:

``spread``
    root mean square distance of the samples from their mean, over that of the data;
``energy_ratio``
    energy distance of samples and data, over that of a single point (the data's mean) and the data: below 1
    a model knows more than one point does.

and, where the optimiser holds it, ``gradient``, the norm of the generator's mean gradient. `verdict` reads
them: it is a function of the history alone, so a resumed run comes to the same one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from generative._data import Source
from generative._model import Model, State
from generative._monitor import as_rows
from generative._neighbours import squared_distances
from generative._random import EVALUATE, Key, stream
from transport.internal import namespace

Record = dict[str, float]
SAMPLES = 128
REAL = 256
_OFTEN, _SELDOM = 10, 50  # steps between looks, up to step 100 and after
_ALIKE = 0.1
_POINT = 0.9
_SHARE, _LEAST, _MOST = 0.05, 100, 500  # of the budget, in steps, before a bad state is called collapse
_FAR = 0.1  # of it, where samples differ and the discriminator is not certain: it may only begin
_CERTAIN = -0.05  # value of the game: the discriminator is right with probability above 0.97
_STEADY = 0.75
_GONE = 1e-3  # of the gradient's largest norm


def is_time(step: int) -> bool:
    """Whether samples are looked at after this step."""
    return step % (_OFTEN if step <= 100 else _SELDOM) == 0


def _mean_distance(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.sqrt(np.maximum(squared_distances(x, y), 0.0)).sum())


@dataclass(frozen=True, eq=False)
class Look:
    """What is known of the data: a few samples about their mean, and their own distances."""

    real: np.ndarray
    mean: np.ndarray
    spread: float
    own: float
    point: float

    @classmethod
    def at(cls, source: Source) -> Look:
        """From ``source``'s training samples."""
        rows = as_rows(source.seen(REAL))
        mean = rows.mean(axis=0)
        real = rows - mean
        n = len(real)
        radius = np.linalg.norm(real, axis=1)
        own = _mean_distance(real, real) / max(n * (n - 1), 1)
        return cls(real, mean, math.sqrt(float(np.mean(radius**2))), own, 2 * float(radius.mean()) - own)

    def __call__(self, model: Model, state: State, key: Key, index: int) -> Record:
        """``spread``, ``energy_ratio`` and ``gradient`` of ``state``; nothing if the data are one point."""
        if not (self.spread > 0 and self.point > 1e-9 * self.spread):
            return {}
        # The parameters in training, not their running average, which lags by a thousand steps.
        now = {name: {**e, "average": e["params"]} if "average" in e else e for name, e in state.items()}
        with np.errstate(all="ignore"):
            made = as_rows(model.sample(now, SAMPLES, stream(key, EVALUATE, 2**34 + index))) - self.mean
        size = float(np.abs(made).max()) if made.size else math.inf
        if not size < 1e8 * self.spread:  # NaN included; `fit` calls that divergence
            return {}
        n, m = len(self.real), len(made)
        own = _mean_distance(made, made) / max(m * (m - 1), 1)
        energy = 2 * _mean_distance(self.real, made) / (n * m) - self.own - own
        spread = math.sqrt(float(np.mean(np.sum((made - made.mean(axis=0)) ** 2, axis=1))))
        return {"spread": spread / self.spread, "energy_ratio": energy / self.point} | _gradient(state)


def _gradient(state: State) -> Record:
    """Norm of the generator's gradient as the optimiser remembers it: Adam's mean, RMSProp's mean square."""
    entry = state.get("generator") or next(iter(state.values()))
    memory = entry.get("optimizer", {})
    xp = namespace(entry["params"])
    if "m" in memory:
        return {"gradient": math.sqrt(float(xp.sum(memory["m"] * memory["m"])))}
    return {"gradient": math.sqrt(float(xp.sum(memory["v"])))} if "v" in memory else {}


def patience(budget: int, *, far: bool = False) -> int:
    """Steps a bad state must last: 5 % of the run, at least 100 and at most 500.

    A ``far`` state may only begin: 10 %, at most 1000, so that the look at its end is within a tenth.
    """
    if far:
        return int(min(max(_LEAST, _FAR * budget // _SELDOM * _SELDOM), 2 * _MOST))
    return int(min(max(_LEAST, _SHARE * budget), _MOST))


def is_bad(record: Record) -> bool:
    """Whether the samples of a look are all alike, or no nearer to the data than one point."""
    return record["spread"] < _ALIKE or record["energy_ratio"] >= _POINT


def verdict(history: Sequence[Record], budget: int) -> int | None:
    """The step since when the run has been collapsed, as far as ``history`` goes; None if it is not.

    Collapsed: every look of the last `patience` steps is bad, and they do not get better: a model that has
    not yet begun to learn comes nearer to the data from look to look.
    """
    looks = [record for record in history if "energy_ratio" in record]
    first = len(looks)
    while first and is_bad(looks[first - 1]):
        first -= 1
    streak = looks[first:]
    if len(streak) < 4:
        return None
    near = all(record["spread"] < _ALIKE or record.get("value", -1.0) > _CERTAIN for record in streak[-4:])
    last, wait = streak[-1]["step"], patience(budget, far=not near)
    begun = looks[first - 1]["step"] if first else 0.0
    if last - begun < wait:
        return None
    window = [record for record in streak if record["step"] > last - wait]
    if len(window) < 4:
        window = streak[-4:]
    ratios, spreads = ([record[name] for record in window] for name in ("energy_ratio", "spread"))
    alike = max(spreads) < _ALIKE
    if _falls(ratios) or (alike and _falls([-spread for spread in spreads])):
        return None
    return int(streak[0]["step"])


def _falls(values: list[float]) -> bool:
    """Whether numbers fall steadily: three of four steps, and by 3 % from the first half to the second.

    A collapsed generator's one point jumps about, now nearer to the data, now farther: that is no fall.
    """
    x = np.array(values)
    half = len(x) // 2
    early, late = float(np.median(x[:half])), float(np.median(x[half:]))
    return float(np.mean(np.diff(x) < 0)) >= _STEADY and early - late > 0.03 * abs(early)


def in_words(record: Record, history: Sequence[Record] = (), *, model: str = "") -> str:
    """Say "collapsed at step ...: what is seen; what to change", of a record that has ``collapsed``."""
    seen = []
    if record.get("spread", 1.0) < _ALIKE:
        seen.append(f"the samples are all alike (spread {record['spread']:.2g} of the data's)")
    if record.get("energy_ratio", 0.0) >= _POINT:
        seen.append(
            f"they are no nearer to the data than one point is (energy distance {record['energy_ratio']:.2g} "
            "times a point's)"
        )
    if record.get("value", -1.0) > _CERTAIN:
        seen.append("the discriminator tells them apart with certainty")
    norms = [r["gradient"] for r in history if "gradient" in r]
    if "gradient" in record and norms and record["gradient"] < _GONE * max(norms):
        seen.append("the generator's gradient has vanished")
    what = "divide the learning rate by 10"
    if model == "VAE":
        what += ", or lower the weight of the KL term (beta)"
    elif model == "GAN":
        what += ", keep loss 'non_saturating', or train a wgan"
    elif model == "WGAN":
        what += ", or hold the critic by 'gradient_penalty'"
    return f"collapsed at step {record['collapsed']:.0f}: {', '.join(seen) or 'no progress'}; {what}"
