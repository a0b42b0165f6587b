"""Models for the command line: one sensible choice for each family and kind of data, rebuilt from JSON."""

from __future__ import annotations

from dataclasses import asdict, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np

from generative import _image_presets
from generative._fourier import Fourier
from generative._gan import GAN
from generative._lipschitz import GradientPenalty, SemiDual
from generative._nets import MLP, Activation, Sequential
from generative._optim import SGD, Adam, GeometricDecay, LinearDecay
from generative._semidual import DistanceCritic
from generative._vae import VAE
from generative._wgan import WGAN
from generative.datasets import Dataset, Scaling

Config = dict[str, Any]
AnyModel = TypeVar("AnyModel", bound="GAN | WGAN | VAE")
MODELS = ("gan", "wgan", "vae")


def defaults(model: str, data: Dataset) -> Config:
    """The options of a run, all of them numbers or strings: they go into DIR/config.json as they are."""
    images = data.image is not None
    origin, length = units(data)
    latent = {"gan": 64, "wgan": 64, "vae": 20}[model] if images else 2
    config: Config = {
        "model": model,
        "dim": data.dim,
        "image": list(data.image) if data.image else None,
        "levels": data.levels if model == "vae" else 0,
        "scaling": asdict(data.scaling),
        "origin": origin,
        "length": length,
        "latent": min(latent, 16) if images and data.dim <= 64 else latent,
        "width": 256 if images else 128,
        "batch_size": 128 if images else 256,
        "steps": _STEPS[model, images],
        "seed": 0,
        "rate": 1.0,
        "classes": 0,
    }
    if model == "vae" and not callable(data.source):
        # Measured on digits: the held-out ELBO is best near 30 epochs and falls by 100 nats within 470.
        steps = 60 * len(data.source) // config["batch_size"]
        config["steps"] = min(config["steps"], max(500, steps))
    if model == "gan":
        config["loss"] = "non_saturating"
    elif model == "wgan":
        config["lipschitz"] = "semidual" if not images and data.dim <= _FEW else "gradient_penalty"
        config["spread"] = 1.0 if images else spread(data) / length
        if config["lipschitz"] == "semidual":
            config |= {"batch_size": 512, "steps": 8_000}
    else:
        config["beta"] = 1.0
    if _image_presets.applies(model, data):
        config |= _image_presets.defaults(model, data)
    return config


_FEW = 3  # dimensions in which a critic made of distances to samples was measured to be the best
_STEPS = {
    ("gan", False): 8_000,
    ("wgan", False): 5_000,
    ("vae", False): 8_000,
    ("gan", True): 6_000,
    ("wgan", True): 3_000,
    ("vae", True): 6_000,
}


def build(config: Config) -> GAN | WGAN | VAE:
    """The model that ``config`` describes; the same config gives the same model."""
    return with_rates(_built(config), config.get("rate", 1.0))


def with_rates(model: AnyModel, factor: float) -> AnyModel:
    """``model`` with the learning rates of its optimisers times ``factor``.

    >>> from generative import MLP, VAE
    >>> with_rates(VAE(MLP(3, 8, 2), MLP(1, 8, 3), optimizer=Adam(1e-3)), 50.0).optimizer.rate
    0.05
    """
    if factor == 1.0:
        return model
    if not (np.isfinite(factor) and factor > 0):
        raise ValueError(f"rate = {factor}; learning rates are multiplied by it: give a positive number")
    changed = {}
    for field in fields(model):
        optimizer = getattr(model, field.name)
        if hasattr(optimizer, "rate"):
            rate = optimizer.rate
            if is_dataclass(rate) and not isinstance(rate, type):
                ends = {name: factor * getattr(rate, name) for name in ("start", "stop")}
                rate = replace(rate, **ends)  # type: ignore[arg-type]
            else:
                rate = factor * rate
            changed[field.name] = replace(optimizer, rate=rate)
    return replace(model, **changed)


def _built(config: Config) -> GAN | WGAN | VAE:
    if config.get("nets") == "convolutional":  # runs of earlier versions have no "nets"
        return _image_presets.build(config)
    latent, width, dim = config["latent"], config["width"], config["dim"]
    classes = config.get("classes", 0)  # runs of earlier versions have none
    if config["model"] == "vae":
        return _vae(config, classes)
    if config.get("lipschitz") == "semidual":
        return _semidual(dim, config["spread"], steps=config["steps"], width=width)
    out = MLP(latent + classes, width, width, width, dim)
    generator = Sequential(*out.layers, Activation("sigmoid")) if config["image"] else out
    judge = MLP(dim + classes, width, width, width, 1, activation="leaky_relu")
    # The rates fall to nothing: an adversarial game at a constant rate circles its solution for ever.
    rate, steps = 2e-4 if config["image"] else 1e-3 if config["model"] == "gan" else 5e-4, config["steps"]
    if config["model"] == "gan":
        adam = Adam(LinearDecay(rate, 0.0, steps=steps), beta1=0.5)
        return GAN(
            generator,
            judge,
            loss=config["loss"],
            generator_optimizer=adam,
            discriminator_optimizer=adam,
            classes=classes,
            average=0.999,
        )
    k = 3 if config["image"] else 5
    # On a plane 10 holds the critic so stiffly that close modes blur into one.
    penalty = GradientPenalty(10.0 if config["image"] else 0.1)
    return WGAN(
        generator,
        judge,
        lipschitz=penalty if config["lipschitz"] == "gradient_penalty" else config["lipschitz"],
        k=k,
        generator_optimizer=Adam(LinearDecay(rate, 0.0, steps=steps), beta1=0.5, beta2=0.9),
        critic_optimizer=Adam(LinearDecay(rate, 0.0, steps=k * steps), beta1=0.5, beta2=0.9),
        classes=classes,
        average=0.999,
    )


