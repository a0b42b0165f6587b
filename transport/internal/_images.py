"""Images as masses: any mode Pillow knows, brightness kept to the last bit, or the reason why not."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}
_ONE_CHANNEL = ("L", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_COLOUR = ("RGB", "P", "RGBA", "LA", "PA")


def is_image(x: Any) -> bool:
    """Whether ``x`` is a PIL image; Pillow is not imported to find out."""
    return type(x).__module__.split(".")[0] == "PIL" and hasattr(x, "getbands")


def open_image(path: Path) -> Any:
    """The one picture in a file, decoded.

    Raises
    ------
    ValueError
        Without Pillow; several frames; more bits than Pillow keeps; pixels that are not opaque.
    """
    try:
        from PIL import Image
    except ImportError:
        raise ValueError(
            f"{path}: reading images needs Pillow: pip install 'kantorovich[cli]', or save a .npy"
        ) from None
    warnings.simplefilter("error", Image.DecompressionBombWarning)  # `reading` restores the filters
    with Image.open(path) as image:
        frames = getattr(image, "n_frames", 1)
        if frames > 1:
            raise ValueError(f"{path} holds {frames} frames; save the one you mean on its own")
        packing, levels = _packing(image)
        image.load()
        if image.mode in ("RGB", "RGBA", "LA") and "16" in packing:
            raise ValueError(
                f"{path} has 16 bits a channel, which Pillow cuts to 8; save one channel as grey or as .npy"
            )
        if image.mode == "F" and "64" in packing:
            raise ValueError(f"{path} has 64-bit values, which Pillow rounds to 32; save them as .npy")
        _refuse_transparency(image, path)
        image.info["levels"] = levels
        return image


def _packing(image: Any) -> tuple[str, int]:
    """How the samples lie in the file ("RGB;16B", ...), and the white of a PGM or PPM (else 0)."""
    tiles = getattr(image, "tile", None) or []
    if not tiles:
        return "", 0
    arguments = tiles[0][3]
    parts = arguments if isinstance(arguments, tuple) else (arguments,)
    raw = " ".join(part for part in parts if isinstance(part, str))
    level = parts[1] if tiles[0][0] in ("ppm", "ppm_plain") and len(parts) > 1 else 0
    return raw, level if isinstance(level, int) else 0


def _refuse_transparency(image: Any, path: Path) -> None:
    if not getattr(image, "has_transparency_data", False):
        return
    if image.mode in ("I", "I;16", "F"):
        raise ValueError(f"{path} marks a transparent level; save it without")
    alpha = np.asarray(image.convert("RGBA"))[..., 3]
    if alpha.size and alpha.min() < 255:
        raise ValueError(
            f"{path} has transparent pixels, whose brightness depends on what lies behind; "
            "flatten it onto a background first"
        )


def brightness(image: Any, path: Path) -> np.ndarray:
    """Float64 (h, w): the stored levels of grey, integer and float images; Rec. 601 luma of 8-bit colour."""
    if image.mode == "1":
        return np.asarray(image.convert("L"), dtype=np.float64)
    if image.mode in _ONE_CHANNEL:
        values = np.asarray(image).astype(np.float64)
        level = image.info.get("levels", 0)
        top = 255 if image.mode == "L" else 65535
        # Pillow stretches the levels of a PGM to its own white; rounding inverts that exactly.
        return np.rint(values * level / top) if 0 < level < top else values
    if image.mode in _COLOUR:
        return np.asarray(image.convert("RGB").convert("L"), dtype=np.float64)
    raise ValueError(f"{path} is a {image.mode} image; convert it to RGB or grey first")


def colours(image: Any, path: Path) -> np.ndarray:
    """Uint8 (h, w, 3)."""
    if image.mode in ("1", "L", *_COLOUR):
        return np.asarray(image.convert("RGB"))
    raise ValueError(f"{path} is a {image.mode} image; colours need 8 bits a channel: convert it to RGB")


def line_for(x: Any, name: str) -> str:
    """What to type instead of passing the PIL image ``x``."""
    plain = x.mode in (*_ONE_CHANNEL, "1")
    grey = name if plain else f'{name}.convert("L")'
    safe = re.sub(r"\W", "", str(x.mode)[:8])
    return (
        f"{name} is a PIL image (mode {safe}); pass its masses: "
        f"numpy.asarray({grey}, dtype=float), with axis=None in a divergence, flattened for a Grid"
    )
