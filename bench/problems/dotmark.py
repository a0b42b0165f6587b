"""Images: the ten classes of DOTmark (Schrieber, Schuhmacher, Gottschlich 2017), and digits.

The images are generated here; none is a file of that collection. By its table of classes: white noise is
uniform on [0, 1]; GRFrough, GRFmoderate and GRFsmooth are Gaussian random fields of variance 1 with a Matern
covariance of smoothness nu and scale gamma on the unit square; LogGRF is exp of one, LogitGRF the logistic
function; CauchyDensity has a random centre and a random ellipse; each of the ten Shapes is one figure, 255
on 0, that fills the square. Matern's scale is that of R's RandomFields (``RMmatern``: distances in units of
gamma / sqrt(2 nu)); which of the usual conventions the collection took could not be checked.

Grey values are whole numbers 0 to 255, masses their shares of the total. "ClassicImages" and
"MicroscopyImages" are cut from pictures that come with scikit-image, "digits" are two MNIST digits of
`divergences.data`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from bench.problems import Problem, Unavailable, family, generator, masses

Rng = np.random.Generator
FIELDS = {  # nu, gamma, variance
    "GRFrough": (0.25, 0.05, 1.0),
    "GRFmoderate": (1.0, 0.15, 1.0),
    "GRFsmooth": (2.5, 0.3, 1.0),
    "LogGRF": (0.5, 0.4, 1.0),
    "LogitGRF": (4.5, 0.1, 4.0),
}
PICTURES = {
    "ClassicImages": ("camera", "astronaut", "coffee", "chelsea", "rocket"),
    "MicroscopyImages": ("cell", "immunohistochemistry", "microaneurysms", "coins", "moon"),
}


def matern(distance: np.ndarray, nu: float) -> np.ndarray:
    """Matern's correlation at ``distance`` in units of the scale: 1 at 0, exp(-distance) for nu = 1/2."""
    from scipy.special import gamma, kv

    s = np.sqrt(2 * nu) * np.asarray(distance, dtype=float)
    with np.errstate(invalid="ignore"):
        value = 2 ** (1 - nu) / gamma(nu) * s**nu * kv(nu, s)
    return np.where(s > 0, value, 1.0)


