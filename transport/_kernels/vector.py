"""A minimum that compilers vectorise.

numba writes ``min(x, y)`` of floats as compare-and-branch, which LLVM never turns into vector
instructions, whatever ``fastmath`` says: 0.6 ns an entry. `fmin` is the instruction itself: 0.1 ns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from transport.internal import compiled

FAR = 1 << 40


@intrinsic
def fmin(typing_context: Any, x: Any, y: Any) -> Any:
    """The smaller of two floats, single if both are; neither may be NaN."""
    kind = types.float32 if x == y == types.float32 else types.float64
    llvm = ir.FloatType() if kind == types.float32 else ir.DoubleType()

    def lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function = builder.module.declare_intrinsic(
            "llvm.minnum", [llvm], fnty=ir.FunctionType(llvm, [llvm, llvm])
        )
        return builder.call(function, args, fastmath=("nnan", "nsz"))

    return kind(kind, kind), lower


@compiled
def least_difference(x, y):
    """min_j x_j - y_j."""
    low = np.inf
    for j in range(len(x)):
        low = fmin(low, x[j] - y[j])
    return low


@compiled
def place_of(low, x, y):
    """The first j with x_j - y_j == low, in full vector passes; FAR if there is none."""
    at = FAR
    for j in range(len(x)):
        at = min(at, j if x[j] - y[j] == low else FAR)
    return at
