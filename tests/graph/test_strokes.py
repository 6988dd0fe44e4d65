import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_grd.errors import ImageError
from napari_grd.graph.strokes import rasterise, sides

points = st.lists(st.tuples(st.floats(-5, 40), st.floats(-5, 40)), min_size=1, max_size=6)


@settings(max_examples=30, deadline=None)
@given(points)
def test_a_raster_goes_from_neighbor_to_neighbor(stroke):
    path = rasterise(stroke)
    assert (np.abs(np.diff(path, axis=0)).sum(axis=1) == 1).all()
    for point in np.rint(stroke):
        assert (path == point).all(axis=1).any()


def test_a_raster_in_a_volume():
    path = rasterise([(0, 0, 0), (2, 4, 6)])
    assert len(path) == 13
    np.testing.assert_array_equal(path[-1], (2, 4, 6))


@settings(max_examples=30, deadline=None)
@given(points)
def test_what_faces_each_other_is_neighbors(stroke):
    left, right = sides(stroke)
    assert (np.abs(left - right).sum(axis=1) == 1).all()


def test_a_stroke_through_the_image_parts_it():
    left, right = sides([(-3, 2), (11, 9.3), (24, 6)])
    blocked = {frozenset([tuple(a), tuple(b)]) for a, b in zip(left.tolist(), right.tolist(), strict=True)}
    # On a grid twice as fine, pixels are at even places and the ways between them at odd ones.
    fine = np.ones((39, 39), bool)
    fine[1::2, 1::2] = False
    for a, b in (sorted(pair) for pair in blocked):
        if min(*a, *b) >= 0 and max(*a, *b) < 20:
            fine[a[0] + b[0], a[1] + b[1]] = False
    parts = ndimage.label(fine)[0][::2, ::2]
    assert len(np.unique(parts)) == 2
    assert parts[5, 0] != parts[5, 19]


def test_left_is_left():
    left, right = sides([(0, 5), (9, 5)])  # down, so left is the larger column
    assert (left[:, 1] == right[:, 1] + 1).all()


def test_a_trembling_hand_cuts_out_no_specks():
    left, right = sides([(5, 0), (5, 6), (6, 6), (6, 5), (5, 5), (5, 12)])
    assert not set(map(tuple, left.tolist())) & set(map(tuple, right.tolist()))


def test_a_cut_stays_in_its_plane():
    left, _ = sides([(3, 0, 2), (3, 9, 2)])
    assert (left[:, 0] == 3).all()
    with pytest.raises(ImageError, match="planes"):
        sides([(3, 0, 2), (4, 9, 2)])


@pytest.mark.parametrize("stroke", [[], [(1,)], [(np.nan, 1)], [[(1, 1)]]])
def test_no_stroke(stroke):
    with pytest.raises(ImageError, match="stroke"):
        rasterise(stroke)
