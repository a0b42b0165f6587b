"""``python -m generative``: train a GAN, WGAN or VAE, draw from it, explain the theory in pictures."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from generative._run_folder import (
    BEST,
    CHECKPOINT,
    folder_of,
    ink,
    interpolated,
    judged_in_units,
    made,
    pictures,
    read_config,
    real,
    state_in,
    strip_in,
    write_config,
)
from transport.internal import CtrlC, whole
from transport.internal._cli import Parser, guard

if TYPE_CHECKING:
    from generative._fit import Run
    from generative.datasets import Dataset

_EXAMPLES = """examples:
  python -m generative train wgan --data ring --out ring-out
  python -m generative train vae --data mnist --out mnist-out
  python -m generative train gan --data points.npy --out run --steps 20000 --seed 1
  python -m generative train wgan --data ring --out ring-out --resume
  python -m generative sample mnist-out -n 400 --seed 7 --best
  python -m generative evaluate mnist-out
  python -m generative train wgan --data photographs/ --out photographs-out
  python -m generative explain --out figures

exit codes: 0 done; 2 refused or diverged, with the reason; 3 collapsed, with what to change; 130 interrupted
"""
_COLLAPSED = 3  # exit code
_EVALUATIONS, _SHORTEST = 20, 50  # so many in a run, but not closer than so many steps


def _parser() -> Parser:
    from argparse import RawDescriptionHelpFormatter

    parser = Parser(
        prog="python -m generative",
        description="GAN, WGAN and VAE, watched by exact Wasserstein distances to held-out data.",
        epilog=_EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="{train,sample,evaluate,explain}", required=True)
    train = commands.add_parser("train", help="train a model; writes checkpoint and pictures to DIR")
    train.add_argument("model", choices=("gan", "wgan", "vae"), help="what is trained")
    train.add_argument(
        "--data",
        required=True,
        help="ring, grid25, swiss, digits, mnist; a .npy, .npz or IDX file; a folder of pictures",
    )
    train.add_argument("--out", metavar="DIR", required=True, help="for checkpoint, curves and sample sheets")
    train.add_argument("--size", type=int, metavar="PIXELS", help="longer side of your images (at most 64)")
    train.add_argument("--steps", type=int, metavar="N", help="updates in all (default: by model and data)")
    train.add_argument(
        "--minutes", type=float, metavar="M", help="train so long; a trial says how many steps"
    )
    train.add_argument(
        "--batch-size", type=int, metavar="N", help="samples an update (default: by model and data)"
    )
    train.add_argument("--seed", type=int, metavar="S", help="of draws and first weights (default 0)")
    train.add_argument("--loss", choices=("minimax", "non_saturating"), help="of a gan's generator")
    train.add_argument(
        "--lipschitz",
        choices=("clip", "gradient_penalty", "spectral", "groupsort", "semidual"),
        help="how a wgan's critic is held",
    )
    train.add_argument("--beta", type=float, help="weight of a vae's KL term")
    train.add_argument("--conditional", action="store_true", help="learn each label (digits, mnist) apart")
    train.add_argument("--rate", type=float, metavar="X", help="learning rates times X (default 1)")
    train.add_argument("--keep-going", action="store_true", help="train on through a collapse")
    train.add_argument(
        "--unconditional", action="store_true", help="leave labels out (a gan or wgan of images uses them)"
    )
    train.add_argument("--resume", action="store_true", help="go on with the run in DIR")
    sample = commands.add_parser("sample", help="draw from the model in DIR: samples.npy and samples.png")
    sample.add_argument("dir", metavar="DIR")
    sample.add_argument("-n", type=int, default=1000, help="how many (default 1000)")
    sample.add_argument("--seed", type=int, metavar="S", help="default: the run's own")
    sample.add_argument("--label", type=int, metavar="K", help="of a conditional run: only this label")
    sample.add_argument("--out", metavar="FILE.npy", help="default DIR/samples.npy, picture beside it")
    sample.add_argument("--best", action="store_true", help="the best state of the run, not the last")
    sample.add_argument("--interpolate", action="store_true", help="also paths between samples (images)")
    evaluate = commands.add_parser("evaluate", help="judge the model in DIR: a table, and nearest.png")
    evaluate.add_argument("dir", metavar="DIR")
    evaluate.add_argument("-n", type=int, default=2000, help="samples at most (default 2000)")
    evaluate.add_argument("--seed", type=int, metavar="S", default=0)
    evaluate.add_argument("--best", action="store_true", help="the best state of the run, not the last")
    explain = commands.add_parser("explain", help="draw the figures of the lecture notes")
    explain.add_argument("--out", metavar="DIR", default="explain-out")
    return parser


def main(argv: Sequence[str]) -> int:
    """Dispatch."""
    args = _parser().parse_args(argv)
    commands: dict[str, Callable[[Any], int]] = {
        "train": train,
        "sample": sample,
        "evaluate": evaluate,
        "explain": explain,
    }
    return commands[args.command](args)


def explain(args: Any) -> int:
    """All figures, one line about each."""
    from generative._explain import FIGURES

    out = folder_of(args.out)
    for name, draw in FIGURES.items():
        print(f"{out / name}: {draw(out / name)}", flush=True)
    return 0


def train(args: Any) -> int:
    """Train, evaluate, draw, save; again and again until the steps are made."""
    try:
        with CtrlC():
            return _train(args)
    except KeyboardInterrupt:  # outside the steps, which `fit` guards: before them, or between two slices
        if (Path(args.out) / CHECKPOINT).exists():
            print("interrupted; go on with the same command and --resume", flush=True)
        else:
            print("interrupted before the first step; nothing is kept", flush=True)
        return 130


def _train(args: Any) -> int:
    from generative._budget import until
    from generative._fit import Run, fit
    from generative._image_presets import augment
    from generative._plots import pyplot
    from generative._presets import build, in_units, prepared
    from generative._progress import Progress

    started = time.monotonic()
    pyplot()  # a missing library is said before the training, not after it
    config, data = _configured(args)
    out, model = folder_of(args.out), build(config)
    total = args.steps if args.steps is not None else config["steps"]
    if total < 1:
        raise ValueError(f"--steps {total}; give at least 1")
    source = prepared(config, data)
    print(f"read as: {data.reading} ({args.data})", flush=True)
    run: Run | None = None
    if args.resume:
        run = Run.load(out / CHECKPOINT, model, source, augment=augment(config))
        if run.step >= total:
            raise ValueError(f"{out} is at step {run.step} of {total}; give --steps above {run.step}")
    every = min(total, max(_SHORTEST, total // _EVALUATIONS))
    watch = _watching(out, total, keep_going=args.keep_going)
    strip = strip_in(config, out, run.step if run else 0)
    _announce(config, data, total, out)
    write_config(out, config)
    watched: dict[str, Any] = {
        "start": run.step if run else 0,
        "translate": partial(in_units, config),
        "model": type(model).__name__,
    }
    with Progress(total, config["batch_size"], **watched) as progress:
        watch["callback"] = progress if args.minutes is None else until(started + 60 * args.minutes, progress)
        going = True
        while going and (run is None or run.step < total):
            # In slices, so that the pictures grow while it trains; bitwise the same as one long run.
            slice_end = min(((run.step if run else 0) // every + 2) // 2 * 2 * every, total)
            watch["eval_every"] = every if slice_end % every == 0 else slice_end  # the last step always
            if run is None:
                seed, size = config["seed"], config["batch_size"]
                varied: dict[str, Any] = {"augment": augment(config)}
                run = fit(model, source, steps=slice_end, batch_size=size, rng=seed, **varied, **watch)
            else:
                run = run.resume(slice_end - run.step, **watch)
            going = run.status in ("finished", "collapsed") and run.step == slice_end
            _draw(run, config, data, out)
            if strip is not None and run.status != "diverged":
                strip.add(run.step, pictures(made(run, config, 10), config), ink=ink(config))
    assert run is not None
    return _closing(run, config, data, out)


def _watching(out: Path, total: int, *, keep_going: bool) -> dict[str, Any]:
    """Options of `fit` that say where states are kept and when to end."""
    return {
        "checkpoint": out / CHECKPOINT,
        "best": out / BEST,
        "budget": total,
        "on_collapse": "go_on" if keep_going else "stop",
    }


def _announce(config: dict[str, Any], data: Dataset, total: int, out: Path) -> None:
    if config.get("classes", 0):
        print(f"learns {config['classes']} labels apart; --unconditional leaves them out", flush=True)
    print(
        f"{config['model']} on {data.name}: {total} steps of {config['batch_size']}, into {out}", flush=True
    )


def _configured(args: Any) -> tuple[dict[str, Any], Dataset]:
    """The run's config, from the arguments or from DIR, and its data."""
    from generative._budget import steps_within
    from generative._presets import defaults
    from generative.datasets import load

    if args.conditional and args.unconditional:
        raise ValueError("--conditional and --unconditional exclude each other; give one")
    if args.steps is not None and args.minutes is not None:
        raise ValueError(f"--steps {args.steps} and --minutes {args.minutes:g} both say how long; give one")
    given = {
        name: getattr(args, name)
        for name in ("batch_size", "seed", "loss", "lipschitz", "beta", "rate")
        if getattr(args, name) is not None
    }
    size = args.size
    if args.resume and size is None:
        size = read_config(Path(args.out)).get("size")
    data = load(args.data, size=size)
    if args.conditional:
        if data.labels is None:
            raise ValueError(f"--data {args.data} has no labels; leave --conditional out")
        given["classes"] = int(data.labels.max()) + 1
    if args.unconditional:
        given["classes"] = 0
    if args.resume:
        config = read_config(Path(args.out))
        asked = {"model": args.model, **given}
        for name, value in asked.items():
            if config.get(name) != value:
                raise ValueError(
                    f"the run in {args.out} has {name} {config.get(name)!r}, not {value!r}; "
                    "leave it as it is to resume, or start afresh with another --out"
                )
        if data.dim != config["dim"]:
            raise ValueError(f"--data {args.data} has {data.dim} features; the run has {config['dim']}")
        return config, data
    if (Path(args.out) / CHECKPOINT).exists():
        raise ValueError(f"{args.out} already holds a run; add --resume, or choose another --out")
    config = defaults(args.model, data)
    for name, value in given.items():
        if name not in config:
            raise ValueError(f"--{name.replace('_', '-')} does not apply to a {args.model}; leave it out")
        config[name] = value
    if args.size is not None:
        config["size"] = args.size
    if config.get("lipschitz") == "semidual" and config["image"]:
        raise ValueError("--lipschitz semidual is for points, not images; choose another")
    if args.steps is not None:
        config["steps"] = args.steps
    elif args.minutes is not None:
        config["steps"] = steps_within(args.minutes, config, data)
    config["data"] = args.data
    return config, data


