"""Reading measures from files: what is read, what is refused, and that nothing is unpickled."""

from __future__ import annotations

import numpy as np
import pytest

from transport.internal._files import grid_measure, load_array, load_measure


def test_csv_header_and_columns(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n3,4.5\n")
    assert load_array(tmp_path / "a.csv").tolist() == [[1, 2], [3, 4.5]]
    (tmp_path / "b.csv").write_text("0.25\n0.75\n")
    assert load_array(tmp_path / "b.csv").tolist() == [0.25, 0.75]
    (tmp_path / "c.tsv").write_text("1\t2\n3\t4\n")
    assert load_array(tmp_path / "c.tsv").tolist() == [[1, 2], [3, 4]]


def test_pickles_are_refused(tmp_path):
    np.save(tmp_path / "evil.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"evil\.npy"):
        load_array(tmp_path / "evil.npy")


@pytest.mark.parametrize("name", ["none.npy", "odd.xyz", "text.npy"])
def test_unreadable_files_are_named(tmp_path, name):
    if name != "none.npy":
        (tmp_path / name).write_text("hello")
    with pytest.raises(ValueError, match=name.replace(".", r"\.")):
        load_array(tmp_path / name)


def test_weighted_points_from_npz(tmp_path):
    np.savez(tmp_path / "m.npz", points=np.arange(6.0).reshape(3, 2), weights=[1.0, 1.0, 2.0])
    measure = load_measure(tmp_path / "m.npz")
    assert measure.points.shape == (3, 2)
    assert measure.weights.tolist() == [0.25, 0.25, 0.5]
    np.savez(tmp_path / "two.npz", u=np.ones(2), v=np.ones(3))
    with pytest.raises(ValueError, match="u, v"):
        load_measure(tmp_path / "two.npz")


def test_image_is_a_measure_on_pixels(tmp_path):
    from PIL import Image

    pixels = np.zeros((4, 5), np.uint8)
    pixels[1, 2], pixels[3, 4] = 100, 50
    Image.fromarray(pixels).save(tmp_path / "i.png")
    measure = load_measure(tmp_path / "i.png")
    assert measure.points.tolist() == [[1, 2], [3, 4]]
    np.testing.assert_allclose(measure.weights, [2 / 3, 1 / 3], rtol=1e-15)
    assert measure.shape == (4, 5)


@pytest.mark.parametrize("values", [np.zeros((2, 2)), -np.ones(3), np.array([np.nan, 1]), np.empty(0)])
def test_grid_refuses_what_is_no_measure(values):
    with pytest.raises(ValueError, match="finite entries"):
        grid_measure(values)
