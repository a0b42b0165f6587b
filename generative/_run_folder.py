"""The folder of a run: its config, its states, and what is drawn of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from transport.internal import whole

if TYPE_CHECKING:
    from generative._evaluate import Evaluation
    from generative._fit import Run
    from generative._sheets import Strip
    from generative.datasets import Dataset

CONFIG, CHECKPOINT, BEST = "config.json", "checkpoint.npz", "best.npz"
Config = dict[str, Any]


def real(data: Dataset, n: int) -> np.ndarray:
    """``n`` real samples as rows."""
    rng = np.random.default_rng(0)
    if callable(data.source):
        return data.source(rng, n)
    return data.source[rng.permutation(len(data.source))[:n]]


def made(
    run: Run, config: Config, n: int, *, seed: int | None = None, labels: np.ndarray | None = None
) -> np.ndarray:
    """Samples as rows, in the units of the data."""
    from generative._presets import shown

    return shown(config, np.asarray(run.sample(n, rng=seed, labels=labels)).astype(np.float64).reshape(n, -1))


def state_in(folder: Path, *, best: bool) -> Path:
    """The file of the last state, or of the best."""
    if not best:
        return folder / CHECKPOINT
    if not (folder / BEST).exists():
        raise ValueError(f"{folder} keeps no best state: none was measured yet; leave --best out")
    return folder / BEST


def ink(config: Config) -> bool:
    """Whether images are drawn dark on white."""
    return config.get("data") in ("digits", "mnist")


def pictures(rows: np.ndarray, config: Config) -> np.ndarray:
    """Samples or data as images in [0, 1]; samples of the model as `made` gives them."""
    return rows.reshape(len(rows), *config["image"])


def strip_in(config: Config, out: Path, step: int) -> Strip | None:
    """The film of a run of images, as far as ``step``."""
    from generative._sheets import Strip

    return Strip(out, step) if config["image"] else None


def interpolated(run: Run, config: Config, seed: int | None, target: Path) -> Path:
    """The sheet of paths between samples, beside ``target``."""
    from generative._latent import paths
    from generative._presets import shown
    from generative._sheets import save_page

    if not config["image"]:
        raise ValueError("--interpolate is for images; leave it out")
    rows, columns = 8, 10
    made = paths(run, rows, columns, rng=seed).reshape(rows * columns, -1)
    path = target.with_name("interpolation.png")
    return save_page(pictures(shown(config, made), config), path, columns=columns, ink=ink(config))


def judged_in_units(run: Run, config: Config, n: int, seed: int) -> Evaluation:
    """`generative.evaluate` of a run with its data, in the units of the data."""
    from generative._evaluate import evaluate, judged
    from generative._monitor import as_rows
    from generative._presets import shown

    source = run.source
    assert source is not None
    if source.sampler is not None:
        return evaluate(made(run, config, n, seed=seed), source.sampler, n=n, rng=seed)
    held, training = (shown(config, as_rows(x)) for x in (source.held, source.train))
    count = min(n, len(held))
    asked = None
    if config.get("classes", 0) and source.labels is not None:
        asked = np.random.default_rng(seed).choice(source.labels, count)
    rows = made(run, config, count, seed=seed, labels=asked)
    shape = tuple(config["image"] or (config["dim"],))
    return judged(rows, held, training, labels=source.labels, asked=asked, shape=shape)


def folder_of(name: str) -> Path:
    """The folder, made if it is not there."""
    out = Path(name)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ValueError(f"--out {out} is a file; give a folder") from None
    return out


def write_config(out: Path, config: Config) -> None:
    """The config as JSON."""
    with whole(out / CONFIG) as file:
        file.write_text(json.dumps(config, indent=1) + "\n")


def read_config(folder: Path) -> Config:
    """The config of the run in ``folder``, checked."""
    from generative._presets import build

    path = folder / CONFIG
    if not (path.exists() and (folder / CHECKPOINT).exists()):
        raise ValueError(
            f"{folder} holds no run; make one with: python -m generative train ... --out {folder}"
        )
    try:
        config = json.loads(path.read_text())
        build(config)
        config["data"], config["origin"], config["length"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # the last: JSON, but no object
        raise ValueError(
            f"{path} is damaged ({type(error).__name__}: {error}); restore it, or train into another --out"
        ) from None
    return config