def _draw(run: Run, config: dict[str, Any], data: Dataset, out: Path) -> None:
    from generative._plots import draw_history, draw_samples
    from generative._presets import in_units

    n = 100 if config["image"] else 2000
    look = {"image": config["image"], "ink": ink(config)}
    draw_samples(real(data, n), made(run, config, n), out / "samples.png", **look)
    draw_history([in_units(config, record) for record in run.history], out / "history.png")


def _closing(run: Run, config: dict[str, Any], data: Dataset, out: Path) -> int:
    """Say how it ended; the exit code."""
    from generative._presets import in_units
    from generative.datasets import coverage

    if run.status == "interrupted":
        print(f"{run.message.split(';')[0]}; go on with the same command and --resume", flush=True)
        return 130
    if run.status == "diverged":
        raise ValueError(run.message)
    if run.status == "stopped":
        print(f"the time is over after step {run.step} of {config['steps']}; --resume goes on", flush=True)
    measured = next((record for record in reversed(run.history) if "w1" in record), None)
    if measured is not None:
        measured = in_units(config, measured)
        for p in (1, 2):
            value, floor = measured[f"w{p}"], measured[f"w{p}_floor"]
            print(f"exact W{p} to held-out data: {value:.5g}  (real against real: {floor:.5g})")
    if data.centres is not None:
        found = coverage(made(run, config, 10_000), data.centres, sd=data.sd)
        print(
            f"modes {found.modes}/{len(data.centres)}, good samples {100 * found.good:.1f} %, "
            f"reverse KL {found.reverse_kl:.4f}"
        )
    names = ["samples.png", "history.png", *(["progress.png", "training.gif"] if config["image"] else [])]
    print("pictures: " + ", ".join(str(out / name) for name in names))
    if run.status == "collapsed":
        sys.stderr.write(f"error: {run.message}\n")
        return _COLLAPSED
    print(f"next: python -m generative sample {out}; python -m generative evaluate {out}")
    return 0


