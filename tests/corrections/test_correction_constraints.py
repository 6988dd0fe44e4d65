"""Corrections become constraints that hold, and never contradict each other."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.constraint_history import constraints_of
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.kinds import Accept, Add, Correction, Draw, Erase, Merge, Pick, Remove, Split, SplitLine
from napari_grd.corrections.region import Region
from napari_grd.graph.constraints import Constraints
from napari_grd.graph.pairs import Groups, keys

SHAPE = (12, 16)
BLOCK = Region([(4, 4, 3), (5, 4, 3)])


def said(*made: Correction) -> Constraints:
    return constraints_of(Corrections(ImageRef(SHAPE), made))


def linked(found: Constraints, a: tuple[int, int], b: tuple[int, int]) -> bool:
    return bool(Groups(keys(found.must_link)).join(keys(np.array([[a, b]])))[0])


def test_without_corrections_nothing_is_said() -> None:
    assert len(said().pixels) == 0


def test_strokes_and_points_are_what_the_graph_makes_of_them() -> None:
    stroke = [(2, 2), (2, 9)]
    assert np.array_equal(said(Merge(stroke)).must_link, Constraints.merge_stroke(stroke, SHAPE).must_link)
    assert np.array_equal(said(SplitLine(stroke)).cannot_link, Constraints.split_stroke(stroke, SHAPE).cannot_link)
    assert np.array_equal(said(Split((1, 1), (3, 3))).cannot_link, Constraints.split_points((1, 1), (3, 3)).cannot_link)


@pytest.mark.parametrize("made", [Pick((4, 4), BLOCK), Accept((4, 4), BLOCK), Draw(BLOCK)])
def test_an_object_of_its_own_is_whole_and_alone(made: Correction) -> None:
    found = said(made)
    inside = BLOCK.pixels.tolist()
    assert all(linked(found, tuple(a), tuple(b)) for a, b in pairwise(inside))
    mask = BLOCK.mask(SHAPE)
    assert mask[tuple(found.cannot_link[:, 0].T)].all()
    assert not mask[tuple(found.cannot_link[:, 1].T)].any()
    assert len(found.cannot_link) == 10, "as many as the outline is long"
    assert np.array_equal(found.foreground, BLOCK.pixels)


@pytest.mark.parametrize("made", [Add((0, 0), BLOCK), Draw(BLOCK, (0, 0))])
def test_what_is_added_is_linked_with_its_object(made: Correction) -> None:
    found = said(made)
    assert linked(found, (0, 0), (5, 6))
    assert len(found.cannot_link) == 0


def test_what_is_removed_is_kept_apart_and_what_is_erased_is_background() -> None:
    assert said(Remove((0, 0), BLOCK)).cannot_link[:, 0].tolist() == BLOCK.pixels.tolist()
    assert len(said(Remove((4, 4), BLOCK)).cannot_link) == BLOCK.area - 1
    assert said(Erase(BLOCK)).background.tolist() == BLOCK.pixels.tolist()


def test_the_later_word_counts() -> None:
    erased = said(Pick((4, 4), BLOCK), Erase(BLOCK))
    assert len(erased.all_foreground) == 0
    drawn = said(Erase(BLOCK), Draw(BLOCK))
    assert len(drawn.background) == 0
    assert len(drawn.foreground) == BLOCK.area
    assert linked(said(Split((2, 2), (2, 5)), Merge([(2, 2), (2, 5)])), (2, 2), (2, 5))
    assert not linked(said(Merge([(2, 2), (2, 5)]), Split((2, 2), (2, 5))), (2, 2), (2, 5))


def test_an_object_that_a_cut_only_pokes_into_is_left_out() -> None:
    labels = np.ones(SHAPE, int)
    labels[8:] = 2
    made = Corrections(ImageRef(SHAPE), [SplitLine([(0, 7.5), (8.5, 7.5)])])

    def cuts(found: Constraints) -> set[int]:
        first, second = (labels[tuple(found.cannot_link[:, end].T)] for end in (0, 1))
        return set(first[first == second].tolist())

    assert cuts(constraints_of(made)) == {1, 2}
    assert cuts(constraints_of(made, labels=labels)) == {1}


def test_planes_are_told_apart() -> None:
    made = Corrections(ImageRef((2, *SHAPE)), [Erase(BLOCK, plane=(1,))])
    assert len(constraints_of(made, (1,)).background) == BLOCK.area
    assert len(constraints_of(made, (0,)).background) == 0


def test_any_corrections_make_constraints_of_the_plane(
    image: ImageRef, any_corrections: st.SearchStrategy[list[Correction]]
) -> None:
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(any_corrections)
    def check(drawn: list[Correction]) -> None:
        made = Corrections(image, drawn)
        for plane in made.planes:
            constraints_of(made, plane).on_grid(image.plane_shape)

    check()
