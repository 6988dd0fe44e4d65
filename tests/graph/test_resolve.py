import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_grd.errors import ImageError, LabelError
from napari_grd.graph.constraints import Constraints
from napari_grd.graph.merging import merged as merge
from napari_grd.graph.resolve import resolve

SHAPE = (60, 60)


def scene(noise=0.15, seed=0):
    """Two pairs of touching discs, each pair one object, and a disc alone; the embedding knows the discs."""
    rng = np.random.default_rng(seed)
    centers = np.array([(15, 12), (15, 28), (44, 14), (44, 32), (30, 50)])
    far = np.linalg.norm(np.moveaxis(np.indices(SHAPE), 0, -1)[..., None, :] - centers, axis=-1)
    discs = np.where(far.min(-1) < 9, far.argmin(-1) + 1, 0)
    labels = np.array([0, 3, 3, 7, 7, 5], np.uint32)[discs]
    # The two of a pair differ little: this is why they were not separated.
    means = rng.normal(size=(6, 8))
    means[[2, 4]] = means[[1, 3]] + 0.6 * rng.normal(size=(2, 8))
    embedding = ndimage.gaussian_filter(means[discs] + noise * rng.normal(size=(*SHAPE, 8)), (1, 1, 0))
    return discs, labels, embedding.astype(np.float32)


def assert_holds(labels, constraints):
    here = constraints.on_grid(labels.shape)
    linked, parted = labels.flat[here.must_link.reshape(-1)], labels.flat[here.cannot_link.reshape(-1)]
    assert (linked[0::2] == linked[1::2]).all()
    assert ((parted[0::2] != parted[1::2]) | (parted[0::2] == 0)).all()
    assert labels.flat[here.foreground].all()
    assert not labels.flat[here.background].any()


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def test_two_clicks_part_two_discs_at_their_border():
    discs, labels, embedding = scene()
    split = Constraints.split_points((12, 9), (18, 24))  # not in the middle, nor at the same distance from the border
    result = resolve(labels, embedding, split, split.pixels)
    assert iou(result == result[15, 12], discs == 1) > 0.95
    assert iou(result == result[15, 28], discs == 2) > 0.95
    assert sorted(np.unique(result)) == [0, 3, 5, 7, 8]
    np.testing.assert_array_equal(
        result[discs != 1][labels[discs != 1] != 3], labels[discs != 1][labels[discs != 1] != 3]
    )


@pytest.mark.parametrize("stroke", [[(3, 20), (27, 20)], [(8, 20.4), (14, 19.6), (20, 20.2)], [(11, 20), (19, 20)]])
def test_a_stroke_along_the_border_parts_two_discs(stroke):
    discs, labels, embedding = scene()
    cut = Constraints.split_stroke(stroke, SHAPE, labels)
    result = resolve(labels, embedding, cut, cut.pixels)
    assert_holds(result, cut)
    assert iou(result == result[15, 12], discs == 1) > 0.9
    assert iou(result == result[15, 28], discs == 2) > 0.9
    assert len(np.unique(result)) == 5


def test_a_stroke_joins_objects_and_the_background_under_it():
    _, labels, embedding = scene()
    join = Constraints.merge_stroke([(15, 28), (30, 50)])
    result = resolve(labels, embedding, join, join.pixels)
    assert_holds(result, join)
    expected = np.where(labels == 5, 3, labels)
    expected[tuple(join.pixels.T)] = 3  # the larger of the two keeps its id
    np.testing.assert_array_equal(result, expected)


def test_a_join_then_a_cut_elsewhere():
    discs, labels, embedding = scene()
    join = Constraints.merge_stroke([(15, 28), (30, 50)])
    joined = resolve(labels, embedding, join, join.pixels)
    cut = Constraints.split_stroke([(3, 20), (27, 20)], SHAPE, joined)
    result = resolve(joined, embedding, merge(join, cut), cut.pixels)
    assert_holds(result, merge(join, cut))
    assert result[30, 50] == result[15, 28] != result[15, 12]
    assert iou(result == result[15, 12], discs == 1) > 0.9


def test_a_cut_then_a_join_over_it_gives_the_object_back():
    _, labels, embedding = scene()
    cut = Constraints.split_stroke([(3, 20), (27, 20)], SHAPE, labels)
    parted = resolve(labels, embedding, cut, cut.pixels)
    join = Constraints.merge_stroke([(15, 14), (15, 26)])
    np.testing.assert_array_equal(resolve(parted, embedding, merge(cut, join), join.pixels), labels)


