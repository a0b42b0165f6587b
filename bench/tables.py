"""``python -m bench table [NAME ...]``: the older tables, each ours against one rival; --list names them.

Nothing is run without a NAME. Each prints its table and writes it only with --out DIR or --publish; those
with a module of their own take more options: ``python -m bench.NAME --help``.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path

# name: (minutes on two cores, what it measures, libraries it needs)
TABLES = {
    "conformance": (3.0, "what each installed solver gets right, silently wrong, or refuses", ()),
    "divergences": (1.0, "KL, JS, TV of large arrays against SciPy", ()),
    "entropic": (15.0, "entropic, unbalanced and partial transport against POT", ("ot",)),
    "entropic_more": (5.0, "sliced, barycentres, Gromov-Wasserstein against POT", ("ot",)),
    "exact": (10.0, "cost matrices against POT, assignments against SciPy and lapjv", ("ot",)),
    "exact_points": (20.0, "points and images against POT", ("ot",)),
    "families": (60.0, "families in which exact solvers stumble, against POT", ("ot",)),
    "funnels": (5.0, "W1 critics on the published benchmark", ()),
    "growth": (10.0, "growth of time and memory with n; --before COMMIT beside it", ()),
    "step_time": (1.0, "one training step of a GAN against PyTorch", ()),
}
STORES = ("conformance", "entropic", "entropic_more", "exact", "exact_points", "families", "growth")


def main(argv: list[str]) -> int:
    """Run the tables named, one after the other; one that fails does not stop the next."""
    parser = argparse.ArgumentParser(prog="python -m bench table", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(TABLES)}")
    parser.add_argument("--list", action="store_true", help="what they measure, and the minutes they take")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write them to this folder")
    options = parser.parse_args(argv)
    if options.list or not options.names:
        for name, (minutes, text, _) in TABLES.items():
            print(f"{name:14s} {minutes:4.0f} min  {text}")
        return 0
    if unknown := [name for name in options.names if name not in TABLES]:
        parser.error(f"no table {unknown[0]!r}; choose of {', '.join(TABLES)}")
    failed = []
    for k, name in enumerate(options.names, 1):
        minutes, _, needs = TABLES[name]
        if missing := [module for module in needs if importlib.util.find_spec(module) is None]:
            print(
                f"{name}: left out, needs POT: pip install POT"
                if missing == ["ot"]
                else f"{name}: needs {missing}"
            )
            failed.append(name)
            continue
        print(f"[{k}/{len(options.names)}] {name}, about {minutes:g} min", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", f"bench.{name}"]
        if options.out is not None and name in (*STORES, "funnels"):
            options.out.mkdir(parents=True, exist_ok=True)
            command += [
                "--out",
                str(options.out / "conformance.md" if name == "conformance" else options.out),
            ]
        if subprocess.run(command).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0
