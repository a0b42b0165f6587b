"""``python -m transport doctor``: which kernels are compiled, for what processor, where, and what is left."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from transport.internal import _store
from transport.internal._cli import Parser
from transport.internal._precompile import SIGNATURES, find, recorded


def report() -> dict[str, Any]:
    """What `text` prints, as data for ``--json``."""
    from transport.internal._dispatcher import _session

    states: list[tuple[str, str, str]] = []
    known = {}
    folder = _store.PACKS
    for path in sorted(folder.glob("*.kernels")) if folder.is_dir() else []:
        known.update({(row[0], row[1]): row[5] for row in _store.Pack(path).rows})
    left = 0.0
    for kernel, signature in recorded():
        found = find(kernel)
        if found is None:
            states.append((kernel, signature, "gone"))
            continue
        options = found._cache.options
        state = _state(kernel, options, signature, _session.target())
        states.append((kernel, signature, state))
        if state == "to compile":
            left += known.get((kernel, signature), 0.5)
    cache = _store.user_cache()
    return {
        "baselines": [baseline.name for baseline in _store.baselines()],
        "made_by": _store.makers(),
        "forced": os.environ.get("KANTOROVICH_JIT", "") not in ("", "0"),
        "packs": [str(pack.path) for _, pack in _store.packs()],
        "other_packs": sorted(map(str, folder.glob("*.kernels"))) if folder.is_dir() else [],
        "cache": None if cache is None else str(cache),
        "cache_size": 0 if cache is None else sum(path.stat().st_size for path in cache.glob("*.kernel")),
        "kernels": states,
        "seconds_left": left,
        "signatures": str(SIGNATURES),
    }


def _state(kernel: str, options: str, signature: str, target: _store.Baseline) -> str:
    for baseline, pack in _store.packs():
        if (_store.key(kernel, options, signature, baseline) or "") in pack:
            return f"precompiled for {baseline.name}"
    name = _store.key(kernel, options, signature, target)
    path = None if name is None else _store._file(kernel, name)
    return "in the user's cache" if path is not None and path.is_file() else "to compile"


def text(facts: dict[str, Any]) -> str:
    """The report in lines."""
    made = facts["made_by"]
    states = Counter(state for *_, state in facts["kernels"])
    cache = facts["cache"]
    where = ", ".join(map(str, facts["packs"])) or "none that fit"
    unused = sorted(set(facts["other_packs"]) - set(facts["packs"]))
    lines = [
        f"{'processor':<14}{facts['baselines'][0]} (runs code for {', '.join(facts['baselines'])})",
        f"{'versions':<14}numba {made['numba']}, llvmlite {made['llvmlite']}, {made['python']}",
        f"{'in the package':<14} {where}" + (" (KANTOROVICH_JIT is set)" if facts["forced"] else ""),
        *(f"{'not usable':<14}{Path(path).name}: for another processor or Python" for path in unused),
        f"{'in the cache':<14} {cache or 'no folder can be written: every process compiles for itself'}"
        + (f", {facts['cache_size'] / 1e6:.1f} MB" if cache else ""),
        "",
    ]
    modules: dict[str, Counter[str]] = {}
    for kernel, _, state in facts["kernels"]:
        modules.setdefault(kernel.split(":")[0], Counter())[state] += 1
    lines += [
        f"{module:<38}" + ", ".join(f"{n} {state}" for state, n in sorted(counts.items()))
        for module, counts in sorted(modules.items())
    ]
    missing = states["to compile"]
    cost = (
        f"{missing} of {sum(states.values())} kernels compile when first called, all of them in about "
        f"{facts['seconds_left']:.0f} s of CPU time"
        if missing
        else "nothing to compile: a first call loads its kernels, a few hundredths of a second"
    )
    return "\n".join([*lines, "", f"{'first call':<14}{cost}", ""])


def main(argv: list[str]) -> int:
    """Print the report; ``--json`` as one JSON object."""
    parser = Parser(prog="python -m transport doctor", description=__doc__.strip().split(": ", 1)[1])
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    args = parser.parse_args(argv)
    facts = report()
    sys.stdout.write(json.dumps(facts) + "\n" if args.json else text(facts))
    return 0
