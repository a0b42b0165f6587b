"""Memory predicted before it is asked for: a clear refusal instead of a machine that swaps."""

from __future__ import annotations

from pathlib import Path

LITTLE = 1 << 20  # bytes: asking the system takes 50 microseconds


def available_bytes() -> int | None:
    """What the system could still hand out; None where it does not say."""
    path = Path("/proc/meminfo")
    if not path.exists():
        return None
    for line in path.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return 1024 * int(line.split()[1])
    return None


def require(need: int, what: str, remedy: str) -> None:
    """Raise MemoryError, with the bytes and the remedy, if ``need`` bytes are not there."""
    have = available_bytes() if need > LITTLE else None
    if have is not None and need > have:
        raise MemoryError(f"{what} takes about {need} bytes and {have} are available; {remedy}")
