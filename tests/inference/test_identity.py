import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_grd.inference.canvas import Canvas
from napari_grd.inference.identity import Identities, match

labels = arrays(np.uint32, (6, 9), elements=st.integers(0, 6))


@given(labels, labels)
def test_pairs_are_one_to_one_and_greedy(new, old):
    pairs = match(new, old)
    used = pairs[pairs > 0]
    assert len(used) == len(set(used.tolist()))
    overlap = {(a, b): int(((new == a) & (old == b)).sum()) for a in range(1, 7) for b in range(1, 7)}
    share = {label: overlap[label, pair] for label, pair in enumerate(pairs.tolist()) if pair}
    assert all(share.values())
    owner = {pair: label for label, pair in enumerate(pairs.tolist()) if pair}
    for (a, b), shared in overlap.items():
        # No two objects could both gain by leaving their partners for each other.
        assert shared <= max(share.get(a, 0), share.get(owner.get(b, 0), 0))


@given(labels, labels)
def test_objects_stay_the_same_objects(new, old):
    ids = Identities()
    first = ids.carry_on(old, np.zeros_like(old))
    again = ids.carry_on(new, first)
    assert len(np.unique(again)) == len(np.unique(new))
    assert all(len(np.unique(again[new == label])) == 1 for label in np.unique(new))
    np.testing.assert_array_equal(ids.carry_on(new, again), again)
    fresh = set(np.unique(again).tolist()) - set(np.unique(first).tolist()) - {0}
    assert all(value > first.max() for value in fresh)


def test_an_object_keeps_its_id_through_planes_and_an_unknown_one_gets_a_new_id():
    canvas = Canvas((3,), (4, 8))
    box = (slice(0, 4), slice(0, 8))
    plane = np.zeros((4, 8), np.uint32)
    plane[:, 1:4] = 1
    canvas.paint((0,), box, plane)
    moved = np.zeros((4, 8), np.uint32)
    moved[:, 2:5], moved[:, 6:] = 2, 1
    assert canvas.paint((1,), box, moved) == 2
    assert canvas.labels[1, 0].tolist() == [0, 0, 1, 1, 1, 0, 2, 2]


def test_planes_can_be_left_unlinked():
    canvas = Canvas((2,), (2, 2), linked=False)
    box = (slice(0, 2), slice(0, 2))
    for plane in (0, 1):
        canvas.paint((plane,), box, np.ones((2, 2), np.uint32))
    assert canvas.labels[:, 0, 0].tolist() == [1, 2]


def test_an_id_of_another_plane_is_not_given_twice_in_one_plane():
    canvas = Canvas((2,), (1, 8))
    left, right, whole = ((slice(0, 1), slice(*edges)) for edges in ((0, 4), (4, 8), (0, 8)))
    canvas.paint((0,), whole, np.ones((1, 8), np.uint32))
    # Seen in two parts, the object is two objects in the other plane.
    canvas.paint((1,), left, np.array([[1, 1, 1, 0]], np.uint32))
    canvas.paint((1,), right, np.array([[0, 1, 1, 1]], np.uint32))
    assert len(np.unique(canvas.labels[1])) == 3


def test_only_objects_that_reach_into_the_core_are_written():
    canvas = Canvas((), (1, 8))
    box = (slice(0, 1), slice(0, 8))
    seen = np.array([[1, 0, 2, 2, 2, 0, 3, 3]], np.uint32)
    assert canvas.paint((), box, seen, core=(slice(0, 1), slice(4, 6))) == 1
    assert np.flatnonzero(canvas.labels[0]).tolist() == [2, 3, 4]


def test_objects_of_neighboring_planes_that_only_graze_are_strangers():
    canvas = Canvas((2,), (1, 40))
    box = (slice(0, 1), slice(0, 40))
    first, second = np.zeros((2, 1, 40), np.uint32)
    first[0, :20] = 1
    second[0, 19:39] = 1
    canvas.paint((0,), box, first)
    canvas.paint((1,), box, second)
    assert canvas.labels[0, 0, 0] != canvas.labels[1, 0, 30]
    second[0, 19:39], second[0, 15:35] = 0, 1
    canvas = Canvas((2,), (1, 40))
    canvas.paint((0,), box, first)
    canvas.paint((1,), box, second)
    assert canvas.labels[0, 0, 0] == canvas.labels[1, 0, 30]


def test_what_is_not_found_in_the_plane_before_is_looked_for_in_the_frame_before():
    canvas = Canvas((2, 2), (1, 8))
    box = (slice(0, 1), slice(0, 8))
    empty, one = np.zeros((1, 8), np.uint32), np.ones((1, 8), np.uint32)
    for plane, labels in (((0, 0), empty), ((0, 1), one), ((1, 0), empty), ((1, 1), one)):
        canvas.paint(plane, box, labels)
    assert canvas.labels[1, 1, 0, 0] == canvas.labels[0, 1, 0, 0]
