"""Links through planes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_grd.corrections.apply import apply_corrections
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.editor import Editor
from napari_grd.corrections.files import save_corrections
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.kinds import Accept, Correction, Erase, Link, Split, SplitLine, Unlink
from napari_grd.corrections.loading import load_corrections
from napari_grd.corrections.predictions import Predictions
from napari_grd.corrections.region import Region
from napari_grd.corrections.training_labels import training_labels
from napari_grd.errors import CorrectionError

Labels = np.ndarray


def stack(*rows: list[int]) -> Labels:
    """Planes of one row; each number is an object of 6 x 6 pixels."""
    return np.kron(np.array(rows)[:, None], np.ones((1, 6, 6), int))


def column(at: int) -> tuple[int, int]:
    return 3, 6 * at + 3


def link(kind: type[Link] | type[Unlink], first: tuple[int, int], second: tuple[int, int]) -> Correction:
    """Of (plane, column) and (plane, column)."""
    return kind(column(first[1]), column(second[1]), (second[0],), plane=(first[0],))


def editor(labels: Labels) -> Editor:
    return Editor(labels, Corrections(ImageRef(labels.shape)), Predictions())


def numbers(edited: Editor) -> list[list[int]]:
    rows: list[list[int]] = edited.labels[:, 3, 3::6].tolist()
    return rows


def test_a_link_carries_the_number_onward() -> None:
    edited = editor(stack([1, 9], [2, 9], [2, 9], [0, 9]))
    change = edited.apply(link(Link, (0, 0), (1, 0)))
    assert numbers(edited) == [[1, 9], [1, 9], [1, 9], [0, 9]]
    assert (change.plane, change.ids) == ((1,), (1, 2))
    assert [(each.plane, each.ids) for each in change.elsewhere] == [((2,), (1, 2))]
    back = edited.undo()
    assert back == (change,)
    assert numbers(edited) == [[1, 9], [2, 9], [2, 9], [0, 9]]
    assert edited.redo() == (change,)
    assert numbers(edited) == [[1, 9], [1, 9], [1, 9], [0, 9]]


def test_a_link_backwards_leaves_what_is_in_front() -> None:
    edited = editor(stack([2, 0], [2, 0], [1, 2], [1, 2]))
    edited.apply(link(Link, (2, 0), (1, 0)))
    assert numbers(edited) == [[1, 0], [1, 0], [1, 2], [1, 2]]


def test_a_link_over_a_gap_takes_the_planes_between_that_are_free() -> None:
    edited = editor(stack([1, 0], [1, 2], [0, 2], [0, 0], [0, 2]))
    edited.apply(link(Link, (0, 0), (4, 1)))
    assert numbers(edited) == [[1, 0], [1, 2], [0, 1], [0, 0], [0, 1]]


def test_who_had_the_number_there_gets_a_new_one_from_there_on() -> None:
    edited = editor(stack([1, 0], [2, 1], [2, 1], [0, 1]))
    edited.apply(link(Link, (0, 0), (1, 0)))
    assert numbers(edited) == [[1, 0], [1, 3], [1, 3], [0, 3]]


def test_an_unlink_parts_what_comes_from_there_on() -> None:
    edited = editor(stack([1, 9], [1, 9], [1, 9], [0, 9], [1, 9]))
    edited.apply(link(Unlink, (1, 0), (2, 0)))
    assert numbers(edited) == [[1, 9], [1, 9], [10, 9], [0, 9], [10, 9]]
    edited.apply(link(Link, (1, 0), (2, 0)))
    assert numbers(edited) == [[1, 9], [1, 9], [1, 9], [0, 9], [1, 9]]


@pytest.mark.parametrize("said", [link(Link, (0, 0), (1, 0)), link(Unlink, (0, 0), (1, 1)), link(Link, (0, 0), (1, 2))])
def test_what_is_so_already_and_background_change_nothing(said: Correction) -> None:
    edited = editor(stack([1, 2, 0], [1, 2, 0]))
    change = edited.apply(said)
    assert (change.ids, change.elsewhere) == ((), ())
    assert numbers(edited) == [[1, 2, 0], [1, 2, 0]]
    assert edited.undo() == (change,)


def test_cutting_in_a_plane_keeps_the_link_of_the_larger_piece_and_all_other_planes() -> None:
    edited = editor(stack([1, 1, 1], [1, 1, 1], [1, 1, 1]))
    edited.apply(SplitLine([(-1, 11.5), (7, 11.5)], plane=(1,)))
    assert numbers(edited) == [[1, 1, 1], [1, 1, 2], [1, 1, 1]]
    edited.apply(Split(column(0), column(2), plane=(2,)))
    assert edited.labels[2].max() == 3
    edited.apply(link(Link, (1, 2), (2, 2)))
    assert numbers(edited)[2][2] == 2
    np.testing.assert_array_equal(edited.labels[0], 1)


def test_in_a_series_of_stacks_it_runs_along_the_axis_that_differs() -> None:
    labels = np.stack([stack([1], [1]), stack([2], [2]), stack([2], [5])])
    edited = Editor(labels, Corrections(ImageRef(labels.shape, "tzyx")), Predictions())
    edited.apply(Link(column(0), column(0), (1, 0), plane=(0, 0)))
    assert edited.labels[:, :, 3, 3].tolist() == [[1, 1], [1, 2], [1, 5]]


def test_whatever_is_linked_keeps_its_form_and_is_undone_exactly() -> None:
    planes, width = 5, 4
    places = st.tuples(st.integers(0, planes - 1), st.integers(0, width - 1))
    kinds = st.sampled_from([Link, Unlink])
    said = st.tuples(kinds, places, places).filter(lambda one: one[1][0] != one[2][0])
    rows = st.lists(st.permutations(range(width + 1)).map(lambda row: row[:width]), min_size=planes, max_size=planes)

    @settings(max_examples=150, deadline=None)
    @given(rows, st.lists(said, max_size=5))
    def check(given_rows: list[list[int]], made: list[Any]) -> None:
        labels = stack(*given_rows)
        edited = editor(labels)
        states = [edited.labels.copy()]
        for one in made:
            correction = link(*one)
            before = states[-1]
            first, second = (int(before[(*plane, *pixel)]) for plane, pixel in correction.places)
            edited.apply(correction)
            now = edited.labels.copy()
            states.append(now)
            step = correction.places[1][0][0] - correction.places[0][0][0]
            behind = slice(None, one[1][0] + 1) if step > 0 else slice(one[1][0], None)
            np.testing.assert_array_equal(now[behind], before[behind])
            assert {*before[now != before].tolist()} <= {first, second}
            for plane_before, plane_now in zip(before, now, strict=True):
                pairs = np.unique(np.stack([plane_before.ravel(), plane_now.ravel()]), axis=1)
                assert pairs.shape[1] == len(np.unique(plane_before)) == len(np.unique(plane_now))
            if first and second:
                ids = [int(now[(*plane, *pixel)]) for plane, pixel in correction.places]
                assert (ids[0] == ids[1]) == isinstance(correction, Link)
        np.testing.assert_array_equal(apply_corrections(labels, Predictions(), edited.corrections), edited.labels)
        for state in reversed(states[:-1]):
            edited.undo()
            np.testing.assert_array_equal(edited.labels, state)
        for state in states[1:]:
            edited.redo()
            np.testing.assert_array_equal(edited.labels, state)

    check()


def test_what_is_learned_does_not_change() -> None:
    labels = stack([1, 2], [3, 4])
    image = ImageRef(labels.shape)
    accepted = Accept(column(0), Region.from_mask(labels[0] == 1), plane=(0,))
    linked = Corrections(image, [accepted, link(Link, (0, 0), (1, 0)), link(Unlink, (1, 1), (0, 1))])
    alone = Corrections(image, [accepted])
    for plane in ((0,), (1,)):
        expected = training_labels(alone, labels[plane], plane)
        np.testing.assert_array_equal(training_labels(linked, labels[plane], plane), expected)


def test_a_number_that_is_gone_is_not_found() -> None:
    edited = editor(stack([1, 0], [2, 1]))
    edited.apply(Erase(Region.from_mask(stack([0, 1])[0] > 0), plane=(1,)))
    edited.apply(link(Link, (0, 0), (1, 0)))
    assert numbers(edited) == [[1, 0], [1, 0]]


@pytest.mark.parametrize(("plane", "other"), [((0,), (0,)), ((), ()), ((0, 1), (1, 0)), ((0,), (0, 1))])
def test_planes_differ_along_one_axis(plane: tuple[int, ...], other: tuple[int, ...]) -> None:
    with pytest.raises(CorrectionError, match="differ along one axis") as caught:
        Link((0, 0), (0, 0), other, plane=plane)
    assert str(other) in caught.value.problem


@pytest.mark.parametrize("said", [Link((0, 0), (0, 0), (2,), plane=(0,)), Unlink((0, 0), (0, 9), (1,), plane=(0,))])
def test_both_ends_lie_in_the_image(said: Correction) -> None:
    with pytest.raises(CorrectionError, match="does not have"):
        Corrections(ImageRef((2, 8, 8)), [said])


def test_the_file_has_two_points_and_the_other_plane(tmp_path: Path) -> None:
    made = Corrections(ImageRef((4, 8, 8)), [Link((1, 2), (3, 4), (3,), plane=(0,))])
    path = save_corrections(made, tmp_path / "links.grd-corrections.geojson")
    assert load_corrections(path) == made
    assert '"coordinates":[[2.5,1.5],[4.5,3.5]]' in path.read_text()
    path.write_text(path.read_text().replace('"other":[3],', "").replace(',"other":[3]', ""))
    with pytest.raises(CorrectionError, match="'other'"):
        load_corrections(path)
