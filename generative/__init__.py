"""GAN, WGAN and VAE made of divergences, on NumPy and CuPy arrays alike."""

from generative import ops
from generative._autodiff import custom_vjp, grad, hvp, no_grad, stop_gradient, value_and_grad

__all__ = ["custom_vjp", "grad", "hvp", "no_grad", "ops", "stop_gradient", "value_and_grad"]
