"""Data to try models on: two mixtures with known modes, a roll, MNIST digits, your own files and folders.

`ring`, `grid25` and `swiss` are endless: ``sampler(rng, n)`` draws n fresh points, as `generative.fit`
accepts them. The mixtures and the measure of modes recovered are those of the PacGAN paper (Lin, Khetan,
Fanti, Oh 2018, section 4.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import divergences
from generative._folder import read_folder
from generative._reading import Pictures, Scaling, pictures_of, read_array, read_idx
from transport.internal import as_points

Sampler = Callable[[np.random.Generator, int], np.ndarray]

__all__ = [
    "Coverage",
    "Dataset",
    "Scaling",
    "coverage",
    "digits",
    "grid25",
    "grid_centres",
    "load",
    "mnist",
    "read_idx",
    "ring",
    "ring_centres",
    "swiss",
]

NAMES = ("ring", "grid25", "swiss", "digits", "mnist")
RING_SD, GRID_SD = 0.01, 0.05


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set as `generative.fit` takes it, and what pictures need to know.

    Attributes
    ----------
    name : str
    source : ndarray, shape (n, d), or callable (rng, n) -> ndarray
        Images are flattened, with values in [0, 1].
    dim : int
        Features of a sample.
    image : (int, int) or (int, int, 3), or None
        Height and width of grey images; and 3, of RGB images.
    labels : ndarray of int, shape (n,), or None
    centres : ndarray, shape (k, d), or None
        The modes, for mixtures; ``sd`` is the standard deviation around each.
    levels : int
        Distinct brightnesses of an image where they are few (17 for digits), else 0.
    scaling : Scaling
        How the values of the file became those of ``source``; ``scaling.undone`` inverts it.
    classes : tuple of str
        Names of the labels, where sub-folders gave them.
    note : str
        What was done to the file's contents, in words.
    """

    name: str
    source: np.ndarray | Sampler
    dim: int
    image: tuple[int, ...] | None = None
    labels: np.ndarray | None = None
    centres: np.ndarray | None = None
    sd: float = 0.0
    levels: int = 0
    scaling: Scaling = field(default_factory=Scaling)
    classes: tuple[str, ...] = ()
    note: str = ""

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """Height, width and channels of an image (1 or 3); None for points."""
        if self.image is None:
            return None
        return self.image[0], self.image[1], self.image[2] if self.image[2:] else 1

    @property
    def reading(self) -> str:
        """What the data are, in words."""
        many = "endless" if callable(self.source) else str(len(self.source))
        if self.shape is None:
            return f"{many} points in dimension {self.dim}{self._hint()}"
        colour = "RGB images" if self.shape[2] == 3 else "images"
        text = f"{many} {colour} of {self.shape[0]} x {self.shape[1]}"
        if self.labels is not None:
            text += f" with {int(self.labels.max()) + 1} labels"
        return f"{text}; {self.note}" if self.note else text

    def _hint(self) -> str:
        side = math.isqrt(self.dim)
        if self.dim < 64 or side * side != self.dim:
            return ""
        return f" (if they are images, save them with shape (n, {side}, {side}))"


def ring_centres() -> np.ndarray:
    """The 8 modes on the unit circle, shape (8, 2).

    >>> ring_centres()[0].tolist()
    [1.0, 0.0]
    """
    angles = 2 * math.pi * np.arange(8) / 8
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def grid_centres() -> np.ndarray:
    """The 25 modes {-4, -2, 0, 2, 4}^2, shape (25, 2).

    >>> grid_centres()[0].tolist()
    [-4.0, -4.0]
    """
    axis = np.arange(-4.0, 5.0, 2.0)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


def ring(rng: np.random.Generator, n: int) -> np.ndarray:
    """``n`` draws of the ring: equal normals of standard deviation 0.01 at 8 modes on the unit circle.

    >>> ring(np.random.default_rng(0), 3).shape
    (3, 2)
    """
    return _mixture(rng, n, ring_centres(), RING_SD)


