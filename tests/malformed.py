"""Seeded malformed files: valid ones of every kind, damaged as by a disk, a network or a person."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile

import numpy as np


def _npy(array, **options):
    out = io.BytesIO()
    np.save(out, array, **options)
    return out.getvalue()


def _npz(compressed=False, **arrays):
    out = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(out, **arrays)
    return out.getvalue()


def _image(array, suffix, **options):
    from PIL import Image

    out = io.BytesIO()
    names = {"jpg": "jpeg", "tif": "tiff", "pgm": "ppm"}
    Image.fromarray(array).save(out, format=names.get(suffix, suffix), **options)
    return out.getvalue()


def valid(rng):
    """{suffix: bytes} of files that every command can read some of."""
    cloud, grey = rng.standard_normal((12, 2)), rng.integers(0, 255, (6, 6), dtype=np.uint8)
    colour = rng.integers(0, 255, (5, 4, 3), dtype=np.uint8)
    table = "x,y\n" + "\n".join(f"{a:.3f},{b:.3f}" for a, b in cloud) + "\n"
    idx = bytes([0, 0, 8, 3]) + struct.pack(">3I", 4, 3, 3) + rng.bytes(36)
    return [
        ("npy", _npy(cloud)),
        ("npy", _npy(np.arange(5, dtype=np.float32))),
        ("npz", _npz(points=cloud, weights=np.ones(12))),
        ("npz", _npz(True, points=cloud)),
        ("csv", table.encode()),
        ("csv", table.replace(",", ";").encode("utf-16")),
        ("tsv", table.replace(",", "\t").encode()),
        ("txt", table.replace(",", " ").encode()),
        ("png", _image(grey, "png")),
        ("png", _image(colour, "png")),
        ("png", _image(grey.astype(np.uint16) * 200, "png")),
        ("tif", _image(grey.astype(np.float32), "tif")),
        ("tif", _image(colour, "tif", compression="tiff_lzw")),
        ("jpg", _image(colour, "jpg")),
        ("gif", _image(grey, "gif")),
        ("bmp", _image(colour, "bmp")),
        ("pgm", _image(grey, "pgm")),
        ("webp", _image(colour, "webp")),
        ("idx", idx),
        ("idx", gzip.compress(idx)),
    ]


def _huge_npy():
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 1000), }"
    header += b" " * (118 - len(header) - 1) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64)


def _huge_npz():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("points.npy", _huge_npy())
    return out.getvalue()


def _encrypted():
    raw = bytearray(_npz(points=np.ones((3, 2))))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(mark) + place] |= 1
    return bytes(raw)


def _bomb():
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">2I5B", 60_000, 60_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def _archive(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_", "."), data)
    return out.getvalue()


def special():
    """Files that are wrong by construction: (suffix, bytes)."""
    words = np.array([{"a": 1}, None], dtype=object)
    record = np.zeros(3, dtype=[("x", "f8"), ("y", "i4")])
    return [
        ("npy", _huge_npy()),
        ("npz", _huge_npz()),
        ("npz", _encrypted()),
        ("npz", _archive()),
        ("npz", _archive(readme_txt="no arrays")),
        ("npz", _archive(points_npy=b"not an array")),
        ("npz", _npz(points=np.empty((0, 2)))),
        ("npz", _npz(points=np.ones((3, 2)), weights=np.array([1.0, np.nan, 1.0]))),
        ("npz", _npz(points=np.ones((3, 2)), weights=np.array([1.0, np.inf, 1.0]))),
        ("npz", _npz(points=np.ones((3, 2)), weights=np.zeros(3))),
        ("npz", _npz(points=np.ones((3, 2)), weights=-np.ones(3))),
        ("npz", _npz(points=np.ones((3, 2)), weights=np.ones(2))),
        ("npz", _npz(p=np.ones(3), q=np.ones(2))),
        ("npy", _npy(words, allow_pickle=True)),
        ("npy", _npy(record)),
        ("npy", _npy(np.ones(3) * 1j)),
        ("npy", _npy(np.array(["a", "b"]))),
        ("npy", _npy(np.array(3.0))),
        ("npy", _npy(np.empty((0, 2)))),
        ("npy", _npy(np.array([[1.0, np.nan], [2.0, 3.0]]))),
        ("npy", b"\x80\x04\x95\x0b\x00"),
        ("png", _bomb()),
        ("png", b"\x89PNG\r\n\x1a\n"),
        ("csv", b""),
        ("csv", b"\n\n# nothing\n"),
        ("csv", b"x,y\n"),
        ("csv", b"x,y\n1,2a\n3,4\n"),
        ("csv", b"1,2a\n3,4\n5,6\n"),
        ("csv", b"1,NA\n3,4\n5,6\n"),
        ("csv", b"x,y\n1,\n3,4\n"),
        ("csv", b"x,y\n1,2\n3\n"),
        ("csv", b"x,y\n1,2\n3,4,5\n"),
        ("csv", b"x,y\n1,inf\n3,4\n"),
        ("csv", b"x,y\n1,1e999\n3,4\n"),
        ("csv", b"x;y\n1,234;5,678\n2,345;6,789\n"),
        ("csv", b'x,y\n"1,2\n3,4\n'),
        ("csv", b"\xff\xfe\x00"),
        ("csv", bytes(range(256))),
        ("csv", b"a" * 200_000),
        ("txt", b"one two\nthree four\n"),
    ]


def damaged(rng, count):
    """``count`` files: special ones first, then valid ones truncated, flipped, padded or misnamed."""
    found = special()
    good = valid(rng)
    while len(found) < count:
        suffix, raw = good[int(rng.integers(len(good)))]
        data = bytearray(raw)
        way = int(rng.integers(6))
        if way == 0:
            data = data[: int(rng.integers(len(data)))]
        elif way == 1:
            for _ in range(int(rng.integers(1, 6))):
                data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        elif way == 2:
            start = int(rng.integers(len(data)))
            data[start : start + 16] = rng.bytes(16)
        elif way == 3:
            suffix = good[int(rng.integers(len(good)))][0]
        elif way == 4:
            start = int(rng.integers(len(data)))
            del data[start : start + int(rng.integers(1, 30))]
        else:
            data = bytearray(rng.bytes(int(rng.integers(1, 200))))
        found.append((suffix, bytes(data)))
    return found[:count]
