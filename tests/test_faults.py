"""What a machine does to a program: signals, limits, full disks, threads, forks. In processes of their own.

Each run ends as documented: an answer, or an error in the documented way, with the exit code that says so;
never a traceback from below, a half-written file under its final name, or a wrong number.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")
ENDS = (0, 2, 3, 130)  # of the command lines


def _start(code, *arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def _run(code, *arguments, timeout=300, **environment):
    process = _start(code, *arguments, **environment)
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err


# --- Ctrl-C and SIGTERM at random moments -----------------------------------------------------------------

_LONG = """
import sys, time
import numpy as np
import transport as tp, divergences as dv
rng = np.random.default_rng(0)
x, y = rng.random((2, 6000, 2))
calls = {
    "points": lambda: tp.solve(tp.PointCloud(x, y, "sqeuclidean")),
    "matrix": lambda: tp.solve(rng.random((1500, 1500))),
    "sinkhorn": lambda: tp.solve(tp.PointCloud(x, y, "sqeuclidean"), solver=tp.Sinkhorn(reg=1e-3)),
    "pairwise": lambda: tp.pairwise([rng.random((60, 2)) for _ in range(200)]),
    "estimate": lambda: dv.estimate("energy", x, y, permutations=9999, rng=0),
    "laws": lambda: [dv.kl(__import__("scipy.stats").stats.t(k), __import__("scipy.stats").stats.t(3))
                     for k in range(4, 4000)],
}
tp.solve(rng.random((5, 5)))
print("ready", flush=True)
try:
    calls[sys.argv[1]]()
    print("answered", flush=True)
except KeyboardInterrupt as error:
    bounds = getattr(error, "lower_bound", 0.0), getattr(error, "upper_bound", 0.0)
    print("interrupted", bounds[0] <= bounds[1], flush=True)
    # the library works on
    print(tp.solve(np.array([[0.0, 1.0], [1.0, 0.0]])).value, flush=True)
"""
CALLS = ("points", "matrix", "sinkhorn", "pairwise", "estimate", "laws")


def _interrupted(call, delay):
    process = _start(_LONG, call)
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    time.sleep(delay)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    lines = out.splitlines()
    assert "Exception ignored" not in err, err
    # Ctrl-C may also come after the answer, while Python ends.
    assert process.returncode == 0 or (lines == ["answered"] and process.returncode == -signal.SIGINT), err
    if lines != ["answered"]:
        assert lines == ["interrupted True", "0.0"], (out, err)
    return time.monotonic() - sent


@POSIX
@pytest.mark.parametrize("call", ["points"])
def test_ctrl_c_ends_a_call_and_the_library_works_on(call):
    _interrupted(call, 0.3)


@POSIX
@pytest.mark.deep
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("seed", range(5))
def test_ctrl_c_at_random_moments(call, seed):
    delay = 1.5 * float(np.random.default_rng([seed, CALLS.index(call)]).random())
    _interrupted(call, delay)


@POSIX
@pytest.mark.parametrize("command", [["transport", "a.npy", "b.npy", "--plan", "plan.npz"]])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_stopped_says_so_and_leaves_no_half_file(tmp_path, command, number):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", rng.random((20_000, 2)))
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(1.5)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    # 130, or the signal itself while Python starts, which a shell shows as 130 too.
    assert process.returncode in (130, -number, 0), err
    assert (tmp_path / "plan.npz").exists() == (process.returncode == 0)


@POSIX
@pytest.mark.deep
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_training_that_is_ended_resumes_from_its_checkpoint(tmp_path, number):
    command = [sys.executable, "-m", "generative", "train", "gan", "--data", "ring", "--out", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
    for _ in range(3):
        resume = ["--resume"] if (tmp_path / "checkpoint.npz").exists() else []
        process = subprocess.Popen(
            [*command, "--steps", "100000", *resume],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        end = time.monotonic() + 60
        while not (tmp_path / "checkpoint.npz").exists() and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(number)
        process.communicate(timeout=60)
        assert process.returncode == -number
    from generative import _checkpoint

    _, meta = _checkpoint.read(tmp_path / "checkpoint.npz")
    assert meta


# --- threads, forks, spawns -------------------------------------------------------------------------------

_MANY = """
import sys, multiprocessing
from concurrent.futures import ThreadPoolExecutor, ProcessPoolExecutor
import numpy as np
import transport as tp, divergences as dv