def grid25(rng: np.random.Generator, n: int) -> np.ndarray:
    """``n`` draws of the grid: equal normals of standard deviation 0.05 at {-4, -2, 0, 2, 4}^2.

    >>> grid25(np.random.default_rng(0), 4).shape
    (4, 2)
    """
    return _mixture(rng, n, grid_centres(), GRID_SD)


def swiss(rng: np.random.Generator, n: int) -> np.ndarray:
    """``n`` draws of a planar roll: (t cos t, t sin t) / 10, t uniform on [1.5 pi, 4.5 pi], noise 0.02.

    >>> swiss(np.random.default_rng(0), 4).shape
    (4, 2)
    """
    t = 1.5 * math.pi * (1 + 2 * rng.random(n))
    roll = np.stack([t * np.cos(t), t * np.sin(t)], axis=1) / 10
    return roll + 0.02 * rng.standard_normal((n, 2))


def _mixture(rng: np.random.Generator, n: int, centres: np.ndarray, sd: float) -> np.ndarray:
    return centres[rng.integers(len(centres), size=n)] + sd * rng.standard_normal((n, 2))


@dataclass(frozen=True)
class Coverage:
    """How a sample covers the modes of a mixture.

    Attributes
    ----------
    modes : int
        Modes with at least one good sample near them.
    good : float
        Share of samples within three standard deviations of a mode.
    reverse_kl : float
        KL of the law of the nearest mode over all samples from the uniform law, in nats; log(k) at worst.
    """

    modes: int
    good: float
    reverse_kl: float


def coverage(x: Any, centres: Any, *, sd: float) -> Coverage:
    """Modes recovered, share of good samples and reverse KL of ``x``, shape (n, d).

    Source: Srivastava et al., VEEGAN (2017), section 5.1, as used by PacGAN: a sample is good within 3 sd of
    a mode, in Euclidean distance.

    Examples
    --------
    >>> coverage([[1.0, 0.0], [0.0, 1.001], [-1.0, 0.0]], ring_centres(), sd=0.01)
    Coverage(modes=3, good=1.0, reverse_kl=0.9808292530117262)
    """
    x, centres = as_points(x, "x", xp=np), as_points(centres, "centres", xp=np)
    gaps = np.linalg.norm(x[:, None] - centres, axis=2)
    nearest, good = np.argmin(gaps, axis=1), np.min(gaps, axis=1) <= 3 * sd
    shares = np.bincount(nearest, minlength=len(centres)) / len(x)
    shares = shares[shares > 0]
    kl = float(np.sum(shares * np.log(shares * len(centres))))
    return Coverage(len(np.unique(nearest[good])), float(np.mean(good)), max(kl, 0.0))


def mnist() -> tuple[np.ndarray, np.ndarray]:
    """The 10,000 MNIST digits shipped with the package: images (n, 28, 28) uint8 and labels (n,).

    >>> images, labels = mnist()
    >>> images.shape, labels.shape
    ((10000, 28, 28), (10000,))
    """
    path = Path(divergences.__file__).parent / "data" / "mnist10k.npz"
    with np.load(path, allow_pickle=False) as archive:
        return archive["images"], archive["labels"].astype(np.int64)


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 8, 8) of integers 0..16 and labels (n,): scikit-learn's digits, or MNIST reduced to them.

    Without scikit-learn each MNIST digit is framed to 32 x 32 and averaged over 4 x 4 blocks, which is how
    the digits of scikit-learn (UCI optdigits) were made from their own bitmaps.

    >>> images, labels = digits()
    >>> images.shape[1:], int(images.max())
    ((8, 8), 16)
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        images, labels = mnist()
        framed = np.pad(images.astype(float), ((0, 0), (2, 2), (2, 2)))
        blocks = framed.reshape(-1, 8, 4, 8, 4).mean(axis=(2, 4))
        return np.rint(blocks * 16 / 255), labels
    found = load_digits()
    return found.images, found.target.astype(np.int64)


