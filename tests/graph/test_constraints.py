import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_grd.errors import ConfigError, ImageError
from napari_grd.graph.constraints import Constraints
from napari_grd.graph.merging import merged as merge
from napari_grd.graph.pairs import Groups, keys, merge_unless_forbidden

SHAPE = (24, 24)
place = st.tuples(st.integers(0, 23), st.integers(0, 23))
strokes = st.lists(place, min_size=2, max_size=4)
gestures = st.one_of(
    strokes.map(lambda points: Constraints.merge_stroke(points, SHAPE)),
    strokes.map(lambda points: Constraints.split_stroke(points, SHAPE)),
    st.tuples(place, place).filter(lambda ab: ab[0] != ab[1]).map(lambda ab: Constraints.split_points(*ab)),
    st.lists(place, min_size=1, max_size=9).map(lambda pixels: Constraints(background=np.array(pixels))),
)


def rows(pixels):
    return set(map(tuple, pixels.reshape(len(pixels), np.prod(pixels.shape[1:])).tolist()))


@settings(max_examples=40, deadline=None)
@given(st.lists(gestures, min_size=1, max_size=5))
def test_the_last_word_counts_and_nothing_contradicts(said):
    merged = Constraints()
    for gesture in said:
        merged = merge(merged, gesture)  # raises if the result contradicts itself
        assert rows(gesture.must_link) <= rows(merged.must_link)
        assert rows(gesture.cannot_link) <= rows(merged.cannot_link)
        assert rows(gesture.background) <= rows(merged.background)
        assert rows(gesture.foreground) <= rows(merged.foreground)


def test_a_cut_over_a_join_undoes_what_it_crosses():
    join = Constraints.merge_stroke([(5, 2), (5, 20)])
    merged = merge(join, Constraints.split_stroke([(0, 15), (10, 15)], SHAPE))
    assert len(merged.must_link) == len(join.must_link) - 1
    groups = Groups(keys(merged.must_link))
    assert groups.join(keys(np.array([[[5, 2], [5, 14]], [[5, 17], [5, 20]], [[5, 2], [5, 20]]]))).tolist() == [
        True,
        True,
        False,
    ]


def test_a_split_of_what_is_linked_undoes_the_links():
    merged = merge(Constraints.merge_stroke([(5, 2), (5, 20)]), Constraints.split_points((5, 3), (5, 19)))
    assert not len(merged.must_link)
    assert len(merged.cannot_link) == 1


def test_a_join_over_a_cut_undoes_this_cut_and_no_other():
    cuts = merge(Constraints.split_stroke([(0, 5), (9, 5)], SHAPE), Constraints.split_stroke([(0, 15), (9, 15)], SHAPE))
    merged = merge(cuts, Constraints.merge_stroke([(4, 3), (4, 8)]))
    assert rows(merged.cannot_link) == rows(Constraints.split_stroke([(0, 15), (9, 15)], SHAPE).cannot_link)


def test_the_sides_of_a_cut_are_apart_near_the_stroke():
    cut = rows(Constraints.split_stroke([(0, 5), (9, 5)], SHAPE).cannot_link)
    assert (4, 6, 4, 5) in cut
    assert (4, 6, 7, 5) in cut
    assert (4, 6, 8, 5) not in cut


def test_a_cut_that_pokes_into_the_next_object_leaves_it_whole():
    labels = np.repeat([1, 2], 12)[:, None] * np.ones(24, int)
    stroke = [(-2, 12), (13, 12)]
    hard = Constraints.split_stroke(stroke, SHAPE)
    soft = Constraints.split_stroke(stroke, SHAPE, labels)
    inside = (labels[tuple(soft.cannot_link[:, 0].T)] == 2) & (labels[tuple(soft.cannot_link[:, 1].T)] == 2)
    assert len(soft.cannot_link) < len(hard.cannot_link)
    assert not inside.any()


def test_strokes_are_clipped():
    assert Constraints.merge_stroke([(-5, 3), (30, 3)], SHAPE).pixels.tolist() == [[y, 3] for y in range(24)]
    with pytest.raises(ImageError, match="outside"):
        Constraints.merge_stroke([(20, 3), (30, 3)]).on_grid(SHAPE)


def test_contradictions_are_named():
    pair = np.array([[[1, 2], [3, 4]]])
    with pytest.raises(ConfigError, match=r"\[1, 2\] and \[3, 4\]"):
        Constraints(must_link=pair, cannot_link=pair)
    with pytest.raises(ConfigError, match=r"\[3, 4\] is foreground and background"):
        Constraints(must_link=pair, background=pair[0, 1:])
    with pytest.raises(ConfigError, match=r"\[1, 2\] and \[1, 2\]"):
        Constraints.split_points((1, 2), (1, 2))


def test_other_axes():
    with pytest.raises(ConfigError, match="axes"):
        merge(Constraints(), Constraints(3))
    with pytest.raises(ImageError, match="3 axes"):
        Constraints(3).on_grid(SHAPE)
    with pytest.raises(ImageError, match="shape"):
        Constraints(3, foreground=np.zeros((4, 2)))
    with pytest.raises(ImageError, match="-1"):
        Constraints.split_points((-1, 2), (1, 2))


def test_merging_keeps_enemies_of_whole_clusters_apart():
    merged = merge_unless_forbidden([(0, 1), (2, 3), (1, 2), (3, 4)], [(0, 3)], np.ones(5, np.int64))
    assert merged.tolist() == [0, 0, 2, 2, 2]
    assert merge_unless_forbidden([(0, 1), (1, 2)], [], np.array([9, 1, 9]), small=5).tolist() == [0, 0, 2]
