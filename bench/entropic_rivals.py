"""Entropic rivals, a process each in its own environment: started by `bench.entropic`, imports none of ours.

Reads lines of JSON {"method", "path", "reg", "stop"}; ``path`` is an .npz with C, a, b or x, y. Answers a
line {"seconds", "error", "value"}: CPU seconds of all threads, compilation excluded; the sum of the
deviations of both marginals of the returned plan, worked out afterwards; the value it reports.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

MOST = 20_000  # iterations
_compiled: dict[Any, Any] = {}


def pot(method: str, data: Any, reg: float, stop: float) -> Callable[[], tuple[Any, float]]:
    """`ot.sinkhorn` by method; the stopping rule is the L2 norm of one marginal's error."""
    import ot

    c, a, b = data["C"], data["a"], data["b"]
    limit = stop / np.sqrt(len(a))
    return lambda: (ot.sinkhorn(a, b, c, reg, method=method, numItermax=MOST, stopThr=limit), np.nan)


def ott(method: str, data: Any, reg: float, stop: float) -> Callable[[], tuple[Any, float]]:
    """OTT's Sinkhorn, in double precision: plain, with automatic momentum, with Anderson acceleration."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    from ott.geometry import geometry
    from ott.problems.linear import linear_problem
    from ott.solvers.linear import acceleration, sinkhorn

    options: dict[str, Any] = {}
    if method == "momentum":
        options["momentum"] = acceleration.Momentum(start=100)
    elif method == "anderson":
        options["anderson"] = acceleration.AndersonAcceleration()
    solver = sinkhorn.Sinkhorn(threshold=stop, max_iterations=MOST, **options)
    c, a, b = (jnp.asarray(data[k]) for k in ("C", "a", "b"))
    problem = linear_problem.LinearProblem(geometry.Geometry(cost_matrix=c, epsilon=reg), a, b)
    key = method, c.shape, reg, stop
    if key not in _compiled:
        _compiled[key] = jax.jit(solver).lower(problem).compile()
    run = _compiled[key]

    def call() -> tuple[Any, float]:
        out = jax.block_until_ready(run(problem))
        return lambda: np.asarray(out.matrix), float(out.reg_ot_cost)

    return call


def geomloss(method: str, data: Any, reg: float, stop: float) -> Callable[[], tuple[Any, float]]:
    """Its cost is half of ours, its blur^2 half of our reg; ``stop`` is its scaling."""
    import torch
    from geomloss import SamplesLoss

    kind = torch.float32 if method == "float32" else torch.float64
    x, y = (torch.tensor(data[k], dtype=kind) for k in ("x", "y"))
    loss = SamplesLoss("sinkhorn", p=2, blur=float(np.sqrt(reg / 2)), scaling=stop, backend="tensorized")
    return lambda: (None, 2.0 * float(loss(x, y)))


def main() -> None:
    """Answer until the input ends."""
    warnings.simplefilter("ignore")
    rival = {"POT": pot, "OTT": ott, "GeomLoss": geomloss}[sys.argv[1]]
    for line in sys.stdin:
        job = json.loads(line)
        answer: dict[str, Any]
        try:
            if "version" in job:
                import importlib.metadata

                name = {"OTT": "ott-jax"}.get(sys.argv[1], sys.argv[1].lower())
                print(json.dumps({"version": importlib.metadata.version(name)}), flush=True)
                continue
            data = np.load(job["path"])
            call = rival(job["method"], data, job["reg"], job["stop"])
            start = time.process_time()
            plan, value = call()
            answer = {"seconds": time.process_time() - start, "value": value, "error": float("nan")}
            if plan is not None:
                plan = plan() if callable(plan) else np.asarray(plan)
                off = np.abs(plan.sum(1) - data["a"]).sum() + np.abs(plan.sum(0) - data["b"]).sum()
                answer["error"] = float(off)
        except Exception as error:
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
