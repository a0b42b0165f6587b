"""Networks as pure pairs: ``init(rng) -> (params, state)`` and ``apply(params, x, state) -> (y, state)``.

A layer is a frozen description; it owns no arrays. ``params`` are trained, ``state`` is carried along
(running means of batch norm, the singular vector of spectral norm). Data has its batch on axis 0; images
are (n, height, width, channels).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np

from generative import ops
from generative._autodiff import value_of
from generative._autodiff.arrays import ACTIVATIONS as FUSED
from generative._autodiff.tape import space_of
from generative._weights import WEIGHTS, effective_weight, initial_weight, refresh_state
from transport.internal import check_choice, check_count, kernels, to_numpy

ACTIVATIONS = ("linear", "relu", "leaky_relu", "tanh", "softplus", "sigmoid", "groupsort")


class Layer:
    """What every layer can do; see the module's docstring. The defaults hold no parameters."""

    def init(self, rng: np.random.Generator) -> tuple[Any, Any]:
        """Fresh ``(params, state)``, NumPy float64."""
        return {}, {}

    def apply(self, params: Any, x: Any, state: Any, *, train: bool = False) -> tuple[Any, Any]:
        """``(y, state)``; in training the state is refreshed from the batch."""
        raise NotImplementedError(f"{type(self).__name__}.apply")

    def lipschitz(self, params: Any, state: Any) -> float:
        """An upper bound of the Euclidean Lipschitz constant (inf where there is none)."""
        return 1.0


def _activate(x: Any, name: str, slope: float) -> Any:
    if name in ("relu", "leaky_relu"):
        return ops.leaky_relu(x, slope=slope if name == "leaky_relu" else 0.0)
    return x if name == "linear" else getattr(ops, name)(x)


def _activation_lipschitz(name: str, slope: float) -> float:
    return 0.25 if name == "sigmoid" else max(1.0, abs(slope)) if name == "leaky_relu" else 1.0


def _split(activation: str, slope: float) -> tuple[str, float, str]:
    """The activation as (what the product before it can do itself, its slope, what is left for after it)."""
    if activation == "relu":
        return "leaky_relu", 0.0, "linear"
    return (activation, slope, "linear") if activation in FUSED else ("linear", slope, activation)


def _dense(x: Any, w: Any, b: Any, activation: str, slope: float) -> Any:
    fused, slope, after = _split(activation, slope)
    return _activate(ops.dense(x, w, b, activation=fused, slope=slope), after, slope)


@dataclass(frozen=True)
class Dense(Layer):
    """``activation(x W + b)``: (n, n_in) -> (n, n_out).

    Parameters
    ----------
    activation : str
        One of linear, relu, leaky_relu (``slope`` on the left), tanh, softplus, sigmoid, groupsort.
    weight : {"free", "spectral", "orthonormal"}
        What stands for W: the parameter itself; the parameter over its largest singular value (power
        iteration; Miyato et al. 2018, Alg. 1); its Björck orthonormalisation (Anil et al. 2019, §4.2.2),
        whose singular values never exceed 1.
    """

    n_in: int
    n_out: int
    activation: str = "linear"
    slope: float = 0.2
    weight: str = "free"

    def __post_init__(self) -> None:
        check_count(self.n_in, "n_in")
        check_count(self.n_out, "n_out")
        check_choice(self.activation, "activation", ACTIVATIONS)
        check_choice(self.weight, "weight", WEIGHTS)

    def init(self, rng: np.random.Generator) -> tuple[Any, Any]:
        w, state = initial_weight(
            (self.n_in, self.n_out), self.weight, _gain(self.activation, self.slope), rng
        )
        return {"w": w, "b": np.zeros(self.n_out)}, state

    def apply(self, params: Any, x: Any, state: Any, *, train: bool = False) -> tuple[Any, Any]:
        state = refresh_state(params["w"], state, train=train)
        w = effective_weight(params["w"], self.weight, state)
        return _dense(x, w, params["b"], self.activation, self.slope), state

    def lipschitz(self, params: Any, state: Any) -> float:
        w = effective_weight(params["w"], self.weight, state)
        return spectral_norm(w) * _activation_lipschitz(self.activation, self.slope)


def spectral_norm(w: Any) -> float:
    """The largest singular value of a matrix."""
    return float(np.linalg.norm(to_numpy(value_of(w)).astype(float), 2))


def _gain(activation: str, slope: float) -> float:
    """Scale that keeps the second moment through the layer (He et al. 2015, eq. 12; else Glorot)."""
    if activation in ("relu", "softplus"):
        return math.sqrt(2.0)
    return math.sqrt(2.0 / (1.0 + slope**2)) if activation == "leaky_relu" else 1.0


