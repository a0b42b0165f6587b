"""Every CUDA kernel on a GPU: first that it is right, then how long it takes.

On a machine with an NVIDIA GPU and CuPy, from the root of the repository (numba and SciPy as well, for the
comparison; PyTorch, if there, is timed on the same GAN step; nothing is built beforehand)::

    python -m bench.gpu

checks, measures and writes ``bench/results/gpu-<device>.md``; a few GiB of device memory. ``--small`` runs
everything at a thousandth of the size, to see that it runs. The exit code is 1 if a kernel is wrong or fails:
the table says which, its times are not taken, and the other parts run on.

Times are of whole public calls with the arrays on the device, between two synchronisations, best and median
of ``--repeats``; GB/s counts the bytes of the arguments. "wrong by" is against the NumPy kernels on the host.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.report import arguments, save, table
from transport.internal import to_numpy

Row = tuple[str, str, str, str, str]
HEADER = ("what", "best, ms", "median, ms", "rate", "wrong by")


def _deviation(found: Any, expected: Any) -> float:
    """Largest relative difference; infinite where only one is finite."""
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    with np.errstate(all="ignore"):
        gap = np.where(same, 0.0, np.abs(found - expected) / np.maximum(np.abs(expected), 1e-300))
    return float(np.max(np.where(np.isfinite(gap), gap, math.inf), initial=0.0))


def check_scan(cp: Any, xp: Any) -> Iterator[tuple[str, float, float]]:
    """(name, deviation, allowed) of the fused pass: random, near-equal, sparse and extreme masses."""
    from divergences._kernels import cpu, gpu

    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(20_001, 0.1), size=3)
    cases = {
        "apart": (p, rng.dirichlet(np.ones(20_001), size=3)),
        "close": (p, p * (1 + 1e-9 * rng.standard_normal(p.shape))),
        "short": (rng.random((1000, 33)), rng.random((1000, 33))),
        "extreme": tuple(
            x.reshape(-1, 1) for x in np.meshgrid(*2 * ([0, 5e-324, 1e-320, 1e-308, 1e-300, 1e-9, 1.0],))
        ),
    }
    for case, (u, v) in cases.items():
        for term in gpu.TERMS:
            high = 0.0 if term == "affinity" else 2.0**64
            rows = np.tile([2.0**64, 2.0**64, 1e-12, 0.0, high, 0.0], (u.shape[0], 1))
            worst = 0.0
            for rise in (-0.5, 0.7):
                with np.errstate(over="ignore"):
                    expected = cpu.scan(term, u, v, rows, rise, xp=np)
                arguments = [cp.asarray(x) for x in (u, v, rows)]
                found = gpu.scan(term, *arguments, rise, xp=xp)
                again = gpu.scan(term, *arguments, rise, xp=xp)
                if not bool(cp.all(found == again)):
                    worst = math.inf  # not reproducible
                found = to_numpy(found)
                for k in (0, 2, 4):
                    a, b = (x[:, k] + x[:, k + 1] for x in (found, expected))
                    worst = max(worst, _deviation(a, b))
                worst = max(worst, _deviation(found[:, 6], expected[:, 6]))
            yield f"scan {term}, {case}", worst, 1e-13


def check_critic(cp: Any, xp: Any) -> Iterator[tuple[str, float, float]]:
    """The inf-convolution in every instance."""
    from transport._kernels import critic_cpu, critic_gpu

    rng = np.random.default_rng(1)
    for d in (1, 2, 3, 4, 5, 6, 7, 8, 9, 100):
        x, y, h = rng.normal(size=(1001, d)), rng.normal(size=(777, d)), 10 + rng.normal(size=777)
        value, index = critic_gpu.inf_convolution(*map(cp.asarray, (x, y, h)))
        expected, where = critic_cpu.inf_convolution(x, y, h)
        wrong = _deviation(to_numpy(value), expected)
        yield f"critic d={d}", wrong if np.array_equal(to_numpy(index), where) else math.inf, 1e-14


def check_line(cp: Any, xp: Any) -> Iterator[tuple[str, float, float]]:
    """W_p on a line, with and without weights."""
    import transport as tp

    rng = np.random.default_rng(2)
    x, y, z = rng.normal(size=5000), 1 + rng.normal(size=5000), rng.normal(size=3000)
    a = rng.dirichlet(np.ones(5000))
    for p in (1, 2, 3.5, math.inf):
        for name, u, v, w in (("equal", x, y, None), ("unequal", x, z, None), ("weighted", x, z, a)):
            on_device = None if w is None else cp.asarray(w)
            found = tp.wasserstein_1d(cp.asarray(u), cp.asarray(v), a=on_device, p=p)
            expected = tp.wasserstein_1d(u, v, a=w, p=p)
            yield f"line p={p}, {name}", _deviation(float(found), float(expected)), 1e-11


def check_learning(cp: Any, xp: Any) -> Iterator[tuple[str, float, float]]:
    """The elementwise kernels of learning."""
    import array_api_compat.numpy as xnp

    from generative._kernels import gpu, reference

    rng = np.random.default_rng(3)
    y, b, g = rng.normal(size=(70, 50)), rng.normal(size=50), rng.normal(size=(70, 50))
    keep, pieces = rng.random((70, 25)) < 0.5, rng.integers(0, 5, size=(70, 10), dtype=np.int32)
    adam = {"rate": 0.1, "beta1": 0.9, "beta2": 0.99, "unbias": 1.7, "eps": 1e-8, "shrink": 1e-3}
    calls = {
        "bias_activation": lambda m, to, xp: m.bias_activation(to(y), to(b), "leaky_relu", 0.3, xp=xp),
        "activation_slope": lambda m, to, xp: m.activation_slope(to(g), to(y), "leaky_relu", 0.3, xp=xp),
        "pair_swap": lambda m, to, xp: m.pair_swap(to(y), to(keep), xp=xp),
        "adam": lambda m, to, xp: m.adam(*(to(v.ravel()) for v in (g, y, y[::-1], np.abs(y))), **adam, xp=xp)[
            0
        ],
        "largest_piece": lambda m, to, xp: m.largest_piece(to(y), 5, xp=xp),
        "pick_piece": lambda m, to, xp: m.pick_piece(to(y), to(pieces), 5, xp=xp),
        "spread_piece": lambda m, to, xp: m.spread_piece(to(g[:, :10]), to(pieces), 5, xp=xp),
        "moments": lambda m, to, xp: m.moments(to(y), xp=xp)[1],
        "standardise": lambda m, to, xp: m.standardise(to(y), to(b), to(b * b), 0.1, xp=xp),
        "standardise_pullback": lambda m, to, xp: m.standardise_pullback(to(g), to(y), to(b * b), 0.1, xp=xp),
    }
    for name, call in calls.items():
        found = to_numpy(call(gpu, cp.asarray, xp))
        scale = np.max(np.abs(found))
        gap = float(np.max(np.abs(found - call(reference, np.copy, xnp))) / scale)
        yield f"learning {name}", gap, 1e-14


def timed(cp: Any, call: Callable[[], Any], repeats: int) -> list[float]:
    """Seconds of each call, the device idle before and after; two calls beforehand."""
    for _ in range(2):
        call()
    seconds = []
    for _ in range(repeats):
        cp.cuda.Device().synchronize()
        start = time.perf_counter()
        call()
        cp.cuda.Device().synchronize()
        seconds.append(time.perf_counter() - start)
    return seconds


def _row(name: str, seconds: list[float], rate: Callable[[float], str], wrong: float | None = None) -> Row:
    best, median = min(seconds), statistics.median(seconds)
    deviation = "" if wrong is None else f"{wrong:.1e}"
    return name, f"{1e3 * best:.3f}", f"{1e3 * median:.3f}", rate(median), deviation


def time_divergences(cp: Any, repeats: int, shrink: int) -> Iterator[Row]:
    """KL, JS, TV of 1e7 and 1e8 atoms, and of 1e5 rows of 100."""
    import divergences as dv

    for shape in ((10**7 // shrink,), (10**8 // shrink,), (10**5 // shrink, 100)):
        rng = cp.random.default_rng(0)
        p, q = (rng.random(shape) for _ in range(2))
        p, q = p / p.sum(axis=-1, keepdims=True), q / q.sum(axis=-1, keepdims=True)
        size = math.prod(shape)
        for name in ("kl", "js", "tv"):
            f = getattr(dv, name)
            wrong = None
            if size <= 10**7:
                wrong = _deviation(to_numpy(f(p, q)), f(to_numpy(p), to_numpy(q)))
            seconds = timed(cp, lambda f=f, p=p, q=q: f(p, q), repeats)
            title = f"divergences.{name}, {' x '.join(map(str, shape))}"
            yield _row(title, seconds, lambda s, size=size: f"{16e-9 * size / s:.0f} GB/s", wrong)
        if shape == (10**7 // shrink,):
            seconds = timed(cp, lambda p=p, q=q: cp.sum(p * cp.log(p / q)), repeats)
            title = f"cp.sum(p * cp.log(p / q)), {size} (for comparison)"
            yield _row(title, seconds, lambda s, size=size: f"{16e-9 * size / s:.0f} GB/s")


def time_minimum(cp: Any, repeats: int, shrink: int) -> Iterator[Row]:
    """min_j h_j + |x_i - y_j|, a million to ten billion pairs."""
    from transport._kernels.critic_gpu import inf_convolution

    for n, d in ((10**4, 3), (10**5, 3), (10**4, 64)):
        n = max(1, n // shrink)
        rng = cp.random.default_rng(0)
        x, y, h = rng.random((n, d)), rng.random((n, d)), rng.random(n)
        seconds = timed(cp, lambda x=x, y=y, h=h: inf_convolution(x, y, h), repeats)
        yield _row(
            f"critic minimum, {n} x {n}, d={d}", seconds, lambda s, n=n: f"{1e-9 * n * n / s:.0f} Gpairs/s"
        )


def time_line(cp: Any, repeats: int, shrink: int) -> Iterator[Row]:
    """W_1 of 1e7 points on a line."""
    import transport as tp

    n = 10**7 // shrink
    rng = cp.random.default_rng(0)
    x, y = rng.standard_normal(n), rng.standard_normal(n)
    seconds = timed(cp, lambda: tp.wasserstein_1d(x, y), repeats)
    wrong = _deviation(float(tp.wasserstein_1d(x, y)), float(tp.wasserstein_1d(to_numpy(x), to_numpy(y))))
    yield _row(f"transport.wasserstein_1d, {n}", seconds, lambda s: f"{1e-6 * n / s:.0f} Mpoints/s", wrong)


def time_step(cp: Any, repeats: int, shrink: int) -> Iterator[Row]:
    """One GAN step (see bench.step_time)."""
    from bench.step_time import STEPS, ours, ring

    run = ours(cp.asarray(ring()))
    seconds = [s / STEPS for s in timed(cp, run, repeats)]
    yield _row("GAN step, 3 x 256, batch 256, float32", seconds, lambda s: f"{1 / s:.0f} steps/s")


def check_graph(cp: Any, xp: Any) -> Iterator[tuple[str, float, float]]:
    """Twenty steps by a graph against twenty ordinary ones, by their costs."""
    from bench.step_time import ours, ring

    data = cp.asarray(ring())
    yield "GAN step by graph", _deviation(ours(data, capture=True)(), ours(data)()), 2e-2


def time_graph(cp: Any, repeats: int, shrink: int) -> Iterator[Row]:
    """The same GAN step, recorded (`fit(..., capture=True)`)."""
    from bench.step_time import STEPS, ours, ring

    run = ours(cp.asarray(ring()), capture=True)
    run()  # records
    seconds = [s / STEPS for s in timed(cp, run, repeats)]
    yield _row("the same by a CUDA graph", seconds, lambda s: f"{1 / s:.0f} steps/s")


def time_rivals(cp: Any, repeats: int, shrink: int) -> Iterator[Row]:
    """The same GAN step in PyTorch, if it is there and sees the device; every run ends with a look."""
    try:
        import torch
    except ImportError:
        return
    if not torch.cuda.is_available():
        return
    from bench.step_time import STEPS, torch_eager

    for name, options in {
        "PyTorch eager": {},
        "PyTorch, torch.compile": {"compiled": "default"},
        "PyTorch, torch.compile with CUDA graphs": {"compiled": "reduce-overhead"},
    }.items():
        try:
            run = torch_eager(frugal=True, device="cuda", **options)
            run()  # compiles
            seconds = [s / STEPS for s in timed(cp, run, repeats)]
        except Exception as error:  # a rival's trouble is no fault of ours
            yield f"the same, {name}", "", "", f"{type(error).__name__}", ""
            continue
        yield _row(f"the same, {name} {torch.__version__}", seconds, lambda s: f"{1 / s:.0f} steps/s")


CHECKS = {
    "scan": check_scan,
    "critic": check_critic,
    "line": check_line,
    "learning": check_learning,
    "graph": check_graph,
}
TIMES = {
    "scan": (time_divergences,),
    "critic": (time_minimum,),
    "line": (time_line,),
    "learning": (time_step, time_rivals),
    "graph": (time_graph,),
}


def run(cp: Any, xp: Any, repeats: int, shrink: int) -> tuple[list[Row], bool]:
    """All rows of the table, and whether every kernel was right."""
    rows: list[Row] = []
    right = True
    for part, check in CHECKS.items():
        sound = True
        try:
            for name, wrong, allowed in check(cp, xp):
                if not wrong <= allowed:
                    sound = False
                    rows.append((f"WRONG: {name}", "", "", f"allowed {allowed:.0e}", f"{wrong:.1e}"))
            if sound:
                rows.append((f"checks of {part}: passed", "", "", "", ""))
                for measure in TIMES[part]:
                    rows.extend(measure(cp, repeats, shrink))
        except Exception as error:  # one part must not take the others' lease with it
            traceback.print_exc()
            sound = False
            rows.append((f"FAILED: {part}", "", "", f"{type(error).__name__}", ""))
        right &= sound
        cp.get_default_memory_pool().free_all_blocks()
        print(table(rows, HEADER), flush=True)
    return rows, right


def main() -> int:
    """Check, measure, save; 1 if a kernel is wrong, 2 without a GPU."""
    parser = arguments(__doc__, needs=())
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--small", action="store_true", help="a thousandth of the size, twice")
    options = parser.parse_args()
    try:
        import array_api_compat.cupy as xp
        import cupy as cp
    except ImportError as error:
        print(f"bench.gpu needs CuPy ({error}): pip install 'kantorovich[gpu-cuda13]'", file=sys.stderr)
        return 2
    if not cp.cuda.is_available():
        print("bench.gpu needs a CUDA device; CuPy finds none", file=sys.stderr)
        return 2
    properties = cp.cuda.runtime.getDeviceProperties(cp.cuda.Device().id)
    device = properties["name"].decode()
    rows, right = run(cp, xp, 2 if options.small else options.repeats, 1000 if options.small else 1)
    slug = "-".join(device.lower().split()) + ("-small" if options.small else "")
    note = (
        f"`python -m bench.gpu` on one {device}: CuPy {cp.__version__}, CUDA runtime "
        f"{cp.cuda.runtime.runtimeGetVersion()}, driver {cp.cuda.runtime.driverGetVersion()}."
    )
    print(save(f"gpu-{slug}", rows, HEADER, note=note, to=options) or "")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
