import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_grd.config import PartitionConfig
from napari_grd.graph.constraints import Constraints
from napari_grd.graph.cosine import affinities_channels_last
from napari_grd.graph.merging import merged as merge
from napari_grd.graph.offsets import default_offsets
from napari_grd.graph.partition import partition, partition_embedding

SHAPE = (40, 48)
OFFSETS = default_offsets(2)
METHODS = ["mutex", "agglomeration", "multicut"]
place = st.tuples(st.integers(0, 39), st.integers(0, 47))
strokes = st.lists(place, min_size=2, max_size=4)
gestures = st.one_of(
    strokes.map(lambda points: Constraints.merge_stroke(points, SHAPE)),
    strokes.map(lambda points: Constraints.split_stroke(points, SHAPE)),
    st.tuples(place, place).filter(lambda ab: ab[0] != ab[1]).map(lambda ab: Constraints.split_points(*ab)),
    st.lists(place, min_size=1, max_size=9).map(lambda pixels: Constraints(background=np.array(pixels))),
)


def scene(seed, noise):
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(SHAPE)
    labels = (rows // 13 * 4 + columns // 12 + 1) * (rng.random(20) > 0.2)[rows // 13 * 4 + columns // 12]
    embedding = rng.normal(size=(99, 6))[labels] + noise * rng.normal(size=(*SHAPE, 6))
    return embedding.astype(np.float32), (labels > 0).astype(np.float32)


def assert_holds(labels, constraints):
    here = constraints.on_grid(labels.shape)
    linked, parted = labels.flat[here.must_link.reshape(-1)], labels.flat[here.cannot_link.reshape(-1)]
    assert (linked[0::2] == linked[1::2]).all()
    assert ((parted[0::2] != parted[1::2]) | (parted[0::2] == 0)).all()
    assert labels.flat[here.foreground].all()
    assert not labels.flat[here.background].any()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.lists(gestures, min_size=1, max_size=4),
    st.sampled_from([0, 16, 200]),
    st.sampled_from([0, 30]),
    st.sampled_from(METHODS),
)
def test_constraints_hold_after_clean_up(seed, noise, said, min_size, max_hole, method):
    embedding, foreground = scene(seed, noise)
    constraints = Constraints()
    for gesture in said:
        constraints = merge(constraints, gesture)
    config = PartitionConfig(method=method, stride=2, min_size=min_size, max_hole=max_hole)
    labels = partition_embedding(embedding, OFFSETS, foreground, config, constraints)
    assert_holds(labels, constraints)
    affinities = affinities_channels_last(embedding, OFFSETS)
    np.testing.assert_array_equal(partition(affinities, OFFSETS, foreground, config, constraints), labels)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(METHODS))
def test_saying_nothing_changes_nothing(seed, method):
    embedding, foreground = scene(seed, 0.5)
    config = PartitionConfig(method=method)
    np.testing.assert_array_equal(
        partition_embedding(embedding, OFFSETS, foreground, config, Constraints()),
        partition_embedding(embedding, OFFSETS, foreground, config),
    )


@pytest.mark.parametrize("fragments", ["volume", "slices"])
@pytest.mark.parametrize("method", METHODS)
def test_a_volume(method, fragments):
    config = PartitionConfig(method=method, fragments=fragments)
    embedding = np.ones((4, 12, 12, 3), np.float32)
    constraints = merge(
        Constraints.split_points((1, 5, 2), (1, 5, 9)), Constraints.merge_stroke([(0, 0, 0), (3, 4, 0)])
    )
    labels = partition_embedding(embedding, default_offsets(3), None, config, constraints)
    assert_holds(labels, constraints)
