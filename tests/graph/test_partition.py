from unittest.mock import patch

import numpy as np
import pytest
from bioimage_cpp.segmentation import mutex_watershed as reference_mutex_watershed
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_grd.config import PartitionConfig
from napari_grd.errors import ImageError
from napari_grd.graph import mutex, parallel
from napari_grd.graph.cosine import affinities_channels_last
from napari_grd.graph.offsets import default_offsets
from napari_grd.graph.partition import edge_weights, partition, partition_edges, partition_embedding, warm_up

RAW = PartitionConfig(min_size=0, fragment_ratio=0, max_hole=0)
few = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 2**32 - 1)
shapes = st.one_of(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 8), st.integers(1, 14), st.integers(1, 14)),
)


def blobs(rng, shape, count=9, background=True):
    """Random cells, some of them background."""
    centers = rng.uniform(0, shape, size=(count, len(shape)))
    pixels = np.moveaxis(np.indices(shape), 0, -1)
    labels = np.linalg.norm(pixels[..., None, :] - centers, axis=-1).argmin(-1) + 1
    if background:
        labels[np.isin(labels, rng.integers(1, count + 1, size=count // 3))] = 0
    return labels


def components(labels):
    """Connected pieces of equal label, in raster order of their first pixels."""
    pieces, count = np.zeros(labels.shape, np.int64), 0
    for label in np.unique(labels[labels > 0]):
        piece, found = ndimage.label(labels == label)
        pieces += np.where(piece, piece + count, 0)
        count += found
    names, first = np.unique(pieces[pieces > 0], return_index=True)
    table = np.zeros(count + 1, np.int64)
    table[names[np.argsort(first)]] = np.arange(1, count + 1)
    return table[pieces]


def perfect_affinities(labels, offsets):
    result = np.zeros((len(offsets), *labels.shape), np.float32)
    for k, offset in enumerate(offsets):
        here = tuple(slice(max(0, -o), max(0, n - max(0, o))) for o, n in zip(offset, labels.shape, strict=True))
        there = tuple(slice(max(0, o), max(0, n + min(0, o))) for o, n in zip(offset, labels.shape, strict=True))
        result[(k, *here)] = labels[here] == labels[there]
    return result


def noisy_embedding(rng, labels, noise=0.8, channels=6):
    means = rng.normal(size=(labels.max() + 1, channels))
    return (means[labels] + noise * rng.normal(size=(*labels.shape, channels))).astype(np.float32)


def same_partition(a, b):
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
    return len(pairs.T) == len(np.unique(a)) == len(np.unique(b))


def test_bands_that_nothing_joins():
    affinities = np.ones((10, 20, 8), np.float32)
    affinities[0::2, 12] = 0
    labels = partition(affinities, default_offsets(2), None, PartitionConfig())
    assert labels.dtype == np.uint32
    np.testing.assert_array_equal(labels, np.where(np.arange(20) < 12, 1, 2)[:, None] * np.ones((1, 8)))


@few
@given(shapes, seeds, st.integers(1, 7))
def test_perfect_affinities_give_the_labels_back(shape, seed, stride):
    labels = blobs(np.random.default_rng(seed), shape)
    offsets = default_offsets(len(shape))
    result = partition(perfect_affinities(labels, offsets), offsets, labels > 0, RAW.replace(stride=stride))
    np.testing.assert_array_equal(result, components(labels))


@few
@given(shapes, seeds, st.integers(1, 6), st.booleans(), st.integers(1, 4))
def test_agrees_with_an_independent_mutex_watershed_in_any_number_of_threads(shape, seed, stride, masked, threads):
    rng = np.random.default_rng(seed)
    offsets, ndim = default_offsets(len(shape)), len(shape)
    # The two break ties differently: distinct weights, and binary fractions, whose 1 - (1 - w) is exact.
    count = len(offsets) * int(np.prod(shape))
    weights = rng.permutation(np.arange(1, count + 1)) * (2**20 // (count + 1)) / 2**20
    weights = weights.reshape(len(offsets), *shape).astype(np.float32)
    affinities = np.concatenate([weights[:ndim], 1 - weights[ndim:]])
    foreground = rng.random(shape) < 0.8 if masked else None
    expected = reference_mutex_watershed(weights, offsets, ndim, strides=[stride] * ndim, mask=foreground)
    with patch.multiple(mutex, thread_count=lambda: threads, _SMALLEST_BAND=1):
        found = partition(affinities, offsets, foreground, RAW.replace(stride=stride))
    assert same_partition(found, expected)


@few
@given(shapes, seeds)
def test_the_whole_equals_its_components(shape, seed):
    rng = np.random.default_rng(seed)
    offsets = default_offsets(len(shape))
    affinities = rng.random((len(offsets), *shape), np.float32)
    foreground = rng.random(shape) < 0.6
    whole = partition(affinities, offsets, foreground, RAW)
    pieces, count = ndimage.label(foreground)
    together = np.zeros(shape, np.int64)
    for piece in range(1, count + 1):
        part = partition(affinities, offsets, pieces == piece, RAW)
        together[part > 0] = part[part > 0] + together.max()
    assert same_partition(whole, together)


@few
@given(shapes, seeds, st.integers(1, 6), st.sampled_from([-0.3, 0.0, 0.3]), st.booleans())
def test_embedding_path_equals_affinities_path(shape, seed, stride, bias, masked):
    rng = np.random.default_rng(seed)
    labels, offsets = blobs(rng, shape), default_offsets(len(shape))
    embedding = noisy_embedding(rng, labels)
    foreground = rng.random(shape, np.float32) if masked else None
    config = PartitionConfig(stride=stride, bias=bias)
    expected = partition(affinities_channels_last(embedding, offsets), offsets, foreground, config)
    np.testing.assert_array_equal(partition_embedding(embedding, offsets, foreground, config), expected)


@pytest.mark.parametrize("offsets", [((-1, 0), (0, -1), (7, 2), (-4, 3)), default_offsets(3)], ids=["2D", "3D"])
def test_edges_of_an_embedding_that_is_not_contiguous(offsets):
    rng = np.random.default_rng(0)
    labels = blobs(rng, (41, 23, 19)[: len(offsets[0])])
    output = np.pad(noisy_embedding(rng, labels), [(0, 0)] * labels.ndim + [(0, 1)])
    foreground = rng.random(labels.shape, np.float32)
    config = PartitionConfig(stride=3)
    weights = edge_weights(output[..., :-1], offsets, foreground, config)
    expected = edge_weights(output[..., :-1].copy(), offsets, foreground, config)
    np.testing.assert_array_equal(weights.attractive, expected.attractive)
    np.testing.assert_array_equal(weights.repulsive, expected.repulsive)
    np.testing.assert_array_equal(
        partition_edges(weights, offsets, config), partition_embedding(output[..., :-1], offsets, foreground, config)
    )


@few
@given(shapes, seeds, st.integers(0, 30))
def test_objects_are_numbered_connected_large_enough_and_inside(shape, seed, min_size):
    rng = np.random.default_rng(seed)
    labels, offsets = blobs(rng, shape), default_offsets(len(shape))
    foreground = np.where(labels > 0, 0.8, 0.1)
    config = RAW.replace(min_size=min_size)
    result = partition_embedding(noisy_embedding(rng, labels, 1.5), offsets, foreground, config)
    _, first, sizes = np.unique(result[result > 0], return_index=True, return_counts=True)
    np.testing.assert_array_equal(np.unique(result[result > 0]), np.arange(1, result.max() + 1))
    assert (np.diff(first) > 0).all()
    assert (sizes >= min_size).all()
    np.testing.assert_array_equal(components(result), result)
    # Only a component of the foreground that is small as a whole disappears.
    pieces, _ = ndimage.label(labels > 0)
    kept = np.bincount(pieces.ravel()) >= min_size
    np.testing.assert_array_equal(result > 0, kept[pieces] & (labels > 0))


@few
@given(seeds)
def test_bias_merges_and_splits(seed):
    rng = np.random.default_rng(seed)
    labels = blobs(rng, (40, 40), background=False)
    embedding = noisy_embedding(rng, labels, 1.0)
    counts = [
        partition_embedding(embedding, default_offsets(2), None, RAW.replace(bias=bias)).max()
        for bias in (-0.6, 0.0, 0.6)
    ]
    assert counts[0] >= counts[1] >= counts[2]
    assert counts[0] > counts[2]


def test_threads_do_not_change_the_labels(monkeypatch):
    rng = np.random.default_rng(0)
    labels = blobs(rng, (60, 50))
    embedding = np.round(noisy_embedding(rng, labels))  # full of ties
    results = []
    for threads in (1, 2, 7):
        monkeypatch.setattr(parallel, "thread_count", lambda threads=threads: threads)
        results.append(partition_embedding(embedding, default_offsets(2), labels > 0, PartitionConfig(stride=2)))
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_a_dense_field_stays_dense_when_fragments_merge():
    labels = np.ones((30, 30), int)
    labels[:, 15:] = 2
    labels[5:7, 14:16] = 3
    embedding = np.eye(4, dtype=np.float32)[labels]
    embedding[5:7, 14:16, 2] = 0.5  # the fragment is nearer to 2
    result = partition_embedding(embedding, default_offsets(2), None, RAW.replace(min_size=16, stride=1))
    labels[5:7, 14:16] = 2
    np.testing.assert_array_equal(result, labels)


def test_isolated_specks_are_removed():
    labels = np.zeros((20, 20), int)
    labels[2:4, 2:4] = 1
    labels[8:16, 8:16] = 2
    result = partition_embedding(np.eye(3)[labels], default_offsets(2), labels > 0, RAW.replace(min_size=5))
    np.testing.assert_array_equal(result, labels == 2)


@pytest.mark.parametrize("ndim", [2, 3])
def test_only_enclosed_small_holes_of_one_object_are_filled(ndim):
    labels = np.zeros((9, 30), int)
    labels[:, :20] = 1
    labels[:, 20:] = 2
    foreground = np.ones((9, 30), bool)
    foreground[2:4, 2:5] = False  # 6 pixels: filled
    foreground[5:7, 6:10] = False  # 8 pixels: too large
    foreground[3:5, 19:21] = False  # between two objects
    foreground[0, 12] = foreground[8, 14] = False  # on the border
    expected = np.where(foreground, labels, 0)
    expected[2:4, 2:5] = 1
    if ndim == 3:
        layers = [np.ones_like(foreground), foreground, np.ones_like(foreground)]
        labels, foreground = np.stack([labels] * 3), np.stack(layers)
        expected = np.stack([labels[0], expected, labels[0]])
    offsets = default_offsets(ndim)
    config = RAW.replace(max_hole=6)
    np.testing.assert_array_equal(partition_embedding(np.eye(3)[labels], offsets, foreground, config), expected)


def test_affinities_are_clipped_and_read_only_input_is_fine():
    rng = np.random.default_rng(0)
    affinities = rng.normal(size=(10, 30, 30)).astype(np.float32)
    affinities.flags.writeable = False
    clipped = partition(affinities.clip(0, 1), default_offsets(2), None, PartitionConfig())
    np.testing.assert_array_equal(partition(affinities, default_offsets(2), None, PartitionConfig()), clipped)


def test_no_foreground_no_objects():
    labels = partition(np.ones((10, 6, 6), np.float32), default_offsets(2), np.zeros((6, 6)), PartitionConfig())
    assert not labels.any()


@pytest.mark.parametrize(
    ("affinities", "foreground", "message"),
    [
        (np.full((10, 6, 6), np.nan), None, "affinities hold NaN"),
        (np.ones((10, 6, 6)), np.full((6, 6), np.nan), "foreground values hold NaN"),
        (np.ones((10, 6, 6)), np.ones((6, 7)), r"foreground has shape \(6, 7\)"),
        (np.ones((9, 6, 6)), None, "9 affinities and 10 offsets"),
        (np.ones((10, 6)), None, r"has shape \(6,\)"),
        (np.ones((10, 0, 6)), None, r"has shape \(0, 6\)"),
        (np.ones((10, 4, 6, 6)), None, "do not fit 3 dimensions"),
    ],
)
def test_bad_input_is_named(affinities, foreground, message):
    with pytest.raises(ImageError, match=message):
        partition(affinities, default_offsets(2), foreground, PartitionConfig())


def test_nan_in_the_embedding_matters_in_the_foreground_only():
    embedding = np.ones((12, 12, 4), np.float32)
    embedding[0, 0] = np.nan
    foreground = np.ones((12, 12))
    with pytest.raises(ImageError, match="NaN"):
        partition_embedding(embedding, default_offsets(2), foreground, PartitionConfig())
    foreground[0, 0] = 0
    assert partition_embedding(embedding, default_offsets(2), foreground, PartitionConfig()).max() == 1


def test_warm_up_runs():
    warm_up()
