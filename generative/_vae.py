"""Variational autoencoder: one player holding encoder, decoder and the scale of the noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from generative import ops
from generative._data import Source
from generative._model import Array, Batch, Batches, Metrics, State
from generative._nets import Sequential
from generative._objectives import (
    bernoulli_log_likelihood,
    categorical_log_likelihood,
    elbo,
    gaussian_kl,
    gaussian_log_likelihood,
)
from generative._optim import Adam
from generative._player import Optimizer, Player, with_labels
from generative._random import EVALUATE, INIT, Draws, Key, Place, stream
from transport.internal import cached_property, check_choice, check_positive, namespace, to_numpy

_ADAM = Adam(1e-3)
_BITS = ("bernoulli", "binary")
_SEEN = 1 << 16  # samples that tell the units


def _units(source: Source) -> dict[str, Any]:
    """Mean and standard deviation of each column (of all pixels, for images) of the training data.

    ``length`` is 0 for a column without spread, ``per_length`` then 1; ``log_volume`` is the logarithm of the
    factor between the densities in both units.
    """
    x = to_numpy(source.seen(_SEEN)).astype(np.float64)
    columns = x if x.ndim == 2 else x.reshape(-1, 1)
    origin, length = columns.mean(axis=0), columns.std(axis=0)
    length = np.where(length > 1e-6 * np.abs(origin), length, 0.0)  # less is rounding of the mean
    origin = np.where(length > 0, origin, columns[0])
    safe = np.where(length > 0, length, 1.0)
    volume = np.sum(np.log(safe)) * (x[0].size / len(safe))
    if x.ndim != 2:
        origin, length, safe = origin[0], length[0], safe[0]
    found = {"origin": origin, "length": length, "per_length": 1 / safe, "log_volume": volume}
    return {name: source.place.put(np.atleast_1d(value)) for name, value in found.items()}


@dataclass(frozen=True)
class _Autoencoder:
    """Parameters of both nets, and log σ of a Gaussian decoder, as one tree."""

    encoder: Sequential
    decoder: Sequential
    learns_scale: bool

    def init(self, rng: np.random.Generator) -> tuple[Any, Any]:
        (encoder, encoder_state), (decoder, decoder_state) = self.encoder.init(rng), self.decoder.init(rng)
        params: dict[str, Any] = {"encoder": encoder, "decoder": decoder}
        if self.learns_scale:
            params["log_scale"] = np.zeros(())
        return params, {"encoder": encoder_state, "decoder": decoder_state}


@dataclass(frozen=True)
class VAE:
    """Variational autoencoder (Kingma and Welling 2014): maximises the ELBO by reparameterisation.

    Parameters
    ----------
    encoder : net
        Data (and labels) in, 2L numbers out: mean and log variance of q(z|x), z of dimension L.
    decoder : net
        z (and labels) in; out: means ("gaussian"), logits ("bernoulli"), or d·K logits ("categorical").
    likelihood : {"gaussian", "bernoulli", "binary", "categorical"}
        Of the data given z: N(mean, σ² I); independent bits, of which the data in [0, 1] are probabilities
        ("bernoulli": their cross-entropy; "binary": bits drawn with them, afresh at each step and for each
        measurement, so that the ELBO is one of bits: Salakhutdinov and Murray 2008); independent integers
        below K (the encoder sees them scaled to [-1, 1]).
    levels : int
        K of a categorical decoder.
    beta : float
        Weight of KL(q ‖ p); 1 is the bound of log p(x).
    scale : float or None
        σ of the Gaussian decoder; None learns it.
    standardise : bool, optional
        Whether both nets see each column of the data less its mean, over its standard deviation D (of images:
        one mean and one D for all pixels), so that columns of any unit can be learned; samples, ELBO and
        likelihood are in the units of the data, whose law given z is then N(mean, σ² D²). A column without
        spread comes back as it is. By default so for the Gaussian likelihood with a learned scale.
    importance : int
        Samples of z for each x in training; above 1 the bound is the tighter one of Burda et al. (2016).
    optimizer
        Adam(1e-3) by default.
    classes : int
        Number of labels of a conditional model; 0: none.
    average : float
        Decay of the running average of the parameters that sampling and evaluation use; 0: none.

    Examples
    --------
    >>> from generative import MLP, VAE, fit
    >>> data = np.random.default_rng(0).normal(size=(100, 3))
    >>> run = fit(VAE(MLP(3, 8, 2), MLP(1, 8, 3)), data, steps=5, rng=0)
    >>> run.sample(4).shape
    (4, 3)
    """

    encoder: Sequential
    decoder: Sequential
    likelihood: str = "gaussian"
    levels: int = 0
    beta: float = 1.0
    scale: float | None = None
    importance: int = 1
    optimizer: Optimizer = _ADAM
    classes: int = 0
    average: float = 0.0
    standardise: bool | None = None

    def __post_init__(self) -> None:
        if self.standardise and self.likelihood != "gaussian":
            raise ValueError(f"standardise is for the gaussian likelihood, not for {self.likelihood}")
        check_choice(self.likelihood, "likelihood", ("gaussian", *_BITS, "categorical"))
        if (self.likelihood == "categorical") != (self.levels > 1):
            raise ValueError(f"levels = {self.levels}; a categorical decoder needs at least 2, others none")
        check_positive(self.beta, "beta")
        if self.scale is not None:
            check_positive(self.scale, "scale")
        if self.encoder.n_out != 2 * self.latent:
            raise ValueError(
                f"the encoder gives {self.encoder.n_out} numbers, the decoder takes {self.latent} latent "
                f"variables; the encoder must give twice as many (mean and log variance)"
            )

    @property
    def latent(self) -> int:
        """Dimension of z."""
        return self.decoder.n_in - self.classes

    @cached_property
    def player(self) -> Player:
        """Both nets in training."""
        learns_scale = self.likelihood == "gaussian" and self.scale is None
        return Player(_Autoencoder(self.encoder, self.decoder, learns_scale), self.optimizer, self.average)

    @property
    def players(self) -> dict[str, Player]:
        """The player by its name in the state."""
        return {"autoencoder": self.player}

    @property
    def host_work(self) -> str | None:
        """See `Recordable`."""
        return "a conditional model takes its labels from the host" if self.classes else None

    def begin(self, source: Source, key: Key) -> State:
        """Fresh parameters."""
        probe = to_numpy(source.batch(0)[0])
        top = {**dict.fromkeys(_BITS, 1.0), "categorical": self.levels - 1.0}.get(self.likelihood)
        if top is not None and not (probe.min() >= 0 and probe.max() <= top):
            raise ValueError(
                f"data range over [{probe.min()}, {probe.max()}]; this {self.likelihood} decoder needs "
                f"[0, {top:g}]"
            )
        state = {"autoencoder": self.player.begin(stream(key, INIT), source.place)}
        if self._standardises:
            state["autoencoder"]["state"]["units"] = _units(source)
        made = math.prod(self._decoded(state, source.place).shape[1:])
        needed = math.prod(source.shape) * max(self.levels, 1)
        if made != needed:
            raise ValueError(f"the decoder gives {made} numbers a sample; these data need {needed}")
        return state

    @property
    def _standardises(self) -> bool:
        default = self.likelihood == "gaussian" and self.scale is None
        return default if self.standardise is None else self.standardise

    def _decoded(self, state: State, place: Place) -> Any:
        entry = state["autoencoder"]
        labels = np.zeros(1, dtype=int) if self.classes else None
        z = place.put(np.zeros((1, self.latent)))
        return self.decode(self.player.views(entry, averaged=True), z, labels, entry["state"])[0]

    def _seen(self, x: Any) -> Any:
        return x * (2.0 / (self.levels - 1)) - 1.0 if self.levels else x

    def encode(self, params: Any, x: Any, labels: Any, state: Any, *, train: bool = False) -> Any:
        """``(mean, log variance, state)`` of q(z|x)."""
        code, after = self.encoder.apply(
            params["encoder"], with_labels(self._seen(x), labels, self.classes), state["encoder"], train=train
        )
        return code[:, : self.latent], code[:, self.latent :], after

    def decode(self, params: Any, z: Any, labels: Any, state: Any, *, train: bool = False) -> Any:
        """``(raw output, state)`` of the decoder."""
        joined = with_labels(z, labels, self.classes)
        return self.decoder.apply(params["decoder"], joined, state["decoder"], train=train)

    def log_likelihood(self, params: Any, x: Any, out: Any) -> Any:
        """log p(x|z) of each row, from the decoder's output."""
        n = x.shape[0]
        flat = ops.reshape(x, shape=(n, math.prod(x.shape[1:])))
        if self.likelihood == "categorical":
            scores = ops.reshape(out, shape=(n, flat.shape[1], self.levels))
            return categorical_log_likelihood(flat, scores)
        out = ops.reshape(out, shape=flat.shape)
        if self.likelihood in _BITS:
            return bernoulli_log_likelihood(flat, out)
        return gaussian_log_likelihood(flat, out, self._log_scale(params))

    def _log_scale(self, params: Any) -> Any:
        return params["log_scale"] if self.scale is None else math.log(self.scale)

    def bound(
        self, params: Any, batch: Any, noise: Any, *, state: Any, train: bool = False
    ) -> tuple[Any, Any]:
        """The mean ELBO (importance-weighted if asked for) of ``batch = (x, labels)`` and the new state.

        ``noise``, shape (importance·n, L), is standard normal: z = mean + σ·noise.
        """
        x, labels = batch
        units = state.get("units")
        if units is not None:
            x = (x - units["origin"]) * units["per_length"]
        mean, log_var, encoder = self.encode(params, x, labels, state, train=train)
        kl = gaussian_kl(mean, log_var)
        copies = noise.shape[0] // x.shape[0]
        if copies > 1:
            mean, log_var = ops.concat(*[mean] * copies), ops.concat(*[log_var] * copies)
            x = ops.concat(*[x] * copies)
            labels = None if labels is None else np.concatenate([labels] * copies)
        z = mean + ops.exp(0.5 * log_var) * noise
        out, decoder = self.decode(params, z, labels, state, train=train)
        fit = self.log_likelihood(params, x, out)
        after = {"encoder": encoder, "decoder": decoder}
        if units is not None:
            after["units"] = units
            fit = fit - units["log_volume"]
        if copies == 1:
            return elbo(fit, kl, beta=self.beta), after
        # log p(z) - log q(z|x); the normalising constants cancel
        ratio = 0.5 * ops.sum(log_var + ops.square(noise) - ops.square(z), axis=-1)
        weights = ops.reshape(fit + self.beta * ratio, shape=(copies, -1))
        return ops.mean(ops.logsumexp(weights, axis=0)) - math.log(copies), after

    def _drawn(self, batch: Batch, rng: np.random.Generator, place: Draws) -> Batch:
        """The batch, of a "binary" likelihood as bits with the probabilities that it holds."""
        if self.likelihood != "binary":
            return batch
        x, labels = batch
        return namespace(x).astype(place.uniform(rng, *x.shape) < x, x.dtype), labels

    def step(
        self, state: State, source: Batches, index: int, rng: np.random.Generator
    ) -> tuple[State, Metrics]:
        """One update on one batch."""
        batch = self._drawn(source.batch(index), rng, source.place)
        noise = source.place.normal(rng, self.importance * batch[0].shape[0], self.latent)

        def loss(params: Any, net_state: Any) -> tuple[Any, Any]:
            value, after = self.bound(params, batch, noise, state=net_state, train=True)
            return -value, after

        entry, cost = self.player.learn(state["autoencoder"], loss)
        return {"autoencoder": entry}, {"elbo": -cost}

    def sample(self, state: State, n: int, rng: np.random.Generator, *, labels: Array = None) -> Array:
        """``n`` draws of x: Gaussian noise and categorical draws included; Bernoulli gives the means."""
        entry = state["autoencoder"]
        place = Place(entry["params"])
        if self.classes and labels is None:
            labels = rng.integers(0, self.classes, n)
        params = self.player.views(entry, averaged=True)
        z = place.normal(rng, n, self.latent)
        out, _ = self.decode(params, z, labels, entry["state"])
        if self.likelihood == "gaussian":
            made = out + math.exp(float(self._log_scale(params))) * place.normal(rng, *out.shape)
            units = entry["state"].get("units")
            return made if units is None else units["origin"] + units["length"] * made
        if self.likelihood in _BITS:
            return ops.sigmoid(out)
        return place.put(self._categorical(to_numpy(out).astype(np.float64), rng))

    def _categorical(self, out: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One integer for each feature, by the Gumbel-max trick."""
        scores = out.reshape(out.shape[0], -1, self.levels)
        return np.argmax(scores + rng.gumbel(size=scores.shape), axis=-1)

    def evaluate(self, state: State, source: Source, *, n: int, key: Key, index: int) -> dict[str, float]:
        """ELBO on held-out samples and an importance-sampled log-likelihood (128 draws each), in nats."""
        rng = stream(key, EVALUATE, index)
        batch = self._drawn(source.held_out(n, index), rng, source.place)
        entry = state["autoencoder"]
        params = self.player.views(entry, averaged=True)
        noise = source.place.normal(rng, batch[0].shape[0], self.latent)
        plain = float(self.bound(params, batch, noise, state=entry["state"])[0])
        likelihood = self.importance_log_likelihood(state, batch, rng, samples=128)
        return {"held_out_elbo": plain, "held_out_log_likelihood": float(np.mean(likelihood))}

    def importance_log_likelihood(
        self, state: State, batch: Any, rng: np.random.Generator, *, samples: int = 1000
    ) -> np.ndarray:
        """log p(x) of each row of ``batch = (x, labels)``: log-mean of p(x, z)/q(z|x) over draws of q.

        A lower bound in expectation that tightens as ``samples`` grows (Burda et al. 2016); in nats, (n,).
        """
        entry = state["autoencoder"]
        params, place = self.player.views(entry, averaged=True), Place(entry["params"])
        x, labels = batch
        units, volume = entry["state"].get("units"), 0.0
        if units is not None:
            x, volume = (x - units["origin"]) * units["per_length"], float(units["log_volume"][0])
        mean, log_var, _ = self.encode(params, x, labels, entry["state"])
        terms = []
        for _ in range(samples):
            noise = place.normal(rng, x.shape[0], self.latent)
            z = mean + ops.exp(0.5 * log_var) * noise
            fit = self.log_likelihood(params, x, self.decode(params, z, labels, entry["state"])[0])
            ratio = 0.5 * ops.sum(log_var + ops.square(noise) - ops.square(z), axis=-1)
            terms.append(to_numpy(fit + ratio).astype(np.float64) - volume)
        weights = np.stack(terms)
        top = weights.max(axis=0)
        return top + np.log(np.mean(np.exp(weights - top), axis=0))