@dataclass(frozen=True)
class Conv(Layer):
    """Convolution of images (n, h, w, n_in) -> (n, h', w', n_out): patches and one matrix product.

    ``h' = (h + 2 padding - size) // stride + 1``. Activation and weight as in `Dense`.
    """

    n_in: int
    n_out: int
    size: int = 3
    stride: int = 1
    padding: int = 0
    activation: str = "linear"
    slope: float = 0.2
    weight: str = "free"

    def init(self, rng: np.random.Generator) -> tuple[Any, Any]:
        shape = (self.size * self.size * self.n_in, self.n_out)
        w, state = initial_weight(shape, self.weight, _gain(self.activation, self.slope), rng)
        return {"w": w, "b": np.zeros(self.n_out)}, state

    def apply(self, params: Any, x: Any, state: Any, *, train: bool = False) -> tuple[Any, Any]:
        state = refresh_state(params["w"], state, train=train)
        w = effective_weight(params["w"], self.weight, state)
        at = {"size": (self.size, self.size), "stride": self.stride, "padding": self.padding}
        fused, slope, after = _split(self.activation, self.slope)
        y = ops.conv(x, w, params["b"], activation=fused, slope=slope, **at)
        return _activate(y, after, slope), state

    def lipschitz(self, params: Any, state: Any) -> float:
        # Every pixel enters at most ceil(size/stride)² patches, so unfolding stretches by at most the root.
        overlap = math.ceil(self.size / self.stride)
        w = effective_weight(params["w"], self.weight, state)
        return overlap * spectral_norm(w) * _activation_lipschitz(self.activation, self.slope)


@dataclass(frozen=True)
class ConvTranspose(Layer):
    """Adjoint of `Conv`: (n, h, w, n_in) -> (n, (h-1) stride + size - 2 padding, ..., n_out)."""

    n_in: int
    n_out: int
    size: int = 4
    stride: int = 2
    padding: int = 1
    activation: str = "linear"
    slope: float = 0.2

    def init(self, rng: np.random.Generator) -> tuple[Any, Any]:
        # An output pixel sums (size/stride)² products per input channel: that is its fan-in.
        scale = _gain(self.activation, self.slope) * self.stride / (self.size * math.sqrt(self.n_in))
        w = rng.standard_normal((self.n_in, self.size * self.size * self.n_out)) * scale
        return {"w": w, "b": np.zeros(self.n_out)}, {}

    def apply(self, params: Any, x: Any, state: Any, *, train: bool = False) -> tuple[Any, Any]:
        sides = tuple((n - 1) * self.stride + self.size - 2 * self.padding for n in x.shape[1:3])
        at = {"size": (self.size, self.size), "stride": self.stride, "padding": self.padding, "shape": sides}
        fused, slope, after = _split(self.activation, self.slope)
        w = ops.transpose(params["w"])
        y = ops.conv_transpose(x, w, params["b"], activation=fused, slope=slope, **at)
        return _activate(y, after, slope), state

    def lipschitz(self, params: Any, state: Any) -> float:
        overlap = math.ceil(self.size / self.stride)
        return overlap * spectral_norm(params["w"]) * _activation_lipschitz(self.activation, self.slope)


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Each feature (last axis) to mean 0, variance 1 over the batch, then scaled and shifted.

    Outside training the running averages stand in for the batch (Ioffe and Szegedy 2015).
    """

    n: int
    momentum: float = 0.9
    eps: float = 1e-5

    def init(self, rng: np.random.Generator) -> tuple[Any, Any]:
        n = self.n
        return {"scale": np.ones(n), "shift": np.zeros(n)}, {"mean": np.zeros(n), "var": np.ones(n)}

    def apply(self, params: Any, x: Any, state: Any, *, train: bool = False) -> tuple[Any, Any]:
        mean, var = state["mean"], state["var"]
        if not train:
            return (x - mean) / ops.sqrt(var + self.eps) * params["scale"] + params["shift"], state
        flat = x if x.ndim == 2 else ops.reshape(x, shape=(-1, self.n))
        plain = value_of(flat)
        xp = space_of(plain)
        now = dict(zip(("mean", "var"), kernels("generative", xp).moments(plain, xp=xp), strict=True))
        m = self.momentum
        state = {name: m * state[name] + (1 - m) * now[name] for name in now}
        y = ops.standardise(flat, eps=self.eps) * params["scale"] + params["shift"]
        return y if x.ndim == 2 else ops.reshape(y, shape=tuple(x.shape)), state

    def lipschitz(self, params: Any, state: Any) -> float:
        scale, var = to_numpy(value_of(params["scale"])), to_numpy(state["var"])
        return float(np.max(np.abs(scale) / np.sqrt(var + self.eps)))


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Each sample to mean 0, variance 1 over its features (last axis), then scaled and shifted."""

    n: int
    eps: float = 1e-5

    def init(self, rng: np.random.Generator) -> tuple[Any, Any]:
        return {"scale": np.ones(self.n), "shift": np.zeros(self.n)}, {}

    def apply(self, params: Any, x: Any, state: Any, *, train: bool = False) -> tuple[Any, Any]:
        centred = x - ops.mean(x, axis=-1, keepdims=True)
        var = ops.mean(ops.square(centred), axis=-1, keepdims=True)
        return centred / ops.sqrt(var + self.eps) * params["scale"] + params["shift"], state

    def lipschitz(self, params: Any, state: Any) -> float:
        # Centring contracts; x ↦ x/√(|x|²/n + eps) has derivative of norm at most 1/√eps, at the origin.
        return float(np.max(np.abs(to_numpy(value_of(params["scale"]))))) / math.sqrt(self.eps)


