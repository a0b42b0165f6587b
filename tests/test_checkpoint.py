"""Checkpoints that were damaged or never finished: one error, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from generative import _checkpoint

ROOT = Path(__file__).parent.parent
TREE = {"net": {"params": np.linspace(0, 1, 200), "state": [np.arange(3), np.float32(2)]}, "step": 7}
META = {"model": "VAE(...)", "history": [{"step": 10, "elbo": -1.5}]}


def damage(raw, rng):
    """One to five bits flipped, a part overwritten, cut out, or the end missing."""
    data = bytearray(raw)
    way = int(rng.integers(4))
    if way == 0:
        for _ in range(int(rng.integers(1, 6))):
            data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    elif way == 1:
        start = int(rng.integers(len(data)))
        data[start : start + 8] = rng.bytes(8)
    elif way == 2:
        start = int(rng.integers(len(data)))
        del data[start : start + int(rng.integers(1, 40))]
    else:
        data = data[: int(rng.integers(len(data)))]
    return bytes(data)


def outcomes(folder, seed, count):
    """What reading damaged copies ended in, where it was neither ValueError nor the whole content."""
    path, rng = folder / "run.npz", np.random.default_rng(seed)
    _checkpoint.write(path, TREE, META)
    raw, (arrays, meta) = path.read_bytes(), _checkpoint.read(path)
    wrong = []
    for k in range(count):
        path.write_bytes(damage(raw, rng))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                again, said = _checkpoint.read(path)
            if said != meta or any(not np.array_equal(again[name], arrays[name]) for name in arrays):
                wrong.append((k, "other content"))
        except ValueError as error:
            if "run.npz" not in str(error):
                wrong.append((k, str(error)))
        except Exception as error:
            wrong.append((k, repr(error)))
    return wrong


def test_damaged_checkpoints_are_value_errors(tmp_path):
    assert outcomes(tmp_path, 0, 300) == []


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(1, 11))
def test_damaged_checkpoints_at_length(tmp_path, seed):
    assert outcomes(tmp_path, seed, 1500) == []


_WRITER = """
import sys, numpy as np
from generative import _checkpoint
k = 0
while True:
    k += 1
    _checkpoint.write(sys.argv[1], {"a": np.full(1_000_000, k)}, {"step": k})
    if k == 1: print("ready", flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_killed_writers_leave_nothing_for_long(tmp_path):
    path = tmp_path / "run.npz"
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    assert writer.stdout.readline() == "ready\n"
    time.sleep(0.01)
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    left = tmp_path / f"{_checkpoint._prefix(path)}{writer.pid}.tmp"
    for use in (_checkpoint.read, lambda name: _checkpoint.write(name, {"a": np.zeros(1)}, {"step": 0})):
        left.write_bytes(b"half a file")
        use(path)
        assert os.listdir(tmp_path) == ["run.npz"]


def test_other_writers_are_left_alone(tmp_path):
    path = tmp_path / "run.npz"
    alive = tmp_path / f"{_checkpoint._prefix(path)}{os.getppid()}.tmp"
    foreign = tmp_path / ".run.npz.another-machine.1.tmp"
    alive.touch()
    foreign.touch()
    _checkpoint.write(path, {"a": np.zeros(1)}, {})
    assert alive.exists()
    assert foreign.exists()
