"""Pictures of image models, paths between samples, and the commands that make them."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from models import Stuck

import generative as gen
from generative import _presets, _sheets
from generative.__main__ import main
from generative._latent import made_of, paths
from generative._progress import Progress
from transport.internal._cli import guard

Image = pytest.importorskip("PIL.Image")


def cli(*args):
    return guard(main, [str(arg) for arg in args])


def test_page_holds_every_pixel_where_it_belongs():
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 20, 3), dtype=np.uint8)
    page = _sheets.page(images, 3)
    assert page.shape == (2 * 58 + 2, 3 * 42 + 2, 3)
    np.testing.assert_array_equal(page[2:58:2, 2:42:2], images[0])
    np.testing.assert_array_equal(page[61:116:2, 45:84:2], images[4])
    assert (page[60:, 86:] == 128).all(), "the place of a sixth image is empty"
    assert _sheets.in_bytes(np.array([-1.0, 0.5, 2.0]), ink=True).tolist() == [255, 127, 0]


def test_neighbours_lie_below_their_samples():
    training = np.arange(30.0).reshape(30, 1, 1) / 30
    sheet = _sheets.neighbours(training[[4, 7, 9]] + 0.001, training, np.array([4, 7, 9]), columns=2)
    right = [4.03, 7.03, 4, 7, 9.03, 15, 9, 15]
    assert (30 * sheet[:, 0, 0]).tolist() == pytest.approx(right)


def test_strip_grows_is_cut_when_resumed_and_survives_damage(tmp_path):
    strip = _sheets.Strip(tmp_path)
    for step in (50, 100, 150):
        strip.add(step, np.full((12, 8, 8), step / 200))
    again = _sheets.Strip(tmp_path, 100)
    again.add(120, np.ones((12, 8, 8)))
    assert again.steps.tolist() == [50, 100, 120]
    assert again.frames[:, 0, 0, 0].tolist() == [64, 128, 255]
    with Image.open(tmp_path / "training.gif") as film:
        assert film.n_frames == 3
    with Image.open(tmp_path / "progress.png") as picture:
        assert picture.size == (3 * 58 + 2, 10 * 58 + 2)
    (tmp_path / "strip.npz").write_bytes(b"damaged")
    assert _sheets.Strip(tmp_path, 100).frames is None


MODELS = [
    gen.GAN(gen.MLP(3, 8, 4), gen.MLP(4, 8, 1)),
    gen.GAN(gen.MLP(5, 8, 4), gen.MLP(6, 8, 1), classes=2, latent="uniform"),
    gen.VAE(gen.MLP(4, 8, 6), gen.MLP(3, 8, 4), likelihood="bernoulli"),
    gen.VAE(gen.MLP(4, 8, 6), gen.MLP(3, 8, 4)),
    gen.VAE(gen.MLP(4, 8, 6), gen.MLP(3, 8, 8), likelihood="categorical", levels=2),
]


@pytest.mark.parametrize("model", MODELS, ids=["gan", "conditional", "bernoulli", "gaussian", "categorical"])
def test_paths_join_samples_smoothly(model):
    rng = np.random.default_rng(0)
    x = (rng.random((60, 4)) > 0.5).astype(float)
    data = (x, np.arange(60) % 2) if getattr(model, "classes", 0) else x
    run = gen.fit(model, data, steps=3, batch_size=16)
    made = paths(run, 4, 9)
    assert made.shape == (4, 9, 4)
    assert np.isfinite(made).all()
    steps = np.linalg.norm(np.diff(made, axis=1), axis=2)
    assert steps.max() < np.linalg.norm(made[:, -1] - made[:, 0], axis=1).max() + 0.1
    np.testing.assert_array_equal(made, paths(run, 4, 9))
    assert not np.array_equal(made, paths(run, 4, 9, rng=5))


def test_made_of_gan_is_its_generator():
    run = gen.fit(MODELS[0], np.random.default_rng(0).random((60, 4)), steps=1)
    z = np.random.default_rng(1).normal(size=(5, 3))
    entry = run.state["generator"]
    right, _ = MODELS[0].generator.apply(MODELS[0].maker.views(entry), z.astype(np.float32), entry["state"])
    np.testing.assert_allclose(made_of(run, z), right, rtol=1e-5)


def test_the_commands(tmp_path, capsys):
    out = tmp_path / "run"
    train = ["train", "vae", "--data", "digits", "--out", out, "--batch-size", "32"]
    assert cli(*train, "--steps", "120") == 0
    said = capsys.readouterr()
    assert "training.gif" in said.out
    assert " s left" in said.err
    for name in ("best.npz", "progress.png", "training.gif", "strip.npz"):
        assert (out / name).exists()
    assert cli("sample", out, "-n", "7", "--best", "--interpolate") == 0
    assert (out / "interpolation.png").exists()
    assert cli("evaluate", out, "-n", "100") == 0
    said = capsys.readouterr().out
    for part in ("real against real", "precision", "Fréchet distance", "labels, model", "nearest.png"):
        assert part in said
    found = json.loads((out / "evaluation.json").read_text())
    assert found["n"] == 100
    assert 0 <= found["values"]["recall"] <= 1
    assert found["values"]["w1"] == pytest.approx(found["floors"]["w1"], rel=0.6), "in the units of the data"
    (out / "best.npz").unlink()
    assert cli("sample", out, "--best") == 2
    assert "leave --best out" in capsys.readouterr().err


def test_points_are_evaluated_in_their_own_units(tmp_path, capsys):
    path, out = tmp_path / "far.npy", tmp_path / "run"
    np.save(path, 1e6 + 1e3 * np.random.default_rng(0).standard_normal((400, 3)))
    assert cli("train", "gan", "--data", path, "--out", out, "--steps", "20", "--batch-size", "32") == 0
    assert cli("evaluate", out) == 0
    found = json.loads((out / "evaluation.json").read_text())
    assert 100 < found["floors"]["w1"] < 3000
    assert not (out / "nearest.png").exists()
    assert cli("sample", out, "--interpolate") == 2
    assert "for images" in capsys.readouterr().err
    assert cli("evaluate", tmp_path / "nothing") == 2
    assert cli("evaluate", out, "-n", "3") == 2


def test_collapse_is_said_and_is_the_exit_code(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(_presets, "build", lambda config: Stuck())
    train = ["train", "gan", "--data", "ring", "--out", tmp_path, "--steps", "1500"]
    assert cli(*train) == 3
    said = capsys.readouterr().err
    lines = [line for line in said.splitlines() if "collapsed at step" in line]
    assert len(lines) == 2, "when it is seen, and at the end"
    assert lines[-1].startswith("error: collapsed at step 10")
    assert "learning rate" in lines[-1]
    seen = [line for line in said.splitlines() if line.startswith("step ")]
    assert all(int(line.split()[1].split("/")[0]) <= 250 for line in seen), "it ends soon after"
    assert cli(*train, "--resume", "--keep-going", "--steps", "300") == 3
    assert "step 300/300" in capsys.readouterr().err


def test_collapse_and_recovery_are_told_once(capsys):
    with Progress(100, 8, model="GAN") as progress:
        for step in range(10, 60, 10):
            record = {"step": float(step), "energy_ratio": 2.0, "spread": 0.0}
            progress(record | ({"collapsed": 10.0} if 20 <= step <= 40 else {}))
    said = capsys.readouterr().err
    assert said.count("collapsed at step 10") == 1
    assert said.count("recovered at step 50") == 1


def test_rates_are_refused_below_zero(tmp_path, capsys):
    assert cli("train", "gan", "--data", "ring", "--out", tmp_path, "--rate", "-1") == 2
    assert "positive" in capsys.readouterr().err


def test_without_pillow_the_remedy_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ValueError, match="pip install"):
        _sheets.save_page(np.zeros((1, 2, 2)), None, columns=1)
