import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_grd.config import PartitionConfig
from napari_grd.graph.constraints import Constraints
from napari_grd.graph.fragment_merging import merge_small_fragments
from napari_grd.graph.offsets import default_offsets
from napari_grd.graph.partition import partition
from napari_grd.graph.volume import as_vectors

VECTORS = as_vectors(default_offsets(2)[:2])


def merged(plane, affinity=1.0, share=0.3, kept=None):
    labels = np.asarray(plane, np.int32)[None]
    affinities = np.broadcast_to(np.float32(affinity), (2, *labels.shape))
    return merge_small_fragments(labels, affinities, VECTORS, share, kept)[0]


def disc(rim=0, spot=0):
    """An object of 20 x 20 pixels, a piece at its rim and one in its middle."""
    labels = np.zeros((30, 30), np.int32)
    labels[5:25, 5:25] = 1
    labels[5:7, 8:20] = rim or 1
    labels[14:17, 14:17] = spot or 1
    return labels


@pytest.mark.parametrize(("rim", "spot"), [(2, 0), (0, 2), (2, 3)])
def test_pieces_at_the_rim_and_in_the_middle_join(rim, spot):
    np.testing.assert_array_equal(merged(disc(rim, spot)), disc())


def test_a_border_that_the_pixels_beside_it_show_stays():
    np.testing.assert_array_equal(merged(disc(2, 3), affinity=0.4), disc(2, 3))


def test_what_hardly_touches_stays():
    labels = np.zeros((30, 30), np.int32)
    labels[5:25, 5:25] = 1
    labels[10:16, 25:30] = 2  # 6 of its 22 sides touch; the border of the image is one of the others
    np.testing.assert_array_equal(merged(labels)[12, 20:], [1] * 10)
    labels[10:16, 25:30] = 0
    labels[10:13, 25:30] = 2  # 3 of 16
    np.testing.assert_array_equal(merged(labels), labels)


def test_what_is_not_small_beside_its_neighbor_stays():
    labels = np.zeros((30, 30), np.int32)
    labels[5:25, 5:25] = 1
    labels[5:25, 5:12] = 2  # 140 and 260
    np.testing.assert_array_equal(merged(labels), labels)
    np.testing.assert_array_equal(merged(labels, share=0.6) > 0, labels > 0)
    assert len(np.unique(merged(labels, share=0.6))) == 2


def test_a_fragment_goes_where_the_fragment_it_belongs_to_goes():
    labels = disc(rim=2)
    labels[5, 10:13] = 3  # inside the rim's piece: no contact with the object
    np.testing.assert_array_equal(merged(labels), disc())


def test_the_longest_contact_decides():
    labels = np.zeros((20, 40), np.int32)
    labels[:, :20], labels[:, 20:] = 1, 2
    labels[5:15, 18:21] = 3  # 10 + 2 * 2 sides with 1, 10 + 2 * 1 with 2
    np.testing.assert_array_equal(merged(labels)[5:15, 18:21], np.ones((10, 3)))


def test_what_is_kept_is_no_fragment_but_takes_some():
    labels = disc(rim=2)
    labels[5, 10:13] = 3
    expected = disc(rim=2)
    np.testing.assert_array_equal(merged(labels, kept=np.array([2])), expected)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 1)])
def test_thin_images(shape):
    labels = np.ones(shape, np.int32)
    np.testing.assert_array_equal(merged(labels), labels)
    np.testing.assert_array_equal(merged(0 * labels), 0 * labels)


def test_volumes():
    labels = np.zeros((12, 12, 12), np.int32)
    labels[1:11, 1:11, 1:11] = 1
    labels[1:3, 4:8, 4:8] = 2
    affinities = np.ones((3, *labels.shape), np.float32)
    found = merge_small_fragments(labels, affinities, as_vectors(default_offsets(3)), 0.3)
    np.testing.assert_array_equal(found, labels > 0)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0, 1))
def test_objects_only_ever_become_one(seed, share):
    rng = np.random.default_rng(seed)
    labels = np.kron(rng.integers(0, 5, (6, 7)), np.ones((3, 2), int)).astype(np.int32)
    affinities = rng.random((2, 1, *labels.shape), np.float32)
    found = merge_small_fragments(labels[None], affinities, VECTORS, share)[0]
    np.testing.assert_array_equal(found > 0, labels > 0)
    became = [np.unique(found[labels == name]) for name in np.unique(labels)]
    assert [len(names) for names in became] == [1] * len(became)
    if share == 0:
        np.testing.assert_array_equal(found, labels)


def test_the_partition_merges_small_fragments_unless_told_not_to_and_never_what_was_cut_by_hand():
    offsets, labels = default_offsets(2), disc(rim=2)
    affinities = np.stack([labels == np.roll(labels, np.negative(offset), (0, 1)) for offset in offsets]).astype(
        np.float32
    )
    affinities[:2] = np.maximum(affinities[:2], 0.6)  # long edges alone speak against the rim's piece
    foreground, settings = (labels > 0).astype(np.float32), PartitionConfig(stride=1)
    np.testing.assert_array_equal(partition(affinities, offsets, foreground, settings) > 0, labels > 0)
    assert partition(affinities, offsets, foreground, settings).max() == 1
    assert partition(affinities, offsets, foreground, settings.replace(fragment_ratio=0)).max() == 2
    cut = Constraints.split_points((6, 15), (20, 15))
    assert partition(affinities, offsets, foreground, settings, cut).max() == 2
