"""Kernels that travel compiled: content keys, packs, the user's cache, Ctrl-C, threads and forks.

Most tests run a small project of their own, with the real `transport.internal` in it, in other processes.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from transport.internal import InterruptedCompilation, _store, compilations, compiled
from transport.internal._precompile import SIGNATURES, find, jobs, recorded

ROOT = Path(__file__).parent.parent
INNER = """
from transport.internal import compiled
@compiled
def inner(x):
    return x + 1.0
"""
OUTER = """
from transport._kernels.inner import inner
from transport.internal import compiled
@compiled
def outer(x):
    s = 0.0
    for i in range(x.size):
        s += inner(x[i])
    return s
"""
OTHER = """
from transport.internal import compiled
def make(power):
    @compiled
    def raised(x):
        return x**power
    return raised
cube = make(3.0)
"""
RUN = """
import json, sys
import numpy as np
from transport.internal import compilations
from transport._kernels.outer import outer
from transport._kernels.other import cube
heard = []
with compilations(heard.append):
    x = np.ones(4)
    x.flags.writeable = False
    values = outer(x), cube(2.0)
print(json.dumps([values, [name.split(":")[1] for name in heard]]))
"""
LISTED = """transport._kernels.outer:outer | float64[::1]
transport._kernels.other:make(power=3.0).raised | float64
transport._kernels.outer:renamed_since | float64[::1]
"""
BOTH = ["outer", "make(power=3.0).raised"]


class Project:
    """A copy of `transport.internal` beside three kernels."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache = folder / "project", folder / "cache"
        kernels = self.folder / "transport" / "_kernels"
        kernels.mkdir(parents=True)
        shutil.copytree(ROOT / "transport" / "internal", self.folder / "transport" / "internal")
        (self.folder / "transport" / "__init__.py").write_text("")
        for name, text in (("inner", INNER), ("outer", OUTER), ("other", OTHER), ("__init__", "")):
            (kernels / f"{name}.py").write_text(text)
        (self.folder / "transport" / "internal" / "signatures.txt").write_text(LISTED)

    def start(self, code: str = RUN, **environment: str) -> subprocess.Popen:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("KANTOROVICH_", "NUMBA_", "PYTHON"))}
        env |= {"KANTOROVICH_CACHE_DIR": str(self.cache), "PYTHONPATH": str(self.folder)} | environment
        env["PYTHONDONTWRITEBYTECODE"] = "1"  # Python's own cache goes by time stamps
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code],
            env=env,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, code: str = RUN, **environment: str) -> list:
        """[values, kernels that were compiled]."""
        out, err = self.start(code, **environment).communicate(timeout=300)
        assert out, err
        return json.loads(out)

    def edit(self, old: str, new: str, module: str = "inner") -> None:
        """Same length, same time stamp: only the content tells."""
        path = self.folder / "transport" / "_kernels" / f"{module}.py"
        facts = path.stat()
        path.write_text(path.read_text().replace(old, new))
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        assert path.stat().st_size == facts.st_size


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def test_a_change_in_an_inlined_file_ends_the_old_kernel_and_no_other(project):
    assert project.run() == [[8.0, 8.0], BOTH]
    assert project.run() == [[8.0, 8.0], []]
    project.edit("1.0", "2.0")
    assert project.run() == [[12.0, 8.0], ["outer"]]
    project.edit("2.0", "1.0")
    assert project.run() == [[8.0, 8.0], []], "known by content: the first one is still there"