def sample(args: Any) -> int:
    """Draw, write, show."""
    from generative._fit import Run
    from generative._plots import draw_samples
    from generative._presets import build, stored
    from generative.datasets import load

    folder = Path(args.dir)
    config = read_config(folder)
    if args.n < 1:
        raise ValueError(f"-n {args.n}; give at least 1")
    run = Run.load(state_in(folder, best=args.best), build(config))
    classes = config.get("classes", 0)
    labels = np.arange(args.n) % classes if classes else None  # a sheet of ten columns has a digit in each
    if args.label is not None:
        if not 0 <= args.label < classes:
            known = f"labels are 0 to {classes - 1}" if classes else "the run is not conditional"
            raise ValueError(f"--label {args.label}; {known}")
        labels = np.full(args.n, args.label)
    drawn = made(run, config, args.n, seed=args.seed, labels=labels)
    target = Path(args.out) if args.out else folder / "samples.npy"
    if target.suffix != ".npy":
        raise ValueError(f"--out {target}: give a name that ends in .npy")
    image = config["image"]
    kept = stored(config, drawn)
    with whole(target) as file:
        np.save(file, kept)
    print(f"{target}: {args.n} samples of shape {kept.shape[1:]}, {kept.dtype}")
    if labels is not None:
        beside = target.with_name(f"{target.stem}-labels.npy")
        np.save(beside, labels)
        print(f"{beside}: the label that each was asked for")
    try:
        data = real(load(config["data"], size=config.get("size")), len(drawn))
    except ValueError:  # the file it was trained on has moved: draw the samples alone
        data = drawn
    look = {"image": image, "ink": ink(config)}
    picture = draw_samples(data, drawn[:5000], target.with_suffix(".png"), **look)
    print(f"{picture}: {'a sheet of them' if image else 'where they lie'}, beside the data")
    if args.interpolate:
        print(f"{interpolated(run, config, args.seed, target)}: paths between samples")
    return 0


