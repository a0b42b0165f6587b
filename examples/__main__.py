"""``python -m examples [NAME ...]``: draw the gallery's pictures into docs/pictures."""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("[!_]*.py"))


def main(names: list[str]) -> None:
    """Draw the named pictures, all by default."""
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    pictures = importlib.import_module("_pictures")
    for name in names or NAMES:
        start = time.perf_counter()
        print(f"{name}:", flush=True)
        path = pictures.PICTURES / f"{name}.png"
        importlib.import_module(name).main(str(path))
        pictures.shrink(path)
        print(f"    {time.perf_counter() - start:.1f} s, {path.stat().st_size // 1024} kB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
