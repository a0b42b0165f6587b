"""What is mutated, and which test files may kill it.

Kernels are mutated with numba's compiler off: the same source as plain Python, so that a mutant needs no
compilation and the tests see every line of it.
"""

from __future__ import annotations

PYTHON = (
    "transport/_certificate.py",
    "transport/_exact_certificate.py",
    "transport/_completion.py",
    "transport/_certify.py",
    "transport/_univariate.py",
    "transport/_gaussian.py",
    "divergences/_generators.py",
    "divergences/_fdiv.py",
    "divergences/_brackets.py",
    "divergences/_orders.py",
    "divergences/_summation.py",
    "divergences/_line.py",
    "divergences/_neighbours.py",
    "divergences/_samples.py",
    "divergences/hierarchy/_interval.py",
    "divergences/_kernels/reference.py",
)
KERNELS = (
    "transport/_kernels/certificate.py",
    "transport/_kernels/univariate.py",
    "transport/_kernels/simplex_tree.py",
    "transport/_kernels/search_matrix.py",
    "transport/_kernels/simplex_pieces.py",
    "transport/_kernels/simplex_dense.py",
    "transport/_kernels/assignment.py",
    "divergences/_kernels/cpu.py",
    "divergences/_kernels/terms.py",
)
TESTS_OF_PYTHON = (
    "certificate",
    "certificate_fuzz",
    "certify",
    "univariate",
    "line_rows",
    "gaussian",
    "semidefinite",
    "fdiv",
    "table",
    "pipe",
    "densities",
    "samples",
    "neighbours",
    "entropies",
    "extremes",
    "families",
    "mixtures",
    "conventions",
    "hierarchy_bounds",
    "solve",
    "exact",
    "testing",
    "closing",
    "kernels",
    "rounded_masses",
    "continuous_wasserstein",
)
TESTS_OF_KERNELS = (
    "kernels",
    "line_rows",
    "univariate",
    "certificate",
    "certify",
    "assignment",
    "fdiv",
    "extremes",
    "exact",
    "warm",
    "corpus",
)
MODES = {"python": (PYTHON, TESTS_OF_PYTHON), "kernels": (KERNELS, TESTS_OF_KERNELS)}