def evaluate(args: Any) -> int:
    """Judge, say, write, show the nearest training images."""
    from generative._fit import Run
    from generative._presets import build, prepared
    from generative._sheets import neighbours, save_page
    from generative.datasets import load

    folder = Path(args.dir)
    config = read_config(folder)
    if args.n < 12:
        raise ValueError(f"-n {args.n}; give at least 12")
    data = load(config["data"], size=config.get("size"))
    run = Run.load(state_in(folder, best=args.best), build(config), prepared(config, data))
    found = judged_in_units(run, config, args.n, args.seed)
    print(found)
    figures = {"values": found.values, "floors": found.floors, "errors": found.errors, "n": found.n}
    report = folder / "evaluation.json"
    with whole(report) as file:
        file.write_text(json.dumps({**figures, "step": run.step, "features": found.space}, indent=1) + "\n")
    print(f"{report}: these figures")
    if config["image"]:
        order = np.argsort(found.distances)[:50]
        sheet = neighbours(found.samples[order], found.training, found.nearest[order])
        path = save_page(sheet, folder / "nearest.png", columns=10, ink=ink(config))
        print(f"{path}: the samples nearest to a training image, each above it")
    return 0


def run() -> int:
    """The console script ``kantorovich-generative``."""
    return guard(main, sys.argv[1:])


if __name__ == "__main__":
    raise SystemExit(run())
