"""Compiled kernels on disk: what they are known by, and where they are.

A compiled kernel is known by the *content* of its source file and of all kernel files that this one imports
(their functions may be inlined in it), its options and signature, the versions of Python, numba and llvmlite,
and the baseline of the processor it was compiled for. Time stamps and folders do not count, nor does the
exact list of what the processor can do: code for ``x86-64-v3`` runs on all processors of that level.

Two places hold them. *Packs*, one file for each baseline, lie in the package (``transport/_compiled``), made
when it was built (`transport.internal._precompile`). The user's cache directory gets what had to be compiled
later, one file for each kernel and signature, written under another name and then renamed. Reading checks a
digest. Nothing here raises: what cannot be read is compiled, what cannot be written is not kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKS = ROOT / "transport" / "_compiled"
_FORMAT = "1"  # of blobs and keys; change it when an old one could be misread
_MAGIC = b"kantorovich kernels 1\n"
_DIGEST = 16
_KEPT = 60 * 86400.0  # seconds after which a file of the user's cache may go

_V2 = ("cx16", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3")
_V3 = (*_V2, "avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave")
_V4 = (*_V3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
_LEVELS = (("x86-64-v4", _V4), ("x86-64-v3", _V3), ("x86-64-v2", _V2), ("x86-64", ()))
PACKED = {"x86_64": ("x86-64-v3", "x86-64-v4"), "aarch64": ("generic",), "arm64": ("apple-m1",)}
"""Baselines that a wheel carries, by architecture."""


@dataclass(frozen=True)
class Baseline:
    """What code is compiled for, in LLVM's words; ``name`` is what it is known by."""

    name: str
    cpu: str
    features: str = ""


@cache
def baselines() -> tuple[Baseline, ...]:
    """What this processor can run, the best first.

    ``KANTOROVICH_CPU`` asks for one (a level below, or "native"); numba's ``NUMBA_CPU_NAME``,
    ``NUMBA_CPU_FEATURES`` and ``NUMBA_ENABLE_AVX`` are heard as well.
    """
    import llvmlite.binding as llvm
    from numba.core import config

    if config.CPU_NAME is not None or config.CPU_FEATURES is not None:
        return (_exact(config.CPU_NAME or "generic", config.CPU_FEATURES or ""),)
    has = llvm.get_host_cpu_features()
    asked = os.environ.get("KANTOROVICH_CPU", "")
    if asked == "native":
        return (_exact(llvm.get_host_cpu_name(), has.flatten()),)
    architecture = llvm.get_process_triple().split("-")[0]
    if architecture in ("x86_64", "amd64"):
        fit = [name for name, needed in _LEVELS if all(has.get(word) for word in needed)]
        if not config.ENABLE_AVX:
            fit = [name for name in fit if name not in ("x86-64-v3", "x86-64-v4")]
    else:
        fit = list(PACKED.get(architecture, ()))
    if asked in fit:
        fit = fit[fit.index(asked) :]
    return tuple(Baseline(name, name) for name in fit) or (_exact(llvm.get_host_cpu_name(), has.flatten()),)


def _exact(cpu: str, features: str) -> Baseline:
    return Baseline(f"{cpu}-{hashlib.sha256(features.encode()).hexdigest()[:8]}", cpu, features)


# --- what a kernel is known by ---------------------------------------------------------------------------

_IMPORTS = re.compile(rb"^[ \t]*(?:from|import)[ \t]+((?:\w+\.)+_kernels(?:\.\w+)*)", re.MULTILINE)


@cache
def _source(module: str) -> bytes | None:
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    if not path.is_file():
        path = Path(getattr(sys.modules.get(module), "__file__", None) or "")
    try:
        return path.read_bytes()
    except OSError:
        return None


def _imported(source: bytes) -> set[str]:
    found = set()
    for name in _IMPORTS.findall(source):
        module = name.decode()
        if module.endswith("_kernels"):  # ``from transport._kernels import costs``: any of its modules
            folder = ROOT.joinpath(*module.split("."))
            found |= {f"{module}.{path.stem}" for path in folder.glob("*.py")}
        else:
            found.add(module)
    return found


@cache
def content(module: str) -> str | None:
    """Digest of the sources of ``module`` and of all kernel modules that it reaches; None: unknown.

    Ask for it when the module is imported: later, its files may no longer be what the process runs.
    """
    seen: dict[str, bytes] = {}
    open_ = {module}
    while open_:
        name = open_.pop()
        source = _source(name)
        if source is None:
            return None
        seen[name] = source
        open_ |= _imported(source) - set(seen)
    digest = hashlib.sha256()
    for name in sorted(seen):
        digest.update(f"{name} {len(seen[name])}\n".encode())
        digest.update(seen[name])
    return digest.hexdigest()


@cache
def makers() -> dict[str, str]:
    """The versions, and numba's settings, that compiled code depends on."""
    import llvmlite
    import llvmlite.binding as llvm
    import numba
    from numba.core import config

    words = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "DEBUGINFO_DEFAULT", "BOUNDSCHECK", "USING_SVML")
    return {
        "format": _FORMAT,
        "python": f"{sys.implementation.cache_tag}{getattr(sys, 'abiflags', '')}",
        "target": llvm.get_process_triple(),
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "settings": " ".join(f"{word}={getattr(config, word, None)}" for word in words),
    }


def key(kernel: str, options: str, signature: str, baseline: Baseline) -> str | None:
    """What the compiled kernel is known by; None: its sources are not to be had."""
    digest = content(kernel.split(":")[0])
    if digest is None:
        return None
    text = "\n".join((*makers().values(), baseline.name, digest, kernel, options, signature))
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def sealed(payload: bytes) -> bytes:
    """``payload`` behind its digest."""
    return hashlib.blake2b(payload, digest_size=_DIGEST).digest() + payload


