"""Reading measures from files: what is read, what is refused, and that nothing is unpickled or guessed."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from divergences.__main__ import main as divergences_main
from transport.__main__ import main as transport_main
from transport.internal._cli import guard
from transport.internal._files import load
from transport.internal._measures import grid_measure, load_measure


def write(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def values(folder, text, name="a.csv", **options):
    return load(write(folder, name, text), **options).values.tolist()


def run(capsys, main, *arguments):
    """(exit code, stdout, stderr)."""
    capsys.readouterr()
    try:
        code = guard(main, [str(a) for a in arguments])
    except SystemExit as stop:
        code = stop.code
    out = capsys.readouterr()
    return code, out.out, out.err


# ---- text -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("x,y\n1,2\n3,4.5\n", [[1, 2], [3, 4.5]]),
        ("0.25\n0.75\n", [0.25, 0.75]),
        ("1;2\n3;4\n", [[1, 2], [3, 4]]),
        ("1,5;2,5\n3;4,25\n", [[1.5, 2.5], [3, 4.25]]),  # decimal commas
        ("a;b\n1,5;2,5\n", [[1.5, 2.5]]),
        ("1\t2\n3\t4\n", [[1, 2], [3, 4]]),
        ("1|2\n3|4\n", [[1, 2], [3, 4]]),
        ("1 2\n3   4\n", [[1, 2], [3, 4]]),
        ("1, 2\n3, 4\n", [[1, 2], [3, 4]]),
        ("1,2,\n3,4,\n", [[1, 2], [3, 4]]),
        ("\n# a remark\n1,2\n\n3,4\n", [[1, 2], [3, 4]]),
        ('"x","y"\n"1","2"\n', [[1, 2]]),
        ("sep=;\nx;y\n1;2\n", [[1, 2]]),
        (",x,y\n0,1,2\n1,3,4\n", [[1, 2], [3, 4]]),  # pandas' index
        (",0,1\n0,1,2\n1,3,4\n", [[1, 2], [3, 4]]),  # ... of columns without names
        (",0\n0,3\n1,5\n2,2\n", [3, 5, 2]),  # ... of a Series
        ("index,x\n0,1.5\n1,2.5\n", [1.5, 2.5]),
        ("letter,share\na,0.25\nb,0.75\n", [0.25, 0.75]),
        ("a,0.25\nb,0.75\n", [0.25, 0.75]),
        ("x y\na 1 2\nb 3 4\n", [[1, 2], [3, 4]]),  # R's write.table
        ("1e-3,-2E+5\n+.5,7.\n", [[1e-3, -2e5], [0.5, 7]]),
    ],
)
def test_tables_are_read_as_they_are_meant(tmp_path, text, wanted):
    assert values(tmp_path, text) == wanted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,2a\n3,4\n", "row 1, column 2"),
        ("x,y\n1,2a\n3,4\n", "row 2, column 2 ('y') is '2a'"),
        ("12a\n3\n4\n", "row 1, column 1"),
        ("1,NA\n3,4\n", "row 1, column 2"),
        ("NA,1\n3,4\n", "row 1, column 1"),
        ("x,y\n1,2\n3,\n", "row 3, column 2 ('y') is missing"),
        ("x,y\n1,2\n3,nan\n", "row 3, column 2 ('y') is nan"),
        ("1,2\n3\n", "cells"),
        ("1,2\n3,4,5\n", "cells"),
        ("a;b\n1,234;5,678\n", "thousands or decimals"),
        ("0\n0.5\n0.25\n", "--heading"),  # Series.to_csv(index=False): a number for a name
        ("x,y\n", "no numbers"),
        ("", "no numbers"),
        ("1 2,3 4\n5 6,7 8\n", "row 1, column 1"),
    ],
)
def test_tables_are_refused_with_row_and_column(tmp_path, text, words):
    with pytest.raises(ValueError, match=r"a\.csv") as refusal:
        values(tmp_path, text)
    assert words in str(refusal.value)


def test_heading_can_be_told(tmp_path):
    assert values(tmp_path, "0\n0.5\n0.25\n", heading=True) == [0.5, 0.25]
    assert values(tmp_path, "0\n0.5\n0.25\n", heading=False) == [0, 0.5, 0.25]
    assert values(tmp_path, "2019,2020\n0.5,1.5\n", heading=True) == [[0.5, 1.5]]


def test_columns_by_name_and_number(tmp_path):
    text = "city,lon,lat,people\nA,1,2,10\nB,3,4,30\n"
    assert values(tmp_path, text, columns="lat,lon") == [[2, 1], [4, 3]]
    assert values(tmp_path, text, columns="4") == [10, 30]
    found = load(tmp_path / "a.csv", columns="lon,lat", weights="people")
    assert (found.values.tolist(), found.weights.tolist()) == ([[1, 2], [3, 4]], [10, 30])
    with pytest.raises(ValueError, match="no column 'long'; it has 'city', 'lon'"):
        values(tmp_path, text, columns="long")
    np.save(tmp_path / "a.npy", np.arange(6.0).reshape(2, 3))
    assert load(tmp_path / "a.npy", columns="3,1").values.tolist() == [[2, 0], [5, 3]]


def test_utf16_and_byte_order_marks(tmp_path):
    for coding in ("utf-16", "utf-8-sig"):
        (tmp_path / "a.csv").write_bytes("größe,y\n1,2\n3,4\n".encode(coding))
        found = load(tmp_path / "a.csv")
        assert found.values.tolist() == [[1, 2], [3, 4]]
        assert found.names == ("größe", "y")


# ---- arrays -----------------------------------------------------------------------------------------


def test_pickles_are_refused(tmp_path):
    np.save(tmp_path / "evil.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"evil\.npy"):
        load(tmp_path / "evil.npy")


@pytest.mark.parametrize("name", ["none.npy", "odd.xyz", "text.npy"])
def test_unreadable_files_are_named(tmp_path, name):
    if name != "none.npy":
        (tmp_path / name).write_text("hello")
    with pytest.raises(ValueError, match=name.replace(".", r"\.")):
        load(tmp_path / name)


def test_weighted_points_from_npz(tmp_path):
    np.savez(tmp_path / "m.npz", points=np.arange(6.0).reshape(3, 2), weights=[1.0, 1.0, 2.0])
    measure = load_measure(tmp_path / "m.npz")
    assert measure.points.shape == (3, 2)
    assert measure.weights.tolist() == [0.25, 0.25, 0.5]
    assert measure.reading == "3 weighted points in dimension 2"
    np.savez(tmp_path / "two.npz", u=np.ones(2), v=-np.ones(3))
    with pytest.raises(ValueError, match="u, v"):
        load_measure(tmp_path / "two.npz")
    assert load_measure(tmp_path / "two.npz", columns="v").points.tolist() == [[-1]] * 3


def test_nanoseconds_are_not_rounded(tmp_path):
    np.save(tmp_path / "t.npy", np.array([1_700_000_000_000_000_001, 5]))
    with pytest.raises(ValueError, match="1700000000000000001"):
        load(tmp_path / "t.npy")


@pytest.mark.parametrize("masses", [np.zeros((2, 2)), -np.ones(3), np.array([np.nan, 1]), np.empty(0)])
def test_grid_refuses_what_is_no_measure(masses):
    with pytest.raises(ValueError, match="finite entries"):
        grid_measure(masses)


def test_totals_beyond_the_double_range(tmp_path):
    np.save(tmp_path / "p.npy", np.array([1.5e308, 1.5e308, 0]))
    assert load_measure(tmp_path / "p.npy", kind="grid").weights.tolist() == [0.5, 0.5]


# ---- images -----------------------------------------------------------------------------------------


def save_image(path, array, **options):
    from PIL import Image

    Image.fromarray(array).save(path, **options)
    return path


GREY = np.arange(20, dtype=np.float64).reshape(4, 5) + 1


@pytest.mark.parametrize(
    ("name", "dtype", "scale"),
    [
        ("i.png", np.uint8, 12),
        ("i.png", np.uint16, 3000),
        ("i.tif", np.uint16, 3000),
        ("i.tif", np.int32, 100_000_000),
        ("i.tif", np.float32, 0.03125),
        ("i.pgm", np.uint8, 12),
        ("i.bmp", np.uint8, 12),
        ("i.gif", np.uint8, 12),
    ],
)
def test_levels_come_back_to_the_last_bit(tmp_path, name, dtype, scale):
    wanted = (GREY * scale).astype(dtype)
    path = save_image(tmp_path / name, wanted)
    np.testing.assert_array_equal(load(path).values, wanted.astype(np.float64))


@pytest.mark.parametrize("white", [7, 20, 100, 255, 1000, 65535])
@pytest.mark.parametrize("plain", [False, True])
def test_levels_of_a_pgm_are_those_in_the_file(tmp_path, white, plain):
    level = np.round(np.linspace(0, white, 12)).astype(int)
    head = f"{'P2' if plain else 'P5'}\n4 3\n{white}\n".encode()
    width = "u1" if white < 256 else ">u2"
    body = " ".join(map(str, level)).encode() if plain else level.astype(width).tobytes()
    (tmp_path / "i.pgm").write_bytes(head + body)
    np.testing.assert_array_equal(load(tmp_path / "i.pgm").values.ravel(), level)


def test_palettes_and_opaque_alpha_are_their_colours(tmp_path):
    from PIL import Image

    rgb = np.random.default_rng(0).integers(0, 255, (4, 5, 3), dtype=np.uint8)
    rgb[:, :3] = rgb[0, 0]
    luma = np.asarray(Image.fromarray(rgb).convert("L"))
    Image.fromarray(rgb).save(tmp_path / "rgb.png")
    Image.fromarray(rgb).convert("RGBA").save(tmp_path / "rgba.png")
    Image.fromarray(rgb).quantize(256).save(tmp_path / "palette.png")
    for name in ("rgb", "rgba", "palette"):
        np.testing.assert_array_equal(load(tmp_path / f"{name}.png").values, luma)
    Image.fromarray(luma > 100).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(load(tmp_path / "bits.png").values > 0, luma > 100)


def test_images_that_would_lose_something_are_refused(tmp_path):
    import struct
    import zlib

    from PIL import Image

    clear = np.zeros((3, 3, 4), np.uint8)
    clear[..., 3] = 200
    save_image(tmp_path / "clear.png", clear)
    frames = [Image.fromarray(np.full((3, 3), k, np.uint8)) for k in (1, 200)]
    frames[0].save(tmp_path / "frames.gif", save_all=True, append_images=frames[1:])

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(range(12)) for _ in range(2))
    deep = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", 2, 2, 16, 2, 0, 0, 0))
    (tmp_path / "deep.png").write_bytes(deep + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    Image.new("CMYK", (3, 3)).save(tmp_path / "ink.tif")
    for name, words in (
        ("clear.png", "transparent"),
        ("frames.gif", "2 frames"),
        ("deep.png", "16 bits a channel"),
        ("ink.tif", "CMYK"),
    ):
        with pytest.raises(ValueError, match=words):
            load(tmp_path / name)


def test_colours_refuse_deep_grey(tmp_path, capsys):
    save_image(tmp_path / "i.png", (GREY * 3000).astype(np.uint16))
    deep, out = tmp_path / "i.png", tmp_path / "o.png"
    code, _, err = run(capsys, transport_main, "colours", deep, deep, "--out", out)
    assert (code, "8 bits a channel" in err) == (2, True)


def test_image_is_a_measure_on_pixels(tmp_path):
    pixels = np.zeros((4, 5), np.uint8)
    pixels[1, 2], pixels[3, 4] = 100, 50
    measure = load_measure(save_image(tmp_path / "i.png", pixels))
    assert measure.points.tolist() == [[1, 2], [3, 4]]
    np.testing.assert_allclose(measure.weights, [2 / 3, 1 / 3], rtol=1e-15)
    assert measure.shape == (4, 5)
    assert measure.reading == "masses on 4 x 5 pixels"


# ---- what files mean --------------------------------------------------------------------------------


def distance(out, name):
    return float(next(line for line in out.splitlines() if line.startswith(name)).split()[1])


def test_every_input_is_said_to_be_what_it_was_read_as(tmp_path, capsys):
    x, y = write(tmp_path, "x.csv", "-1\n2\n4\n"), write(tmp_path, "y.csv", "1\n-2\n")
    code, out, _ = run(capsys, transport_main, x, y, "--p", 1)
    assert code == 0
    assert f"read as: 3 points in dimension 1 ({x})" in out
    assert f"read as: 2 points in dimension 1 ({y})" in out
    _, out, _ = run(capsys, transport_main, x, y, "--json")
    assert json.loads(out)["read_as"] == ["3 points in dimension 1", "2 points in dimension 1"]
    _, out, _ = run(capsys, transport_main, "critic", x, y, "--seconds", 0.05)
    assert "read as: 2 points in dimension 1" in out
    p = write(tmp_path, "p.csv", "3\n5\n2\n")
    _, out, _ = run(capsys, divergences_main, p, p)
    assert out.count("read as: masses on 3 bins") == 2
    _, out, _ = run(capsys, divergences_main, p, p, "--json")
    assert json.loads(out)["read_as"] == ["masses on 3 bins"] * 2


KL_532 = 0.223805  # of (3, 5, 2)/10 from (5, 2, 3)/10


def test_series_of_pandas(tmp_path, capsys):
    pandas = pytest.importorskip("pandas")
    for name, masses in (("p", [3, 5, 2]), ("q", [5, 2, 3])):
        pandas.Series(masses).to_csv(tmp_path / f"{name}.csv")
    _, out, _ = run(capsys, divergences_main, tmp_path / "p.csv", tmp_path / "q.csv")
    assert distance(out, "KL(P||Q)") == pytest.approx(KL_532, abs=1e-6)
    # Counts sort their labels by size: matched by label, not by row.
    for name, text in (("p", "aabbbc"), ("q", "abbccc")):
        pandas.Series(list(text)).value_counts().to_csv(tmp_path / f"{name}.csv")
    _, out, _ = run(capsys, divergences_main, tmp_path / "p.csv", tmp_path / "q.csv")
    wanted = sum(p * np.log(p / q) for p, q in ((2 / 6, 1 / 6), (3 / 6, 2 / 6), (1 / 6, 3 / 6)))
    assert distance(out, "KL(P||Q)") == pytest.approx(wanted, rel=1e-12)
    pandas.Series(list("abd")).value_counts().to_csv(tmp_path / "q.csv")
    code, _, err = run(capsys, divergences_main, tmp_path / "p.csv", tmp_path / "q.csv")
    assert (code, "label" in err) == (2, True)


def test_point_tables_of_pandas(tmp_path, capsys):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 2)), rng.standard_normal((20, 2))
    for name, points in (("x", x), ("y", y)):
        pandas.DataFrame(points, columns=["u", "v"]).to_csv(tmp_path / f"{name}.csv")
        np.save(tmp_path / f"{name}.npy", points)
    found = []
    for suffix in ("csv", "npy"):
        code, out, err = run(capsys, transport_main, tmp_path / f"x.{suffix}", tmp_path / f"y.{suffix}")
        assert code == 0, err
        found.append(distance(out, "W_2"))
    assert found[0] == pytest.approx(found[1], rel=1e-12)
    pandas.DataFrame(y, columns=["v", "u"]).to_csv(tmp_path / "y.csv")
    code, _, err = run(capsys, transport_main, tmp_path / "x.csv", tmp_path / "y.csv")
    assert (code, "--column u,v" in err) == (2, True)


@pytest.mark.parametrize(
    "text",
    [
        "bin,count\n0,3\n1,5\n2,2\n3,1\n",
        "0,3\n1,5\n2,2\n3,1\n",
        "x,mass\n3.5,3\n1,5\n2,2\n3,1\n",
    ],
)
def test_bins_with_counts_are_neither_images_nor_points(tmp_path, capsys, text):
    p = write(tmp_path, "p.csv", text)
    for main in (transport_main, divergences_main):
        code, out, err = run(capsys, main, p, p)
        assert (code, out) == (2, "")
        assert "--column" in err
    q = write(tmp_path, "q.csv", text.replace(",3\n", ",9\n"))
    code, out, _ = run(capsys, divergences_main, p, q, "--column", "2")
    assert code == 0
    a, b = np.array([3, 5, 2, 1]) / 11, np.array([9, 5, 2, 1]) / 17
    assert distance(out, "KL(P||Q)") == pytest.approx(np.sum(a * np.log(a / b)), rel=1e-12)


@pytest.mark.parametrize("text", ["0.2,0.3,0.5\n", "3\n5\n2\n", "0.5\n0.7\n-0.2\n", "0.2,0.3\n0.1,0.4\n"])
def test_two_plausible_readings_are_asked_for(tmp_path, capsys, text):
    path = write(tmp_path, "p.csv", text)
    code, out, err = run(capsys, transport_main, path, path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "--kind points" in err
    assert "--kind grid" in err


def test_one_reading_for_every_command(tmp_path, capsys):
    """What one command reads as points no other reads as masses, and the other way round."""
    rng = np.random.default_rng(0)
    positive = [rng.random(shape) for shape in ((7,), (9, 2), (3, 9), (8, 8), (1, 4))]
    signed = [rng.standard_normal(shape) for shape in ((7,), (1, 4), (5, 2))]
    for k, array in enumerate([*positive, *signed, rng.dirichlet(np.ones(5)), np.arange(12.0).reshape(4, 3)]):
        path = tmp_path / f"{k}.npy"
        np.save(path, array)
        words = set()
        for main in (transport_main, divergences_main):
            code, out, _ = run(capsys, main, path, path, "--json")
            if code == 0:
                words |= set(json.loads(out)["read_as"])
        assert len(words) <= 1, (array.shape, words)


def test_kinds_by_command_option(tmp_path, capsys):
    p, q = write(tmp_path, "p.csv", "3\n5\n2\n"), write(tmp_path, "q.csv", "5\n2\n3\n")
    _, out, _ = run(capsys, transport_main, p, q, "--kind", "points", "--p", 1)
    assert distance(out, "W_1") == pytest.approx(0, abs=1e-15)
    _, out, _ = run(capsys, transport_main, p, q, "--kind", "grid", "--p", 1)
    assert distance(out, "W_1") == pytest.approx(0.3, rel=1e-12)  # |.3-.5| + |.8-.7|
    _, out, _ = run(capsys, divergences_main, p, q, "--kind", "points")
    assert [line.split()[0] for line in out.splitlines()[:2]] == ["W1", "W2"]
    assert distance(out, "W1") == pytest.approx(0, abs=1e-15)


def test_weights_of_points_in_a_table(tmp_path, capsys):
    x = write(tmp_path, "x.csv", "u,v,people\n0,0,1\n1,0,3\n")
    y = write(tmp_path, "y.csv", "u,v,people\n0,0,3\n1,0,1\n")
    code, _, err = run(capsys, transport_main, x, y)
    assert (code, "--kind" in err) == (2, True) or code == 0
    _, out, _ = run(capsys, transport_main, x, y, "--weights", "people", "--p", 1)
    assert distance(out, "W_1") == pytest.approx(0.5, rel=1e-12)
    assert "read as: 2 weighted points in dimension 2" in out


def test_cells_and_points_do_not_mix(tmp_path, capsys):
    image = save_image(tmp_path / "i.png", GREY.astype(np.uint8))
    np.save(tmp_path / "x.npy", -np.ones((4, 2)))
    code, _, err = run(capsys, transport_main, image, tmp_path / "x.npy")
    assert (code, "no common unit" in err) == (2, True)


@pytest.mark.parametrize("weights", [[1, np.nan], [1, np.inf], [0, 0], [2, -1]])
@pytest.mark.parametrize("command", [[], ["critic"]])
def test_weights_that_are_none_are_refused(tmp_path, capsys, weights, command):
    np.savez(tmp_path / "x.npz", points=[[0.0, 0], [1, 1]], weights=np.array(weights, float))
    code, out, err = run(capsys, transport_main, *command, tmp_path / "x.npz", tmp_path / "x.npz")
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_sixteen_bit_pictures_are_compared_at_full_depth(tmp_path, capsys):
    """8-bit clipping would make both pictures white."""
    p, q = (GREY * 3000).astype(np.uint16), (GREY[::-1] * 3000).astype(np.uint16)
    for name, picture in (("p", p), ("q", q)):
        save_image(tmp_path / f"{name}.png", picture)
    _, out, _ = run(capsys, divergences_main, tmp_path / "p.png", tmp_path / "q.png", "--no-wasserstein")
    a, b = (m / m.sum() for m in (GREY, GREY[::-1]))
    assert distance(out, "KL(P||Q)") == pytest.approx(float(np.sum(a * np.log(a / b))), rel=1e-12)


def test_stdout_holds_json_only(tmp_path, capsys):
    np.save(tmp_path / "p.npy", np.array([1.0, 2.0]))
    _, out, err = run(capsys, divergences_main, tmp_path / "p.npy", tmp_path / "p.npy", "--json")
    assert (json.load(io.StringIO(out))["W1"]["value"], err) == (0.0, "")
