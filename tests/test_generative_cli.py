"""`python -m generative` as a person uses it, the data sets it offers, and the figures it draws."""

from __future__ import annotations

import gzip
import json
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from generative import _explain, _presets, datasets
from generative.__main__ import main
from generative._progress import Progress
from transport.internal._cli import guard

ROOT = Path(__file__).parent.parent
STEPS = ["--steps", "20", "--batch-size", "32"]


def cli(*args):
    """Exit code of the command, run in this process."""
    return guard(main, [str(arg) for arg in args])


def fails(capsys, *args, match):
    capsys.readouterr()
    try:
        code = cli(*args)
    except SystemExit as stop:  # argparse
        code = stop.code
    err = capsys.readouterr().err
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1, "one line"
    assert match in err


# ---- data sets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "sd", "count"), [("ring", 0.01, 8), ("grid25", 0.05, 25)])
def test_mixtures_have_their_modes_and_spread(name, sd, count):
    data = datasets.load(name)
    x = data.source(np.random.default_rng(0), 40_000)
    gaps = x[:, None] - data.centres
    nearest = np.argmin(np.linalg.norm(gaps, axis=2), axis=1)
    assert len(data.centres) == count
    np.testing.assert_allclose(np.bincount(nearest) / len(x), 1 / count, rtol=0.12)
    residual = gaps[np.arange(len(x)), nearest]
    np.testing.assert_allclose(residual.std(axis=0), sd, rtol=0.02)
    assert abs(residual.mean()) < sd / 50


def test_named_geometry():
    np.testing.assert_allclose(np.linalg.norm(datasets.ring_centres(), axis=1), 1)
    assert {tuple(c) for c in datasets.grid_centres()} == {
        (a, b) for a in (-4, -2, 0, 2, 4) for b in (-4, -2, 0, 2, 4)
    }
    roll = datasets.swiss(np.random.default_rng(0), 5000)
    radius, angle = np.linalg.norm(roll, axis=1), np.arctan2(roll[:, 1], roll[:, 0])
    # On the roll the radius times 10 is the angle, up to whole turns.
    turns = (10 * radius - angle) / (2 * np.pi)
    off = np.abs(turns - np.rint(turns)) * 2 * np.pi
    assert np.median(off) < 0.3
    assert 0.4 < radius.min() < radius.max() < 1.5


def test_coverage_counts_modes_good_samples_and_imbalance():
    centres, rng = datasets.ring_centres(), np.random.default_rng(0)
    exact = datasets.coverage(datasets.ring(rng, 50_000), centres, sd=0.01)
    # A planar normal lies within 3 sd with probability 1 - exp(-9/2).
    assert exact.modes == 8
    assert exact.good == pytest.approx(1 - np.exp(-4.5), abs=0.003)
    assert exact.reverse_kl < 1e-3
    collapsed = datasets.coverage(np.tile(centres[3], (10, 1)), centres, sd=0.01)
    assert (collapsed.modes, collapsed.good) == (1, 1.0)
    assert collapsed.reverse_kl == pytest.approx(np.log(8))
    half = datasets.coverage(np.concatenate([centres[:4], centres[:4] * 1.2]), centres, sd=0.01)
    assert (half.modes, half.good) == (4, 0.5)
    assert half.reverse_kl == pytest.approx(np.log(2))


def test_shipped_digits():
    images, labels = datasets.mnist()
    assert images.shape == (10_000, 28, 28)
    assert set(labels) == set(range(10))
    data = datasets.load("mnist")
    assert (data.dim, data.image) == (784, (28, 28))
    assert (data.source.min(), data.source.max()) == (0.0, 1.0)


