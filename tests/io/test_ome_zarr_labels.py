"""Labels written as OME-Zarr come back exactly, here and in another library; nothing foreign is overwritten."""

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest

from napari_grd.errors import LabelError, OutputError
from napari_grd.io.calibration import Calibration
from napari_grd.io.ome_zarr import read_ome_zarr
from napari_grd.io.ome_zarr_labels import write_labels_zarr
from napari_grd.io.ome_zarr_metadata import is_ome_zarr

UM = "micrometer"
PLACE = Calibration.of("tzyx", (30, 2, 0.25, 0.5), (0, 10, 1, 2), ("second", UM, UM, UM))
MADE = {"version": "1.0", "model": {"name": "nuclei"}, "config": {"tile": 512}}


def draw(*shape: int, highest: int = 70_000) -> Any:
    return np.random.default_rng(0).integers(0, highest, shape)


@pytest.mark.parametrize("wrap", [np.asarray, lambda labels: da.from_array(labels, chunks=300)])
def test_labels_place_and_maker_come_back(tmp_path: Path, wrap: Any) -> None:
    labels = draw(2, 3, 530, 1100)
    path = write_labels_zarr(tmp_path / "a.ome.zarr", wrap(labels), PLACE, MADE)
    (found,) = read_ome_zarr(path)
    assert (found.name, found.is_labels, found.provenance) == ("a", True, MADE)
    assert found.calibration == PLACE
    assert found.levels[0].dtype == np.uint32
    for number, level in enumerate(found.levels):
        np.testing.assert_array_equal(level[:], labels[..., :: 2**number, :: 2**number])
    assert found.levels[-1].shape == (2, 3, 133, 275)


def test_another_library_understands_them(tmp_path: Path) -> None:
    from ome_zarr import OMEZarrLabels

    labels = draw(3, 40, 600, highest=9)
    path = write_labels_zarr(tmp_path / "a.ome.zarr", labels, Calibration.of("zyx", (2, 1, 1), units=(UM,) * 3), MADE)
    found = OMEZarrLabels.from_ome_zarr(str(path))
    assert isinstance(found, OMEZarrLabels)
    assert [image.data.shape for image in found.images] == [(3, 40, 600), (3, 20, 300)]
    assert found.images[0].scale == {"z": 2, "y": 1, "x": 1}
    assert found.images[0].axes_units == {"z": UM, "y": UM, "x": UM}
    np.testing.assert_array_equal(found.images[0].data.compute(), labels)


def test_own_folders_are_replaced_and_foreign_ones_are_not(tmp_path: Path) -> None:
    place = Calibration.of("yx")
    path = write_labels_zarr(tmp_path / "a.zarr", draw(8, 9), place)
    again = draw(5, 6)
    write_labels_zarr(path, again, place)
    np.testing.assert_array_equal(read_ome_zarr(path)[0].levels[0][:], again)
    foreign = tmp_path / "photos.zarr"
    foreign.mkdir()
    (foreign / "a.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"photos.zarr.*not written by napari-grd.*another name"):
        write_labels_zarr(foreign, again, place)
    assert (foreign / "a.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "photos.zarr"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    place = Calibration.of("yx")
    path = write_labels_zarr(tmp_path / "a.zarr", draw(8, 9), place)

    class Torn:
        dtype, shape, reads = np.dtype(int), (600, 600), 0

        def __getitem__(self, region: Any) -> Any:
            self.reads += 1
            if self.reads > 2:
                raise OSError(5, "Input/output error")
            return np.ones((600, 600), int)[region]

    with pytest.raises(OutputError, match=r"a.zarr.*cannot be written"):
        write_labels_zarr(path, Torn(), place)
    assert read_ome_zarr(path)[0].levels[0].shape == (8, 9)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="float64"):
        write_labels_zarr(tmp_path / "a.zarr", np.zeros((4, 4)), Calibration.of("yx"))
    with pytest.raises(OutputError, match="no folder"):
        write_labels_zarr(tmp_path / "nowhere" / "a.zarr", draw(4, 4), Calibration.of("yx"))
    assert not is_ome_zarr(tmp_path / "a.zarr")
