"""Differentiable operations: on plain arrays they compute, inside `generative.grad` they are recorded too.

Those named as in the array API do as it says, with keyword-only options.

abs(x): |x|; the derivative at 0 is 0.
add(x, y): x + y, broadcast.
broadcast_to(x, shape=): x repeated to a shape.
concat(*parts, axis=0): parts joined along an axis.
cos(x): cosine.
dense(x, w, b, activation="linear", slope=0.0): activation(x w + b), in one pass.
divide(x, y): x / y, broadcast.
exp(x): e to the x.
expm1(x): exp(x) - 1, without cancellation near 0.
fold(x, size=, shape=, stride=1): the adjoint of `unfold`: patches added up to images.
getitem(x, index=): x[index]; integers, slices, Ellipsis, None.
leaky_relu(x, slope=): x where x > 0, else slope x.
log(x): natural logarithm.
log1p(x): log(1 + x), without cancellation near 0.
logsumexp(x, axis=None, keepdims=False): log of the sum of exponentials, without overflow.
matmul(a, b): product of (stacks of) matrices.
max(x, axis=None, keepdims=False): largest entry; ties share the derivative.
multiply(x, y): x y, broadcast.
negative(x): -x.
norm(x, axis=None, keepdims=False): Euclidean length; the derivative at 0 is 0.
permute_dims(x, axes=): axes in another order.
power(x, exponent=): x to a constant power.
reshape(x, shape=): the same entries in another shape.
sigmoid(x): 1 / (1 + exp(-x)), without overflow.
sign(x): -1, 0 or 1, derivative 0.
sin(x): sine.
softplus(x): log(1 + exp(x)), without overflow.
sqrt(x): square root.
square(x): x x.
standardise(x, eps=): each column less its mean, over its standard deviation.
subtract(x, y): x - y, broadcast.
sum(x, axis=None, keepdims=False): sum of the entries.
take(x, indices=, axis=0): entries along an axis, repeats allowed.
tanh(x): hyperbolic tangent.
transpose(x): the last two axes exchanged.
unfold(x, size=, stride=1): patches of images (n, h, w, c).
where(x, y, condition=): x where the condition holds, else y.

>>> import numpy as np
>>> from generative import grad
>>> grad(lambda t: sum(softplus(t)))(np.zeros(2)).tolist()
[0.5, 0.5]
"""

from generative._autodiff.arrays import (
    concat,
    dense,
    getitem,
    groupsort,
    matmul,
    maxout,
    pad,
    permute_dims,
    sort,
    standardise,
    take,
    transpose,
)
from generative._autodiff.convolution import (
    conv,
    conv_transpose,
    correlate,
    correlate_adjoint,
    correlate_weight,
    fold,
    unfold,
)
from generative._autodiff.rules import (
    abs,
    add,
    broadcast_to,
    cos,
    divide,
    exp,
    expm1,
    leaky_relu,
    log,
    log1p,
    log_softmax,
    logsumexp,
    max,
    maximum,
    mean,
    minimum,
    multiply,
    negative,
    norm,
    power,
    relu,
    reshape,
    sigmoid,
    sign,
    sin,
    softmax,
    softplus,
    sqrt,
    square,
    subtract,
    sum,
    tanh,
    where,
)
from generative._autodiff.tape import stop_gradient

__all__ = [
    "abs",
    "add",
    "broadcast_to",
    "concat",
    "conv",
    "conv_transpose",
    "correlate",
    "correlate_adjoint",
    "correlate_weight",
    "cos",
    "dense",
    "divide",
    "exp",
    "expm1",
    "fold",
    "getitem",
    "groupsort",
    "leaky_relu",
    "log",
    "log1p",
    "log_softmax",
    "logsumexp",
    "matmul",
    "max",
    "maximum",
    "maxout",
    "mean",
    "minimum",
    "multiply",
    "negative",
    "norm",
    "pad",
    "permute_dims",
    "power",
    "relu",
    "reshape",
    "sigmoid",
    "sign",
    "sin",
    "softmax",
    "softplus",
    "sort",
    "sqrt",
    "square",
    "standardise",
    "stop_gradient",
    "subtract",
    "sum",
    "take",
    "tanh",
    "transpose",
    "unfold",
    "where",
]
