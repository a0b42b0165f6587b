"""Models of images for the command line: convolutions sized for two cores, by the shape of the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from generative._augment import Affine
from generative._gan import GAN
from generative._image_nets import Shape, features, generator, halvings, judge, normed
from generative._lipschitz import GradientPenalty, Lipschitz
from generative._nets import Dense, Sequential
from generative._optim import Adam, LinearDecay
from generative._vae import VAE
from generative._wgan import WGAN
from generative.datasets import Dataset

Config = dict[str, Any]

_AUGMENT = 0.25  # times the amounts of `Affine`
_LARGEST = 64  # of a side
_LARGE = 32 * 32  # pixels above which the nets have half the channels
_STEPS = {"gan": 12_000, "wgan": 4_000, "vae": 12_000}  # ten minutes or so of two cores, on digits
_WIDTH = 256  # of the dense layers of an autoencoder
_TRUNCATION = 0.8  # with labels: the asked digit is right more often, and recall stays above a half
_LABEL_WEIGHT = 1.0  # of the labels in the generator's cost
_ENOUGH = 20  # images a label
_GREY = 0.3  # share of pixels between black and white up to which images count as drawings


def applies(model: str, data: Dataset) -> bool:
    """Whether there is a preset for this data here: images, unless a VAE tells few levels apart.

    Not for strips, of which halving leaves nothing, and not above 64 pixels.
    """
    if data.shape is None or (model == "vae" and data.levels):
        return False
    return max(data.shape[:2]) <= _LARGEST and min(data.shape[:2]) >= 2 ** halvings(data.shape)


def defaults(model: str, data: Dataset) -> Config:
    """What differs from the options for points."""
    assert data.shape is not None
    pixels = data.shape[0] * data.shape[1]
    found: Config = {
        "nets": "convolutional",
        "channels": 32 if pixels <= _LARGE else 16,
        "latent": 32 if model == "vae" else 64,
        "batch_size": 64,
        "steps": _STEPS[model] // (1 if pixels <= _LARGE else 2),  # a step takes twice as long
    }
    if model != "vae" and data.labels is not None:
        found["classes"] = _classes(data.labels)
    if model == "vae":
        found["likelihood"] = "binary" if _drawn(data) else "bernoulli"
        found["augment"] = _AUGMENT
    return found


def _classes(labels: np.ndarray) -> int:
    """Labels to learn apart; none where each has too few images for that.

    With labels the classes come apart, and fewer samples lie between two of them.
    """
    count = int(labels.max()) + 1
    return count if len(labels) >= _ENOUGH * count else 0


def _drawn(data: Dataset) -> bool:
    """Whether the pixels are nearly all black or white, as of handwriting."""
    assert isinstance(data.source, np.ndarray)
    x = data.source[:1000]
    return float(np.mean((x > 0.1) & (x < 0.9))) <= _GREY


def shape_of(config: Config) -> Shape:
    """Height, width, channels of the images."""
    height, width, *colours = config["image"]
    return height, width, colours[0] if colours else 1


def augment(config: Config) -> Affine | None:
    """How the images of a batch are varied; None if they are not."""
    size = config.get("augment", 0.0)
    return Affine(shift=size, angle=0.15 * size, zoom=0.1 * size, shear=0.15 * size) if size else None


def build(config: Config) -> GAN | WGAN | VAE:
    """The model that ``config`` describes."""
    makers: dict[str, Callable[[Config, Shape, int], GAN | WGAN | VAE]] = {
        "gan": _gan,
        "wgan": _wgan,
        "vae": _vae,
    }
    return makers[config["model"]](config, shape_of(config), config.get("classes", 0))


def _gan(config: Config, shape: Shape, classes: int) -> GAN:
    """Radford, Metz, Chintala (2016), the judge under spectral norm (Miyato et al. 2018).

    The norm keeps the judge from being sure. Its last layer is free: under the norm as well, the judge tells
    little apart. The minimax cost has no gradient against a judge that is sure, so there it learns slowly.
    """
    steps, channels = config["steps"], config["channels"]
    rate = {"minimax": 2e-4, "non_saturating": 8e-4}[config["loss"]]
    return GAN(
        generator(shape, config["latent"] + classes, channels=channels, classes=classes),
        judge(shape, channels=channels, classes=classes, weight="spectral"),
        loss=config["loss"],
        generator_optimizer=Adam(LinearDecay(4e-4, 0.0, steps=steps), beta1=0.5),
        discriminator_optimizer=Adam(LinearDecay(rate, 0.0, steps=steps), beta1=0.5),
        classes=classes,
        average=0.995,
        truncation=_TRUNCATION if classes else 1.0,
        label_weight=_LABEL_WEIGHT if classes else 0.0,
    )


def _wgan(config: Config, shape: Shape, classes: int) -> WGAN:
    """Gulrajani et al. (2017): gradient penalty 10, Adam with momentum 0 and 0.9."""
    steps, channels, k = config["steps"], config["channels"], 3
    adam = {"beta1": 0.0, "beta2": 0.9}
    penalised = config["lipschitz"] == "gradient_penalty"
    method: Lipschitz | str = GradientPenalty(10.0) if penalised else config["lipschitz"]
    return WGAN(
        generator(shape, config["latent"] + classes, channels=channels, classes=classes),
        judge(shape, channels=channels, classes=classes),
        lipschitz=method,
        k=k,
        generator_optimizer=Adam(LinearDecay(5e-4, 0.0, steps=steps), **adam),
        critic_optimizer=Adam(LinearDecay(5e-4, 0.0, steps=k * steps), **adam),
        classes=classes,
        average=0.995,
        truncation=_TRUNCATION if classes else 1.0,
        label_weight=_LABEL_WEIGHT if classes else 0.0,
    )


def _vae(config: Config, shape: Shape, classes: int) -> VAE:
    """Encoder and decoder as judge and generator, both with batch norm, which bears three times the rate."""
    channels, latent = config["channels"], config["latent"]
    body, count = features((*shape[:2], shape[2] + classes), channels=channels, norm=True)
    head = (*normed(Dense(count, _WIDTH, "leaky_relu")), Dense(_WIDTH, 2 * latent))
    tail = generator(shape, _WIDTH, channels=channels, last="linear")
    return VAE(
        Sequential(*body.layers, *head),
        Sequential(Dense(latent + classes, _WIDTH, "relu"), *tail.layers),
        likelihood=config["likelihood"],
        classes=classes,
        beta=config["beta"],
        optimizer=Adam(LinearDecay(3e-3, 0.0, steps=config["steps"])),
    )
