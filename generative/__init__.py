"""GAN, WGAN and VAE made of divergences, on NumPy and CuPy arrays alike."""

from generative import datasets, losses, ops
from generative._augment import Affine
from generative._autodiff import custom_vjp, grad, hvp, no_grad, stop_gradient, value_and_grad
from generative._critic import NetCritic
from generative._evaluate import Evaluation, evaluate
from generative._fit import Run, fit
from generative._fourier import Fourier
from generative._gan import GAN
from generative._lipschitz import Clip, GradientPenalty, GroupSort, Lipschitz, SemiDual, Spectral
from generative._maxout import Maxout
from generative._model import Model
from generative._nets import (
    MLP,
    Activation,
    BatchNorm,
    Conv,
    ConvTranspose,
    Dense,
    Layer,
    LayerNorm,
    Reshape,
    Sequential,
)
from generative._objectives import (
    bernoulli_log_likelihood,
    categorical_log_likelihood,
    elbo,
    gan_value,
    gaussian_kl,
    gaussian_log_likelihood,
    generator_cost,
    gradient_penalty,
    logistic_cost,
    wgan_value,
)
from generative._optim import SGD, Adam, GeometricDecay, LinearDecay, RMSProp
from generative._semidual import DistanceCritic
from generative._vae import VAE
from generative._wgan import WGAN
from transport.internal import VERSION as __version__

__all__ = [
    "Activation",
    "Affine",
    "Adam",
    "BatchNorm",
    "Clip",
    "Conv",
    "ConvTranspose",
    "Dense",
    "Evaluation",
    "DistanceCritic",
    "Fourier",
    "GAN",
    "GeometricDecay",
    "GradientPenalty",
    "GroupSort",
    "Layer",
    "LayerNorm",
    "LinearDecay",
    "Lipschitz",
    "MLP",
    "Maxout",
    "Model",
    "NetCritic",
    "RMSProp",
    "Reshape",
    "Run",
    "SGD",
    "SemiDual",
    "Sequential",
    "Spectral",
    "VAE",
    "WGAN",
    "bernoulli_log_likelihood",
    "categorical_log_likelihood",
    "custom_vjp",
    "datasets",
    "elbo",
    "evaluate",
    "fit",
    "gan_value",
    "gaussian_kl",
    "gaussian_log_likelihood",
    "generator_cost",
    "grad",
    "gradient_penalty",
    "hvp",
    "logistic_cost",
    "losses",
    "no_grad",
    "ops",
    "stop_gradient",
    "value_and_grad",
    "wgan_value",
]
