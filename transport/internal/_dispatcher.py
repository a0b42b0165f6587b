"""numba's dispatcher with our cache, one code for read-only and writable arrays, and an ear for Ctrl-C.

Only kernels import this module: it imports numba.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from numba.core import config, event, sigutils, types
from numba.core.caching import _Cache
from numba.core.codegen import JITCPUCodegen
from numba.core.compiler import CompileResult
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher
from numba.core.runtime import rtsys
from numba.core.serialize import dumps

from transport.internal import _compilations, _store
from transport.internal._errors import InterruptedCompilation
from transport.internal._overloads import resolved_once

# --- names and signatures, in the spelling of signatures.txt ---------------------------------------------


def kernel_name(function: Callable) -> str:
    """``package._kernels.module:function``; made in ``f(k=1)``: ``package._kernels.module:f(k=1).function``.

    Values that are no numbers or words make a name with a ``?``: such a kernel is not kept on disk.
    """
    maker, _, name = function.__qualname__.rpartition(".<locals>.")
    if maker:
        values = [cell.cell_contents for cell in function.__closure__ or ()]
        plain = all(isinstance(value, (bool, int, float, str)) for value in values) and "." not in maker
        words = ", ".join(f"{k}={v!r}" for k, v in zip(function.__code__.co_freevars, values))
        name = f"{maker}({words if plain else '?'}).{name}"
    return f"{function.__module__}:{name}"


def spelled(kind: types.Type) -> str:
    """A type as numba's own notation reads it back."""
    if isinstance(kind, types.Array):
        if not kind.mutable or not kind.aligned or type(kind) is not types.Array:
            return f"?{kind}"
        places = [":"] * kind.ndim
        if kind.layout in "CF" and places:
            places[-1 if kind.layout == "C" else 0] = "::1"
        return f"{kind.dtype}[{','.join(places)}]" if places else f"Array({kind.dtype}, 0, 'C')"
    if isinstance(kind, types.UniTuple):
        return f"UniTuple({spelled(kind.dtype)}, {kind.count})"
    if isinstance(kind, types.Tuple):
        return f"Tuple(({', '.join(spelled(part) for part in kind)},))"
    if isinstance(kind, types.Omitted):
        return f"Omitted({kind.value!r})"
    return str(kind) if isinstance(kind, (types.Number, types.Boolean, types.NoneType)) else f"?{kind}"


def canonical(kind: types.Type) -> types.Type:
    """The type whose code serves ``kind``: writable for read-only arrays, int64 for smaller integers."""
    if isinstance(kind, types.Array) and not kind.mutable and type(kind) is types.Array:
        return kind.copy(readonly=False)
    if isinstance(kind, types.Integer) and kind.bitwidth < 64 and not isinstance(kind, types.Literal):
        return types.int64
    if isinstance(kind, types.BaseTuple) and type(kind) in (types.UniTuple, types.Tuple):
        return types.Tuple([canonical(part) for part in kind])
    return kind


# --- the target ------------------------------------------------------------------------------------------


class _Codegen(JITCPUCodegen):
    """numba's code generator for a baseline in place of the very processor at hand."""

    def __init__(self, baseline: _store.Baseline) -> None:
        self.baseline = baseline
        super().__init__("kantorovich.exec")

    def _get_host_cpu_name(self) -> str:
        return self.baseline.cpu

    def _get_host_cpu_features(self) -> str:
        return self.baseline.features


class _Stop(BaseException):
    """Ctrl-C, between two passes of a compilation."""


