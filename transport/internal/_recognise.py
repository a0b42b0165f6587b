"""What the caller's objects are: labelled tables, times, big integers, other libraries' arrays and laws.

Everything is recognised by duck typing (module name and methods); no library is imported to find out. What
can be turned into float64 without a decision is turned; the rest is refused with the line to type. Plain
NumPy arrays of float64 never come here.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import numpy as np

from transport.internal import _images as images


def library(x: Any) -> str:
    """Top-level package of the type of ``x``."""
    return str(type(x).__module__).split(".", 1)[0]


# ---------------------------------------------------------------- arrays


def plain(x: Any, name: str) -> Any:
    """``x`` as something NumPy reads without loss, or the refusal that says what to type.

    Raises
    ------
    TypeError
        None, text, mappings, sets, iterators, images, laws, tables with words or missing values.
    """
    kind = library(x)
    if x is None:
        raise TypeError(f"{name} is None; pass an array of real numbers")
    if isinstance(x, (str, bytes)):
        raise TypeError(f"{name} is text ({x[:40]!r}); pass an array of real numbers")
    if isinstance(x, Mapping) and not hasattr(x, "data_vars"):
        raise TypeError(
            f"{name} is a {type(x).__name__}; arrays have no keys. Give both measures one order: "
            "keys = sorted(p | q); p, q = ([d.get(k, 0) for k in keys] for d in (p, q))"
        )
    if isinstance(x, Set):
        raise TypeError(f"{name} is a {type(x).__name__}, which has no order; pass sorted({name})")
    if hasattr(x, "__next__"):
        raise TypeError(f"{name} is a {type(x).__name__}, which can be read once; pass list({name})")
    if images.is_image(x):
        raise TypeError(images.line_for(x, name))
    refuse_law(x, name)
    if kind in ("pandas", "polars", "xarray"):
        return from_table(x, name, kind)
    return x


def from_table(x: Any, name: str, kind: str) -> np.ndarray:
    """The numbers of a pandas, polars or xarray object as a writable array of NumPy's own dtypes."""
    if hasattr(x, "collect") or (kind == "xarray" and not hasattr(x, "dims")) or hasattr(x, "data_vars"):
        raise TypeError(f"{name} is a {type(x).__name__}; pass one of its arrays")
    if hasattr(x, "ngroups"):
        raise TypeError(f"{name} is a {type(x).__name__}; pass one group of it: {name}.get_group(key)")
    values = np.asarray(x)
    if values.dtype.kind == "O":  # pandas would read numbers written as text
        words = next((v for v in values.ravel().tolist() if isinstance(v, str)), None)
        if words is not None:
            raise TypeError(f"{name} holds text ({words[:40]!r}); pass its columns of numbers")
        if values.size and type(values.ravel()[0]).__name__ == "Period":
            raise TypeError(f"{name} holds periods; pass their starts: {name}.dt.start_time")
        if hasattr(x, "to_numpy") and kind == "pandas":
            try:  # nullable numbers
                values = x.to_numpy(dtype=np.float64, na_value=np.nan)
            except (TypeError, ValueError):
                values = np.asarray(x)
    return np.array(values)


def refuse_objects(x: np.ndarray, name: str) -> None:
    """TypeError for arrays of other things than numbers, with what to do about each."""
    kind, first = x.dtype.kind, None
    if kind in "Mm":
        raise TypeError(
            f"{name} holds {x.dtype}; choose origin and unit: "
            f"({name} - origin) / numpy.timedelta64(1, 's'), the same origin for both measures"
        )
    if kind == "O" and x.size:
        first = x.ravel()[0]
        word = type(first).__name__
        if word in ("Fraction", "Decimal", "mpf", "mpq", "mpz", "Float", "Rational"):
            raise TypeError(
                f"{name} holds {word} objects; pass numpy.array({name}, dtype=float), each rounded once"
            )
        if isinstance(first, int):
            raise TypeError(
                f"{name} holds integers beyond 64 bits; subtract a common origin first, or pass "
                f"numpy.array({name}, dtype=float) if rounding is meant"
            )
        raise TypeError(f"{name} holds {word} objects (dtype object); it must hold real numbers")
    raise TypeError(f"{name} has dtype {x.dtype}; it must hold real numbers")


def refuse_foreign(x: Any, name: str) -> None:
    """TypeError for traced, lazy and sparse arrays of other libraries, which have no numbers to give."""
    kind, word = library(x), type(x).__name__
    if kind == "jax" and "Tracer" in word:
        raise TypeError(
            f"{name} is being traced by jax (a {word}); this runs on the host and cannot be traced. "
            "Call it outside jit, vmap and grad, or through jax.pure_callback"
        )
    if kind == "torch" and getattr(x, "is_nested", False):
        raise TypeError(f"{name} is a nested torch tensor, which has no shape; pass one of {name}.unbind()")
    if kind == "torch" and getattr(x, "is_meta", False):
        raise TypeError(f"{name} is a torch tensor on the meta device: it has a shape and no numbers")
    if "sparse" in str(getattr(x, "layout", "")):
        raise TypeError(f"{name} is a sparse torch tensor; pass {name}.to_dense()")
    if kind in ("sparse", "jax") and hasattr(x, "todense"):
        raise TypeError(f"{name} is a sparse array ({kind}.{word}); pass {name}.todense()")
    if kind == "tensorflow" and word.startswith(("Sparse", "Symbolic")):
        raise TypeError(f"{name} is a {word}; pass tensorflow.sparse.to_dense({name}).numpy()")


