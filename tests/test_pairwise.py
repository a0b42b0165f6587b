"""Matrices of distances: against `solve` pair by pair, on every executor, over kills, with bad measures."""

from __future__ import annotations

import concurrent.futures as cf
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import transport as tp
from transport.internal import ConvergenceError

ROOT = Path(__file__).parent.parent


def ragged(rng: np.random.Generator, count: int, dim: int = 2, most: int = 9):
    """Clouds of various sizes, weighted or not; some points shared, some weights 0."""
    out = []
    for k in range(count):
        x = rng.integers(0, 4, (rng.integers(1, most), dim)) + rng.normal(size=(1, dim)) * (k % 2)
        w = rng.dirichlet(np.ones(len(x)))
        if len(x) > 2 and k % 4 == 0:
            w[0] = 0.0
            w /= w.sum()
        out.append((x, w) if k % 3 else x)
    return out


def by_solve(mu, nu, cost="euclidean", p=2.0):
    (x, a), (y, b) = (z if isinstance(z, tuple) else (z, None) for z in (mu, nu))
    x, y = (z[:, None] if z.ndim == 1 else z for z in (x, y))
    return tp.solve(tp.PointCloud(x, y, cost, power=p), a, b).value ** (1 / p)


@pytest.mark.parametrize("cost", ["euclidean", "cityblock", "chebyshev"])
@pytest.mark.parametrize(("p", "dim"), [(1, 2), (2, 3), (1.5, 2), (3, 1)])
def test_matrix_is_that_of_single_solves(cost, p, dim):
    measures = ragged(np.random.default_rng(0), 12, dim)
    result = tp.pairwise(measures, cost=cost, p=p)
    assert np.array_equal(result.matrix, result.matrix.T)
    assert not result.matrix.diagonal().any()
    assert not result.failures
    for i in range(12):
        for j in range(i + 1, 12):
            true = by_solve(measures[i], measures[j], cost, p)
            assert result.matrix[i, j] == pytest.approx(true, rel=1e-9, abs=1e-7)
            assert result.lower[i, j] <= result.matrix[i, j] <= result.upper[i, j]
            assert result.upper[i, j] - result.lower[i, j] <= 1e-7
    assert np.array_equal(result.condensed(), result.matrix[np.triu_indices(12, 1)])
    table = tp.pairwise(measures[:3], measures[3:], cost=cost, p=p)
    assert table.matrix == pytest.approx(result.matrix[:3, 3:], rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("scale", [2.0**-900, 1.0, 2.0**400, 2.0**1000])
def test_extreme_units_scale_the_distances(scale):
    """Squares of these underflow or overflow: every pair falls back on the scaled road."""
    measures = [np.random.default_rng(k).normal(size=(4 + k, 2)) for k in range(3)]
    plain = tp.pairwise(measures).matrix
    scaled = tp.pairwise([x * scale for x in measures])
    assert not scaled.failures
    assert scaled.matrix == pytest.approx(plain * scale, rel=1e-12)


def test_one_pair_far_smaller_than_the_others():
    """Differences whose squares underflow are a distance all the same."""
    x = np.zeros((2, 2))
    tiny = np.array([[1e-170, 0.0], [0.0, 1e-170]])
    result = tp.pairwise([x, tiny, x + 1.0])
    assert result.matrix[0, 1] == pytest.approx(1e-170, rel=1e-12)
    assert result.lower[0, 1] <= 1e-170 * (1 + 1e-12)


def test_histograms_on_one_cost():
    rng = np.random.default_rng(1)
    images = rng.random((5, 4, 6)) * (rng.random((5, 4, 6)) < 0.6)
    grid = tp.Grid((4, 6))
    by_grid = tp.pairwise(images, cost=grid, normalize=True)
    distances = np.sqrt(grid.block(0, 24))
    flat = images.reshape(5, -1) / images.sum(axis=(1, 2))[:, None]
    by_matrix = tp.pairwise(list(flat), cost=distances, normalize=True)
    for i in range(5):
        for j in range(i):
            true = tp.solve(grid, flat[i] / flat[i].sum(), flat[j] / flat[j].sum()).value ** 0.5
            assert by_grid.matrix[i, j] == pytest.approx(true, rel=1e-9)
            assert by_matrix.matrix[i, j] == pytest.approx(true, rel=1e-9)
    with pytest.raises(ValueError, match="pass p=2"):
        tp.pairwise(images, cost=grid, p=1)
    blocked = distances.copy()
    blocked[:12, 12:] = np.inf
    halves = np.zeros((2, 24))
    halves[0, :12], halves[1, 12:] = 1 / 12, 1 / 12
    result = tp.pairwise(halves, cost=blocked)
    assert "forbidden" in result.failures[0, 1]
    assert np.isnan(result.matrix[0, 1])


def second_moment(mu, nu):
    """A distance at module level: importable in workers."""
    return abs(float(mu[1] @ (mu[0] ** 2).sum(axis=1)) - float(nu[1] @ (nu[0] ** 2).sum(axis=1)))


def test_functions_and_names():
    measures = ragged(np.random.default_rng(2), 5)
    result = tp.pairwise(measures, distance=second_moment)
    assert result.upper[0, 1] == np.inf
    assert result.matrix[0, 1] > 0
    assert tp.pairwise(measures, distance="sliced").matrix[1, 2] > 0
    named = tp.pairwise(measures, solver=tp.Exact("matrix")).matrix
    assert named == pytest.approx(tp.pairwise(measures).matrix, rel=1e-9, abs=1e-9)
    with pytest.raises(ValueError, match="choose 'wasserstein'"):
        tp.pairwise(measures, distance="far")


def test_a_bad_measure_is_named_and_the_rest_stands():
    measures = ragged(np.random.default_rng(3), 9)
    measures[4] = np.array([[0.0, np.nan]])
    measures[7] = (np.zeros((2, 2)), [0.5, 0.6])
    result = tp.pairwise(measures, tile=2)
    assert len(result.failures) == 8 + 7
    assert "measures[4]: points[0, 1] is nan" in result.failures[0, 4]
    assert "measures[7]: weights sums to 1.1" in result.failures[7, 8]
    good = [k for k in range(9) if k not in (4, 7)]
    part = tp.pairwise([measures[k] for k in good])
    assert np.array_equal(result.matrix[np.ix_(good, good)], part.matrix)
    assert np.isnan(result.matrix[4]).all()
    assert result.lower[4, 0] == -np.inf
    table = tp.pairwise(measures, measures[:2])
    assert set(table.failures) == {(4, 0), (4, 1), (7, 0), (7, 1)}
    near = tp.pairwise(measures, nearest=2)
    assert (near.indices[4] == -1).all()
    assert not np.isin(near.indices[good], [4, 7]).any()
    assert "measures[4]" in near.failures[4, 4]


def test_tiles_and_threads_change_no_bit(monkeypatch):
    measures = ragged(np.random.default_rng(4), 17, most=14)
    whole = tp.pairwise(measures)
    for tile in (1, 3, 16):
        assert np.array_equal(whole.matrix, tp.pairwise(measures, tile=tile).matrix)
    monkeypatch.setenv("KANTOROVICH_NUM_THREADS", "1")
    alone = tp.pairwise(measures, tile=5)
    assert np.array_equal(whole.matrix, alone.matrix)
    assert np.array_equal(whole.lower, alone.lower)
    with cf.ThreadPoolExecutor(2) as pool:
        threads = tp.pairwise(measures, executor=pool, tile=4)
    assert np.array_equal(whole.matrix, threads.matrix)
    assert np.array_equal(whole.upper, threads.upper)
    near = tp.pairwise(measures, nearest=3, executor=None)
    with cf.ThreadPoolExecutor(2) as pool:
        assert np.array_equal(near.indices, tp.pairwise(measures, nearest=3, executor=pool).indices)


def suicide(mu, nu):
    """Kills its process for one pair of measures; the first time only if a file is to remember it by."""
    if len(mu[0]) == 7 and len(nu[0]) == 8:
        marker = os.environ.get("SUICIDE_ONCE")
        if marker is None or not Path(marker).exists():
            if marker is not None:
                Path(marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return float(len(mu[0]) + len(nu[0]))


@pytest.mark.parametrize(("once", "kind"), [(True, "process"), (False, "process"), (True, "loky")])
def test_a_dead_worker_loses_nothing(once, kind, tmp_path, monkeypatch):
    measures = [np.zeros((n, 2)) for n in range(1, 11)]
    if once:
        monkeypatch.setenv("SUICIDE_ONCE", str(tmp_path / "died"))
    if kind == "loky":
        loky = pytest.importorskip("loky")
        pool = loky.get_reusable_executor(max_workers=2)
    else:
        import multiprocessing

        pool = cf.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
    with pool:
        result = tp.pairwise(measures, distance=suicide, executor=pool, tile=1)
    true = np.add.outer(np.arange(1, 11), np.arange(1, 11)) * 1.0
    np.fill_diagonal(true, 0.0)
    if once:
        assert not result.failures
    else:
        assert list(result.failures) == [(6, 7)]
        assert "died twice" in result.failures[6, 7]
        true[6, 7] = true[7, 6] = np.nan
    assert np.array_equal(result.matrix, true, equal_nan=True)


def test_dask_cluster(tmp_path):
    distributed = pytest.importorskip("distributed")
    measures = ragged(np.random.default_rng(5), 14)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        result = tp.pairwise(measures, executor=client.get_executor(), tile=4, out=tmp_path / "D.npy")
    assert np.array_equal(result.matrix, tp.pairwise(measures).matrix)


KILLED = """
import sys, numpy as np, concurrent.futures as cf, multiprocessing
import transport as tp
rng = np.random.default_rng(0)
measures = [rng.random((int(n), 2)) for n in rng.integers(5, 40, 60)]
if __name__ == "__main__":
    print("ready", flush=True)
    if sys.argv[2] == "pool":
        with cf.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
            tp.pairwise(measures, out=sys.argv[1], tile=4, executor=pool)
    elif sys.argv[2] == "dask":
        import distributed
        with (
            distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
            distributed.Client(cluster) as client,
        ):
            tp.pairwise(measures, out=sys.argv[1], tile=4, executor=client.get_executor())
    else:
        tp.pairwise(measures, out=sys.argv[1], tile=4)
    print("done", flush=True)
"""


@pytest.mark.parametrize("kind", ["here", "pool"])
def test_kill_at_any_time_and_go_on(kind, tmp_path):
    """SIGKILL at growing delays, torn journal lines in between; the file is the one of a run in one piece."""
    script = tmp_path / "run.py"
    script.write_text(KILLED)
    out = tmp_path / "D.npy"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    delay, finished, kills = 0.05, False, 0
    while not finished:
        process = subprocess.Popen(
            [sys.executable, str(script), str(out), kind],
            env=env, stdout=subprocess.PIPE, start_new_session=True, text=True,
        )  # fmt: skip
        assert process.stdout.readline() == "ready\n"
        try:
            process.wait(timeout=delay)
            finished = process.returncode == 0
            assert finished
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            with out.with_suffix(".journal").open("a") as journal:
                journal.write('{"tile":9999,"failu')
        process.stdout.close()
        delay *= 4
    assert kills >= 1
    rng = np.random.default_rng(0)
    measures = [rng.random((int(n), 2)) for n in rng.integers(5, 40, 60)]
    again = tp.pairwise(measures, out=out)
    assert again.stats["computed"] == 0
    fresh = tmp_path / "fresh.npy"
    tp.pairwise(measures, out=fresh, tile=7)
    assert out.read_bytes() == fresh.read_bytes()
    assert out.with_suffix(".lower.npy").read_bytes() == fresh.with_suffix(".lower.npy").read_bytes()


@pytest.mark.deep
@pytest.mark.parametrize("kind", ["pool", "dask"])
def test_twenty_kills_change_no_bit(kind, tmp_path):
    """SIGKILL at random moments, twenty times: finished tiles stay, and the bytes are those of one run."""
    if kind == "dask":
        pytest.importorskip("distributed")
    script, out = tmp_path / "run.py", tmp_path / "D.npy"
    script.write_text(KILLED.replace("5, 40, 60", "5, 40, 300"))
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    rng = np.random.default_rng(8)
    kills, finished, tiles = 0, False, 0
    while not finished:
        process = subprocess.Popen(
            [sys.executable, str(script), str(out), kind],
            env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True, text=True,
        )  # fmt: skip
        assert process.stdout.readline() == "ready\n"
        try:
            process.wait(timeout=None if kills == 20 else rng.uniform(0.0, 4.0))
            assert process.returncode == 0
            finished = True
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            journal = out.with_suffix(".journal")
            lines = len(journal.read_bytes().splitlines()) if journal.exists() else 0
            assert lines >= tiles
            tiles = lines
        process.stdout.close()
    fresh = tmp_path / "fresh.npy"
    rng = np.random.default_rng(0)
    tp.pairwise([rng.random((int(n), 2)) for n in rng.integers(5, 40, 300)], out=fresh, tile=7)
    for suffix in (".npy", ".lower.npy", ".upper.npy"):
        assert out.with_suffix(suffix).read_bytes() == fresh.with_suffix(suffix).read_bytes()
    assert kills == 20 or tiles > 1


def test_files_belong_to_their_inputs(tmp_path, monkeypatch):
    out = tmp_path / "D.npy"
    measures = ragged(np.random.default_rng(6), 6)
    measures[2] = np.array([[np.inf, 0.0]])
    first = tp.pairwise(measures, out=out)
    again = tp.pairwise(measures, out=out)
    assert again.failures == first.failures
    assert np.load(out)[0, 1] == first.matrix[0, 1]
    for other in ({"p": 1}, {"cost": "cityblock"}, {"solver": tp.Exact("matrix")}):
        with pytest.raises(ValueError, match="resume=False"):
            tp.pairwise(measures, out=out, **other)
    moved = [measures[0] + 1e-9 if isinstance(measures[0], np.ndarray) else measures[0], *measures[1:]]
    with pytest.raises(ValueError, match="resume=False"):
        tp.pairwise(moved, out=out)
    changed = tp.pairwise(measures, out=out, p=1, resume=False)
    assert changed.matrix[0, 1] != first.matrix[0, 1] or changed.stats["computed"] > 0
    out.with_suffix(".journal").unlink()
    with pytest.raises(ValueError, match="no journal"):
        tp.pairwise(measures, out=out)
    with pytest.raises(ValueError, match=r"end in \.npy"):
        tp.pairwise(measures, out=tmp_path / "D.bin")
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 0, 10))
    with pytest.raises(OSError, match="bytes on disk"):
        tp.pairwise(measures, out=tmp_path / "E.npy")


