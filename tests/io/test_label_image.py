"""Label images as programs save them."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

import napari_grd.api as grd
from napari_grd.errors import DataError, GrdWarning, LabelError
from napari_grd.io.label_image import read_labels

LABELS = np.zeros((32, 32), np.int64)
for number, (y, x) in enumerate([(2, 2), (2, 18), (18, 2), (18, 18)], start=1):
    LABELS[y : y + 10, x : x + 10] = number


@pytest.mark.parametrize(
    ("stored", "wanted"),
    [
        (LABELS.astype(np.float32), LABELS),
        ((LABELS * 900_000_000).astype(np.uint32), LABELS * 900_000_000),
        ((LABELS * 17).astype(np.uint8), LABELS * 17),
        (LABELS * 2**40, LABELS * 2**40),
        (LABELS[None].astype(np.uint16), LABELS),
        (LABELS.astype(">u2"), LABELS),
        (np.where(LABELS == 1, -1, LABELS).astype(np.int16), np.where(LABELS == 1, -1, LABELS)),
        ((LABELS == 2).astype(np.uint8), LABELS == 2),
        ((LABELS > 0) * 7, (LABELS > 0) * 7),
    ],
    ids=["float", "huge", "gaps", "int64", "one plane", "big-endian", "unknown", "one object", "one number"],
)
def test_numbers_stay(tmp_path: Path, stored: np.ndarray, wanted: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "a.tif", stored)
    np.save(tmp_path / "b.npy", stored)
    for name in ("a.tif", "b.npy"):
        read = read_labels(tmp_path / name)
        assert (read.axes, read.notes) == ("yx", ())
        assert read.pixels.dtype.kind in "iu"
        np.testing.assert_array_equal(read.pixels, wanted)


def palette(array: np.ndarray) -> Image.Image:
    image = Image.fromarray(array.astype(np.uint8), "P")
    image.putpalette(np.random.default_rng(0).integers(0, 255, 768, dtype=np.uint8).tobytes())
    return image


@pytest.mark.parametrize(
    "image",
    [palette(LABELS), Image.fromarray((LABELS * 60).astype(np.uint8)).convert("RGB")],
    ids=["palette", "gray as rgb"],
)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_pictures_of_labels(tmp_path: Path, image: Image.Image, suffix: str) -> None:
    image.save(tmp_path / f"a{suffix}")
    found = grd.read_label_image(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(found // max(1, found.max() // 4), LABELS)


@pytest.mark.parametrize("value", [1, 255, True])
def test_the_parts_of_a_mask_are_numbered_and_that_is_said(tmp_path: Path, value: Any) -> None:
    mask = LABELS > 0 if value is True else (LABELS > 0).astype(np.uint8) * value
    Image.fromarray(mask).save(tmp_path / "a.png")
    with pytest.warns(GrdWarning, match=r"a.png is a mask: its 4 connected component"):
        found = grd.read_label_image(tmp_path / "a.png")
    np.testing.assert_array_equal(found, LABELS)


def test_masks_of_a_time_series_are_numbered_frame_by_frame(tmp_path: Path) -> None:
    mask = np.stack([LABELS > 0] * 3).astype(np.uint8) * 255
    for axes, highest in (("TYX", 4), ("ZYX", 4)):
        tifffile.imwrite(tmp_path / "a.tif", mask, imagej=True, metadata={"axes": axes})
        read = read_labels(tmp_path / "a.tif")
        assert (read.axes, int(read.pixels.max())) == (axes.lower(), highest)


def test_a_background_of_minus_one(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.where(LABELS == 0, -1, LABELS).astype(np.int16))
    read = read_labels(tmp_path / "a.tif")
    np.testing.assert_array_equal(read.pixels, LABELS)
    assert read.notes == ("a.tif has no 0: -1 was read as the background.",)


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (LABELS / 2, "contains the value 0.5, which is not a label"),
        (np.where(LABELS == 1, np.inf, LABELS), "the value inf"),
        (LABELS - 7, "the negative value -7"),
        (np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8), "has 3 channels or colors"),
    ],
    ids=["fractions", "infinite", "negative", "colors"],
)
def test_what_is_no_label_image(tmp_path: Path, stored: np.ndarray, words: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb" if stored.ndim == 3 else None)
    with pytest.raises(LabelError, match=f"a.tif.*{words}"):
        read_labels(tmp_path / "a.tif")


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_results_of_cellpose(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "a_seg.npy"
    content = {
        "masks": LABELS.astype(np.uint16),
        "filename": "a.tif",
        "flows": [np.zeros((2, 2))],
        "diameter": np.float64(3),
    }
    with path.open("wb") as file:
        header = {"descr": "|O", "fortran_order": False, "shape": ()}
        np.lib.format.write_array_header_1_0(file, header)
        pickle.dump(np.array(content, dtype=object), file, protocol=protocol)
    np.testing.assert_array_equal(grd.read_label_image(path), LABELS)
    np.save(path, content, allow_pickle=True)
    np.testing.assert_array_equal(grd.read_label_image(path), LABELS)
    with pytest.raises(DataError, match="results file of Cellpose, not an image"):
        grd.read_image(path)


@pytest.mark.filterwarnings("ignore:<tifffile.TiffWriter.write> data with shape:DeprecationWarning")
def test_three_planes_of_labels_are_no_colors(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.stack([LABELS, LABELS[::-1], LABELS]).astype(np.uint16))
    assert grd.read_label_image(tmp_path / "a.tif").shape == (3, 32, 32)


class Harm:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_nothing_in_such_a_file_is_run(tmp_path: Path) -> None:
    done = tmp_path / "done"
    np.save(tmp_path / "a_seg.npy", {"masks": LABELS, "harm": Harm(done)}, allow_pickle=True)  # type: ignore[arg-type]
    np.testing.assert_array_equal(grd.read_label_image(tmp_path / "a_seg.npy"), LABELS)
    assert not done.exists()


@pytest.mark.parametrize("content", [b"", b"no numpy", {"other": 1}, [1], {"masks": "x"}])
def test_a_damaged_one_is_named(tmp_path: Path, content: Any) -> None:
    if isinstance(content, bytes):
        (tmp_path / "a_seg.npy").write_bytes(content)
    else:
        np.save(tmp_path / "a_seg.npy", content, allow_pickle=True)
    with pytest.raises(DataError, match=r"a_seg.npy' cannot be read as Cellpose labels"):
        grd.read_label_image(tmp_path / "a_seg.npy")


@pytest.mark.filterwarnings("ignore:<tifffile.TiffWriter.write> data with shape:DeprecationWarning")
@pytest.mark.parametrize("count", [3, 5])
def test_guessed_axes_of_labels_are_not_reported(tmp_path: Path, count: int) -> None:
    """Neither that pages are taken for planes, nor that three of them could be colors."""
    numbers = np.arange(count * 30, dtype=np.uint16).reshape(count, 5, 6)
    tifffile.imwrite(tmp_path / "a.tif", numbers)
    assert grd.read_image(tmp_path / "a.tif").notes, "an image's are"
    read = read_labels(tmp_path / "a.tif")
    assert (read.axes, read.axes_known, read.notes) == ("zyx", False, ())