def test_damaged_files_are_compiled_again(project):
    project.run()
    kernels = sorted(project.cache.glob("*.kernel"))
    assert len(kernels) == 3
    for k, path in enumerate(kernels):
        whole = path.read_bytes()
        path.write_bytes((whole[: len(whole) // 2], b"", whole[:-1] + bytes([whole[-1] ^ 1]))[k])
    values, heard = project.run()
    assert values == [8.0, 8.0]
    assert heard == BOTH
    assert project.run() == [[8.0, 8.0], []]


def test_without_a_folder_every_process_compiles_for_itself(project):
    project.cache.write_text("a file where the folder should be")
    assert project.run() == [[8.0, 8.0], BOTH]
    blocked = {"HOME": "/nowhere", "XDG_CACHE_HOME": "/dev/null/x", "KANTOROVICH_CACHE_DIR": ""}
    for name in ("TMPDIR", "TEMP", "TMP"):
        blocked[name] = "/dev/null/x"
    code = "import tempfile; tempfile.gettempdir = lambda: '/dev/null/x'\n" + RUN
    assert project.run(code, **blocked) == [[8.0, 8.0], BOTH]


def test_a_full_disk_is_no_error(project):
    code = (
        "from transport.internal import _store\n"
        "def full(path, data): raise OSError(28, 'No space left on device')\n"
        "_store._write = full\n"
    ) + RUN
    assert project.run(code) == [[8.0, 8.0], BOTH]
    assert not list(project.cache.iterdir())


def test_processes_that_compile_at_once_agree(project):
    running = [project.start() for _ in range(3)]
    for process in running:
        out, err = process.communicate(timeout=300)
        assert json.loads(out)[0] == [8.0, 8.0], err
    assert all(path.suffix == ".kernel" for path in project.cache.iterdir())
    assert all(_store.unsealed(path.read_bytes()) for path in project.cache.iterdir())
    assert project.run() == [[8.0, 8.0], []]


def test_a_pack_travels(project, tmp_path):
    code = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from transport.internal import _precompile, _store\n"
        "names = [b.name for b in _store.baselines()]\n"
        "paths, line = _precompile.install(_store.PACKS, names[:1])\n"
        "print(json.dumps([names, line, [r[:2] for r in _store.Pack(paths[0]).rows]]))\n"
    )
    names, line, rows = project.run(code)
    assert f"2 for {names[0]} in " in line
    assert "(1 not found)" in line
    assert {row[0].split(":")[1] for row in rows} == set(BOTH)
    # In another folder, with other time stamps, where nothing can be written:
    moved = tmp_path / "elsewhere"
    shutil.copytree(project.folder, moved, copy_function=shutil.copy)
    project.folder = moved
    nowhere = {"KANTOROVICH_CACHE_DIR": "/dev/null/x"}
    assert project.run(**nowhere) == [[8.0, 8.0], []]
    assert project.run(KANTOROVICH_JIT="1", **nowhere) == [[8.0, 8.0], BOTH]
    assert project.run(KANTOROVICH_CPU="native", **nowhere) == [[8.0, 8.0], BOTH]
    version = "import numba; numba.__version__ = '0.0.1'\n"
    assert project.run(version + RUN, **nowhere) == [[8.0, 8.0], BOTH]
    project.edit("1.0", "2.0")
    assert project.run(**nowhere) == [[12.0, 8.0], ["outer"]], "a pack is as old as the kernels it has"
    pack = next((moved / "transport" / "_compiled").glob("*.kernels"))
    for size in (pack.stat().st_size - 100, 300, 0):
        os.truncate(pack, size)
        values, heard = project.run(**nowhere)
        assert values == [12.0, 8.0]
        assert "outer" in heard


SLOW = """
import sys, time
import numpy as np
from transport.internal import compilations
import transport._kernels.slow as k
def say(name):
    print("compiling", flush=True)
try:
    with compilations(say):
        print(k.slow(np.arange(9.0)), flush=True)
except KeyboardInterrupt as error:
    print("interrupted", flush=True)
    sys.exit(3)
"""


def _slow(project: Project) -> None:
    lines = ["import numpy as np", "from transport.internal import compiled"]
    for k in range(4):
        lines += ["@compiled", f"def f{k}(x):", "    s = 0.0", f"    y = np.sort(x * {k}.5)"]
        lines += [f"    for i in range(x.size): s += np.sin(y[i] + {j}) * np.exp(x[i])" for j in range(6)]
        lines += [f"    return s + {'0' if k == 0 else f'f{k - 1}(y)'}"]
    lines += ["slow = f3"]
    (project.folder / "transport" / "_kernels" / "slow.py").write_text("\n".join(lines))


def test_ctrl_c_while_compiling(project):
    _slow(project)
    rng = np.random.default_rng(0)
    for _ in range(30 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 2):
        process = project.start(SLOW)
        assert process.stdout.readline() == "compiling\n", process.stderr.read()
        time.sleep(2 * rng.random())
        if process.poll() is not None:
            break  # all of it is compiled and kept by now
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        if "interrupted" not in out:
            assert process.returncode == 0 or process.returncode == -signal.SIGINT, err  # it was through
        assert "Exception ignored" not in err
    out, err = project.start(SLOW).communicate(timeout=300)
    alone, err = project.start(SLOW, KANTOROVICH_CACHE_DIR="/dev/null/x").communicate(timeout=300)
    assert out.split()[-1] == alone.split()[-1], err


def test_ctrl_c_is_noted_then_answered_as_ever():
    @compiled
    def kernel(x):
        return np.sort(x)[0]

    def strike(name):
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(InterruptedCompilation), compilations(strike):
        kernel(np.ones(2))
    answered = []
    before = signal.signal(signal.SIGINT, lambda number, frame: answered.append(number))
    once = iter([strike])
    try:
        with compilations(lambda name: next(once, lambda name: None)(name)):
            assert kernel(np.ones(2)) == 1.0, "a handler that goes on lets the compilation go on"
        assert answered == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)
    with compilations(lambda name: pytest.fail("compiled twice")):
        assert kernel(np.zeros(2)) == 0.0


def test_ctrl_c_at_the_compiler_lock_leaves_it_free(monkeypatch):
    from transport.internal import _dispatcher

    real = _dispatcher.global_compiler_lock

    class Struck:
        """The lock, with a Ctrl-C between its acquisition and whoever records that."""

        def __enter__(self):
            real.__enter__()
            signal.raise_signal(signal.SIGINT)

        def __exit__(self, *error):
            real.__exit__(*error)

    @compiled
    def kernel(x):
        return x[0] + 2.0

    monkeypatch.setattr(_dispatcher, "global_compiler_lock", Struck())
    with pytest.raises(KeyboardInterrupt):
        kernel(np.ones(2))
    monkeypatch.undo()
    free = []

    def look():
        free.append(real._lock.acquire(timeout=5.0))
        if free[0]:
            real._lock.release()

    other = threading.Thread(target=look)
    other.start()
    other.join()
    assert free == [True]


def test_one_code_for_arrays_that_may_and_may_not_be_written_and_for_all_integers():
    @compiled
    def kernel(x, k):
        return x[k]

    heard = []
    with compilations(heard.append):
        x = np.arange(3.0)
        fixed = x.copy()
        fixed.flags.writeable = False
        for array in (x, fixed):
            for k in (1, np.int32(1), np.uint8(1), np.int64(1)):
                assert kernel(array, k) == 1.0
    assert len(heard) == 1
    assert len(kernel.overloads) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_forked_while_another_thread_compiles(project):
    _slow(project)
    code = (
        "import os, signal, threading, time\n"
        "import numpy as np\n"
        "from transport.internal import compilations\n"
        "from transport._kernels.slow import slow\n"
        "from transport._kernels.outer import outer\n"
        "begun = threading.Event()\n"
        "def work():\n"
        "    with compilations(lambda name: begun.set()): slow(np.arange(9.0))\n"
        "thread = threading.Thread(target=work); thread.start(); begun.wait()\n"
        "time.sleep(0.05)\n"
        "child = os.fork()\n"
        "if child == 0: signal.alarm(60); os._exit(int(outer(np.ones(4))) - 8)\n"
        "status = os.waitpid(child, 0)[1]; thread.join()\n"
        "print([os.waitstatus_to_exitcode(status), []])\n"
    )
    assert project.run("import warnings; warnings.simplefilter('ignore')\n" + code) == [0, []]


def test_a_thread_that_compiles_is_not_the_one_that_ctrl_c_strikes():
    @compiled
    def kernel(x):
        return np.sort(x)[0] + 1.0

    seen = []
    thread = threading.Thread(target=lambda: seen.append(kernel(np.ones(2))))
    thread.start()
    thread.join()
    assert seen == [2.0]


def test_what_is_recorded_exists():
    if SIGNATURES.read_text().startswith("#"):  # complete
        missing = [kernel for kernel, _ in recorded() if find(kernel) is None]
        assert not missing, "run `make signatures` and commit it"
    listed = [pair for job in jobs(recorded()) for pair in job]
    assert sorted(listed) == recorded()


@pytest.mark.parametrize(
    ("lacking", "best"),
    [
        ((), "x86-64-v4"),
        (("avx512f",), "x86-64-v3"),
        (("avx512vl",), "x86-64-v3"),
        (("fma",), "x86-64-v2"),
        (("sse4.2",), "x86-64"),
    ],
)
def test_the_best_baseline_that_runs_here(lacking, best, monkeypatch):
    import llvmlite.binding as llvm

    features = type("Features", (dict,), {"flatten": lambda self: ""})(
        {word: word not in lacking for word in _store._V4}
    )
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: features)
    monkeypatch.setattr(llvm, "get_process_triple", lambda: "x86_64-unknown-linux-gnu")
    for name in ("KANTOROVICH_CPU", "NUMBA_CPU_NAME"):
        monkeypatch.delenv(name, raising=False)
    find_ = _store.baselines.__wrapped__
    assert find_()[0].name == best
    monkeypatch.setenv("KANTOROVICH_CPU", "x86-64-v3")
    assert find_()[0].name == min(best, "x86-64-v3") if best != "x86-64-v2" else "x86-64-v2"
    monkeypatch.setenv("KANTOROVICH_CPU", "native")
    assert find_()[0].name.startswith(llvm.get_host_cpu_name())


def test_kernels_take_code_from_kernel_files_alone():
    """What a kernel inlines has to be part of what it is known by."""
    import re

    for path in ROOT.glob("*/_kernels/*.py"):
        text = path.read_text()
        if "@compiled" in text:
            found = re.findall(r"^(?:from|import) ((?:transport|divergences|generative)[\w.]*)", text, re.M)
            strange = [m for m in found if "._kernels" not in m and m != "transport.internal"]
            assert not strange, f"{path}: changes in {strange} would go unnoticed"


def test_the_user_s_cache_is_ours_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("KANTOROVICH_CACHE_DIR", str(tmp_path / "cache"))
    find_ = _store.user_cache.__wrapped__
    assert find_() == tmp_path / "cache"
    os.chmod(tmp_path / "cache", 0o777)
    assert find_() is None, "what anybody can write is not unpickled"
