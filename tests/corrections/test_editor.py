"""The headless editor."""

import signal
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_grd.corrections.apply import apply_corrections
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.constraint_history import constraints_of
from napari_grd.corrections.editor import Editor
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.journal import open_journal
from napari_grd.corrections.kinds import Accept, Add, Correction, Draw, Erase, Merge, Pick, Remove, Split, SplitLine
from napari_grd.corrections.predictions import Predictions
from napari_grd.corrections.region import Region
from napari_grd.errors import CorrectionError, LabelError
from napari_grd.graph.constraints import Constraints

from .conftest import Known

SHAPE = (24, 32)
IMAGE = ImageRef((3, *SHAPE), "zyx", "stack.tif")


def tiles() -> np.ndarray:
    """Objects of 7 x 7 pixels, some of which touch."""
    labels = np.zeros(SHAPE, np.int64)
    for number, (y, x) in enumerate(np.ndindex(3, 4), start=1):
        labels[8 * y : 8 * y + 7 + (x < 2), 8 * x : 8 * x + 7 + (y > 0)] = number
    return labels


def stack() -> np.ndarray:
    return np.stack([tiles(), tiles() * (tiles() < 9), tiles() + 12 * (tiles() > 0)])


def editor(labels: np.ndarray | None = None, made: list[Correction] | None = None) -> Editor:
    labels = tiles() if labels is None else labels
    return Editor(labels, Corrections(ImageRef(labels.shape), made or []), Known(labels))


def assert_holds(labels: np.ndarray, given: Constraints) -> None:
    links, apart = (labels[pairs[..., 0], pairs[..., 1]] for pairs in (given.must_link, given.cannot_link))
    assert (links[:, 0] == links[:, 1]).all()
    assert (links > 0).all()
    assert ((apart[:, 0] != apart[:, 1]) | (apart[:, 0] == 0)).all()
    assert (labels[tuple(given.foreground.T)] > 0).all()
    assert (labels[tuple(given.background.T)] == 0).all()


def editor_of_stack() -> Editor:
    return Editor(stack(), Corrections(IMAGE), Known(stack()))


def assert_steps(made: list[Correction]) -> None:
    """Whatever is said holds, nothing else changes, and it is undone, redone and applied again exactly."""
    edited = editor_of_stack()
    states = [edited.labels.copy()]
    for correction in made:
        before = edited.labels.copy()
        change = edited.apply(correction)
        outside = np.ones(IMAGE.shape, bool)
        for part in (change, *change.elsewhere):
            outside[(*part.plane, *part.window)] = False
            now, then = edited.labels[part.plane], before[part.plane]
            assert {*now[now != then].tolist(), *then[now != then].tolist()} - {0} == set(part.ids)
        np.testing.assert_array_equal(edited.labels[outside], before[outside])
        for plane in edited.corrections.planes:
            assert_holds(edited.labels[plane], edited.constraints(plane))
        states.append(edited.labels.copy())
    np.testing.assert_array_equal(apply_corrections(stack(), Known(stack()), edited.corrections), edited.labels)
    for state in reversed(states[:-1]):
        assert edited.undo()
        np.testing.assert_array_equal(edited.labels, state)
    assert not edited.undo()
    for state in states[1:]:
        assert edited.redo()
        np.testing.assert_array_equal(edited.labels, state)
    assert not edited.redo()


def test_whatever_is_said_holds_and_is_undone_exactly(any_corrections: st.SearchStrategy[list[Correction]]) -> None:
    settings(max_examples=60, deadline=None)(given(any_corrections)(assert_steps))()


def region_of(labels: np.ndarray, label: int) -> Region:
    return Region.from_mask(labels == label)


def test_an_acceptance_freezes_exactly_these_pixels() -> None:
    edited = editor()
    change = edited.apply(Accept((3, 3), region_of(tiles(), 1)))
    assert change.ids == ()
    most = Region(region_of(tiles(), 2).runs[:5])
    edited.apply(Accept((1, 10), most))
    assert region_of(edited.labels, 2) == most
    assert edited.labels[6, 10] == 13  # the rest
    np.testing.assert_array_equal(edited.labels == 1, tiles() == 1)


