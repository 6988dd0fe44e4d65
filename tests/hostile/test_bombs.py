"""Small files that announce much: refused before the memory is taken."""

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_grd.errors import DataError
from napari_grd.io.images import read_image
from napari_grd.io.label_image import read_label_image


def png(path: Path, side: int = 30_000, depth: int = 8, color: int = 0) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", side, side, depth, color, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


def deep_png(path: Path) -> None:
    png(path, 25_000, 16, 2)


def npy(path: Path, shape: str = "(100000, 1000000)") -> None:
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + bytes(64))


def endless_npy(path: Path) -> None:
    npy(path, "(99999999999999999999, 3)")


def pickled_npy(path: Path) -> None:
    np.save(path, np.array([{"a": 1}]), allow_pickle=True)


def ring_tiff(path: Path) -> None:
    """A page of no tags that is followed by itself."""
    path.write_bytes(b"II*\0" + struct.pack("<IHI", 8, 0, 8) + bytes(100))


FILES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "png": ("a.png", png),
    "deep png": ("a.png", deep_png),
    "npy": ("a.npy", npy),
    "endless npy": ("a.npy", endless_npy),
    "pickled npy": ("a.npy", pickled_npy),
    "ring": ("a.tif", ring_tiff),
}


@pytest.mark.parametrize("read", [read_image, read_label_image])
@pytest.mark.parametrize("kind", FILES)
def test_it_is_refused_without_taking_memory(kind: str, read: Callable[[Path], object], tmp_path: Path) -> None:
    name, write = FILES[kind]
    write(tmp_path / name)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=rf"{name}") as caught:
            read(tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_read_as_they_are(order: str, tmp_path: Path) -> None:
    pixels = np.asarray(np.random.default_rng(0).random((5, 20, 30)), order=order)  # type: ignore[call-overload]
    np.save(tmp_path / "a.npy", pixels)
    found = read_image(tmp_path / "a.npy").pixels
    np.testing.assert_array_equal(np.asarray(found), pixels)
    (tmp_path / "a.npy").unlink()
    np.testing.assert_array_equal(np.asarray(found), pixels)