def semidual(data: Dataset, *, steps: int, width: int = 128) -> WGAN:
    """The WGAN for point clouds of few dimensions: semi-dual critic, generator on Fourier features.

    Measured in bench/results/generative.md. The critic first sees no detail, then more and more; tanh
    saturates, so the generator can be flat within a mode and steep between.
    """
    return _semidual(data.dim, spread(data), steps=steps, width=width)


def _semidual(dim: int, size: float, *, steps: int, width: int) -> WGAN:
    rate = 2.5e-4 * size**0.5
    head = MLP(128, width, width, width, width, dim, activation="tanh")
    return WGAN(
        Sequential(Fourier(max(dim, 2), 128), *head.layers),
        DistanceCritic(dim, anchors=2000, smoothing=GeometricDecay(0.025, 0.0025, steps)),
        lipschitz=SemiDual(),
        # The last layer works in the units of the data, the others do not: hence the root.
        generator_optimizer=Adam(LinearDecay(rate, rate / 100, steps), beta1=0.5, beta2=0.9),
        critic_optimizer=SGD(LinearDecay(0.025, 0.00125, steps)),
        average=0.995,
    )


def _vae(config: Config, classes: int) -> VAE:
    latent, width, dim, levels = config["latent"], config["width"], config["dim"], config["levels"]
    likelihood = "gaussian" if config["image"] is None else "categorical" if levels else "bernoulli"
    return VAE(
        MLP(dim + classes, width, width, 2 * latent),
        MLP(latent + classes, width, width, dim * max(levels, 1)),
        likelihood=likelihood,
        levels=levels,
        classes=classes,
        beta=config["beta"],
        optimizer=Adam(LinearDecay(1e-3, 1e-4, steps=config["steps"])),
    )


def units(data: Dataset) -> tuple[list[float], float]:
    """Origin and length that put points from a file around 0 at size 1; one length keeps W comparable.

    Images and the named sets are left as they are.
    """
    if data.image is not None or callable(data.source):
        return [0.0] * data.dim, 1.0
    origin = np.mean(data.source, axis=0)
    length = float(np.sqrt(np.mean(np.square(data.source - origin))))
    return [float(v) for v in origin], length if length > 0 else 1.0


def prepared(config: Config, data: Dataset) -> Any:
    """``data.source`` in the units the model works in, with labels if it is conditional.

    Integers for a categorical decoder.
    """
    if callable(data.source):
        return data.source
    if config["levels"]:
        x = np.rint(data.source * (config["levels"] - 1))
    elif data.image is not None:
        x = data.source
        if config.get("nets") == "convolutional":
            x = x.reshape(-1, *_image_presets.shape_of(config))
    else:
        x = (data.source - np.array(config["origin"])) / config["length"]
    return x if data.labels is None else (x, data.labels)  # without classes only the judges look at them


def shown(config: Config, samples: np.ndarray) -> np.ndarray:
    """Samples of the model, (n, dim), in the units of the data."""
    if config["levels"]:
        return samples / (config["levels"] - 1)
    return samples * config["length"] + np.array(config["origin"])


def stored(config: Config, samples: np.ndarray) -> np.ndarray:
    """Samples as `shown`, as the file would hold them: images in their shape, values and type."""
    if not config["image"]:
        return samples
    images = samples.reshape(len(samples), *config["image"])
    return Scaling(**config["scaling"]).undone(images) if "scaling" in config else images


def spread(data: Dataset) -> float:
    """Root mean square distance of the data from their mean, to two digits; estimated for endless data."""
    sample = data.source(np.random.default_rng(0), 4096) if callable(data.source) else data.source
    centred = sample - np.mean(sample, axis=0)
    return float(f"{np.sqrt(np.mean(np.sum(centred * centred, axis=1))):.2g}")


_LENGTHS = ("w1", "w2", "w1_floor", "w2_floor", "w1_critic", "w1_critic_lower")


def in_units(config: Config, record: dict[str, float]) -> dict[str, float]:
    """A record of the history with its distances in the units of the data."""
    length = config["length"] / max(config["levels"] - 1, 1)
    return {name: value * length if name in _LENGTHS else value for name, value in record.items()}
