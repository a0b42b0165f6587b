"""`evaluate`: how good the samples of a model are, as a table with what real data reach beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from generative._fit import Run
from generative._judges import Panel, Values
from generative._monitor import as_rows
from generative._neighbours import nearest
from generative._random import SPLIT, Key, key_of, stream
from generative._reading import as_labels
from generative.datasets import Dataset
from transport.internal import check_count, require_finite, to_numpy

_NAMES = {
    "w1": "W1, exact",
    "w2": "W2, exact",
    "spread": "spread / data's",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "kernel": "kernel distance",
    "frechet": "Fréchet distance",
    "sure": "sure of a label",
    "as_asked": "label asked for",
    "classes_tv": "TV of labels",
    "nearest": "nearest in training",
    "copies": "copies of training",
}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` found; prints as a table.

    Attributes
    ----------
    values : dict
        ``w1``, ``w2``: exact distances to held-out samples, in the units of the samples. ``spread``: root
        mean square distance of the samples from their mean, over that of real ones. ``precision``,
        ``recall``, ``density``, ``coverage``: see `generative._neighbours.Manifold`, k = 5. ``kernel``:
        unbiased squared MMD with the kernel (x·y/d + 1)³. ``frechet``: squared W2 of Gaussians fitted to the
        features. ``sure``: share of samples whose label the classifier gives more than 0.9; ``classes_tv``:
        total variation between the labels it sees and those of the data; ``as_asked``: share that has the
        label it was asked for (conditional runs). ``nearest``: median distance to the nearest training
        sample; ``copies``: share nearer to one than 99 % of held-out samples are.
    floors : dict
        The same of real samples in the place of the model's.
    errors : dict
        Standard errors of ``kernel`` and ``frechet``.
    space : str
        Where neighbours, kernel and Fréchet distance are taken.
    n : int
        Samples of the model compared with as many real ones.
    histogram, data_histogram : ndarray or None
        Shares of the labels, as the classifier sees them in the samples, and of the data.
    nearest : ndarray of int, shape (n,)
        Row of the nearest training sample of each sample; ``distances`` how far it is.
    notes : tuple of str
        What the figures say that is easily misread.
    """

    values: Values
    floors: Values
    errors: Values
    space: str
    n: int
    nearest: np.ndarray
    distances: np.ndarray
    histogram: np.ndarray | None = None
    data_histogram: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    samples: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)), repr=False)
    training: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)), repr=False)

    def __getitem__(self, name: str) -> float:
        if name not in self.values:
            raise KeyError(f"{name!r} was not measured; there are {', '.join(self.values)}")
        return self.values[name]

    def __str__(self) -> str:
        lines = [
            f"{self.n} samples against as many real ones; features: {self.space}",
            f"{'':22}{'model':>18}{'real against real':>22}",
        ]
        for name, text in _NAMES.items():
            if name in self.values:
                error = self.errors.get(name)
                value = f"{self.values[name]:.4g}" + ("" if error is None else f" ± {error:.2g}")
                floor = f"{self.floors[name]:.4g}" if name in self.floors else ""
                lines.append(f"{text:22}{value:>18}{floor:>22}")
        if self.histogram is not None and self.data_histogram is not None and len(self.histogram) <= 20:
            for who, shares in (("model", self.histogram), ("data", self.data_histogram)):
                text = " ".join(f"{k}:{100 * share:.0f}%" for k, share in enumerate(shares))
                lines.append(f"labels, {who + ':':14}{text}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def evaluate(
    run_or_samples: Any,
    data: Any,
    labels: Any = None,
    *,
    n: int = 2000,
    rng: int | np.random.Generator = 0,
    shape: tuple[int, ...] | None = None,
) -> Evaluation:
    """How good samples are: exact distances, precision and recall, Fréchet and kernel distance, copies.

    Parameters
    ----------
    run_or_samples : Run, or array (m, ...)
        A run is sampled. What it trained on (if it holds its data) is left out of ``data`` and is where
        copies are looked for.
    data : array (N, ...), callable ``(rng, n) -> array``, or Dataset
        Real samples, in the units of the run (those of `fit`).
    labels : array of int, shape (N,), optional
        Of ``data``: a small classifier is trained on them, once, and its features are compared. Without them
        the 32 principal components are, or the samples themselves in up to 32 dimensions.
    n : int
        At most so many samples are compared. Without the training data of a run, half of ``data`` stands for
        them: there copies are looked for, and from there the floor is drawn.
    rng : int or Generator
        Splits ``data`` and draws from a run.
    shape : tuple of int, optional
        (h, w) or (h, w, 3) of images that come flattened; by default that of one sample of ``data``.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        Fewer than 12 samples or (new) real ones, shapes that differ, non-finite values, labels that do not
        fit.
    TypeError
        Masked, complex or object arrays.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = evaluate(rng.normal(size=(300, 2)), rng.normal(size=(600, 2)))
    >>> 0.8 < found["precision"] <= 1, found["w1"] < 2 * found.floors["w1"]
    (True, True)
    """
    n, key = check_count(n, "n"), key_of(rng)
    run = run_or_samples if isinstance(run_or_samples, Run) else None
    real, labels, seen = _real(data, labels, 4 * n, key)
    shape = seen if shape is None else shape
    if np.prod(shape) != real.shape[1]:
        raise ValueError(f"shape = {shape} does not hold the {real.shape[1]} features of the data")
    training, known = (None, None) if run is None else _trained_on(run)
    if training is None:
        order = stream(key, SPLIT, 3).permutation(len(real))
        half = len(real) // 2
        training, real = real[order[half:]], real[order[:half]]
        known = None if labels is None else labels[order[half:]]
    else:
        fresh = _unseen(real, training)
        real, labels = real[fresh], None if labels is None else labels[fresh]
        real = real[stream(key, SPLIT, 3).permutation(len(real))]
        if len(real) < _LEAST:
            raise ValueError(
                f"data has {len(real)} samples that training did not see; give at least {_LEAST}, as in "
                "run.source.held"
            )
    if run is not None:
        made, asked = _drawn(run, min(n, len(real)), key, known)
    else:
        made, asked = _rows(run_or_samples, "samples")[0], None
        made = made[stream(key, SPLIT, 4).permutation(len(made))[:n]]
    return judged(made, real, training, labels=known, asked=asked, shape=shape)


