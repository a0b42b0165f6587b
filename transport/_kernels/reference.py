"""The specification of the kernels in pure array API (``xp``): slow, short, on any library and device."""

from __future__ import annotations

__all__: list[str] = []
