"""Optimal transport: exact plans with certificates, closed forms, critics."""

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
from transport.internal import VERSION as __version__
from transport.internal import ConvergenceError, DuplicateEntriesWarning, InfeasibleError

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
    "Labels",
    "LineBarycenter",
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
