"""ROIs for ImageJ, read back with roifile and filled with scikit-image."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from roifile import ROI_TYPE, ImagejRoi, roiread
from skimage.draw import polygon2mask

import napari_grd.api as grd
from napari_grd.errors import OutputError


def filled(roi: ImagejRoi, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """The pixels whose centers lie inside, as ImageJ fills a region: rings of a composite one by the even-odd rule."""
    mask = np.zeros(shape, bool)
    for ring in roi.coordinates(multi=True):
        mask ^= polygon2mask(shape, np.asarray(ring, float)[:, ::-1] - 0.5)
    return mask


def read(path: Path) -> dict[str, ImagejRoi]:
    found = roiread(path)
    return {roi.name: roi for roi in found}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_region_fills_exactly_its_object(planes: Any, data: st.DataObject) -> None:
    labels = data.draw(planes)
    with TemporaryDirectory() as folder:
        rois = read(grd.export_objects(labels, Path(folder) / "a.zip"))
    ids = np.unique(labels[labels > 0])
    assert list(rois) == [f"{label:04}" for label in ids]
    for label, roi in zip(ids, rois.values(), strict=True):
        np.testing.assert_array_equal(filled(roi, labels.shape), labels == label)


def test_simple_objects_are_traced_and_others_composite(tmp_path: Path, drawn: Any) -> None:
    rois = read(grd.export_objects(drawn, tmp_path / "cells.zip"))
    kinds = {name: roi.roitype for name, roi in rois.items()}
    assert kinds["0003"] == ROI_TYPE.TRACED
    assert kinds["0900"] == kinds["0012"] == ROI_TYPE.RECT
    assert rois["0900"].composite
    assert rois["0012"].composite
    assert rois["0041"].integer_coordinates.tolist() == [[0, 0], [1, 0], [1, 1], [0, 1]]
    assert (rois["0041"].left, rois["0041"].top, rois["0041"].right, rois["0041"].bottom) == (30, 20, 31, 21)
    assert {roi.position for roi in rois.values()} == {0}


@pytest.mark.parametrize(
    ("axes", "shape", "name", "position", "czt"),
    [
        ("zyx", (12, 4, 5), "0007-z03", 3, (0, 3, 0)),
        ("tyx", (12, 4, 5), "0007-t03", 3, (0, 0, 3)),
        ("tzyx", (2, 12, 4, 5), "0007-t1-z03", 0, (0, 3, 1)),
        ("tczyx", (1, 12, 1, 4, 5), "0007-c03", 3, (3, 0, 0)),
    ],
)
def test_regions_of_a_stack_know_their_plane(
    tmp_path: Path, axes: str, shape: tuple[int, ...], name: str, position: int, czt: tuple[int, ...]
) -> None:
    labels = np.zeros(shape, np.uint8)
    index = tuple(2 if axis == axes[np.argmax(shape)] else 0 for axis in axes[:-2])
    labels[(*index, slice(1, 3), slice(1, 3))] = 7
    ((found, roi),) = read(grd.export_objects(labels, tmp_path / "a.zip", axes=axes)).items()
    assert (found, roi.position) == (name, position)
    assert (roi.c_position, roi.z_position, roi.t_position) == czt


def test_regions_far_out_are_where_they_belong(tmp_path: Path) -> None:
    labels = np.zeros((2, 70_000), np.uint8)
    labels[0, 40_000:40_003] = 1  # ImageJ takes what roifile wraps for unsigned
    labels[1, 65_000:65_009] = 2
    rois = read(grd.export_objects(labels, tmp_path / "a.zip"))
    np.testing.assert_array_equal(filled(rois["0001"], labels.shape), labels == 1)
    np.testing.assert_array_equal(filled(rois["0002"], labels.shape), labels == 2)


def test_one_object_goes_into_a_roi_file_and_several_do_not(tmp_path: Path, drawn: Any) -> None:
    one = np.where(drawn == 3, drawn, 0)
    np.testing.assert_array_equal(filled(roiread(grd.export_objects(one, tmp_path / "a.roi")), one.shape), one > 0)
    with pytest.raises(OutputError, match=r"labels have 7.*\.zip"):
        grd.export_objects(drawn, tmp_path / "b.roi")
    assert not (tmp_path / "b.roi").exists()


def test_no_objects_are_an_empty_zip(tmp_path: Path) -> None:
    assert read(grd.export_objects(np.zeros((3, 4), int), tmp_path / "a.zip")) == {}