def test_a_pick_takes_an_object_with_its_id_and_leaves_no_specks() -> None:
    edited = editor()
    smaller = Region.from_mask(tiles()[:7, :7] == 1, (0, 0))
    edited.apply(Pick((3, 3), smaller))
    assert (edited.labels == 1).sum() == smaller.area == 49
    assert not edited.labels[7, :7].any()  # the row that was left of it


def test_adding_takes_from_others_and_removing_gives_to_the_background() -> None:
    edited = editor()
    edited.apply(Add((3, 3), Region([(3, 8, 2)])))
    assert edited.labels[3, 8] == 1
    edited.apply(Remove((3, 3), Region([(3, 0, 1)])))
    assert edited.labels[3, 0] == 0
    assert edited.labels[3, 3] == 1
    edited.apply(Draw(Region([(3, 20, 3)]), (3, 3)))
    assert (edited.labels[3, 20:23] == 1).all()


def test_what_erasing_cuts_off_is_an_object_of_its_own() -> None:
    edited = editor()
    change = edited.apply(Erase(Region.from_mask(np.ones((8, 1), bool), (0, 3)), (0, 0)))
    assert len(np.unique(edited.labels[:7, :7])) == 3
    assert change.ids == (1, 13)


def test_ids_never_come_back_in_another_plane() -> None:
    edited = editor_of_stack()
    first = edited.apply(Draw(Region([(7, 29, 2)]), plane=(0,)))
    second = edited.apply(Draw(Region([(7, 29, 2)]), plane=(1,)))
    assert first.ids == (25,)
    assert second.ids == (26,)


def test_what_was_undone_in_the_file_is_made_when_redone(tmp_path: Path) -> None:
    path = tmp_path / "a.grd-corrections.geojson"
    with open_journal(path, ImageRef(SHAPE)) as journal:
        journal.add(Merge([(3, 3), (3, 11)]))
        journal.undo()
    with open_journal(path, ImageRef(SHAPE)) as journal:
        edited = Editor(tiles(), journal, Predictions())
        assert edited.corrections.undoable is None
        assert edited.corrections.redoable is not None
        assert edited.redo()
        assert edited.labels[3, 3] == edited.labels[3, 11]
        assert edited.undo()
        np.testing.assert_array_equal(edited.labels, tiles())


def test_corrections_changed_by_something_else_are_noticed() -> None:
    edited = editor()
    edited.corrections.add(Merge([(3, 3), (3, 11)]))
    with pytest.raises(CorrectionError, match="something else"):
        edited.undo()


def test_all_that_is_said_at_once_is_what_was_said_step_by_step(
    any_corrections: st.SearchStrategy[list[Correction]],
) -> None:
    @settings(max_examples=30, deadline=None)
    @given(any_corrections)
    def check(made: list[Correction]) -> None:
        without_cuts = [one for one in made if not isinstance(one, SplitLine)]  # they look at the labels
        edited = Editor(stack(), Corrections(IMAGE, without_cuts), Predictions())
        for plane in edited.corrections.planes:
            whole, steps = constraints_of(edited.corrections, plane), edited.constraints(plane)
            np.testing.assert_array_equal(whole.pixels, steps.pixels)
            assert len(whole.cannot_link) == len(steps.cannot_link)

    check()


def test_a_click_picks_the_object_there_or_what_the_embedding_gives() -> None:
    edited = editor()
    candidate = edited.candidate((3, 3))
    assert candidate == region_of(tiles(), 1)
    grown, shrunk = edited.candidate((3, 3), growth=2), edited.candidate((3, 3), growth=-2)
    assert grown is not None
    assert shrunk is not None
    assert grown.area >= candidate.area > shrunk.area
    predictions = Known(tiles())
    missing = np.where(tiles() == 6, 0, tiles())
    found = Editor(missing, Corrections(ImageRef(SHAPE)), predictions).candidate((11, 11))
    assert found is not None
    assert found.area >= 0.8 * (tiles() == 6).sum()
    assert Editor(missing, Corrections(ImageRef(SHAPE)), Predictions()).candidate((11, 11)) is None


def test_labels_of_another_shape_and_pixels_outside_are_refused() -> None:
    with pytest.raises(LabelError, match="shape"):
        Editor(tiles()[:-1], Corrections(ImageRef(SHAPE)), Predictions())
    with pytest.raises(CorrectionError, match="no pixel"):
        editor().object_at((99, 0))
    assert editor().object_at((0, 0)) == 1


