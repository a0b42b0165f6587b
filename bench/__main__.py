"""``python -m bench``: the tables that need no GPU and no training, one after the other (20 minutes)."""

from __future__ import annotations

import subprocess
import sys

TABLES = ("divergences", "exact", "exact_points", "entropic_more", "funnels", "step_time")


def main() -> int:
    """Run each table in a process of its own; a table that fails does not stop the next."""
    failed = []
    for name in TABLES:
        print(f"\n== python -m bench.{name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{name}"]).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
