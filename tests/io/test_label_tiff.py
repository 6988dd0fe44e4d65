"""Label images that Fiji and our own reader give the same sizes."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_grd.errors import LabelError, OutputError
from napari_grd.io.calibration import Calibration
from napari_grd.io.images import read_image
from napari_grd.io.label_tiff import write_labels


def labels(*shape: int, dtype: type = np.uint32) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype) % 50


def test_axes_and_sizes_come_back_in_micrometers_and_seconds(tmp_path: Path) -> None:
    place = Calibration.of(
        "ztyx", (1500.0, 2.0, 0.325, 0.65), units=("nanometer", "minute", "micrometer", "micrometer")
    )
    given = labels(3, 2, 16, 24)
    path = write_labels(tmp_path / "a.tif", given, {"model": "β"}, calibration=place)
    image = read_image(path)
    assert image.axes == "tzyx"
    np.testing.assert_array_equal(image.pixels, given.transpose(1, 0, 2, 3))
    assert image.pixels.dtype == np.uint16
    np.testing.assert_allclose(image.calibration.scale, (120.0, 1.5, 0.325, 0.65))
    assert image.calibration.units == ("second", "micrometer", "micrometer", "micrometer")
    with tifffile.TiffFile(path) as file:
        said = file.imagej_metadata
        assert said is not None
        assert (said["frames"], said["slices"], said["unit"], said["spacing"]) == (2, 3, "um", 1.5)
        assert json.loads(said["Info"]) == {"model": "β"}


@pytest.mark.parametrize(
    "shape", [(16, 24), (3, 24), (16, 3), (3, 16, 24), (4, 16, 3), (1, 16, 24), (1, 1), (2, 3, 8, 9)]
)
def test_short_axes_are_never_colors(shape: tuple[int, ...], tmp_path: Path) -> None:
    given = labels(*shape)
    path = write_labels(tmp_path / "a.tif", given)
    np.testing.assert_array_equal(tifffile.imread(path).reshape(shape), given)
    assert "c" not in read_image(path).axes


def test_numbers_that_imagej_does_not_know_make_an_ome_tiff(tmp_path: Path) -> None:
    given = labels(3, 16, 24)
    given[0, 0, 0] = 70_000
    place = Calibration.of("tyx", (5.0, 0.5, 0.5), units=("second", "micrometer", "micrometer"))
    image = read_image(write_labels(tmp_path / "a.tif", given, calibration=place))
    np.testing.assert_array_equal(image.pixels, given)
    assert image.calibration == place


def test_an_unknown_size_is_not_made_up(tmp_path: Path) -> None:
    place = Calibration.of("zyx", (3.0, 2.0, 2.0))
    image = read_image(write_labels(tmp_path / "a.tif", labels(2, 8, 8), calibration=place))
    assert image.calibration.units == (None, None, None)
    half = Calibration.of("zyx", (3.0, 1.0, 1.0), units=("micrometer", None, None))
    image = read_image(write_labels(tmp_path / "b.tif", labels(2, 8, 8), calibration=half))
    assert image.calibration == half
    flat = Calibration.of("zyx", (1.0, 0.5, 0.5), units=(None, "micrometer", "micrometer"))
    image = read_image(write_labels(tmp_path / "c.tif", labels(2, 8, 8), calibration=flat))
    assert image.calibration == flat


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="axes 'cyx'"):
        write_labels(tmp_path / "a.tif", labels(2, 8, 8), calibration=Calibration.of("cyx"))
    with pytest.raises(OutputError, match=r"a\.png"):
        write_labels(tmp_path / "a.png", labels(8, 8))
