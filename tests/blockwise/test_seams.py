"""Objects in two blocks, and their final numbers."""

import numpy as np

from napari_grd.blockwise.seams import Joined, same_objects


def test_mutually_best_overlaps_are_one_object() -> None:
    first = np.array([[1, 1, 1, 2, 2, 0, 3]])
    second = np.array([[7, 7, 7, 8, 8, 8, 8]])
    assert same_objects(first, second).tolist() == [[1, 7], [2, 8]]


def test_a_slight_overlap_is_none() -> None:
    first = np.array([[1] * 5 + [0] * 4])
    second = np.array([[0] * 4 + [5] * 5])
    assert same_objects(first, second).tolist() == []


def test_nothing_to_match() -> None:
    empty = np.zeros((3, 4), np.uint16)
    assert same_objects(empty, empty).shape == (0, 2)
    assert same_objects(empty, empty + 1).shape == (0, 2)
    joined = Joined([])
    assert joined.roots(np.arange(3)).tolist() == [0, 1, 2]


def test_chains_get_the_smallest_id() -> None:
    joined = Joined([np.array([[4, 9], [9, 2]]), np.zeros((0, 2), np.int64), np.array([[30, 31]])])
    assert joined.ids.tolist() == [2, 4, 9, 30, 31]
    assert joined.roots(np.array([0, 2, 4, 9, 10, 31, 99])).tolist() == [0, 2, 2, 2, 10, 30, 99]