class _Session:
    """What is being compiled now; everything under numba's compiler lock, hence one for the process."""

    def __init__(self) -> None:
        self.depth = 0
        self.ends: ExitStack | None = None
        self.baseline: _store.Baseline | None = None  # set by `_precompile`; None: the best there is
        self.alone = False  # set by `_precompile`: nothing is read from disk or kept there
        self.interrupted: tuple[int, Any] | None = None
        self._codegen: _Codegen | None = None

    @contextmanager
    def entered(self) -> Iterator[None]:
        with global_compiler_lock:
            self.depth += 1
            if self.depth == 1:
                self.ends = ExitStack()
            try:
                yield
            finally:
                self.depth -= 1
                if self.depth == 0 and self.ends is not None:
                    self.ends.close()
                    self.ends = None

    def target(self) -> _store.Baseline:
        return self.baseline or _store.baselines()[0]

    def compiling(self, kernel: str, context: Any) -> None:
        """From here to the end of the session numba generates code for the baseline."""
        if self.depth == 1:
            _compilations.announce(kernel)
        before = context._internal_codegen
        if isinstance(before, _Codegen) or self.ends is None:
            return
        if self._codegen is None or self._codegen.baseline != self.target():
            self._codegen = _Codegen(self.target())
        context._internal_codegen = self._codegen
        self.ends.callback(setattr, context, "_internal_codegen", before)
        self.ends.enter_context(resolved_once())
        self.ends.enter_context(event.install_listener("numba:run_pass", _Between()))


class _Between(event.Listener):
    def on_start(self, event: Any) -> None:
        if _session.interrupted is not None and threading.current_thread() is threading.main_thread():
            raise _Stop

    def on_end(self, event: Any) -> None:
        pass


_session = _Session()


@contextmanager
def _ctrl_c_noted() -> Iterator[None]:
    """Inside, Ctrl-C is noted and ends the compilation at its next pass; then it is answered as ever.

    An exception from a signal's handler inside LLVM's calls back would be swallowed, or leave numba with half
    a kernel. Other threads than the main one are not interrupted by signals.
    """
    handler = None
    if threading.current_thread() is threading.main_thread():
        handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or handler is _note:
        yield
        return
    _session.interrupted = None
    signal.signal(signal.SIGINT, _note)
    try:
        yield
    finally:
        noted, _session.interrupted = _session.interrupted, None
        signal.signal(signal.SIGINT, handler)
        if noted is not None:
            try:
                handler(*noted)
            except KeyboardInterrupt as error:
                raise InterruptedCompilation from error


def _note(number: int, frame: Any) -> None:
    _session.interrupted = number, frame


# --- compiled code as bytes ------------------------------------------------------------------------------


def packed(result: Any, *, linkable: bool) -> bytes:
    """A compile result as bytes; ``linkable``: with the bitcode that other kernels may inline."""
    data = list(result._replace(type_annotation="")._reduce())  # a long text, for numba's own reports
    name, kind, (code, bitcode) = data[0]
    if not linkable:
        import llvmlite.binding as llvm

        names = [f.name for f in llvm.parse_bitcode(bitcode).functions if not f.is_declaration]
        stub = "\n".join(f'define void @"{name}"() {{ ret void }}' for name in names)
        bitcode = llvm.parse_assembly(stub).as_bitcode()
    data[0] = name, kind, (code, bitcode)
    return dumps(tuple(data))


def unpacked(payload: bytes, context: Any) -> Any:
    """The compile result, ready to be called; None if it is not to be had."""
    try:
        rtsys.initialize(context)
        return CompileResult._rebuild(context, *pickle.loads(payload))
    except Exception:  # another build of the same version, a file that somebody wrote: compile it then
        return None


