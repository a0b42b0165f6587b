"""Data sets from files and folders: what is read, what is said, and the way back."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from generative import datasets
from generative._reading import Scaling, pictures_of

Image = pytest.importorskip("PIL.Image")


def idx(array):
    codes = {"uint8": 8, "int8": 9, ">i2": 11, ">f4": 13}
    return (
        bytes([0, 0, codes.get(array.dtype.name, 8), array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.tobytes()
    )


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("uint8", [0, 7, 255]),
        ("uint16", [0, 300, 65535]),
        ("int16", [-300, 0, 299]),
        ("bool", [0, 1, 1]),
        ("float32", [0.0, 0.25, 1.0]),
        ("float64", [-1.0, 0.0, 1.0]),
        ("float64", [0.0, 100.0, 255.0]),
        ("float64", [3.0, 3.0, 3.0]),
    ],
)
def test_scaling_goes_to_the_unit_interval_and_back(dtype, values):
    array = np.tile(np.array(values, dtype=dtype)[:, None, None], (1, 4, 5))
    found = pictures_of(array, "x")
    assert 0 <= found.images.min() <= found.images.max() <= 1
    back = found.scaling.undone(found.images)
    assert back.dtype == array.dtype
    np.testing.assert_allclose(back, array, rtol=1e-6, atol=1e-6)
    if array.dtype.kind in "iub":
        np.testing.assert_array_equal(back, array)


def test_integers_beyond_their_type_are_cut_not_wrapped():
    assert Scaling(0, 255, "uint8").undone(np.array([-0.1, 1.2])).tolist() == [0, 255]


def test_channels_first_last_and_single():
    rgb = np.random.default_rng(0).integers(0, 256, (5, 8, 9, 3)).astype(np.uint8)
    np.testing.assert_array_equal(pictures_of(np.moveaxis(rgb, 3, 1), "x").images, rgb / 255)
    assert pictures_of(rgb[..., :1], "x").images.shape == (5, 8, 9)
    with pytest.raises(ValueError, match=r"1 or 3 channels.*flatten"):
        pictures_of(np.zeros((5, 8, 9, 4)), "x")


def test_large_images_are_reduced_in_proportion():
    # A left half of 0 and a right half of 1 stays so at any size.
    image = np.zeros((2, 128, 96))
    image[:, :, 48:] = 1
    found = pictures_of(image, "x")
    assert found.images.shape == (2, 64, 48)
    assert "resized from 128 x 96 to 64 x 48" in found.note
    np.testing.assert_allclose(found.images[:, :, :22], 0, atol=1e-6)
    np.testing.assert_allclose(found.images[:, :, 26:], 1, atol=1e-6)
    assert pictures_of(image, "x", size=16).images.shape == (2, 16, 12)
    with pytest.raises(ValueError, match="squarer"):
        pictures_of(np.zeros((2, 4, 400)), "x")
    with pytest.raises(ValueError, match="--size 65"):
        pictures_of(image, "x", size=65)


def test_archives_and_labels(tmp_path):
    images, labels = np.zeros((6, 4, 4), np.uint8), np.arange(6) % 3
    np.savez(tmp_path / "a.npz", images=images, labels=labels)
    data = datasets.load(str(tmp_path / "a.npz"))
    assert data.shape == (4, 4, 1)
    np.testing.assert_array_equal(data.labels, labels)
    assert data.reading == "6 images of 4 x 4 with 3 labels"
    np.savez(tmp_path / "b.npz", images=images, labels=labels[:5])
    with pytest.raises(ValueError, match="one label for each"):
        datasets.load(str(tmp_path / "b.npz"))
    np.savez(tmp_path / "c.npz", images=images, labels=labels - 0.5)
    with pytest.raises(ValueError, match="return_inverse"):
        datasets.load(str(tmp_path / "c.npz"))
    np.savez(tmp_path / "d.npz", first=images, second=images)
    with pytest.raises(ValueError, match="first, second; save it with"):
        datasets.load(str(tmp_path / "d.npz"))


def test_idx_labels_lie_beside_the_images(tmp_path):
    images, labels = np.zeros((6, 4, 4), np.uint8), (np.arange(6) % 3).astype(np.uint8)
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
    name = str(tmp_path / "t10k-images-idx3-ubyte.gz")
    assert datasets.load(name).labels is None
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(labels))
    np.testing.assert_array_equal(datasets.load(name).labels, labels)


def save(folder, name, image):
    folder.mkdir(parents=True, exist_ok=True)
    image.save(folder / name)


def test_a_folder_of_one_shape_and_every_mode(tmp_path):
    levels = np.random.default_rng(0).integers(0, 256, (8, 12), dtype=np.uint8)
    grey = Image.fromarray(levels)
    save(tmp_path, "a.png", grey)
    save(tmp_path, "b.png", grey.convert("RGB"))
    save(tmp_path, "c.png", Image.fromarray(levels.astype(np.uint16) * 257))
    save(tmp_path, "d.png", grey.convert("P"))
    save(tmp_path, "e.png", grey.convert("RGBA"))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.png").write_bytes(b"")
    data = datasets.load(str(tmp_path))
    assert data.shape == (8, 12, 1), "grey, since all of them are"
    np.testing.assert_allclose(data.source, np.tile(levels.reshape(1, -1) / 255, (5, 1)), atol=1e-6)
    np.testing.assert_array_equal(data.scaling.undone(data.source[2].reshape(8, 12)), levels)
    save(tmp_path, "f.png", Image.fromarray(np.full((8, 12), 255, np.uint8)).convert("1"))
    save(tmp_path, "g.jpg", Image.fromarray(np.full((8, 12, 3), (250, 0, 0), np.uint8)).convert("CMYK"))
    data = datasets.load(str(tmp_path))
    assert data.shape == (8, 12, 3)
    assert data.reading.startswith("7 RGB images of 8 x 12")
    red = data.source[6].reshape(8, 12, 3)
    assert red[..., 0].min() > 0.8
    assert red[..., 1:].max() < 0.2


def test_a_folder_of_several_shapes_is_cut_to_the_middle(tmp_path):
    for k, shape in enumerate([(40, 60), (33, 50), (50, 34)]):
        pixels = np.zeros((*shape, 3), np.uint8)
        pixels[:, :, k] = 200
        save(tmp_path / f"class{k}", "x.png", Image.fromarray(pixels))
    data = datasets.load(str(tmp_path))
    assert data.shape == (32, 32, 3)
    assert data.classes == ("class0", "class1", "class2")
    np.testing.assert_array_equal(data.labels, [0, 1, 2])
    np.testing.assert_allclose(data.source.reshape(3, -1, 3).mean(axis=1), np.eye(3) * 200 / 255, atol=1e-3)
    assert datasets.load(str(tmp_path), size=16).shape == (16, 16, 3)


def test_folders_are_refused_with_the_file_and_the_remedy(tmp_path):
    with pytest.raises(ValueError, match="0 pictures"):
        datasets.load(str(tmp_path))
    save(tmp_path, "a.png", Image.new("L", (8, 8)))
    with pytest.raises(ValueError, match="1 pictures"):
        datasets.load(str(tmp_path))
    save(tmp_path, "b.png", Image.new("RGBA", (8, 8), (0, 0, 0, 0)))
    with pytest.raises(ValueError, match=r"b\.png has transparent pixels.*flatten"):
        datasets.load(str(tmp_path))
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    with pytest.raises(ValueError, match=r"cannot read .*b\.png"):
        datasets.load(str(tmp_path))


def test_size_is_refused_where_it_means_nothing(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((5, 2)))
    with pytest.raises(ValueError, match="holds points"):
        datasets.load(str(tmp_path / "x.npy"), size=8)
    with pytest.raises(ValueError, match="mnist comes as it is"):
        datasets.load("mnist", size=8)


def test_points_that_are_flattened_images_are_told_so(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((5, 784)))
    assert "shape (n, 28, 28)" in datasets.load(str(tmp_path / "x.npy")).reading


def test_a_folder_trains_and_samples_come_back_as_pixels(tmp_path, capsys):
    from generative.__main__ import main

    rng = np.random.default_rng(0)
    for k in range(40):
        save(tmp_path / "in", f"{k}.png", Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)))
    train = ["train", "gan", "--data", str(tmp_path / "in"), "--out", str(tmp_path / "run")]
    assert main([*train, "--steps", "3", "--batch-size", "8"]) == 0
    assert "read as: 40 RGB images of 8 x 8" in capsys.readouterr().out
    assert main(["sample", str(tmp_path / "run"), "-n", "5"]) == 0
    made = np.load(tmp_path / "run" / "samples.npy")
    assert (made.shape, made.dtype) == ((5, 8, 8, 3), np.uint8)
    assert made.std() > 1
