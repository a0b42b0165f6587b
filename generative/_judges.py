"""What samples are worth against real data: distances, neighbours, classes, copies; real data beside them.

A `Panel` holds what is worked out once for one set of real samples: the space of comparison, the samples
compared with, and the floor (other real samples in the place of the model's).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from divergences import estimate, tv
from generative._features import Classifier, Components, classifier, components
from generative._monitor import wasserstein
from generative._neighbours import manifold, nearest
from transport import bures_wasserstein

K = 5
SURE = 0.9
EXACT = 1000  # samples that exact W1 and W2 are taken of, at most
_GROUPS = 10  # of the jackknife
_COPY_QUANTILE = 0.01
_LEAST_LABELLED = 100  # samples, and twenty a label: fewer teach a classifier nothing

Values = dict[str, float]


def frechet(x: np.ndarray, y: np.ndarray) -> float:
    """The squared W2 of the Gaussians with the means and covariances of ``x`` (n, d) and ``y`` (m, d).

    Dowson and Landau, J. Multivariate Anal. 12 (1982); on features of images, Heusel et al., NeurIPS 2017.
    """
    d = x.shape[1]
    covs = [np.cov(z, rowvar=False).reshape(d, d) for z in (x, y)]
    return bures_wasserstein(x.mean(axis=0), covs[0], y.mean(axis=0), covs[1]) ** 2


def frechet_error(x: np.ndarray, y: np.ndarray) -> float:
    """Standard error of `frechet` over both samples: jackknife over ten groups of each (Efron 1982)."""
    total = 0.0
    for first, other in ((x, y), (y, x)):
        groups = min(_GROUPS, len(first))
        group = np.arange(len(first)) % groups
        left = np.array([frechet(first[group != g], other) for g in range(groups)])
        total += (groups - 1) / groups * float(np.sum((left - left.mean()) ** 2))
    return math.sqrt(total)


@dataclass(frozen=True, eq=False)
class Panel:
    """The judges of one set of real samples.

    Attributes
    ----------
    space : Components or Classifier
    real : ndarray, shape (n, d)
        Real samples that are compared with; never those of ``training``.
    training : ndarray, shape (t, d)
        Where copies are looked for.
    shares : ndarray or None
        Of each label among real samples.
    floor : dict
        `figures` of other real samples.
    """

    space: Components | Classifier
    real: np.ndarray
    training: np.ndarray
    shares: np.ndarray | None
    floor: Values
    features: np.ndarray
    near: np.ndarray

    @classmethod
    def of(
        cls,
        real: np.ndarray,
        training: np.ndarray,
        *,
        n: int,
        labels: np.ndarray | None = None,
        training_labels: np.ndarray | None = None,
        shape: tuple[int, ...] = (),
        exact: bool = True,
    ) -> Panel:
        """From held-out ``real`` and ``training`` samples (rows); ``n`` at most are compared at a time.

        The floor compares ``real`` with as many of ``training``, as a model that draws anew from the data's
        law would fare; its copies are counted among the rest.
        """
        space: Components | Classifier
        if training_labels is not None and _teaches(training_labels):
            space = classifier(training, training_labels, shape or (training.shape[1],))
        else:
            space = components(training)
        real = real[:n]
        m = min(len(real), len(training) // 2)
        real = real[:m]
        drawn, rest = training[:m], training[m:]
        shares = None
        if isinstance(space, Classifier) and training_labels is not None:
            shares = np.bincount(training_labels, minlength=space.classes) / len(training_labels)
        near = nearest(real, training)[0]
        blank = cls(space, real, rest, shares, {}, space(real), near)
        floor = blank.figures(drawn, exact=exact)
        return cls(space, real, training, shares, floor, blank.features, near)

    def figures(
        self, made: np.ndarray, *, asked: np.ndarray | None = None, errors: bool = True, exact: bool = True
    ) -> Values:
        """Everything about ``made``, shape (m, d): see `generative.Evaluation`; W1 and W2 if ``exact``."""
        n = min(len(made), len(self.real))
        made = made[:n]
        few = min(n, EXACT)
        found = {f"w{p}": wasserstein(self.real[:few], made[:few], p=p) for p in (1, 2) if exact}
        if exact:
            wide = _spread(self.real)
            found["spread"] = _spread(made) / wide if wide > 0 else 1.0
        seen, features = self.features[:n], self.space(made)
        if n > K:
            balls = manifold(seen, features, k=K)
            found |= {name: getattr(balls, name) for name in _MANIFOLD}
        if n > 1:
            kernel = estimate("mmd", seen, features, kernel="polynomial")
            found |= {"kernel": kernel.value, "frechet": frechet(seen, features)}
            if errors:
                error = kernel.standard_error
                found |= {
                    "kernel_error": math.nan if error is None else error,
                    "frechet_error": frechet_error(seen, features),
                }
        if isinstance(self.space, Classifier) and self.shares is not None:
            chances = self.space.probabilities(made)
            kinds = chances.argmax(axis=1)
            counts = np.bincount(kinds, minlength=len(self.shares))
            found |= {
                "sure": float(np.mean(chances.max(axis=1) > SURE)),
                "classes_tv": float(tv(counts / n, self.shares)),
            }
            if asked is not None:
                found["as_asked"] = float(np.mean(kinds == np.asarray(asked)[:n]))
        far = nearest(made, self.training)[0]
        found["nearest"] = float(np.median(far))
        found["copies"] = float(np.mean(far < np.quantile(self.near, _COPY_QUANTILE)))
        return found

    def histogram(self, rows: np.ndarray) -> np.ndarray | None:
        """Shares of the labels that the classifier gives to ``rows``; None without one."""
        if not isinstance(self.space, Classifier):
            return None
        kinds = self.space.probabilities(rows).argmax(axis=1)
        return np.asarray(np.bincount(kinds, minlength=self.space.classes) / len(rows))


def _spread(rows: np.ndarray) -> float:
    """Root mean square distance from the mean."""
    return math.sqrt(float(np.mean(np.sum((rows - rows.mean(axis=0)) ** 2, axis=1))))


_MANIFOLD = ("precision", "recall", "density", "coverage")


def _teaches(labels: np.ndarray) -> bool:
    present = len(np.unique(labels))
    return present > 1 and len(labels) >= max(_LEAST_LABELLED, 20 * present)
