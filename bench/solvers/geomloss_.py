"""GeomLoss on a stored cost: its annealed Sinkhorn as it comes, and with a slower annealing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.solvers import Task, solver


def _samples(scaling: float) -> Callable[[Task], Callable[[], Any]]:
    def prepare(task: Task) -> Callable[[], Any]:
        import torch
        from geomloss import SamplesLoss

        torch.set_num_threads(task.threads)
        n, m = task.matrix.shape
        cost = torch.as_tensor(task.matrix)
        turned = cost.T.contiguous()
        # "points" are their indices, those of the second side negative: which cost is asked for
        look = lambda first, second: (cost if first[0, 0, 0] >= 0 else turned)[None]  # noqa: E731
        loss = SamplesLoss(
            "sinkhorn", p=1, blur=task.reg, scaling=scaling, debias=False, potentials=True,
            backend="tensorized", diameter=1.0, cost=look,
        )  # fmt: skip
        x = torch.arange(n, dtype=torch.float64)[:, None]
        y = -1.0 - torch.arange(m, dtype=torch.float64)[:, None]
        a, b = torch.as_tensor(task.a), torch.as_tensor(task.b)

        def call() -> dict[str, Any]:
            f, g = loss(a, x, b, y)
            f, g = f.detach().numpy().ravel(), g.detach().numpy().ravel()
            plan = np.exp((f[:, None] + g - task.matrix) / task.reg) * task.a[:, None] * task.b
            return {"plan": plan}

        return call

    return prepare


GEOMLOSS = {"package": "geomloss", "claims": "entropic", "kinds": ("entropic",)}
default = solver("GeomLoss", **GEOMLOSS)(_samples(0.5))
slow = solver("GeomLoss, scaling 0.99", **GEOMLOSS)(_samples(0.99))
