"""Objects that are left out: at the rim, too small, too large."""

from typing import Any

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import label, regionprops
from skimage.morphology import remove_small_objects
from skimage.segmentation import clear_border

import napari_grd.api as grd
from napari_grd.errors import ConfigError, LabelError
from napari_grd.measurements.filtering import FilteredLabels, object_filter
from napari_grd.measurements.geometry import resolve_geometry


def draw(seed: int, shape: tuple[int, ...] = (24, 30)) -> np.ndarray[Any, Any]:
    return label(np.random.default_rng(seed).random(shape) < 0.3, connectivity=1).astype(np.uint16)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 9))
def test_it_is_what_scikit_image_does(seed: int, smallest: int) -> None:
    labels = draw(seed)
    np.testing.assert_array_equal(grd.filter_objects(labels, exclude_border=True), clear_border(labels))
    expected = remove_small_objects(labels, max_size=smallest - 1) if smallest > 1 else labels
    np.testing.assert_array_equal(grd.filter_objects(labels, min_size=smallest), expected)
    found = grd.filter_objects(labels, exclude_border=True, min_size=smallest, max_size=12)
    kept = {
        region.label
        for region in regionprops(labels)
        if smallest <= region.area <= 12 and region.label in clear_border(labels)
    }
    assert set(np.unique(found).tolist()) - {0} == kept
    assert found.dtype == labels.dtype


def test_a_stack_is_open_above_and_below_unless_asked() -> None:
    labels = np.zeros((3, 8, 8), int)
    labels[:2, 3:5, 3:5] = 1  # reaches through the first plane
    labels[1, 5:7, 5:7] = 2
    labels[1, 0, 2] = 3
    assert set(np.unique(grd.filter_objects(labels, exclude_border=True))) == {0, 1, 2}
    assert set(np.unique(grd.filter_objects(labels, exclude_border="zyx"))) == {0, 2}
    assert set(np.unique(grd.filter_objects(labels, exclude_border="x"))) == {0, 1, 2, 3}
    assert set(np.unique(grd.filter_objects(labels, min_size=8))) == {0, 1}, "voxels of all planes"
    assert set(np.unique(grd.filter_objects(labels, min_size=8, ndim=2))) == {0}, "pixels of each plane"


def test_time_points_are_looked_at_one_by_one() -> None:
    labels = np.zeros((2, 8, 8), int)
    labels[0, 0:2, 3] = 7
    labels[1, 3:5, 3] = 7
    found = grd.filter_objects(labels, exclude_border=True, axes="tyx")
    assert found.reshape(2, -1).max(axis=1).tolist() == [0, 7]


@pytest.mark.parametrize("values", [[0, 2**40, 5, 5], [0, 0, 0, 0]])
def test_large_numbers_and_nothing_at_all(values: list[int]) -> None:
    labels = np.pad(np.array(values)[None], 1)
    found = grd.filter_objects(labels, min_size=2, exclude_border=True)
    assert set(np.unique(found).tolist()) == {0} | ({5} & set(values))


def test_a_lazy_array_is_read_piece_by_piece() -> None:
    labels = np.stack([draw(1), draw(2)])
    lazy = FilteredLabels(
        da.from_array(labels, chunks=(1, 24, 30)), object_filter(True), resolve_geometry(labels.shape, axes="tyx")
    )
    np.testing.assert_array_equal(lazy[(1,)], clear_border(labels[1]))
    np.testing.assert_array_equal(lazy[()], np.stack([clear_border(plane) for plane in labels]))
    assert lazy.left_out((0,)).tolist() == sorted(set(np.unique(labels[0])) - set(np.unique(lazy[(0,)])))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"min_size": -3}, "-3 pixels"),
        ({"min_size": 5, "max_size": 4}, "4 pixels and the smallest 5"),
        ({"exclude_border": "tyx"}, "'t'"),
    ],
)
def test_what_cannot_be_is_said(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        grd.filter_objects(draw(0), **options)


def test_a_mask_is_no_label_image() -> None:
    with pytest.raises(LabelError, match="mask"):
        grd.filter_objects(np.ones((4, 4), bool), min_size=1)