class _KernelCache(_Cache):
    """numba's interface to a cache, on top of `_store`."""

    def __init__(self, kernel: str, options: str) -> None:
        self.kernel, self.options = kernel, options

    @property
    def cache_path(self) -> str:
        """Of what is compiled on this machine."""
        return str(_store.user_cache())

    def _key(self, signature: str) -> str | None:
        if "?" in self.kernel or "?" in signature:
            return None
        return _store.key(self.kernel, self.options, signature, _session.target())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The kernel from the package or the user's cache; None has numba compile it."""
        signature = signature_of(sig)
        found = None
        if not _session.alone:
            payload = None
            if _session.depth == 1 and "?" not in signature:  # packs cannot be linked into other kernels
                payload = _store.packaged(self.kernel, self.options, signature)
                found = None if payload is None else unpacked(payload, target_context)
            name = None if found is not None else self._key(signature)
            payload = None if name is None else _store.cached(self.kernel, name)
            found = found if payload is None else unpacked(payload, target_context)
        if found is None:
            target_context.refresh()
            _session.compiling(self.kernel, target_context)
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what numba compiled."""
        for environment in data._find_referenced_environments():
            data.library.codegen.set_env(environment.env_name, environment)
        name = None if _session.alone else self._key(signature_of(sig))
        if name is None or data.lifted or data.library.has_dynamic_globals or _store.user_cache() is None:
            return
        _store.keep(self.kernel, name, packed(data, linkable=True))

    def enable(self) -> None:
        """It always is."""

    def disable(self) -> None:
        """It never is."""

    def flush(self) -> None:
        """Nothing is held back."""


def signature_of(sig: Any) -> str:
    """The arguments of a signature as signatures.txt spells them."""
    return ", ".join(spelled(kind) for kind in sigutils.normalize_signature(sig)[0])


class KernelDispatcher(CPUDispatcher):
    """numba's dispatcher of one kernel."""

    def __init__(self, py_func: Callable, *args: Any, **kwargs: Any) -> None:
        super().__init__(py_func, *args, **kwargs)
        self.kernel = kernel_name(py_func)
        _store.content(py_func.__module__)
        given = {k: sorted(v) if isinstance(v, set) else v for k, v in self.targetoptions.items()}
        self._cache = _KernelCache(self.kernel, repr(sorted(given.items())))

    def compile(self, sig: Any) -> Any:
        """The entry point for ``sig``: loaded, or compiled for the baseline."""
        with _session.entered():
            return super().compile(sig)

    def _compilation_chain_init_hook(self) -> None:
        # numba looks for extensions of other packages here, once a process: they do not bear on our types.
        pass

    def _compile_for_args(self, *args: Any, **kwargs: Any) -> Any:
        """Called by numba for types that it has not seen in this process."""
        given = [
            types.Omitted(a.value) if type(a).__name__ == "OmittedArg" else self.typeof_pyval(a) for a in args
        ]
        wanted = tuple(canonical(kind) for kind in given)
        _remember(self.kernel, ", ".join(spelled(kind) for kind in wanted))
        while True:
            try:
                # Noted before the lock is taken: an exception between its acquisition and the with
                # statement's own record of it would leave the lock taken for ever.
                with _ctrl_c_noted(), global_compiler_lock:
                    entry = self.compile(wanted)
                    if tuple(given) != wanted:
                        self._insert([kind._code for kind in given], entry, False)
                    return entry
            except _Stop:  # answered by a handler that lets the program go on: so does the compilation
                continue


def _remember(kernel: str, signature: str) -> None:
    if (kernel, signature) in _compilations.called:
        return
    _compilations.called.add((kernel, signature))
    path = os.environ.get("KANTOROVICH_RECORD")
    if path:
        with open(path, "a") as file:  # one short write: processes that share the file do not mix lines
            file.write(f"{kernel} | {signature}\n")


def dispatcher(function: Callable, options: dict[str, Any]) -> Any:
    """The kernel ``function``, to be compiled with numba's ``options``."""
    if config.DISABLE_JIT:
        return function
    options = {"nopython": True, "nogil": True, "boundscheck": None, **options}
    return KernelDispatcher(function, targetoptions=options)


if hasattr(os, "register_at_fork"):
    # A child forked while another thread compiles would find LLVM, and the lock, as that thread left them.
    os.register_at_fork(
        before=global_compiler_lock.__enter__,
        after_in_parent=lambda: global_compiler_lock.__exit__(None, None, None),
        after_in_child=lambda: global_compiler_lock.__exit__(None, None, None),
    )
