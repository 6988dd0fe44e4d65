import numpy as np
import pytest

import napari_grd.api as grd
from napari_grd.config import SegmentConfig
from napari_grd.errors import ImageError
from napari_grd.jobs import Progress, drain
from napari_grd.live.whole import iter_segment_whole

from .conftest import ArraySource

F32 = SegmentConfig(runtime="torch", precision="f32")


def test_a_whole_plane_is_what_segment_says(picture, nuclei):
    events = []
    labels, level = drain(iter_segment_whole(ArraySource([picture[None]]), nuclei, F32), events.append)
    assert level == 0
    assert grd.evaluate(labels, grd.segment(nuclei, picture, F32)).sbd > 0.99
    assert isinstance(events[-1], Progress)
    assert events[-1].done == events[-1].total


def test_objects_keep_their_ids_through_a_stack(picture, nuclei, counting):
    stack = np.stack([picture, np.roll(picture, 2, axis=1), picture])[None, :, :200, :200]
    labels, _ = drain(iter_segment_whole(ArraySource([stack]), nuclei))
    np.testing.assert_array_equal(labels[0], labels[2])
    apart, _ = drain(iter_segment_whole(ArraySource([stack]), nuclei, linked=False))
    ids = [set(np.unique(plane).tolist()) - {0} for plane in apart]
    assert not ids[0] & ids[1]


def test_of_a_region_only_objects_that_lie_in_it(picture, nuclei, counting):
    region = np.zeros(picture.shape, bool)
    region[100:220, 150:300] = True
    labels, _ = drain(iter_segment_whole(ArraySource([picture[None]]), nuclei, region=region))
    ids, sizes = np.unique(labels, return_counts=True)
    inside = {label: (labels[region] == label).sum() for label in ids[1:]}
    assert len(ids) > 5
    assert all(2 * inside[label] >= size for label, size in zip(ids[1:], sizes[1:], strict=True))


def test_an_empty_region_is_an_error(picture, nuclei):
    with pytest.raises(ImageError, match="no pixel"):
        drain(iter_segment_whole(ArraySource([picture[None]]), nuclei, F32, region=np.zeros(picture.shape, bool)))