def test_digits_without_scikit_learn_are_block_averages(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    small, labels = datasets.digits()
    images, _ = datasets.mnist()
    assert small.shape == (10_000, 8, 8)
    assert len(labels) == 10_000
    # Block (3, 4) of the framed image covers rows 12..15 and columns 16..19, two pixels of it frame.
    block = images[:, 10:14, 14:18].astype(float).mean(axis=(1, 2))
    np.testing.assert_array_equal(small[:, 3, 4], np.rint(block * 16 / 255))
    assert datasets.load("digits").levels == 17


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(("code", "dtype"), [(8, ">u1"), (11, ">i2"), (13, ">f4")])
def test_idx_files(tmp_path, zipped, code, dtype):
    array = np.random.default_rng(0).integers(0, 100, (5, 3, 4))
    raw = bytes([0, 0, code, 3]) + struct.pack(">3I", 5, 3, 4) + array.astype(dtype).tobytes()
    path = tmp_path / "images-idx3"
    path.write_bytes(gzip.compress(raw) if zipped else raw)
    found = datasets.read_idx(path)
    np.testing.assert_array_equal(found, array)
    assert datasets.load(str(path)).image == (3, 4)
    path.write_bytes(raw[:-1])
    with pytest.raises(ValueError, match="damaged"):
        datasets.load(str(path))
    path.write_bytes(gzip.compress(raw)[:-9])
    with pytest.raises(ValueError, match="cannot read"):
        datasets.load(str(path))


def test_npy_files(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.full((4, 2, 2), 51, dtype=np.uint8))
    data = datasets.load(str(path))
    assert data.image == (2, 2)
    np.testing.assert_array_equal(data.source, 0.2)
    np.save(path, np.array([{"a": 1}, None], dtype=object))
    with pytest.raises(ValueError, match="cannot read"):  # never unpickled
        datasets.load(str(path))
    np.save(path, np.array([1.0, np.nan, 2.0]))
    with pytest.raises(ValueError, match="nan in sample 1"):
        datasets.load(str(path))
    np.save(path, np.array(["a", "b"]))
    with pytest.raises(ValueError, match="not real numbers"):
        datasets.load(str(path))


# ---- train, resume, sample --------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "data"), [("gan", "swiss"), ("wgan", "ring"), ("vae", "digits")])
def test_train_then_sample(tmp_path, capsys, model, data):
    out = tmp_path / "run"
    assert cli("train", model, "--data", data, "--out", out, *STEPS) == 0
    said = capsys.readouterr()
    assert "exact W1 to held-out data" in said.out
    assert "samples/s" in said.err
    assert ("modes" in said.out) == (data == "ring")
    for name in ("samples.png", "history.png"):
        assert (out / name).stat().st_size > 10_000
    assert cli("sample", out, "-n", "7") == 0
    made = np.load(out / "samples.npy", allow_pickle=False)
    assert made.shape == ((7, 8, 8) if data == "digits" else (7, 2))
    assert np.isfinite(made).all()
    if data == "digits":  # categorical levels, back in the units of the data
        assert set(np.unique(made * 16)) <= set(range(17))
    cli("sample", out, "-n", "7", "--seed", "5", "--out", tmp_path / "other.npy")
    assert not np.array_equal(made, np.load(tmp_path / "other.npy"))
    assert (tmp_path / "other.png").exists()
    assert np.array_equal(made, np.load(out / "samples.npy"))


@pytest.mark.parametrize(("model", "steps"), [("gan", "3"), ("wgan", "3"), ("vae", "150")])
def test_conditional_runs_make_the_label_asked_for(tmp_path, capsys, model, steps, monkeypatch):
    # Two kinds of image, told apart by their brightness alone: label 0 dark, label 1 bright.
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 2
    x = np.clip(0.1 + 0.8 * labels[:, None] + 0.02 * rng.standard_normal((600, 9)), 0, 1)
    made = datasets.Dataset("made", x, 9, image=(3, 3), labels=labels)
    monkeypatch.setattr(datasets, "load", lambda name, size=None: made)
    train = ["train", model, "--data", "made", "--out", tmp_path, "--steps", steps, "--conditional"]
    assert cli(*train, "--batch-size", "32") == 0
    sheets = []
    for label in (0, 1):
        assert cli("sample", tmp_path, "-n", "50", "--label", label) == 0
        sheets.append(np.load(tmp_path / "samples.npy"))
        assert np.array_equal(np.load(tmp_path / "samples-labels.npy"), np.full(50, label))
    assert not np.array_equal(*sheets), "the same draws of z, so only the label can tell them apart"
    if model == "vae":  # the two others need thousands of steps
        assert sheets[1].mean() > sheets[0].mean() + 0.25
    fails(capsys, "sample", tmp_path, "--label", "2", match="--label 2; labels are 0 to 1")


def test_small_data_are_not_learned_by_heart():
    def epochs(name):
        data = datasets.load(name)
        config = _presets.defaults("vae", data)
        return config["steps"] * config["batch_size"] / len(data.source)

    assert 30 < epochs("digits") < 65


def test_a_run_in_slices_is_the_run_in_one_piece(tmp_path):
    """The pictures between slices, and a resumption, leave no trace in the parameters."""
    from generative import fit

    out = tmp_path / "run"
    cli("train", "gan", "--data", "ring", "--out", out, "--steps", "30", "--batch-size", "16", "--seed", "3")
    cli("train", "gan", "--data", "ring", "--out", out, "--steps", "40", "--resume")
    config = json.loads((out / "config.json").read_text())
    whole = fit(_presets.build(config), datasets.ring, steps=40, batch_size=16, rng=3)
    with np.load(out / "checkpoint.npz", allow_pickle=False) as saved:
        np.testing.assert_array_equal(saved["generator/params"], whole.state["generator"]["params"])


def test_files_come_back_in_their_own_units(tmp_path, capsys):
    # Far from the origin and large: the net sees it standardised, the user does not.
    path, out = tmp_path / "far.npy", tmp_path / "run"
    x = 1e6 + 1e3 * np.random.default_rng(0).standard_normal((400, 3))
    np.save(path, x)
    assert cli("train", "vae", "--data", path, "--out", out, *STEPS) == 0
    said = capsys.readouterr().out
    floor = float(said.split("real against real: ")[1].split(")")[0])
    assert 100 < floor < 3000  # in units of the file: a fraction of 1e3, not of 1
    cli("sample", out, "-n", "200")
    made = np.load(out / "samples.npy")
    assert abs(made.mean() - 1e6) < 1e3
    assert 100 < made.std() < 1e4
    path.unlink()  # sampling does not need the data
    assert cli("sample", out, "-n", "5") == 0


def test_interrupt_saves_and_resume_goes_on(tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "generative", "train", "gan", "--data", "ring", "--out", str(out)]
    process = subprocess.Popen(
        [*command, "--steps", "2000", "--batch-size", "16"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr.readline().startswith("step 100/2000"), "the first measurement: it is training"
    process.send_signal(signal.SIGINT)
    said, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "--resume" in said
    reached = _saved(out)["step"]
    assert 100 <= reached < 2000
    again = ["train", "gan", "--data", "ring", "--out", out, "--resume", "--steps", reached + 10]
    assert cli(*again) == 0
    assert _saved(out)["step"] == reached + 10


def _saved(out):
    with np.load(out / "checkpoint.npz", allow_pickle=False) as saved:
        return json.loads(saved["meta"].tobytes())["meta"]


def _interrupting(calls):
    """A function that interrupts at its last call of ``calls``."""
    count = iter(range(calls, 0, -1))

    def call(*args, **options):
        if next(count) == 1:
            raise KeyboardInterrupt

    return call


def test_interrupts_outside_the_steps(tmp_path, capsys, monkeypatch):
    """In set-up there is nothing to keep and the command can be given again; between slices all is kept."""
    command = ["train", "gan", "--data", "ring", "--out", tmp_path, "--steps", "150", "--batch-size", "8"]
    with monkeypatch.context() as patch:
        patch.setattr(_presets, "build", _interrupting(1))
        assert cli(*command) == 130
    said = capsys.readouterr()
    assert said.out == "interrupted before the first step; nothing is kept\n"
    assert said.err == ""
    with monkeypatch.context() as patch:
        patch.setattr("generative.__main__._draw", _interrupting(1))
        assert cli(*command) == 130
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == "interrupted; go on with the same command and --resume"
    assert _saved(tmp_path)["step"] == 100
    assert cli(*command, "--resume") == 0
    assert _saved(tmp_path)["step"] == 150


def test_divergence_is_an_error_that_says_so(tmp_path, capsys, monkeypatch):
    from generative import GAN, MLP, SGD

    wild = GAN(MLP(2, 8, 2), MLP(2, 8, 1), generator_optimizer=SGD(1e12), discriminator_optimizer=SGD(1e12))
    monkeypatch.setattr(_presets, "build", lambda config: wild)
    fails(capsys, "train", "gan", "--data", "ring", "--out", tmp_path, *STEPS, match="diverged at step")


# ---- refusals ---------------------------------------------------------------------------------------


def test_refusals_are_one_line_with_the_remedy(tmp_path, capsys):
    out = tmp_path / "run"
    train = ["train", "gan", "--data", "ring", "--out", out]
    fails(capsys, "train", "diffusion", "--data", "ring", "--out", out, match="invalid choice")
    fails(capsys, "train", "gan", "--data", "nowhere.npy", "--out", out, match="neither a file nor one of")
    fails(capsys, *train, "--steps", "0", match="--steps 0; give at least 1")
    fails(capsys, *train, "--batch-size", "0", match="batch_size = 0")
    fails(capsys, *train, "--lipschitz", "clip", match="does not apply to a gan")
    images = ["train", "wgan", "--data", "digits", "--out", out, "--lipschitz", "semidual"]
    fails(capsys, *images, match="for points, not images")
    fails(capsys, *train, "--resume", match="holds no run")
    fails(capsys, "sample", out, match="holds no run")
    assert cli(*train, *STEPS) == 0
    fails(capsys, *train, match="already holds a run; add --resume")
    fails(capsys, *train, "--resume", match="give --steps above 20")
    fails(capsys, *train, "--conditional", match="--data ring has no labels")
    fails(capsys, *train, "--conditional", "--unconditional", match="exclude each other")
    fails(capsys, *train, "--steps", "9", "--minutes", "1", match="both say how long; give one")
    fails(capsys, "sample", out, "--label", "1", match="the run is not conditional")
    fails(capsys, *train, "--resume", "--steps", "30", "--seed", "9", match="seed 0, not 9")
    fails(capsys, "train", "wgan", "--data", "ring", "--out", out, "--resume", match="model 'gan'")
    fails(capsys, "sample", out, "--out", "x.txt", match="ends in .npy")
    fails(capsys, "sample", out, "-n", "0", match="at least 1")
    checkpoint = out / "checkpoint.npz"
    whole = bytearray(checkpoint.read_bytes())
    whole[len(whole) // 2] ^= 1
    checkpoint.write_bytes(whole)
    fails(capsys, "sample", out, match="damaged")
    (out / "config.json").write_text('{"model": "gan"}')
    fails(capsys, "sample", out, match="config.json is damaged")
    taken = tmp_path / "file"
    taken.write_text("")
    fails(capsys, "explain", "--out", taken, match="is a file")


def test_help_shows_examples():
    done = subprocess.run(
        [sys.executable, "-m", "generative", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert "train wgan --data ring" in done.stdout


# ---- progress ---------------------------------------------------------------------------------------


def test_progress_lines_and_bar(capsys, monkeypatch):
    records = [{"step": 10.0, "value": -1.25}, {"step": 20.0, "value": -1.5, "w1": 0.5, "w1_floor": 0.25}]

    def double(record):
        return {k: 2 * v if k.startswith("w1") else v for k, v in record.items()}

    with Progress(20, 64, translate=double) as progress:
        for record in records:
            progress(record)
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "step 20/20  value -1.5  W₁ 1 (floor 0.5)" in err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setitem(os.environ, "COLUMNS", "120")
    with Progress(20, 64) as progress:
        assert progress.bar is not None
        for record in records:
            progress(record)
        assert progress.bar.tasks[0].completed == 20
        assert "W₁ 0.5" in progress.bar.tasks[0].fields["facts"]


# ---- figures ----------------------------------------------------------------------------------------


def test_explain_draws_every_figure(tmp_path, capsys, monkeypatch):
    short = _explain.train_discriminator
    monkeypatch.setattr(_explain, "train_discriminator", lambda p, q: short(p, q, steps=40))
    assert cli("explain", "--out", tmp_path) == 0
    said = capsys.readouterr().out
    assert len(said.splitlines()) == len(_explain.FIGURES) == 3
    for name in _explain.FIGURES:
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"
        assert (tmp_path / name).stat().st_size > 40_000
    assert "1.3863 = 2 log 2" in said


def test_parallel_lines_in_numbers():
    for theta in (-0.7, 1e-9, 0.4):
        assert _explain._line_distances(theta) == pytest.approx((abs(theta), 2 * np.log(2), 1.0), rel=1e-12)
    assert _explain._line_distances(0.0) == (0.0, 0.0, 0.0)


def test_trained_discriminator_reaches_the_optimum():
    # N(0, 1) against N(1, 1): D*(x) = sigmoid(1/2 - x), value -log 4 + JS = -1.16345139675041826.
    from scipy.special import expit

    from generative import variational as gv

    p, q = gv.Mixture([1], [0], [1]), gv.Mixture([1], [1], [1])
    trained = _explain.train_discriminator(p, q, steps=800)
    x = np.linspace(-8, 9, 3401)[:, None]
    mass_p, mass_q = np.exp(p.logpdf(x)) * 0.005, np.exp(q.logpdf(x)) * 0.005
    d = trained(x)
    assert 0.5 * (mass_p + mass_q) @ np.abs(d - expit(0.5 - x[:, 0])) < 0.02
    value = mass_p @ np.log(d) + mass_q @ np.log1p(-d)
    assert value == pytest.approx(-1.16345139675041826, rel=0.01)
    assert value < -1.16345139675041826  # no discriminator beats D*
