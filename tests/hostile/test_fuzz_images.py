"""Mutated images: read, or refused in one line."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 255, (3, 40, 48), np.uint8)


def tiff(path: Path) -> None:
    tifffile.imwrite(path, GRAY, metadata={"axes": "ZYX"}, photometric="minisblack")


def ome_tiff(path: Path) -> None:
    tifffile.imwrite(path, GRAY, ome=True, metadata={"axes": "CYX"}, tile=(16, 16), compression="zlib")


def imagej_tiff(path: Path) -> None:
    tifffile.imwrite(path, GRAY, imagej=True, metadata={"axes": "TYX"}, resolution=(2, 2))


def lzw_tiff(path: Path) -> None:
    tifffile.imwrite(path, GRAY[0], compression="lzw", bigtiff=True, photometric="minisblack")


def png(path: Path) -> None:
    Image.fromarray(GRAY[0]).save(path)


def deep_png(path: Path) -> None:
    import imagecodecs

    path.write_bytes(imagecodecs.png_encode(RNG.integers(0, 65535, (20, 24, 3), np.uint16)))


def palette_png(path: Path) -> None:
    Image.fromarray(GRAY[0]).convert("P").save(path)


def gif(path: Path) -> None:
    frames = [Image.fromarray(plane) for plane in GRAY]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def jpeg(path: Path) -> None:
    Image.fromarray(np.stack(list(GRAY), -1)).save(path)


def npy(path: Path) -> None:
    np.save(path, GRAY)


FILES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "tiff": ("a.tif", tiff),
    "ome-tiff": ("a.ome.tif", ome_tiff),
    "imagej-tiff": ("a.tif", imagej_tiff),
    "lzw-bigtiff": ("a.tif", lzw_tiff),
    "png": ("a.png", png),
    "deep png": ("a.png", deep_png),
    "palette png": ("a.png", palette_png),
    "gif": ("a.gif", gif),
    "jpeg": ("a.jpg", jpeg),
    "npy": ("a.npy", npy),
}


@pytest.mark.parametrize("kind", FILES)
def test_files(kind: str, tmp_path: Path, fuzz: Any, mutated: Any, how_many: int) -> None:
    name, write = FILES[kind]
    good, path = tmp_path / "inputs" / name, tmp_path / "inputs" / f"mutated {name}"
    write(good)

    fuzz("image", good, mutated(good.read_bytes(), how_many), file=path)


def test_segmentations_of_cellpose(tmp_path: Path, fuzz: Any, mutated: Any, how_many: int) -> None:
    good, path = tmp_path / "inputs" / "a_seg.npy", tmp_path / "inputs" / "b_seg.npy"
    np.save(good, {"masks": GRAY[0].astype(np.uint16), "outlines": GRAY[0], "filename": "a.tif"}, allow_pickle=True)

    fuzz("label_image", good, mutated(good.read_bytes(), how_many), file=path)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr(
    version: str, tmp_path: Path, fuzz: Any, mutation: Any, how_many: int, make_ome_zarr: Callable[..., Path]
) -> None:
    good, folder = tmp_path / "inputs" / "a.ome.zarr", tmp_path / "inputs" / "mutated.ome.zarr"
    make_ome_zarr(good, version)
    texts = sorted(path.relative_to(good) for path in good.rglob("*") if path.name[0] in ".z" and path.is_file())
    files = texts * 3 + sorted(path.relative_to(good) for path in good.rglob("*") if path.is_file())

    def inputs() -> Iterator[Path]:
        for number in range(how_many):
            name = files[number * 7 % len(files)]
            content = (good / name).read_bytes()
            structured = name in texts
            if structured:
                content = b" ".join(content.split())
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(good, folder)
            (folder / name).write_bytes(mutation(content, number % 40, structured=structured))
            if number % 50 == 49:
                (folder / name).unlink()
            yield folder

    fuzz("image", good, inputs())
