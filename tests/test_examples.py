"""The scripts of the gallery run, small, and draw a picture; the page of the gallery shows each of them."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted((ROOT / "examples").glob("[!_]*.py"))
NEEDS = {
    "colour_transfer": "sklearn",
    "digits_by_w2": "sklearn",
    "solver_on_trial": "ot",
}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_draws_its_picture(script, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    if script.stem in NEEDS:
        pytest.importorskip(NEEDS[script.stem])
    monkeypatch.setenv("KANTOROVICH_QUICK", "1")
    monkeypatch.syspath_prepend(str(script.parent))
    picture = tmp_path / "picture.png"
    importlib.import_module(script.stem).main(str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out.strip(), "says what it found"


def test_the_gallery_shows_every_script():
    page = (ROOT / "docs" / "gallery.md").read_text()
    for script in SCRIPTS:
        assert f"examples/{script.name}" in page, script.name
        assert f"pictures/{script.stem}.png" in page, script.stem
        assert (ROOT / "docs" / "pictures" / f"{script.stem}.png").exists(), script.stem