def work(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.random((2, 150, 2))
    p, q = rng.dirichlet(np.ones(3000), 2)
    return (
        tp.solve(tp.PointCloud(x, y, "sqeuclidean")).value,
        tp.solve(rng.random((40, 60)), rng.dirichlet(np.ones(40)), rng.dirichlet(np.ones(60))).value,
        tp.solve(rng.random((30, 30)), solver=tp.Sinkhorn(reg=0.05)).value,
        tp.wasserstein_1d(x[:, 0], y[:, 0]),
        float(dv.kl(p, q)), float(dv.js(p, q)), dv.energy(x, y),
        tp.bures_wasserstein(x[0], np.cov(x.T), y[0], np.cov(y.T)),
    )

if __name__ == "__main__":
    wanted = [work(seed) for seed in range(16)] if sys.argv[1] != "cold" else None
    if sys.argv[1] in ("threads", "cold"):
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(work, range(16)))
        wanted = wanted or [work(seed) for seed in range(16)]
    else:
        context = multiprocessing.get_context(sys.argv[1])
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            found = list(pool.map(work, range(16)))
    assert found == wanted, [(f, w) for f, w in zip(found, wanted) if f != w][:1]
    print("same bits")
"""


def _bits(tmp_path, way):
    script = tmp_path / "many.py"
    script.write_text(_MANY)
    done = subprocess.run(
        [sys.executable, str(script), way],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout) == (0, "same bits\n"), done.stderr


def test_eight_threads_get_the_bits_of_one(tmp_path):
    _bits(tmp_path, "cold")


@POSIX
@pytest.mark.deep
@pytest.mark.parametrize("way", ["threads", "fork", "forkserver", "spawn"])
def test_processes_get_the_bits_of_this_one(tmp_path, way):
    _bits(tmp_path, way)


# --- memory -----------------------------------------------------------------------------------------------

_STARVED = """
import resource, sys
import numpy as np
import transport as tp, divergences as dv
from transport.internal import ConvergenceError
rng = np.random.default_rng(0)
tp.solve(rng.random((5, 5))); tp.solve(tp.PointCloud(*rng.random((2, 50, 2)), "sqeuclidean"))
tp.solve(rng.random((5, 5)), solver=tp.Sinkhorn(reg=0.1)); dv.energy(*rng.random((2, 9, 2)))
sizes = dict(line.split(":") for line in open("/proc/self/status") if line.startswith("Vm"))
used = int(sizes["VmSize"].split()[0]) * 1024
x, y = rng.random((2, 12_000, 3))
calls = {
    "matrix": lambda: tp.solve(np.broadcast_to(rng.random(30_000), (30_000, 30_000))),
    "lists": lambda: tp.solve(tp.PointCloud(x, y, lambda s, t: np.abs(s - t).sum(-1))),
    "sinkhorn": lambda: tp.solve(tp.PointCloud(x, y, "sqeuclidean"), solver=tp.Sinkhorn(reg=1e-4)),
    "gromov": lambda: tp.gromov_wasserstein(np.broadcast_to(1.0, (20_000, 20_000)),
                                            np.broadcast_to(1.0, (20_000, 20_000))),
    "pairwise": lambda: dv.pairwise("js", rng.dirichlet(np.ones(4), 60_000)),
    "energy": lambda: dv.estimate("energy", x, y),
    "mmd": lambda: dv.estimate("mmd", x, y),
    "histograms": lambda: dv.kl(np.broadcast_to(1 / 2**30, (2**30,)), np.broadcast_to(1 / 2**30, (2**30,))),
}
room = int(sys.argv[2]) << 20
resource.setrlimit(resource.RLIMIT_AS, (used + room, used + room))
try:
    calls[sys.argv[1]]()
    print("answered")