@dataclass(frozen=True)
class Activation(Layer):
    """An activation alone, for use after a normalisation."""

    activation: str
    slope: float = 0.2

    def __post_init__(self) -> None:
        check_choice(self.activation, "activation", ACTIVATIONS)

    def apply(self, params: Any, x: Any, state: Any, *, train: bool = False) -> tuple[Any, Any]:
        return _activate(x, self.activation, self.slope), state

    def lipschitz(self, params: Any, state: Any) -> float:
        return _activation_lipschitz(self.activation, self.slope)


@dataclass(frozen=True)
class Reshape(Layer):
    """Each sample to ``shape``: (n, ...) -> (n, *shape)."""

    shape: tuple[int, ...]

    def apply(self, params: Any, x: Any, state: Any, *, train: bool = False) -> tuple[Any, Any]:
        return ops.reshape(x, shape=(x.shape[0], *self.shape)), state


class Sequential(Layer):
    """Layers one after the other.

    Attributes
    ----------
    layers : tuple of Layer
    n_in, n_out : int
        Features in and out, as the first and last layers with weights say.

    Examples
    --------
    >>> net = Sequential(Dense(2, 8, "relu"), BatchNorm(8), Dense(8, 1))
    >>> params, state = net.init(np.random.default_rng(0))
    >>> net.apply(params, np.ones((5, 2)), state)[0].shape
    (5, 1)
    """

    def __init__(self, *layers: Layer) -> None:
        self.layers = layers

    def init(self, rng: np.random.Generator) -> tuple[Any, Any]:
        pairs = [layer.init(rng) for layer in self.layers]
        return [params for params, _ in pairs], [state for _, state in pairs]

    def apply(self, params: Any, x: Any, state: Any, *, train: bool = False) -> tuple[Any, Any]:
        after = []
        for layer, p, s in zip(self.layers, params, state, strict=True):
            x, s = layer.apply(p, x, s, train=train)
            after.append(s)
        return x, after

    def lipschitz(self, params: Any, state: Any) -> float:
        parts = zip(self.layers, params, state, strict=True)
        return math.prod(layer.lipschitz(p, s) for layer, p, s in parts)

    def with_options(self, **options: Any) -> Sequential:
        """The same net with fields of its layers replaced, the activation of the last one kept."""
        new = list(self._replaced(options))
        return Sequential(*new)

    def _replaced(self, options: dict[str, Any]) -> Iterator[Layer]:
        for k, layer in enumerate(self.layers):
            if hasattr(layer, "with_options"):  # it holds layers itself
                yield layer.with_options(**options)
                continue
            known = {f.name for f in fields(layer)}  # type: ignore[arg-type]
            chosen = {key: value for key, value in options.items() if key in known}
            if k == len(self.layers) - 1:
                chosen.pop("activation", None)
            yield replace(layer, **chosen)  # type: ignore[type-var]

    def _ends(self, name: str) -> Iterator[int]:
        return (getattr(layer, name) for layer in self.layers if hasattr(layer, name))

    @property
    def n_in(self) -> int:
        """Features that come in."""
        return next(self._ends("n_in"))

    @property
    def n_out(self) -> int:
        """Features that go out."""
        return list(self._ends("n_out"))[-1]

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.layers))})"


class MLP(Sequential):
    """A multilayer perceptron: ``MLP(2, 128, 128, 1)`` has two hidden layers of 128.

    Parameters
    ----------
    *sizes : int
        Features in, of each hidden layer, out.
    activation : str
        Of the hidden layers; see `Dense`. "relu" by default.
    norm : {None, "batch", "layer"}
        Normalisation between a hidden layer and its activation.
    weight : {"free", "spectral", "orthonormal"}
        See `Dense`.
    slope : float
        Of leaky_relu.

    Examples
    --------
    >>> net = MLP(2, 16, 1)
    >>> params, state = net.init(np.random.default_rng(0))
    >>> y, _ = net.apply(params, np.zeros((4, 2)), state)
    >>> y.shape
    (4, 1)
    """

    def __init__(
        self,
        *sizes: int,
        activation: str = "relu",
        norm: str | None = None,
        weight: str = "free",
        slope: float = 0.2,
    ) -> None:
        if len(sizes) < 2:
            raise ValueError(f"MLP{sizes}: give at least the features in and out, as in MLP(2, 128, 1)")
        check_choice(norm or "none", "norm", ("none", "batch", "layer"))
        layers: list[Layer] = []
        for n_in, n_out in pairwise(sizes[:-1]):
            if norm is None:
                layers.append(Dense(n_in, n_out, activation, slope, weight))
            else:
                layers.append(Dense(n_in, n_out, "linear", slope, weight))
                layers.append(BatchNorm(n_out) if norm == "batch" else LayerNorm(n_out))
                layers.append(Activation(activation, slope))
        layers.append(Dense(sizes[-2], sizes[-1], "linear", slope, weight))
        super().__init__(*layers)
