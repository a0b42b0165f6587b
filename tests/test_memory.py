"""Memory that could be had: of the machine, of the container, of the process."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import transport as tp
from transport._solver import memory


@pytest.mark.parametrize("version", [1, 2])
def test_the_tightest_control_group_counts(monkeypatch, tmp_path, version):
    """A limit of 1000 above a group of 5000; 300 used, 100 of it cached files."""
    top = tmp_path / "memory" if version == 1 else tmp_path
    inner = top / "pod" / "job"
    inner.mkdir(parents=True)
    names = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        2: ("memory.max", "memory.current"),
    }[version]
    for folder, limit, used in ((inner, "5000", "300"), (inner.parent, "1000", "300"), (top, "max", "900")):
        (folder / names[0]).write_text(limit + "\n")
        (folder / names[1]).write_text(used + "\n")
    (inner.parent / "memory.stat").write_text("anon 200\ninactive_file 60\nactive_file 40\n")
    line = "7:cpu,cpuacct:/x\n4:memory:/pod/job\n" if version == 1 else "0::/pod/job\n"
    files = memory._lines
    monkeypatch.setattr(memory, "_ROOT", tmp_path)
    monkeypatch.setattr(
        memory, "_lines", lambda path: line.split("\n")[:-1] if "self" in str(path) else files(path)
    )
    assert memory._of_container() == 800


def test_no_information_is_no_limit(monkeypatch):
    monkeypatch.setattr(memory, "_lines", lambda path: [])
    assert memory.available_bytes() is None


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_AS")
def test_the_address_space_of_the_process_counts():
    code = (
        "import resource, transport\n"
        "from transport._solver import memory\n"
        "before = memory._of_process()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 32, resource.RLIM_INFINITY))\n"
        "assert before is None or before > 0\n"
        "assert 0 < memory._of_process() < 1 << 32, memory._of_process()\n"
        "assert memory.available_bytes() <= memory._of_process() + (1 << 24)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_running_out_says_what_was_wanted(monkeypatch):
    def starved(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr("transport._solve.run", starved)
    with pytest.raises(
        MemoryError, match=r"300 x 200: stored costs take 480000 bytes.*available; pass points"
    ):
        tp.solve(np.random.default_rng(0).random((300, 200)), time_limit=10)
