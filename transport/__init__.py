"""Optimal transport: exact plans with certificates, closed forms, critics.

A name is loaded with its module when it is first asked for (PEP 562).
"""

import typing

from transport.internal import VERSION as __version__
from transport.internal import (
    ConvergenceError,
    DuplicateEntriesWarning,
    InfeasibleError,
    InterruptedSolve,
    MagnitudeError,
)
from transport.internal import door as _door

if typing.TYPE_CHECKING:
    from transport._answer import Potentials, Status
    from transport._barycenters.fixed import barycenter
    from transport._barycenters.free import free_barycenter
    from transport._barycenters.gaussian import GaussianBarycenter, gaussian_barycenter
    from transport._barycenters.line import LineBarycenter, barycenter_1d
    from transport._barycenters.result import Barycenter
    from transport._callable import FunctionCost
    from transport._certify import certify
    from transport._circle import Circle
    from transport._colour import palette, transfer_colours
    from transport._critic import Bound, Critic, FittedCritic, InfConvolution, certify_critic, coupling_bound
    from transport._critic_fit import critic
    from transport._exact_certificate import ExactCertificate
    from transport._gaussian import bures_wasserstein
    from transport._gradient import Gradient
    from transport._grid import Grid
    from transport._gromov import GromovWasserstein, gromov_wasserstein
    from transport._many import Solutions, solve_many
    from transport._max_sliced import MaxSliced, max_sliced_wasserstein
    from transport._pairwise.matrix import pairwise
    from transport._pairwise.result import Neighbours, Pairwise
    from transport._pixels import PixelDensity
    from transport._points import PointCloud
    from transport._problem import Coupling
    from transport._projection import Labels
    from transport._semidiscrete import SemiDiscrete, semidiscrete
    from transport._sinkhorn.divergence import SinkhornDivergence, sinkhorn_divergence
    from transport._sinkhorn.solver import Sinkhorn
    from transport._sliced import Sliced, estimate_sliced, sliced_wasserstein
    from transport._solution import Solution
    from transport._solve import plan, solve
    from transport._solver.base import Progress, Solver
    from transport._solver.exact import Exact
    from transport._solver.plan import Plan
    from transport._spherical import spherical_sliced_wasserstein
    from transport._tree_metric import TreeMetric
    from transport._unbalanced import KL, TV, Partial
    from transport._univariate import wasserstein_1d, wasserstein_circle

__all__ = [
    "KL",
    "TV",
    "Barycenter",
    "Bound",
    "Circle",
    "ConvergenceError",
    "Coupling",
    "Critic",
    "DuplicateEntriesWarning",
    "Exact",
    "ExactCertificate",
    "FittedCritic",
    "FunctionCost",
    "GaussianBarycenter",
    "Gradient",
    "Grid",
    "GromovWasserstein",
    "InfConvolution",
    "InfeasibleError",
    "InterruptedSolve",
    "Labels",
    "LineBarycenter",
    "MagnitudeError",
    "MaxSliced",
    "Neighbours",
    "Pairwise",
    "Partial",
    "PixelDensity",
    "Plan",
    "PointCloud",
    "Potentials",
    "Progress",
    "SemiDiscrete",
    "Sinkhorn",
    "SinkhornDivergence",
    "Sliced",
    "Solution",
    "Solutions",
    "Solver",
    "Status",
    "TreeMetric",
    "barycenter",
    "barycenter_1d",
    "bures_wasserstein",
    "certify",
    "certify_critic",
    "coupling_bound",
    "critic",
    "estimate_sliced",
    "free_barycenter",
    "gaussian_barycenter",
    "gromov_wasserstein",
    "max_sliced_wasserstein",
    "pairwise",
    "palette",
    "plan",
    "semidiscrete",
    "sinkhorn_divergence",
    "sliced_wasserstein",
    "solve",
    "solve_many",
    "spherical_sliced_wasserstein",
    "transfer_colours",
    "wasserstein_1d",
    "wasserstein_circle",
]

_HOMES = {
    "transport._answer": "Potentials Status",
    "transport._barycenters.fixed": "barycenter",
    "transport._barycenters.free": "free_barycenter",
    "transport._barycenters.gaussian": "GaussianBarycenter gaussian_barycenter",
    "transport._barycenters.line": "LineBarycenter barycenter_1d",
    "transport._barycenters.result": "Barycenter",
    "transport._callable": "FunctionCost",
    "transport._certify": "certify",
    "transport._circle": "Circle",
    "transport._colour": "palette transfer_colours",
    "transport._critic": "Bound Critic FittedCritic InfConvolution certify_critic coupling_bound",
    "transport._critic_fit": "critic",
    "transport._exact_certificate": "ExactCertificate",
    "transport._gaussian": "bures_wasserstein",
    "transport._gradient": "Gradient",
    "transport._grid": "Grid",
    "transport._gromov": "GromovWasserstein gromov_wasserstein",
    "transport._many": "Solutions solve_many",
    "transport._max_sliced": "MaxSliced max_sliced_wasserstein",
    "transport._pairwise.matrix": "pairwise",
    "transport._pairwise.result": "Neighbours Pairwise",
    "transport._pixels": "PixelDensity",
    "transport._points": "PointCloud",
    "transport._problem": "Coupling",
    "transport._projection": "Labels",
    "transport._semidiscrete": "SemiDiscrete semidiscrete",
    "transport._sinkhorn.divergence": "SinkhornDivergence sinkhorn_divergence",
    "transport._sinkhorn.solver": "Sinkhorn",
    "transport._sliced": "Sliced estimate_sliced sliced_wasserstein",
    "transport._solution": "Solution",
    "transport._solve": "plan solve",
    "transport._solver.base": "Progress Solver",
    "transport._solver.exact": "Exact",
    "transport._solver.plan": "Plan",
    "transport._spherical": "spherical_sliced_wasserstein",
    "transport._tree_metric": "TreeMetric",
    "transport._unbalanced": "KL TV Partial",
    "transport._univariate": "wasserstein_1d wasserstein_circle",
}
__getattr__, __dir__ = _door(__name__, _HOMES)
