"""Small maps of images against NumPy's own turns and shifts; runs with them resume bitwise."""

from __future__ import annotations

import numpy as np
import pytest

import generative as gen
from generative._augment import Affine, moved
from generative._data import Source
from generative._random import key_of

X = np.random.default_rng(0).random((3, 6, 6, 2))
SAME = np.broadcast_to(np.eye(2), (3, 2, 2))


def test_nothing_moves_without_a_map():
    np.testing.assert_allclose(moved(X, SAME, np.zeros((3, 2))), X, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(Affine(0.0, 0.0, 0.0, 0.0)(X, np.random.default_rng(1)), X)


def test_quarter_turns_are_numpys():
    turn = np.broadcast_to(np.array([[0.0, -1.0], [1.0, 0.0]]), (3, 2, 2))
    np.testing.assert_allclose(moved(X, turn, np.zeros((3, 2))), np.rot90(X, -1, axes=(1, 2)), atol=1e-14)


def test_shifts_by_whole_and_half_pixels():
    down = moved(X, SAME, np.tile([2.0, 0.0], (3, 1)))
    np.testing.assert_allclose(down[:, :4], X[:, 2:], atol=1e-14)
    np.testing.assert_allclose(down[:, 4:], np.repeat(X[:, 5:], 2, axis=1), atol=1e-14)  # the edge goes on
    half = moved(X, SAME, np.tile([0.0, -0.5], (3, 1)))
    np.testing.assert_allclose(half[:, :, 1:], (X[:, :, :-1] + X[:, :, 1:]) / 2, atol=1e-14)


def test_stretching_and_shear_of_a_plane_are_linear():
    # On the image whose value is its row (column), bilinear interpolation is exact.
    plane = np.indices((41, 41)).transpose(1, 2, 0)[None] - 20.0
    stretch = np.array([[[0.5, 0.25], [0.1, 0.8]]])
    made = moved(plane, stretch, np.array([[1.0, -2.0]]))
    np.testing.assert_allclose(made, plane @ stretch[0].T + [1.0, -2.0], atol=1e-12)


def test_draws_stay_within_what_was_asked_for():
    plane = np.broadcast_to(np.indices((21, 21)).transpose(1, 2, 0) - 10.0, (400, 21, 21, 2))
    middle = Affine(shift=3.0, angle=0.2, zoom=0.1, shear=0.1)(plane, np.random.default_rng(2))[:, 10, 10]
    assert 2.8 < np.abs(middle).max() <= 3.0
    assert np.abs(middle.mean(axis=0)).max() < 0.4
    turned = Affine(0.0, 0.2, 0.0, 0.0)(plane, np.random.default_rng(3))
    ahead = turned[:, 10, 15] - turned[:, 10, 10]
    np.testing.assert_allclose(np.linalg.norm(ahead, axis=1), 5, rtol=1e-12)
    assert 0.19 < np.abs(np.arctan2(ahead[:, 0], ahead[:, 1])).max() <= 0.2


def test_type_range_and_input_are_kept():
    x = X.astype(np.float32)
    before = x.copy()
    made = Affine(2.0, 0.5, 0.3, 0.3)(x, np.random.default_rng(4))
    assert made.dtype == np.float32
    assert x.min() - 1e-6 <= made.min() <= made.max() <= x.max() + 1e-6
    np.testing.assert_array_equal(x, before)


def test_refusals():
    with pytest.raises(ValueError, match=r"images \(n, h, w, c\)"):
        Affine()(np.zeros((3, 4)), np.random.default_rng(0))
    with pytest.raises(ValueError, match="angle"):
        Affine(angle=-1.0)


def test_only_batches_are_moved_and_each_anew():
    images = np.random.default_rng(5).random((40, 6, 6, 1))
    options = {"holdout": None, "batch_size": 36, "key": key_of(0), "dtype": "float64"}
    plain, varied = Source(images, **options), Source(images, **options, augment=Affine(shift=2.0))
    for index in (0, 1):
        x, y = plain.batch(index)[0], varied.batch(index)[0]
        np.testing.assert_array_equal(y, varied.batch(index)[0])
        assert np.abs(x - y).max() > 0.1
    np.testing.assert_array_equal(plain.held_out(4)[0], varied.held_out(4)[0])
    np.testing.assert_array_equal(plain.seen(36), varied.seen(36))


def test_resumption_is_bitwise(tmp_path):
    def model():
        nets = (
            gen.Sequential(gen.Reshape((36,)), gen.Dense(36, 4)),
            gen.Sequential(gen.Dense(2, 36), gen.Reshape((6, 6, 1))),
        )
        return gen.VAE(*nets, likelihood="binary")

    images, path = np.random.default_rng(6).random((40, 6, 6, 1)), tmp_path / "c.npz"
    options = {"batch_size": 8, "augment": Affine()}
    whole = gen.fit(model(), images, steps=8, **options)
    part = gen.fit(model(), images, steps=3, checkpoint=path, **options)
    again = gen.Run.load(path, model(), images, augment=Affine())
    for run in (part.resume(5), again.resume(5)):
        np.testing.assert_array_equal(
            run.state["autoencoder"]["params"], whole.state["autoencoder"]["params"]
        )
    bare = gen.fit(model(), images, steps=8, batch_size=8)
    assert not np.array_equal(bare.state["autoencoder"]["params"], whole.state["autoencoder"]["params"])