def load(name: str, *, size: int | None = None) -> Dataset:
    """A data set by name, or from a file or a folder.

    Parameters
    ----------
    name : str
        One of ring, grid25, swiss, digits, mnist; or the path of

        - an .npy array of shape (n,), (n, d), (n, height, width) or (n, height, width, 1 or 3), channels
          first too; an .npz archive of one (``images``), with ``labels``;
        - an IDX file (the MNIST format), gzipped or not, with the labels of a file beside it whose name has
          ``labels`` for ``images``;
        - a folder of pictures (any mode, grey or colour), or of sub-folders of pictures: their names are the
          labels.

        Values of images are brought to [0, 1]: integers divided by 255 (by their largest value, if that is
        larger), others stretched where they leave [0, 1]; ``scaling`` undoes it.
    size : int, optional
        Pixels of the longer side of images, 4 to 64; by default they stay as they are up to 64.

    Raises
    ------
    ValueError
        No such name or file, a file that is damaged or holds something else, too few samples.

    Examples
    --------
    >>> load("grid25").centres.shape
    (25, 2)
    >>> load("mnist").shape
    (28, 28, 1)
    """
    if size is not None and name in NAMES:
        raise ValueError(f"--size {size} is for your own images; {name} comes as it is")
    if name in ("ring", "grid25", "swiss"):
        sampler = {"ring": ring, "grid25": grid25, "swiss": swiss}[name]
        centres = {"ring": ring_centres, "grid25": grid_centres}.get(name)
        if centres is None:
            return Dataset(name, sampler, 2)
        return Dataset(name, sampler, 2, centres=centres(), sd=RING_SD if name == "ring" else GRID_SD)
    if name in ("digits", "mnist"):
        images, labels = digits() if name == "digits" else mnist()
        top = 16.0 if name == "digits" else 255.0
        flat = images.reshape(len(images), -1) / top
        levels = 17 if name == "digits" else 0
        return Dataset(name, flat, flat.shape[1], image=images.shape[1:], labels=labels, levels=levels)
    path = Path(name)
    if not path.exists():
        raise ValueError(f"{name} is neither a file nor one of {', '.join(NAMES)}, nor a folder of pictures")
    if path.is_dir():
        return _of_pictures(read_folder(path, size=size), path.name)
    array, beside = read_array(path)
    return _from_array(array, path.name, beside, size)


def _of_pictures(found: Pictures, name: str) -> Dataset:
    flat = found.images.reshape(len(found.images), -1)
    return Dataset(
        name,
        flat,
        flat.shape[1],
        image=found.images.shape[1:],
        labels=found.labels,
        scaling=found.scaling,
        classes=found.classes,
        note=found.note,
    )


def _from_array(array: np.ndarray, name: str, labels: np.ndarray | None, size: int | None) -> Dataset:
    if array.ndim == 0 or array.ndim > 4 or array.size == 0:
        raise ValueError(
            f"{name} has shape {array.shape}; it must be (n,), (n, d), (n, height, width) or "
            "(n, height, width, 3)"
        )
    if len(array) < 2:
        raise ValueError(f"{name} holds {len(array)} sample; learning needs at least 2")
    if array.ndim >= 3:
        found = pictures_of(array, name, size=size)
        return replace(_of_pictures(found, name), labels=labels)
    if size is not None:
        raise ValueError(f"--size {size} is for images; {name} holds points, of shape {array.shape}")
    flat = array.astype(np.float64).reshape(len(array), -1)
    if not bool(np.all(np.isfinite(flat))):
        bad = np.argwhere(~np.isfinite(flat))[0]
        raise ValueError(f"{name} holds {flat[tuple(bad)]} in sample {bad[0]}; remove or impute such samples")
    return Dataset(name, flat, flat.shape[1], labels=labels)
