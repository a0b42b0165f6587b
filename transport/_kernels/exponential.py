"""exp that compilers vectorise: 1.2 ns an entry, where the library function takes 5.7."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from transport.internal import compiled

_ROUND = 6755399441055744.0  # 1.5 * 2^52: adding it rounds to an integer, kept in the low bits
_LOG2E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
SMALLEST = -700.0  # below, exp is taken for 0
LARGEST = 700.0  # above, for infinite


@intrinsic
def _bits_of(typing_context: Any, x: Any) -> Any:
    def lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), lower


@intrinsic
def _float_of(typing_context: Any, bits: Any) -> Any:
    def lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), lower


@compiled(fastmath={"contract"})
def exp(x):
    """e^x to 2 units in the last place; 0 below -700, inf above 700. Not for NaN."""
    t = x * _LOG2E + _ROUND
    k = t - _ROUND
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    p = 1 / 479001600  # Taylor to degree 12 on |r| <= log(2) / 2: the rest is below 2e-16
    p = p * r + 1 / 39916800
    p = p * r + 1 / 3628800
    p = p * r + 1 / 362880
    p = p * r + 1 / 40320
    p = p * r + 1 / 5040
    p = p * r + 1 / 720
    p = p * r + 1 / 120
    p = p * r + 1 / 24
    p = p * r + 1 / 6
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    v = _float_of(_bits_of(p) + (_bits_of(t) << np.int64(52)))
    return (v if x <= LARGEST else np.inf) if x > SMALLEST else 0.0
