"""``python -m transport pairwise``: folders, archives and stacks; going on; pictures; one-line errors."""

from __future__ import annotations

import numpy as np
import pytest

import transport as tp
from transport.__main__ import main


def clouds(count: int):
    rng = np.random.default_rng(0)
    return [rng.random((int(n), 2)) for n in rng.integers(3, 9, count)]


def test_folder_matrix_picture_and_again(tmp_path, capsys):
    folder = tmp_path / "clouds"
    folder.mkdir()
    measures = clouds(6)
    for k, x in enumerate(measures):
        np.save(folder / f"{k}.npy", x)
    out, picture = tmp_path / "D.npy", tmp_path / "D.png"
    assert main(["pairwise", str(folder), "--out", str(out), "--plot", str(picture), "--kind", "points"]) == 0
    assert "6 measures, 15 pairs, 15 computed" in capsys.readouterr().out
    assert np.load(out) == pytest.approx(tp.pairwise(measures).matrix, rel=1e-12)
    assert picture.stat().st_size > 5000
    assert out.with_suffix(".names.txt").read_text().split() == [f"{k}.npy" for k in range(6)]
    assert main(["pairwise", str(folder), "--out", str(out), "--kind", "points"]) == 0
    assert ", 0 computed now" in capsys.readouterr().out


def test_archive_nearest_and_bad_measure(tmp_path, capsys):
    measures = clouds(12)
    measures[3][0, 0] = np.nan
    archive, out = tmp_path / "clouds.npz", tmp_path / "N.npz"
    np.savez(archive, *measures)
    assert main(["pairwise", str(archive), "--out", str(out), "--nearest", "2", "--p", "1"]) == 1
    captured = capsys.readouterr()
    assert "measures[3]: points[0, 0] is nan" in captured.err
    with np.load(out) as found:
        assert np.array_equal(found["indices"], tp.pairwise(measures, p=1, nearest=2).indices)


def test_stack_of_images(tmp_path):
    images = np.random.default_rng(1).random((4, 5, 6))
    np.save(tmp_path / "images.npy", images)
    out = tmp_path / "D.npy"
    assert main(["pairwise", str(tmp_path / "images.npy"), "--out", str(out), "--kind", "grid"]) == 0
    true = tp.pairwise(images, cost=tp.Grid((5, 6)), normalize=True).matrix
    assert np.load(out) == pytest.approx(true, rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere", "--out", "D.npy"], "does not exist"),
        (["one.npy", "--out", "D.npy"], "1 measures"),
        (["one.npy", "--out", "D.npy", "--nearest", "1"], "end in .npz"),
        (["one.npy", "--out", "D.npy", "--workers", "0"], "--workers 0"),
    ],
)
def test_refusals(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("one.npy", np.zeros((3, 2)))
    with pytest.raises(ValueError, match=words):
        main(["pairwise", *arguments])