_LEAST = 12


def judged(
    made: np.ndarray,
    real: np.ndarray,
    training: np.ndarray,
    *,
    labels: np.ndarray | None,
    asked: np.ndarray | None,
    shape: tuple[int, ...],
) -> Evaluation:
    """`evaluate` of rows ``made`` against held-out ``real`` ones; ``labels`` are of ``training``."""
    if made.shape[1] != real.shape[1]:
        raise ValueError(f"samples have {made.shape[1]} features, data have {real.shape[1]}; they must agree")
    if min(len(made), len(real)) < _LEAST:
        raise ValueError(
            f"{len(made)} samples against {len(real)} real ones that training did not see; give at least "
            f"{_LEAST} of each"
        )
    panel = Panel.of(real, training, n=len(made), training_labels=labels, shape=shape)
    made = made[: len(panel.real)]
    values = panel.figures(made, asked=asked)
    errors = {name.removesuffix("_error"): values.pop(name) for name in list(values) if "_error" in name}
    floors = {name: value for name, value in panel.floor.items() if "_error" not in name}
    distances, rows = nearest(made, panel.training)
    return Evaluation(
        *(values, floors, errors, panel.space.text, len(made), rows, distances),
        histogram=panel.histogram(made),
        data_histogram=panel.shares,
        notes=notes(values, floors),
        samples=made.reshape(-1, *shape),
        training=panel.training.reshape(-1, *shape),
    )


def _rows(x: Any, name: str) -> tuple[np.ndarray, tuple[int, ...]]:
    """Float64 rows on the host, and the shape of one sample."""
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; fill or drop its masked entries first")
    x = np.asarray(to_numpy(x))
    if x.dtype.kind not in "biuf":
        raise TypeError(f"{name} has dtype {x.dtype}; it must hold real numbers")
    if x.ndim == 0 or x.size == 0:
        raise ValueError(f"{name} has shape {x.shape}; it must be (n,) or (n, ...) with n > 0")
    require_finite(x, name, xp=np)
    shape = tuple(x.shape[1:]) or (1,)
    return x.astype(np.float64).reshape(len(x), -1), shape


def _real(data: Any, labels: Any, n: int, key: Key) -> tuple[np.ndarray, np.ndarray | None, tuple[int, ...]]:
    image: tuple[int, ...] | None = None
    if isinstance(data, Dataset):
        image, labels, data = data.image, data.labels if labels is None else labels, data.source
    if callable(data):
        data = data(stream(key, SPLIT, 2), n)
    if isinstance(data, tuple) and len(data) == 2:
        data, labels = data[0], data[1] if labels is None else labels
    rows, shape = _rows(data, "data")
    if labels is not None:
        labels = as_labels(to_numpy(labels), len(rows), "labels")
    return rows, labels, image or shape


def _trained_on(run: Run) -> tuple[np.ndarray | None, np.ndarray | None]:
    """What the run learned from, if that is at hand and finite."""
    source = run.source
    if source is None or source.sampler is not None:
        return None, None
    return as_rows(source.train), source.labels


def _unseen(rows: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Which of ``rows`` are not among those of ``training``, to single precision."""
    known = {row.tobytes() for row in training.astype(np.float32)}
    return np.array([row.tobytes() not in known for row in rows.astype(np.float32)], dtype=bool)


def _drawn(run: Run, n: int, key: Key, labels: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Samples of the run; of a conditional one with labels as often as in the data."""
    rng = np.random.default_rng(stream(key, SPLIT, 5))
    asked = None
    classes = getattr(run.model, "classes", 0)
    if classes:
        asked = rng.integers(0, classes, n) if labels is None else rng.choice(labels, n)
    return as_rows(run.sample(n, labels=asked, rng=rng)), asked


_NARROW = 0.97  # honest samples spread as the data do, to a per cent or two


def notes(values: Values, floors: Values) -> tuple[str, ...]:
    """What is easily misread in the figures."""
    found = []
    if values["w1"] < floors["w1"] and values["spread"] < _NARROW:
        found.append(
            "W1 below that of real samples is no merit: of finitely many samples the nearest to a real one "
            "is an average, and these are blurred (spread "
            f"{values['spread']:.2g} of the data's); look at precision and the Fréchet distance"
        )
    if values.get("copies", 0.0) > 0.2:
        found.append(
            f"{100 * values['copies']:.0f} % of the samples are nearer to a training sample than 99 % of "
            "held-out data are: learned by heart, or blurred; look at nearest.png"
        )
    if values.get("recall", 1.0) < 0.5 * floors.get("recall", 0.0) <= values.get("precision", 0.0):
        found.append("recall far below precision: good samples of a part of the data only")
    return tuple(found)
