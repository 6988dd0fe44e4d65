"""Images are read as stored; folders are understood or refused with a reason."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_grd.errors import DataError, LabelError, OutputError
from napari_grd.io.images import read_image
from napari_grd.io.label_image import read_label_image
from napari_grd.io.label_tiff import write_labels
from napari_grd.io.listing import find_images, read_pairs

GRAY = np.arange(35, dtype=np.uint8).reshape(5, 7)
COLOR = np.arange(105, dtype=np.uint8).reshape(5, 7, 3)
DEEP = (np.arange(35, dtype=np.uint16) * 1000).reshape(5, 7)
STACK = np.arange(210, dtype=np.uint16).reshape(6, 5, 7)


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix.startswith(".tif"):
        tifffile.imwrite(path, array)
    else:
        Image.fromarray(array).save(path)
    return path


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("gray.tif", GRAY),
        ("gray.png", GRAY),
        ("color.png", COLOR),
        ("color.tiff", COLOR),
        ("deep.png", DEEP),
        ("deep.tif", DEEP),
        ("stack.tif", STACK),
        ("float.npy", DEEP / 7),
    ],
)
def test_an_image_is_read_as_stored(tmp_path: Path, name: str, array: np.ndarray) -> None:
    read = read_image(save(tmp_path / name, array)).pixels
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


def test_a_jpeg_is_read_with_color_last(tmp_path: Path) -> None:
    assert read_image(save(tmp_path / "a.jpg", COLOR)).shape == COLOR.shape


def test_an_indexed_png_of_labels_gives_its_indices(tmp_path: Path) -> None:
    image = Image.fromarray(GRAY, mode=None).convert("L")
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0] * 85)
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_label_image(tmp_path / "a.png"), GRAY)


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg", "a.npy"])
@pytest.mark.parametrize("keep", [0.0, 0.05, 0.7])
def test_a_cut_off_file_is_named(tmp_path: Path, name: str, keep: float) -> None:
    rng = np.random.default_rng(0)
    path = save(tmp_path / name, rng.integers(0, 255, (64, 64), dtype=np.uint8))
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(DataError, match=rf"{name}.*(cannot be read|is empty|is cut off).*[Cc]opy it again"):
        read_image(path)


def test_a_cut_off_compressed_tiff_is_named(tmp_path: Path) -> None:
    path = write_labels(tmp_path / "a.tif", STACK)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"a.tif"):
        read_image(path)


def test_no_pickle_is_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"a.npy.*cannot be read"):
        read_image(tmp_path / "a.npy")


@pytest.mark.parametrize(("name", "words"), [("none.tif", "There is no image file"), (".", "There is no image file")])
def test_a_missing_file(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_image(tmp_path / name)


def test_another_format_names_those_that_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(DataError, match=r"a.txt.*\.tif, "):
        read_image(tmp_path / "a.txt")


def test_images_are_found_sorted_and_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b.TIF", "a.png", "._a.png", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.tif").mkdir()
    assert [path.name for path in find_images(tmp_path)] == ["a.png", "b.TIF"]


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda folder: None, "does not exist"),
        (lambda folder: folder.touch(), "is a file"),
        (lambda folder: folder.mkdir(), "contains no images"),
    ],
)
def test_a_folder_that_cannot_be_used(tmp_path: Path, prepare: Callable[[Path], Any], words: str) -> None:
    prepare(tmp_path / "data")
    with pytest.raises(DataError, match=rf"data.*{words}"):
        find_images(tmp_path / "data")


def test_pairs_share_their_stem_whatever_the_format(tmp_path: Path) -> None:
    for name in ("images/b.png", "images/a.tif", "images/c.ome.tif", "labels/a.npy", "labels/c.tif"):
        save(tmp_path / name, GRAY)
    pairs = read_pairs(tmp_path)
    assert [(pair.name, pair.labels and pair.labels.name) for pair in pairs] == [
        ("a", "a.npy"),
        ("b", None),
        ("c", "c.tif"),
    ]
    with pytest.raises(DataError, match=r"1 image\(s\) have no labels: b\."):
        read_pairs(tmp_path, strict=True)


@pytest.mark.parametrize("folder", [".", "images"])
def test_images_alone_have_no_labels(tmp_path: Path, folder: str) -> None:
    save(tmp_path / folder / "a.tif", GRAY)
    (pair,) = read_pairs(tmp_path)
    assert (pair.name, pair.labels) == ("a", None)


def test_labels_without_image(tmp_path: Path) -> None:
    save(tmp_path / "images/a.tif", GRAY)
    for name in "bcdefgh":
        save(tmp_path / f"labels/{name}.tif", GRAY)
    with pytest.raises(DataError, match=r"7 label image\(s\) have no image: b, c, d, e, f, \.\.\."):
        read_pairs(tmp_path)


def test_labels_without_a_folder_of_images(tmp_path: Path) -> None:
    save(tmp_path / "labels/a.tif", GRAY)
    with pytest.raises(DataError, match="no 'images'"):
        read_pairs(tmp_path)


@pytest.mark.parametrize(("highest", "dtype"), [(65535, np.uint16), (65536, np.uint32)])
@pytest.mark.parametrize("shape", [(5, 7), (1, 5, 7), (4, 5, 3)])
def test_labels_come_back_in_the_smallest_type(
    tmp_path: Path, shape: tuple[int, ...], highest: int, dtype: type
) -> None:
    labels = np.zeros(shape, dtype=np.int64)
    labels.flat[-1] = highest
    read = tifffile.imread(write_labels(tmp_path / "a.tif", labels))
    assert read.dtype == dtype
    np.testing.assert_array_equal(read.reshape(shape), labels)  # axes of length 1 are not stored


def test_labels_say_where_they_come_from(tmp_path: Path) -> None:
    origin = {"model": "nuclei", "version": "1.0", "config": {"stride": 5}}
    path = write_labels(tmp_path / "a.tif", GRAY, origin)
    with tifffile.TiffFile(path) as file:
        assert file.imagej_metadata is not None
        assert json.loads(file.imagej_metadata["Info"]) == origin


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros((2, 2)), "type float64"),
        (np.full((2, 2), -1), "from -1 to -1"),
        (np.full((2, 2), 2**32), "to 4294967296"),
        (np.zeros((0, 2), int), "empty"),
    ],
)
def test_what_is_no_label_image(tmp_path: Path, labels: np.ndarray, words: str) -> None:
    with pytest.raises(LabelError, match=words):
        write_labels(tmp_path / "a.tif", labels)
    assert not list(tmp_path.iterdir())


def test_labels_only_go_to_tiff(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a.png.*\.tif"):
        write_labels(tmp_path / "a.png", GRAY)


@pytest.mark.real
def test_real_folders_pair_up(real_data: Path) -> None:
    pairs = read_pairs(real_data / "dsb2018_histology_rgb", strict=True)
    image, labels = read_image(pairs[0].image), read_label_image(pairs[0].labels or "")
    assert len(pairs) == 80
    assert image.shape == (*labels.shape, 3)