# ---------------------------------------------------------------- laws of other libraries

# Parameters by the names of torch and TensorFlow Probability; the first line whose parameters are there.
_SCIPY: dict[str, tuple[str, ...]] = {
    "Bernoulli": ("bernoulli({probs})",),
    "Beta": ("beta({concentration1}, {concentration0})",),
    "Binomial": ("binom({total_count}, {probs})",),
    "Cauchy": ("cauchy({loc}, {scale})",),
    "Chi2": ("chi2({df})",),
    "Dirichlet": ("dirichlet({concentration})",),
    "Exponential": ("expon(scale=1 / {rate})",),
    "FisherSnedecor": ("f({df1}, {df2})",),
    "Gamma": ("gamma({concentration}, scale=1 / {rate})",),
    "Geometric": ("geom({probs}, loc=-1)",),
    "Gumbel": ("gumbel_r({loc}, {scale})",),
    "HalfCauchy": ("halfcauchy({loc}, {scale})", "halfcauchy(scale={scale})"),
    "HalfNormal": ("halfnorm(scale={scale})",),
    "InverseGamma": ("invgamma({concentration}, scale={rate})", "invgamma({concentration}, scale={scale})"),
    "Laplace": ("laplace({loc}, {scale})",),
    "LogNormal": ("lognorm({scale}, scale=math.exp({loc}))",),
    "Logistic": ("logistic({loc}, {scale})",),
    "MultivariateNormal": ("multivariate_normal({loc}, {covariance_matrix})",),
    "LowRankMultivariateNormal": ("multivariate_normal({loc}, {covariance_matrix})",),
    "MultivariateNormalDiag": ("multivariate_normal({loc}, {scale_diag} ** 2)",),
    "MultivariateNormalFullCovariance": ("multivariate_normal({loc}, {covariance_matrix})",),
    "NegativeBinomial": ("nbinom({total_count}, 1 - {probs})",),
    "Normal": ("norm({loc}, {scale})",),
    "Pareto": ("pareto({alpha}, scale={scale})", "pareto({concentration}, scale={scale})"),
    "Poisson": ("poisson({rate})",),
    "StudentT": ("t({df}, {loc}, {scale})",),
    "Uniform": ("uniform({low}, {high} - {low})",),
    "VonMises": ("vonmises({concentration}, {loc})",),
    "Weibull": ("weibull_min({concentration}, scale={scale})",),
}


def refuse_law(x: Any, name: str) -> None:
    """TypeError for a law of torch, TensorFlow Probability, ... (``log_prob``), with SciPy's spelling."""
    if not callable(getattr(x, "log_prob", None)):
        return
    word = type(x).__name__
    dimension = len(getattr(x, "event_shape", None) or ())
    line = f"divergences.Density(lambda x: numpy.asarray({name}.log_prob(x)), support=(lower, upper)), "
    line += "its argument converted to a tensor"
    if word in ("Categorical", "OneHotCategorical"):
        line = f"its masses numpy.asarray({name}.probs) to the divergence itself"
    elif word == "Multinomial":
        line = f"the probabilities numpy.asarray({name}.probs) to kl, and multiply by the number of trials"
    elif dimension:
        line = line.replace("(lower, upper)", "[(lower, upper)] * dimension, sampler=(n, rng) -> draws")
    for text in _SCIPY.get(word, ()):
        if all(hasattr(x, field.split("}")[0]) for field in text.split("{")[1:]):
            line = "scipy.stats." + text.replace("{", f"{name}.").replace("}", "") + ", parameters as numbers"
            break
    many = "; it is a batch of laws: compare one pair at a time" if getattr(x, "batch_shape", None) else ""
    raise TypeError(f"{name} is the {word} law of another library ({library(x)}); pass {line}{many}")


def line_for_law(x: Any, name: str) -> str:
    """The text of the refusal of ``x``, which is no law the divergences know."""
    if x is None:
        return f"{name} is None; pass a law or a sample"
    if isinstance(x, Mapping):
        return (
            f"{name} is a {type(x).__name__}; pass masses in one order, to the divergence itself: "
            "keys = sorted(p | q); p, q = ([d.get(k, 0) for k in keys] for d in (p, q))"
        )
    word = type(x).__name__
    if word.endswith("_frozen") and library(x) == "scipy":
        family = word.removesuffix("_frozen")
        draws = f"sampler=lambda n, rng: {name}.rvs(n, random_state=rng)"
        return (
            f"{name} is scipy's {family}, which has no entry here (multivariate_normal, multivariate_t, "
            f"dirichlet and GaussianMixture have). Pass divergences.Density({name}.logpdf, "
            f"support=[(lower, upper)] * dimension, {draws}), both laws in this way"
        )
    if isinstance(x, (list, tuple)) or hasattr(x, "__array__"):
        return (
            f"{name} is a sample (an array) and the other argument a law. Compare samples with samples: pass "
            "law.rvs(len(sample), random_state=rng) for the law; or masses with masses: law.pmf(atoms)"
        )
    return (
        f"{name} is a {word}; pass a frozen scipy.stats distribution, or divergences.Density(logpdf, support)"
    )
