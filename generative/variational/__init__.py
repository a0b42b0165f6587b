"""Approximating a law by a simpler one, under either Kullback-Leibler divergence.

``KL(q || p)`` is what variational inference minimises and seeks a mode; ``KL(p || q)`` is what moment
matching and expectation propagation minimise and covers the mass.
"""

from generative.variational._elbo import Decomposition, LinearGaussian, decompose
from generative.variational._ep import EPResult, clutter, expectation_propagation
from generative.variational._gaussian import (
    CoordinateAscent,
    Gaussian,
    coordinate_ascent,
    mean_field,
    moment_match,
)
from generative.variational._limit import ApproximationError
from generative.variational._mixture import GaussianFit, LocalMinimum, Mixture, fit_gaussian
from generative.variational._regression import VariationalRegression, linear_regression
from generative.variational._sites import GaussianSite, ProbitSite

__all__ = [
    "ApproximationError",
    "CoordinateAscent",
    "Decomposition",
    "EPResult",
    "Gaussian",
    "GaussianFit",
    "GaussianSite",
    "LinearGaussian",
    "LocalMinimum",
    "Mixture",
    "ProbitSite",
    "VariationalRegression",
    "clutter",
    "coordinate_ascent",
    "decompose",
    "expectation_propagation",
    "fit_gaussian",
    "linear_regression",
    "mean_field",
    "moment_match",
]