def test_two_writers_are_refused(tmp_path):
    pytest.importorskip("fcntl")
    out = tmp_path / "D.npy"
    measures = ragged(np.random.default_rng(6), 4)

    def intrude(progress):
        with pytest.raises(ValueError, match="another process"):
            tp.pairwise(measures, out=out)

    tp.pairwise(measures, out=out, callback=intrude)


def test_memory_is_refused_before_any_work(monkeypatch):
    from transport._solver import memory

    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    points = [np.zeros((1, 1))] * 300
    with pytest.raises(MemoryError, match="pass out="):
        tp.pairwise(points)
    with pytest.raises(MemoryError, match="others="):
        tp.pairwise(points, nearest=1)


def test_callback_sees_progress_and_stops(tmp_path):
    measures = ragged(np.random.default_rng(7), 12)
    seen = []
    tp.pairwise(measures, callback=seen.append, tile=3)
    assert seen[-1].details["pairs"] == seen[-1].details["of"] == 66
    out = tmp_path / "D.npy"
    with pytest.raises(ConvergenceError, match="stopped by the callback"):
        tp.pairwise(measures, out=out, tile=3, callback=lambda progress: progress.n_iter > 20)
    lines = out.with_suffix(".journal").read_text().splitlines()
    assert json.loads(lines[0].rpartition(" ")[0])["side"] == 3
    result = tp.pairwise(measures, out=out)
    assert 0 < result.stats["computed"] < 66
    assert np.array_equal(result.matrix, tp.pairwise(measures).matrix)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (([],), {}, ValueError, "empty"),
        (([[[0.0, 0.0]], [[np.nan, 0.0]]][1:],), {}, ValueError, r"measures\[0\]: points\[0, 0\] is nan"),
        ((np.zeros(3),), {}, ValueError, "one measure an entry"),
        (([[[0.0, 0.0]]], [[0.0]]), {}, ValueError, "dimension 2 and others in 1"),
        (([[[0.0, 0.0]]] * 2,), {"p": np.inf}, ValueError, "on the line only"),
        (([[[0.0, 0.0]]] * 2,), {"p": 0.5}, ValueError, "p = 0.5"),
        (([[[0.0, 0.0]]] * 2,), {"cost": "sqeuclidean"}, ValueError, "choose one of"),
        (([[0.5, 0.5]] * 2,), {"cost": -np.eye(2)}, ValueError, r"cost\[0, 0\] is -1"),
        (([[[0.0, 0.0]]] * 3,), {"nearest": 3}, ValueError, "there are 2 others"),
        (([[[0.0, 0.0]]] * 3,), {"nearest": 1, "out": "D.npy"}, ValueError, "out="),
        (([[[0.0, 0.0]]] * 3,), {"tile": 0}, ValueError, "tile"),
    ],
)
def test_refusals(arguments, options, error, words):
    with pytest.raises(error, match=words):
        tp.pairwise(*arguments, **options)


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("dim", [1, 2, 5])
def test_nearest_is_the_matrix_sorted(p, dim):
    """Groups of similar measures, duplicates for ties: the same neighbours from a part of the pairs."""
    rng = np.random.default_rng(8)
    centres = 20 * rng.normal(size=(8, dim))
    measures = [rng.normal(size=(rng.integers(2, 8), dim)) + centres[k % 8] for k in range(64)]
    measures[9] = measures[1]
    matrix = tp.pairwise(measures, p=p).matrix.copy()
    np.fill_diagonal(matrix, np.inf)
    near = tp.pairwise(measures, p=p, nearest=4)
    order = np.argsort(matrix, axis=1, kind="stable")[:, :4]
    assert np.array_equal(near.indices, order)
    assert np.array_equal(near.distances, np.take_along_axis(matrix, order, axis=1))
    assert (near.lower <= near.distances).all()
    assert (near.distances <= near.upper).all()
    if dim > 1:
        assert near.pruned > 0.5
    graph = near.graph()
    assert graph.shape == (64, 64)
    assert graph.nnz == 64 * 5
    some = tp.pairwise(measures[:5], measures, p=p, nearest=3)
    assert np.array_equal(some.indices[:, 0], np.where(np.arange(5) == 9, 1, np.arange(5)))
    assert some.distances == pytest.approx(
        np.sort(np.where(np.isinf(matrix[:5]), 0.0, matrix[:5]), axis=1)[:, :3], rel=1e-9, abs=1e-9
    )


def test_lower_bounds_are_lower_bounds():
    from transport._pairwise.bounds import lower_bounds
    from transport._pairwise.measures import Ground, pack
    from transport._pairwise.tasks import Work

    rng = np.random.default_rng(9)
    for dim in (2, 3, 12):
        measures = ragged(rng, 14, dim)
        for cost in ("euclidean", "cityblock", "chebyshev"):
            for p in (1.0, 1.5, 2.0, 4.0):
                ground = Ground.of(cost, p)
                packed, _ = pack(measures, "measures", ground, side=0, normalize=False)
                low = lower_bounds(Work(p, ground), packed, packed)
                true = tp.pairwise(measures, cost=cost, p=p).matrix
                assert (low <= true).all()
                assert low.max() > 0.3 * true.max()


def test_a_slow_callback_does_not_lose_the_journal(tmp_path):
    """Tiles finished within a moment are journalled together, and all of them in the end."""
    out = tmp_path / "D.npy"
    start = time.perf_counter()
    tp.pairwise(ragged(np.random.default_rng(1), 10), out=out, tile=2)
    assert len(out.with_suffix(".journal").read_text().splitlines()) == 1 + 15
    assert time.perf_counter() - start < 60
