"""Memory predicted before it is asked for: a clear refusal instead of a machine that swaps."""

from __future__ import annotations

from pathlib import Path

LITTLE = 1 << 20  # bytes: asking the system takes 100 microseconds
_ROOT = Path("/sys/fs/cgroup")


def available_bytes() -> int | None:
    """What this process could still get: of the machine, its container and its own limit; None: unknown."""
    known = [v for v in (_of_machine(), _of_container(), _of_process()) if v is not None]
    return max(0, min(known)) if known else None


def _of_machine() -> int | None:
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            return 1024 * int(line.split()[1])
    return None


def _of_container() -> int | None:
    """What the control groups leave, the tightest on the way up; cached files give way."""
    left = []
    for line in _lines(Path("/proc/self/cgroup")):
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            top = _ROOT / "memory" if controllers else _ROOT
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if controllers else _V2
            group = top / path.strip("/")
            for folder in (group, *group.parents):
                limit, used = (_number(folder / name) for name in names)
                if limit is not None and used is not None:
                    left.append(limit - used + _cached_files(folder))
                if folder == top:
                    break
    return min(left) if left else None


_V2 = "memory.max", "memory.current"  # v1: memory.limit_in_bytes and so on


def _cached_files(folder: Path) -> int:
    words = [line.split() for line in _lines(folder / "memory.stat")]
    return sum(int(v[1]) for v in words if v[0] in ("active_file", "inactive_file"))


def _of_process() -> int | None:
    """RLIMIT_AS less what is mapped."""
    try:
        import resource
    except ImportError:  # not on this system
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = _lines(Path("/proc/self/statm"))
    if limit == resource.RLIM_INFINITY or not pages:
        return None
    return int(limit) - int(pages[0].split()[0]) * resource.getpagesize()


def _number(path: Path) -> int | None:
    lines = _lines(path)
    return int(lines[0]) if lines and lines[0].isdigit() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def require(need: int, what: str, remedy: str) -> None:
    """Raise MemoryError, with the bytes and the remedy, if ``need`` bytes are not there."""
    have = available_bytes() if need > LITTLE else None
    if have is not None and need > have:
        raise MemoryError(f"{what} takes about {need} bytes and {have} are available; {remedy}")
