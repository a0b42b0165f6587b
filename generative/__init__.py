"""GAN, WGAN and VAE made of divergences, on NumPy and CuPy arrays alike."""

__all__: list[str] = []
