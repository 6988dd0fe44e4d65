"""Labels are stored in the smallest type, whatever kind of array they come in."""

import dask.array as da
import numpy as np
import pytest

from napari_grd.errors import LabelError
from napari_grd.io.label_values import regions, stored_type


@pytest.mark.parametrize("wrap", [np.asarray, lambda labels: da.from_array(labels, chunks=2)])
@pytest.mark.parametrize(("highest", "dtype"), [(0, np.uint16), (65_535, np.uint16), (65_536, np.uint32)])
def test_the_smallest_type(wrap, highest, dtype) -> None:
    labels = np.zeros((2, 3, 4), np.int64)
    labels[-1, -1, -1] = highest
    assert stored_type(wrap(labels)) is dtype


def test_masks_are_labels_too() -> None:
    assert stored_type(np.ones((2, 2), bool)) is np.uint16


def test_what_is_no_label_image_is_refused() -> None:
    with pytest.raises(LabelError, match="from -1 to 0"):
        stored_type(np.array([[-1, 0]]))


@pytest.mark.parametrize("shape", [(5,), (5, 7), (2, 5, 7), (2, 3, 4, 4)])
def test_regions_cover_each_pixel_once(shape: tuple[int, ...]) -> None:
    seen = np.zeros(shape, int)
    for region in regions(shape, side=3):
        seen[region] += 1
        assert seen[region].size <= 9
    assert (seen == 1).all()