def test_two_clicks_part_an_object_along_its_border() -> None:
    merged = np.where(tiles() == 2, 1, tiles())
    edited = Editor(merged, Corrections(ImageRef(SHAPE)), Known(tiles()))
    edited.apply(Split((3, 1), (3, 13)))
    part = edited.labels == edited.labels[3, 1]
    assert (part & (tiles() == 1)).sum() >= 0.9 * part.sum()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
def test_a_killed_editor_comes_back_with_the_labels_it_showed(tmp_path: Path) -> None:
    path = tmp_path / "a.grd-corrections.geojson"
    code = (
        "import itertools, sys, zlib\n"
        "import numpy as np\n"
        "from napari_grd.corrections.editor import Editor\n"
        "from napari_grd.corrections.image import ImageRef\n"
        "from napari_grd.corrections.journal import open_journal\n"
        "from napari_grd.corrections.kinds import Draw, Erase\n"
        "from napari_grd.corrections.predictions import Predictions\n"
        "from napari_grd.corrections.region import Region\n"
        "with open_journal(sys.argv[1], ImageRef((24, 32))) as journal:\n"
        "    editor = Editor(np.zeros((24, 32), int), journal, Predictions())\n"
        "    for count in itertools.count():\n"
        "        kind = Erase if count % 3 == 2 else Draw\n"
        "        editor.apply(kind(Region([(count % 24, count % 20, 5)])))\n"
        "        print(count, zlib.crc32(editor.labels), flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        shown = [writer.stdout.readline() for _ in range(25)]
        writer.kill()
        shown += [line for line in writer.stdout if line.endswith("\n")]
    with open_journal(path, ImageRef((24, 32))) as journal:
        again = Editor(np.zeros((24, 32), int), journal, Predictions())
        while len(again.corrections) > len(shown):  # made, but never shown
            again.undo()
        assert len(again.corrections) == len(shown)
        assert zlib.crc32(again.labels.tobytes()) == int(shown[-1].split()[1])


def test_a_group_is_undone_and_redone_as_one() -> None:
    edited = Editor(tiles(), Corrections(ImageRef(tiles().shape)), Predictions())
    edited.apply(Accept((3, 3), region_of(tiles(), 1)))
    changes = edited.apply_group(Erase(region_of(tiles(), label)) for label in (2, 3))
    assert [change.ids for change in changes] == [(2,), (3,)]
    erased = edited.labels.copy()
    assert {change.ids for change in edited.undo()} == {(2,), (3,)}
    np.testing.assert_array_equal(edited.labels, tiles())
    assert len(edited.redo()) == 2
    np.testing.assert_array_equal(edited.labels, erased)
    edited.rebuild(tiles())
    np.testing.assert_array_equal(edited.labels, erased)
    assert len(edited.undo()) == 2, "a group outlasts a rebuild"
    assert len(edited.undo()) == 1
    assert not edited.undo()


def test_what_fits_of_a_group_is_kept_if_one_does_not() -> None:
    edited = Editor(tiles(), Corrections(ImageRef(tiles().shape)), Predictions())
    outside = Erase(Region([(10_000, 0, 1)]))
    with pytest.raises(CorrectionError, match="pixel"):
        edited.apply_group([Erase(region_of(tiles(), 2)), Erase(region_of(tiles(), 3)), outside])
    assert not np.isin(edited.labels, [2, 3]).any()
    assert len(edited.corrections) == 2
    assert len(edited.undo()) == 2
    np.testing.assert_array_equal(edited.labels, tiles())


def test_an_accepted_object_that_gained_a_distant_piece_has_changed() -> None:
    labels = np.zeros((8, 20), np.uint32)
    labels[1:4, 1:4], labels[5:7, 15:18] = 1, 2
    edited = Editor(labels, Corrections(ImageRef(labels.shape)), Predictions())
    edited.apply(Accept((2, 2), region_of(labels, 1)))
    assert list(edited.accepted().values()) == [1]
    edited.apply(Merge([(2, 2), (6, 16)]))
    assert edited.accepted() == {}
    edited.undo()
    assert list(edited.accepted().values()) == [1]
