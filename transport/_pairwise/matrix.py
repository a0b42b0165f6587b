"""`pairwise`: every distance between many measures, certified, on any executor, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from transport._pairwise.measures import Ground, is_within_range, pack
from transport._pairwise.named import NAMED
from transport._pairwise.nearest import nearest_neighbours
from transport._pairwise.plan import Plan
from transport._pairwise.result import Pairwise
from transport._pairwise.store import FORMAT, FileTable, Table, require_room
from transport._pairwise.tasks import Work
from transport._solver.base import Progress
from transport.internal import CtrlC, check_count, check_exponent

if TYPE_CHECKING:
    from transport._pairwise.measures import Ground, Pack
    from transport._pairwise.tasks import Work


@CtrlC()
def pairwise(
    measures: Any,
    others: Any = None,
    *,
    distance: str | Callable[[Any, Any], Any] = "wasserstein",
    p: float = 2.0,
    cost: Any = "euclidean",
    solver: Any = None,
    normalize: bool = False,
    executor: Any = None,
    out: str | Path | None = None,
    resume: bool = True,
    callback: Callable[[Progress], Any] | None = None,
    nearest: int | None = None,
    tile: int | None = None,
) -> Any:
    r"""Distances between all pairs of many measures, exact and certified.

    Parameters
    ----------
    measures : sequence of measures
        Arrays of points (n_i, d) or (n_i,), pairs (points, weights), of any sizes; a stack (k, n, d). With a
        matrix, a `PointCloud` or a `Grid` as ``cost``: masses (k, bins), images included.
    others : sequence of measures, optional
        The columns of a rectangular matrix; by default the measures themselves.
    distance : "wasserstein", "sliced" or callable
        A function gets two pairs (points, weights) and returns a number or a `Solution`; on process pools
        and clusters it must be importable there. (`sinkhorn_divergence` needs its ``reg``: write a function.)
    p : float
        Exponent >= 1 (inf on the line only).
    cost : {"euclidean", "cityblock", "chebyshev"}, array (bins, bins), PointCloud, Grid or callable
        The ground distance d: by name, between the bins of histograms, or a function of two blocks of points.
    solver : Solver, optional
        For W_p by another method than the exact one, a `solve` a pair.
    normalize : bool
        Divide the weights of each measure by their total instead of insisting on 1.
    executor : concurrent.futures.Executor, optional
        Where tiles of pairs are computed: thread and process pools, loky, ``dask.distributed``'s
        ``Client.get_executor()``, ``mpi4py.futures``. By default the threads of this process.
    out : path, optional
        A .npy file for the matrix, memory-mapped; ``.lower.npy``, ``.upper.npy`` and a journal beside it.
    resume : bool
        Go on with an ``out`` that was begun before; False writes over it.
    callback : callable, optional
        Called with a `Progress` after each tile; return True to stop.
    nearest : int, optional
        The k nearest of the others for each measure instead of the matrix: a `Neighbours`.
    tile : int, optional
        Measures a side of a tile; by default from the sizes, for about 0.3 s. Changes no number.

    Returns
    -------
    Pairwise or Neighbours

    Raises
    ------
    ValueError, TypeError
        Options that make no sense, files of another computation, no measure that is one. A single bad measure
        raises nothing: its pairs are in ``failures``.
    MemoryError, OSError
        The result would not fit; said before any work.
    ConvergenceError
        The callback stopped it. With ``out`` the finished tiles are kept.

    Notes
    -----
    W_p(mu, nu) = (min over plans of sum d^p plan)^(1/p). One kernel call does a chunk of pairs. A number
    depends on its two measures alone: the same bits on every executor, for every tile and order.

    Examples
    --------
    >>> import numpy as np, transport as tp
    >>> result = tp.pairwise([[[0.0, 0.0]], [[3.0, 4.0]], ([[0.0, 0.0], [6.0, 8.0]], [0.5, 0.5])])
    >>> result.matrix.round(6)
    array([[0.      , 5.      , 7.071068],
           [5.      , 0.      , 5.      ],
           [7.071068, 5.      , 0.      ]])
    """
    start = time.perf_counter()
    p = check_exponent(p)
    ground = Ground.of(cost, p)
    left, bad_left = pack(measures, "measures", ground, side=0, normalize=normalize)
    right, bad_right = (
        (left, bad_left) if others is None else pack(others, "others", ground, side=1, normalize=normalize)
    )
    work = _work(distance, p, ground, solver, left, right)
    if nearest is not None:
        if out is not None:
            raise ValueError("out= is for the matrix; with nearest=k save the Neighbours' arrays instead")
        k = check_count(nearest, "nearest")
        sets = (left, right, bad_left, bad_right)
        return nearest_neighbours(work, sets, k, others is None, executor, callback, start)
    plan = Plan(work, left, right, others is None, tile)
    path = None if out is None else _checked(out)
    require_room(plan.shape, path)
    table: Table
    if path is None:
        table = Table(plan.shape, plan.side)
    else:
        key = _key(work, left, right, plan.symmetric, bad_left, bad_right)
        table = FileTable(plan.shape, plan.side, path, key, resume=resume)
        plan.side = table.side
    with table:
        plan.run(table, {**bad_left}, {**bad_right}, executor, callback, start)
    stats = {"pairs": plan.pairs, "computed": plan.computed, "tiles": plan.count, "tile_side": plan.side}
    elapsed = time.perf_counter() - start
    failures = dict(sorted(table.failures.items()))
    value, lower, upper = table.arrays
    return Pairwise(value, lower, upper, failures, elapsed, plan.symmetric, stats)


def _checked(out: str | Path) -> Path:
    path = Path(out)
    if path.suffix != ".npy":
        raise ValueError(f"out = {str(out)!r}; it must end in .npy")
    if not path.absolute().parent.is_dir():
        raise ValueError(f"out = {str(out)!r}: there is no folder {path.absolute().parent}")
    return path.absolute()


def _work(
    distance: str | Callable[[Any, Any], Any], p: float, ground: Ground, solver: Any, left: Pack, right: Pack
) -> Work:
    if callable(distance):
        return Work(p, ground, function=distance)
    if distance != "wasserstein":
        return Work(p, ground, function=_named(distance, p))
    points = ground.matrix is None
    if points and left.atoms.shape[1] != right.atoms.shape[1]:
        raise ValueError(
            f"measures live in dimension {left.atoms.shape[1]} and others in {right.atoms.shape[1]}"
        )
    on_line = points and left.atoms.shape[1] == 1 and ground.function is None and solver is None
    if p == np.inf and not on_line:
        raise ValueError("p = inf is available on the line only; a large p (say 50) is close to it")
    if on_line:
        size = max(float(np.abs(z.atoms).max()) for z in (left, right))
        return Work(p, ground, shift=140 if size > 2.0**900 else 0)
    return Work(p, ground, solver, plain=not points or is_within_range(left, right, p))


def _named(distance: str, p: float) -> Callable[[Any, Any], Any]:
    if distance not in NAMED:
        raise ValueError(
            f"distance = {distance!r}; choose 'wasserstein', {', '.join(map(repr, NAMED))} or a function"
        )
    return NAMED[distance](p)


def _key(work: Work, left: Pack, right: Pack, symmetric: bool, *bad: dict[int, str]) -> str:
    """A hash of everything the numbers depend on."""
    import hashlib
    from importlib.metadata import PackageNotFoundError, version

    try:
        release = version("kantorovich")
    except PackageNotFoundError:
        release = "source"
    ground = work.ground
    function = work.function or ground.function
    code = getattr(getattr(function, "__code__", None), "co_code", b"")
    name = None if function is None else f"{getattr(function, '__module__', '')}.{_name_of(function)}"
    parts: list[Any] = [
        FORMAT,
        release,
        work.p,
        ground.metric,
        _told(work.solver),
        name,
        code,
        symmetric,
        bad,
    ]
    parts.append(left.digest() if symmetric else (left.digest(), right.digest()))
    if ground.matrix is not None:
        parts.append(hashlib.sha256(ground.matrix.data).hexdigest())
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _told(solver: Any) -> list[str]:
    """A solver with all of its options, those too that its ``repr`` leaves out."""
    return [
        type(solver).__name__,
        *(f"{k}={v!r}" for k, v in sorted(getattr(solver, "__dict__", {}).items())),
    ]


def _name_of(function: Any) -> str:
    return getattr(function, "__qualname__", None) or repr(function)