except MemoryError as error:
    print("memory", error)
except (ValueError, ConvergenceError) as error:
    print("refused", error)
"""
WANTING = ("matrix", "lists", "sinkhorn", "gromov", "pairwise", "energy", "mmd", "histograms")


def _starved(call, room):
    code, out, err = _run(_STARVED, call, room, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    assert code == 0, err[-2000:]
    kind, _, text = out.partition(" ")
    assert kind.strip() == "answered" or any(c.isdigit() for c in text), out
    return kind.strip()


@POSIX
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads /proc")
@pytest.mark.parametrize("call", ["matrix"])
def test_too_little_memory_is_an_error_with_the_figure(call):
    assert _starved(call, 200) == "memory"


@POSIX
@pytest.mark.deep
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads /proc")
@pytest.mark.parametrize("call", WANTING)
@pytest.mark.parametrize("room", [60, 200])
def test_too_little_memory_for_any_call(call, room):
    _starved(call, room)


# --- disks ------------------------------------------------------------------------------------------------

_LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
import runpy, importlib
sys.argv = sys.argv[1:]
main = importlib.import_module(sys.argv[0] + ".__main__")
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
from transport.internal._cli import guard
sys.exit(guard(main.main, sys.argv[1:]))
"""
WRITERS = {
    "plan.npz": ["transport", "a.npy", "b.npy", "--plan", "plan.npz"],
    "plan.csv": ["transport", "a.npy", "b.npy", "--plan", "plan.csv"],
    "plot.png": ["transport", "a.npy", "b.npy", "--plot", "plot.png"],
    "after.png": ["transport", "colours", "photo.png", "style.png", "--out", "after.png"],
    "mean.png": ["transport", "barycenter", "photo.png", "style.png", "--out", "mean.png"],
    "d.npy": ["transport", "pairwise", "clouds", "--out", "d.npy"],
    "demo": ["divergences", "demo", "--out", "demo"],
    "run": ["generative", "train", "vae", "--data", "a.npy", "--out", "run", "--steps", "5"],
    "figures": ["generative", "explain", "--out", "figures"],
}


def _data(folder):
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        np.save(folder / f"{name}.npy", rng.random((300, 2)))
    for name in ("photo", "style"):
        Image.fromarray(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(folder / f"{name}.png")
    (folder / "clouds").mkdir()
    for k in range(40):
        np.save(folder / "clouds" / f"{k}.npy", rng.random((5, 2)))


def _on_a_full_disk(folder, name):
    _data(folder)
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, *WRITERS[name]],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "MPLCONFIGDIR": str(folder)},
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert done.stderr.splitlines()[-1].startswith("error: "), done.stderr
    if "." in name:
        assert not (folder / name).exists(), "half a file under its final name"


@POSIX
@pytest.mark.parametrize("name", ["plan.npz"])
def test_a_full_disk_is_one_line_and_no_half_file(tmp_path, name):
    _on_a_full_disk(tmp_path, name)


@POSIX
@pytest.mark.deep
@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_for_every_writer(tmp_path, name):
    _on_a_full_disk(tmp_path, name)


@POSIX
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_standard_output_on_a_full_disk(tmp_path, more):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((5, 2)))
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "transport", "a.npy", "a.npy", "--kind", "points", *more],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode != 0


@POSIX
def test_a_reader_that_leaves_early_is_no_error(tmp_path):
    """``python -m transport ... | head -1``."""
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((5, 2)))
    done = subprocess.run(
        f"{sys.executable} -m transport a.npy a.npy --kind points | head -c 1",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert "Exception ignored" not in done.stderr, done.stderr