def test_erasing_through_an_object_parts_it():
    _, labels, embedding = scene()
    erased = Constraints(background=np.array([(y, 50) for y in range(15, 45)]))
    result = resolve(labels, embedding, erased, erased.pixels, above=40)
    assert not result[15:45, 50].any()
    assert {int(result[30, 47]), int(result[30, 53])} == {5, 41}


def test_parts_that_share_an_id_go_on_sharing_it():
    _, labels, embedding = scene()
    labels[labels == 7] = 3
    join = Constraints.merge_stroke([(15, 28), (30, 50)])
    result = resolve(labels, embedding, join, join.pixels)
    assert (result[labels > 0] == 3).all()


def test_no_end_of_a_cut_becomes_a_piece_of_its_own():
    embedding = np.random.default_rng(0).normal(size=(*SHAPE, 8)).astype(np.float32)  # says nothing
    cut = Constraints.split_stroke([(25, 20), (29, 30), (27, 42)], SHAPE)
    result = resolve(np.ones(SHAPE, np.uint32), embedding, cut, cut.pixels)
    assert_holds(result, cut)
    assert np.unique(result).tolist() == [1, 2]


def test_a_cut_that_pokes_into_the_next_object_makes_two_pieces_of_one():
    _, labels, embedding = scene()
    labels[24:30, 20] = labels[30:40, 10:30] = 9
    cut = Constraints.split_stroke([(3, 20), (32, 20)], SHAPE, labels)
    result = resolve(labels, embedding, cut, cut.pixels)
    assert len(np.unique(result)) == len(np.unique(labels)) + 1


strokes = st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), min_size=2, max_size=4)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["join", "cut", "split", "erase"]), strokes), min_size=1, max_size=5),
    st.integers(0, 99),
)
def test_constraints_hold_and_nothing_else_changes(said, seed):
    _, labels, embedding = scene(seed=seed)
    constraints = Constraints()
    for kind, stroke in said:
        if kind == "cut":
            new = Constraints.split_stroke(stroke, SHAPE)
        elif kind == "split" and stroke[0] != stroke[1]:
            new = Constraints.split_points(*stroke[:2])
        elif kind == "erase":
            new = Constraints(background=np.array(stroke))
        else:
            new = Constraints.merge_stroke(stroke)
        constraints = merge(constraints, new)
        before, labels = labels, resolve(labels, embedding, constraints, new.pixels)
        assert_holds(labels, constraints)
        touched = np.unique(before[tuple(new.pixels.T)])
        free = np.isin(before, touched[touched > 0])
        free[tuple(constraints.pixels.T)] = True
        np.testing.assert_array_equal(labels[~free], before[~free])
        fresh = np.setdiff1d(labels, before)
        assert (fresh > before.max()).all()
    _, original, _ = scene(seed=seed)
    assert_holds(resolve(original, embedding, constraints, constraints.pixels), constraints)  # all at once


def test_a_volume():
    labels = np.ones((3, 8, 12), np.uint32)
    embedding = np.zeros((3, 8, 12, 2), np.float32)
    embedding[..., :5, 0] = embedding[..., 5:, 1] = 1
    split = Constraints.split_points((1, 4, 1), (1, 4, 10))
    result = resolve(labels, embedding, split, split.pixels)
    assert len(np.unique(result[..., :5])) == len(np.unique(result[..., 5:])) == 1
    assert result[0, 0, 0] != result[0, 0, 11]


def test_bad_input():
    _, labels, embedding = scene()
    split = Constraints.split_points((12, 9), (18, 24))
    with pytest.raises(ImageError, match="shape"):
        resolve(labels, embedding[:-1], split, split.pixels)
    with pytest.raises(ImageError, match="outside"):
        resolve(labels, embedding, split, np.array([[99, 0]]))
    with pytest.raises(LabelError, match="next id"):
        resolve(labels, embedding, split, split.pixels, above=2**32 - 1)


def test_touching_nothing_changes_nothing():
    _, labels, embedding = scene()
    np.testing.assert_array_equal(resolve(labels, embedding, Constraints(), np.array([[0, 0]])), labels)
