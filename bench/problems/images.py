"""Images by formula, of the kinds in the DOTmark collection (Schrieber, Schuhmacher, Gottschlich 2017)."""

from __future__ import annotations

import numpy as np

KINDS = ("noise", "rough", "smooth", "shapes")


def image(kind: str, size: int, seed: int) -> np.ndarray:
    """A square image of integer grey values, total mass 1, shape (size, size).

    "noise": independent values 1..255. "rough" and "smooth": Gaussian random fields with a Matern
    spectrum, scaled to 1..255. "shapes": three filled ellipses or rectangles, 0 elsewhere.
    """
    rng = np.random.default_rng([KINDS.index(kind), size, seed])
    if kind == "noise":
        grey = rng.integers(1, 256, (size, size)).astype(float)
    elif kind == "shapes":
        grey = _shapes(size, rng)
    else:
        field = _field(2 * size, *((0.25, 0.05) if kind == "rough" else (2.5, 0.25)), rng)[:size, :size]
        grey = 1.0 + np.round(254.0 * (field - field.min()) / np.ptp(field))
    return grey / grey.sum()


def _field(size: int, smoothness: float, scale: float, rng: np.random.Generator) -> np.ndarray:
    k = np.fft.fftfreq(size) * size
    spectrum = (1.0 / scale**2 + (2 * np.pi) ** 2 * (k[:, None] ** 2 + k**2)) ** (-(smoothness + 1) / 2)
    noise = rng.standard_normal((size, size)) + 1j * rng.standard_normal((size, size))
    return np.real(np.fft.ifft2(noise * spectrum))


def _shapes(size: int, rng: np.random.Generator) -> np.ndarray:
    t = (np.arange(size) + 0.5) / size
    grey = np.zeros((size, size))
    for _ in range(3):
        centre, radius, angle = rng.uniform(0.2, 0.8, 2), rng.uniform(0.08, 0.3, 2), rng.uniform(0, np.pi)
        dx, dy = t[None, :] - centre[0], t[:, None] - centre[1]
        u = (dx * np.cos(angle) + dy * np.sin(angle)) / radius[0]
        v = (dy * np.cos(angle) - dx * np.sin(angle)) / radius[1]
        grey[(np.maximum(abs(u), abs(v)) < 1) if rng.random() < 0.5 else (u**2 + v**2 < 1)] = 255.0
    return grey
