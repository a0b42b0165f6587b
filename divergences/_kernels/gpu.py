"""CuPy kernels: the array-API specification, run by CuPy's own elementwise and reduction kernels."""

from __future__ import annotations

from divergences._kernels.reference import TERMS, scan

__all__ = ["TERMS", "scan"]