def unsealed(blob: bytes) -> bytes | None:
    """The payload, or None if it is damaged."""
    payload = blob[_DIGEST:]
    good = hashlib.blake2b(payload, digest_size=_DIGEST).digest() == blob[:_DIGEST]
    return payload if good and payload else None


# --- packs -----------------------------------------------------------------------------------------------


class Pack:
    """A file of compiled kernels for one baseline; without entries if it is missing or damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.facts: dict[str, str] = {}
        self.rows: list[tuple[str, str, str, int, int, float]] = []
        try:
            with open(path, "rb") as file:
                if file.readline() == _MAGIC:
                    index = json.loads(file.readline())
                    self._start = file.tell()
                    self.facts = index["facts"]
                    self.rows = [tuple(row) for row in index["rows"]]
        except (OSError, ValueError, LookupError, TypeError):
            self.rows = []
        self._places = {row[2]: (row[3], row[4]) for row in self.rows}

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def get(self, key: str) -> bytes | None:
        """The payload under ``key``."""
        if key not in self._places:
            return None
        offset, size = self._places[key]
        try:
            with open(self.path, "rb") as file:
                file.seek(self._start + offset)
                return unsealed(file.read(size))
        except OSError:
            return None


def write_pack(path: Path, facts: dict[str, str], blobs: list[tuple[str, str, str, bytes, float]]) -> None:
    """Write (kernel, signature, key, sealed blob, seconds) as a pack."""
    rows, offset = [], 0
    for kernel, signature, key_, blob, seconds in blobs:
        rows.append((kernel, signature, key_, offset, len(blob), round(seconds, 3)))
        offset += len(blob)
    index = json.dumps({"facts": facts, "rows": rows}, separators=(",", ":")).encode()
    _write(path, b"".join([_MAGIC, index, b"\n", *(blob for *_, blob, _ in blobs)]))


def pack_path(baseline: str, folder: Path = PACKS) -> Path:
    """Where the pack of a baseline lies."""
    return folder / f"{baseline}-{makers()['python']}.kernels"


@cache
def packs() -> tuple[tuple[Baseline, Pack], ...]:
    """The packs that this processor can run, the best first; none under ``KANTOROVICH_JIT=1``."""
    if os.environ.get("KANTOROVICH_JIT", "") not in ("", "0"):
        return ()
    found = [(baseline, Pack(pack_path(baseline.name))) for baseline in baselines()]
    return tuple((baseline, pack) for baseline, pack in found if pack.rows)


def packaged(kernel: str, options: str, signature: str) -> bytes | None:
    """The payload in the best pack that has this kernel."""
    for baseline, pack in packs():
        name = key(kernel, options, signature, baseline)
        payload = None if name is None else pack.get(name)
        if payload is not None:
            return payload
    return None


# --- the user's cache ------------------------------------------------------------------------------------


def _candidates() -> list[Path]:
    if os.environ.get("KANTOROVICH_CACHE_DIR"):
        return [Path(os.environ["KANTOROVICH_CACHE_DIR"])]
    found = []
    if os.environ.get("NUMBA_CACHE_DIR"):
        found.append(Path(os.environ["NUMBA_CACHE_DIR"]) / "kantorovich")
    if os.environ.get("XDG_CACHE_HOME"):
        found.append(Path(os.environ["XDG_CACHE_HOME"]) / "kantorovich")
    elif sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        found.append(Path(os.environ["LOCALAPPDATA"]) / "kantorovich" / "Cache")
    else:
        home = os.path.expanduser("~")
        if home != "~" and os.path.isabs(home):
            below = ("Library", "Caches") if sys.platform == "darwin" else (".cache",)
            found.append(Path(home, *below, "kantorovich"))
    user = os.getuid() if hasattr(os, "getuid") else "user"
    with suppress(OSError):  # not one directory for temporary files
        found.append(Path(tempfile.gettempdir()) / f"kantorovich-{user}")
    return found


def _usable(path: Path) -> bool:
    """A folder of ours that we may write to, and that nobody else may: its files are unpickled."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = path.stat()
    except OSError:
        return False
    if hasattr(os, "getuid") and (facts.st_uid != os.getuid() or facts.st_mode & 0o022):
        return False
    return os.access(path, os.W_OK | os.X_OK)


@cache
def user_cache() -> Path | None:
    """The folder for what is compiled on this machine; None: nowhere, every process compiles for itself."""
    return next((path for path in _candidates() if _usable(path)), None)


def _file(kernel: str, name: str) -> Path | None:
    folder = user_cache()
    return None if folder is None else folder / f"{re.sub('[^A-Za-z0-9_]+', '-', kernel)}-{name}.kernel"


def cached(kernel: str, name: str) -> bytes | None:
    """The payload under key ``name`` in the user's cache."""
    path = _file(kernel, name)
    try:
        return None if path is None else unsealed(path.read_bytes())
    except OSError:
        return None


def keep(kernel: str, name: str, payload: bytes) -> None:
    """Keep ``payload`` in the user's cache, if there is one and it has room."""
    path = _file(kernel, name)
    if path is None:
        return
    with suppress(OSError):  # no room, or no longer ours: compiled again by the next process
        _write(path, sealed(payload))
        _sweep(path.parent)


def _write(path: Path, data: bytes) -> None:
    """All of it or nothing, whoever else writes the same file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


@cache
def _sweep(folder: Path) -> None:
    # Kernels of former versions, and what a killed process left half written.
    now = time.time()
    for path in folder.iterdir():
        age = now - path.stat().st_mtime
        if age > (3600.0 if path.name.startswith(".new-") else _KEPT):
            path.unlink(missing_ok=True)