def gaussian_field(size: int, nu: float, gamma: float, rng: Rng) -> np.ndarray:
    """A Matern field of variance 1 at the centres of size x size pixels of the unit square.

    Circulant embedding (Dietrich and Newsam 1997): the covariance on a torus four times as wide, whose
    eigenvalues are its Fourier transform. Negative ones, 1e-6 of the variance for GRFsmooth and none for the
    other classes, are left out.
    """
    side = 4 * size
    away = np.minimum(np.arange(side), side - np.arange(side)) / size
    quarter = np.arange(side // 2 + 1) / size
    few = matern(np.hypot(quarter[:, None], quarter) / gamma, nu)
    place = np.rint(away * size).astype(int)
    spectrum = np.maximum(np.fft.fft2(few[np.ix_(place, place)]).real, 0.0)
    noise = rng.standard_normal((side, side)) + 1j * rng.standard_normal((side, side))
    return np.fft.fft2(noise * np.sqrt(spectrum / spectrum.sum())).real[:size, :size]


def _grey(values: np.ndarray) -> np.ndarray:
    low, high = values.min(), values.max()
    return np.rint(255.0 * (values - low) / (high - low or 1.0))


def _field(name: str, size: int, rng: Rng) -> np.ndarray:
    nu, gamma, variance = FIELDS[name]
    z = np.sqrt(variance) * gaussian_field(size, nu, gamma, rng)
    if name == "LogGRF":
        return _grey(np.exp(z))
    return _grey(1 / (1 + np.exp(-z)) if name == "LogitGRF" else z)


def _noise(size: int, rng: Rng) -> np.ndarray:
    return np.rint(255.0 * rng.random((size, size)))


def _cauchy(size: int, rng: Rng) -> np.ndarray:
    """A bivariate Cauchy density, random centre, random ellipse."""
    t = (np.arange(size) + 0.5) / size
    centre, angle = rng.uniform(0.2, 0.8, 2), rng.uniform(0, np.pi)
    radius = rng.uniform(0.05, 0.25, 2)
    dx, dy = t[None, :] - centre[0], t[:, None] - centre[1]
    u = (dx * np.cos(angle) + dy * np.sin(angle)) / radius[0]
    v = (dy * np.cos(angle) - dx * np.sin(angle)) / radius[1]
    return _grey((1 + u**2 + v**2) ** -1.5)


def _figures() -> dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """Name -> whether (u, v) belongs to it; u to the right, v upwards, the image is [-1, 1]^2."""
    turn = 2 * np.pi / 5

    def star(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        # inside the pentagram: on the inner side of at least four of its five lines
        sides = [u * np.sin(k * turn) - v * np.cos(k * turn) > -np.cos(turn) for k in range(5)]
        return np.sum(sides, axis=0) >= 4

    return {
        "board": lambda u, v: (np.floor(4 * u) + np.floor(4 * v)) % 2 == 0,
        "disc": lambda u, v: u**2 + v**2 < 0.85**2,
        "ring": lambda u, v: (u**2 + v**2 < 1) & (u**2 + v**2 > 0.6**2),
        "triangle": lambda u, v: 2 * np.abs(u) < 1 - v,
        "heart": lambda u, v: (u / 0.9) ** 2 + (1.1 * v + 0.15 - 0.7 * np.sqrt(np.abs(u))) ** 2 < 0.9,
        "square": lambda u, v: np.maximum(np.abs(u), np.abs(v)) < 0.7,
        "cross": lambda u, v: np.minimum(np.abs(u), np.abs(v)) < 0.3,
        "diamond": lambda u, v: np.abs(u) + np.abs(v) < 1,
        "star": star,
        "frame": lambda u, v: np.maximum(np.abs(u), np.abs(v)) > 0.7,
    }


def _shapes(size: int, rng: Rng) -> np.ndarray:
    """One of ten figures, 255 on 0."""
    t = (2 * np.arange(size) + 1) / size - 1
    inside = list(_figures().values())[int(rng.integers(10))]
    return np.where(inside(t[None, :], -t[:, None]), 255.0, 0.0)


def _picture(name: str, size: int, rng: Rng) -> np.ndarray:
    try:
        from skimage import data
    except ImportError:
        raise Unavailable("real images come with scikit-image: pip install scikit-image") from None
    titles = PICTURES[name]
    whole = np.asarray(getattr(data, titles[int(rng.integers(len(titles)))])(), dtype=float)
    grey = whole if whole.ndim == 2 else whole[..., :3] @ [0.299, 0.587, 0.114]
    side = min(grey.shape) // size * size
    if side == 0:
        raise ValueError(f"{name}: the pictures have {min(grey.shape)} pixels a side; take a smaller size")
    top, left = (np.array(grey.shape) - side) // 2
    cut = grey[top : top + side, left : left + side]
    return np.rint(cut.reshape(size, side // size, size, side // size).mean(axis=(1, 3)))


def _between(first: np.ndarray, second: np.ndarray, metric: str) -> Problem:
    """Pixels without mass are left out on both sides, so that every solver gets the same atoms."""
    shape = first.shape
    cells = np.stack(np.indices(shape), -1).reshape(-1, 2).astype(float)
    i, j = np.flatnonzero(first), np.flatnonzero(second)
    whole = len(i) == len(j) == first.size
    return Problem(
        masses(first.ravel()[i]), masses(second.ravel()[j]),
        x=cells[i], y=cells[j], metric=metric, grid=shape if whole else None,
    )  # fmt: skip


def _pair(draw: Callable[[int, Rng], np.ndarray], name: str, n: int, metric: str, seed: int) -> Problem:
    first = draw(n, generator("dotmark", name, 2 * seed))
    for k in range(1, 50):  # two different pictures
        second = draw(n, generator("dotmark", name, 2 * seed + k))
        if not np.array_equal(first, second):
            break
    return _between(first, second, metric)


CLASSES: dict[str, Callable[[int, Rng], np.ndarray]] = {
    "WhiteNoise": _noise,
    **{name: partial(_field, name) for name in FIELDS},
    "CauchyDensity": _cauchy,
    "Shapes": _shapes,
    **{name: partial(_picture, name) for name in PICTURES},
}


def _define(name: str, draw: Callable[[int, Rng], np.ndarray]) -> None:
    def images(n: int, *, metric: str = "sqeuclidean", seed: int = 0) -> Problem:
        return _pair(draw, name, n, metric, seed)

    images.__doc__ = f"Two n x n images of the class {name}."
    smoke = {"smoke": ("16",)} if name == "Shapes" else {}
    more = {"scaling": ("16", "32", "64")} if name == "GRFsmooth" else {}
    family(f"dotmark/{name}", dotmark=("32", "64", "128", "256"), **smoke, **more)(images)


for _name, _draw in CLASSES.items():
    _define(_name, _draw)


@family("digits", points=("28",))
def digits(n: int, *, metric: str = "sqeuclidean", seed: int = 0) -> Problem:
    """Two MNIST digits, 28 x 28 (no other n)."""
    if n != 28:
        raise ValueError(f"digits are 28 x 28, not {n} x {n}")
    import divergences

    with np.load(Path(divergences.__file__).parent / "data" / "mnist10k.npz") as stored:
        first, second = stored["images"][2 * seed : 2 * seed + 2]
    return _between(np.asarray(first, dtype=float), np.asarray(second, dtype=float), metric)
