"""Wasserstein barycentres: on a grid or given support (certified), free support, Gaussians, the line."""
