"""The command lines as a person uses them: output, files, one-line errors with exit code 2."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent


def run(*args, cwd=ROOT, env=None, **kwargs):
    return subprocess.run(
        [sys.executable, "-m", *map(str, args)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=env,
        timeout=120,
        **kwargs,
    )


@pytest.fixture
def clouds(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 2)), rng.standard_normal((50, 2)) + [3, 0]
    np.save(tmp_path / "x.npy", x)
    np.savetxt(tmp_path / "y.csv", y, delimiter=",", header="a,b", comments="")
    return tmp_path, x, y


def test_transport_table_plan_and_picture(clouds):
    folder, x, y = clouds
    done = run(
        "transport",
        folder / "x.npy",
        folder / "y.csv",
        "--plan",
        folder / "plan.npz",
        "--plot",
        folder / "plan.png",
    )
    assert done.returncode == 0, done.stderr
    assert "certified" in done.stdout
    value = float(done.stdout.split()[1])
    with np.load(folder / "plan.npz") as plan:
        cost = ((x[plan["rows"]] - y[plan["cols"]]) ** 2).sum(axis=1)
        assert value == pytest.approx(float(np.sqrt((plan["mass"] * cost).sum())), rel=1e-12)
    assert (folder / "plan.png").stat().st_size > 10_000


def test_the_plan_as_csv_or_not_at_all(clouds):
    folder, x, y = clouds
    files = folder / "x.npy", folder / "y.csv"
    done = run("transport", *files, "--plan", folder / "plan.csv")
    assert done.returncode == 0, done.stderr
    rows, cols, mass = np.loadtxt(folder / "plan.csv", delimiter=",", skiprows=1).T
    cost = ((x[rows.astype(int)] - y[cols.astype(int)]) ** 2).sum(axis=1)
    assert float(done.stdout.split()[1]) == pytest.approx(float(np.sqrt(mass @ cost)), rel=1e-12)
    refused = run("transport", *files, "--plan", folder / "plan.txt")
    assert refused.returncode == 2
    assert ".npz or .csv" in refused.stderr
    assert not refused.stdout
    assert not list(folder.glob("plan.txt*"))


def test_a_gap_left_by_a_time_limit_has_its_own_code(clouds):
    folder, _, _ = clouds
    rng = np.random.default_rng(0)
    for name in "ab":
        np.save(folder / f"{name}.npy", rng.random((2000, 5)))
    files = folder / "a.npy", folder / "b.npy"
    done = run("transport", *files, "--kind", "points", "--time-limit", "0.01", "--json")
    facts = json.loads(done.stdout)
    assert facts["status"] == "TIME_LIMIT"
    assert facts["lower"] < facts["upper"]
    assert done.returncode == 3
    assert run("transport", folder / "x.npy", folder / "y.csv", "--time-limit", "600").returncode == 0


def test_a_missing_extra_is_said_before_the_work(clouds):
    folder, _, _ = clouds
    (folder / "matplotlib.py").write_text("raise ImportError")
    for command in (
        ["a.npy", "b.npy"],
        ["critic", "a.npy", "b.npy"],
        ["pairwise", "nowhere", "--out", "D.npy"],
    ):
        done = run(
            "transport", *command, "--plot", folder / "p.png", env=os.environ | {"PYTHONPATH": str(folder)}
        )
        assert done.returncode == 2  # the files are not there: that is found out later
        assert "pip install 'kantorovich[plot]'" in done.stderr


def test_transport_json_brackets_scipys_value(clouds):
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    folder, x, y = clouds
    np.save(folder / "z.npy", y[:40])
    done = run("transport", folder / "x.npy", folder / "z.npy", "--p", "1", "--json")
    facts = json.loads(done.stdout)
    cost = cdist(x, y[:40])
    assert facts["lower"] <= facts["distance"] <= facts["upper"]
    assert facts["distance"] == pytest.approx(cost[linear_sum_assignment(cost)].mean(), rel=1e-12)
    assert facts["status"] == "OPTIMAL"


def test_divergences_table(tmp_path):
    np.save(tmp_path / "p.npy", np.array([1.0, 1.0, 2.0]))
    np.save(tmp_path / "q.npy", np.array([0.0, 1.0, 1.0]))
    done = run("divergences", tmp_path / "p.npy", tmp_path / "q.npy")
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "infinite: P has mass where Q has none" in rows["KL(P||Q)"]
    assert float(rows["TV"].split()[1]) == pytest.approx(0.25)
    assert float(rows["W1"].split()[1]) == pytest.approx(0.25)
    table = json.loads(run("divergences", tmp_path / "p.npy", tmp_path / "q.npy", "--json").stdout)
    assert table["KL(P||Q)"]["value"] == "inf"
    assert table["W1"]["lower"] <= 0.25 <= table["W1"]["upper"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("transport", "missing.npy", "missing.npy"), "missing.npy does not exist"),
        (("transport", "{x}", "{x}", "--p", "0.5"), "--p = 0.5"),
        (("transport", "{x}"), "required"),
        (("divergences", "{short}", "{x}", "--kind", "grid"), "shape"),
        (("divergences", "{x}", "{short}"), "3 points in dimension 2"),
        (("divergences", "demo", "--digits", "3"), "two digits"),
        (("divergences", "demo", "--digits", "3,12"), "0 to 9"),
    ],
)
def test_errors_are_one_line_and_exit_2(tmp_path, arguments, word):
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    np.save(tmp_path / "short.npy", np.ones(2))
    places = {"x": tmp_path / "x.npy", "short": tmp_path / "short.npy"}
    done = run(*(a.format(**places) for a in arguments))
    assert done.returncode == 2
    assert word in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_demo_draws_and_certifies(tmp_path):
    done = run("divergences", "demo", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    for word in ("KL(P||Q)", "certified in", "Try next"):
        assert word in done.stdout
    assert (tmp_path / "out" / "digits.png").stat().st_size > 50_000


def test_sliced_of_two_files(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(2, 40, 3))
    np.save(tmp_path / "a.npy", x)
    np.save(tmp_path / "b.npy", y + 1)
    out = run(
        "transport", "sliced", tmp_path / "a.npy", tmp_path / "b.npy", "--json", "--max", "--projections", 64
    )
    assert out.returncode == 0, out.stderr
    facts = json.loads(out.stdout)
    import transport as tp

    assert facts["distance"] == tp.sliced_wasserstein(x, y + 1, n_projections=64)
    assert 0 < facts["standard_error"] < facts["distance"] <= facts["max_sliced_at_least"]
    out = run("transport", "sliced", tmp_path / "a.npy", tmp_path / "b.npy", "--projections", 0)
    assert out.returncode == 2
    assert out.stderr.count("\n") == 1


def test_barycenter_of_images(tmp_path):
    images = np.zeros((2, 5, 5))
    images[0, 0, 0] = images[1, 4, 4] = 1.0
    for name, image in zip("ab", images):
        np.save(tmp_path / f"{name}.npy", image)
    out = run(
        "transport",
        "barycenter",
        tmp_path / "a.npy",
        tmp_path / "b.npy",
        "--out",
        tmp_path / "c.png",
        "--json",
    )
    assert out.returncode == 0, out.stderr
    facts = json.loads(out.stdout)
    assert facts["lower"] <= 8.0 <= facts["upper"]
    from PIL import Image

    with Image.open(tmp_path / "c.png") as picture:
        assert np.argmax(np.asarray(picture)) == 12
    out = run("transport", "barycenter", tmp_path / "a.npy", "--shares", 1, 2)
    assert out.returncode == 2
    assert out.stderr.count("\n") == 1


def test_transport_entropic_partial_and_unbalanced(tmp_path):
    rng = np.random.default_rng(3)
    x, y = rng.random((7, 2)), rng.random((25, 2)) + 0.5  # the sum of seven sevenths is not 1
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    import transport as tp

    cost = tp.PointCloud(x, y, "euclidean", power=2.0)
    for flag, value, options in (
        ("--reg", 0.1, {"solver": tp.Sinkhorn(0.1, relative=True)}),
        ("--partial", 0.5, {"marginals": tp.Partial(0.5)}),
        ("--unbalanced", 0.7, {"marginals": tp.KL(0.7)}),
    ):
        paths = tmp_path / "x.npy", tmp_path / "y.npy"
        done = run("transport", *paths, "--kind", "points", "--json", flag, str(value))
        facts = json.loads(done.stdout)
        assert facts["cost"] == tp.solve(cost, **options).value
        assert facts["lower"] <= facts["distance"] <= facts["upper"]
