"""The record: order, undo and redo, and merging."""

import itertools
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_grd.corrections import constraint_history
from napari_grd.corrections.apply import apply_corrections
from napari_grd.corrections.collection import Corrections, Entry
from napari_grd.corrections.files import save_corrections
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.journal import open_journal
from napari_grd.corrections.kinds import Accept, Correction, Draw, Merge, Pick, Split, SplitLine
from napari_grd.corrections.loading import load_corrections
from napari_grd.corrections.predictions import Predictions
from napari_grd.corrections.region import Region
from napari_grd.errors import CorrectionError

Lists = st.SearchStrategy[list[Correction]]
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PIXEL = Region([(0, 0, 1)])


def walked(image: ImageRef, made: list[Correction], steps: str) -> Corrections:
    """Corrections after adding some and, a letter a step, undoing and redoing."""
    corrections = Corrections(image, made)
    for step in steps:
        _ = corrections.undo() if step == "u" else corrections.redo()
    return corrections


def test_corrections_are_frozen_and_plain() -> None:
    pick = Pick([np.int64(4), 5], PIXEL, 1, plane=[np.int32(2)])
    assert pick == Pick((4, 5), PIXEL, 1.0, plane=(2,), id=pick.id)
    assert (type(pick.pixel[0]), type(pick.plane[0]), type(pick.growth)) == (int, int, float)
    assert pick.id != Pick((4, 5), PIXEL).id
    with pytest.raises(FrozenInstanceError):
        pick.growth = 2.0  # type: ignore[misc]


def test_strokes_are_kept_in_eighths_of_a_pixel() -> None:
    assert Merge(np.array([[0.06, 0.07], [1 / 3, 2]])).stroke == ((0.0, 0.125), (0.375, 2.0))


def test_times_are_kept_in_utc() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert Merge([(0, 0), (1, 1)], time=noon).time == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert Merge([(0, 0), (1, 1)], time=datetime(2026, 1, 1)).time == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Pick((4.5, 5), PIXEL), r"pixel of the correction 'Pick' is \(4.5, 5\).*whole numbers"),
        (lambda: Pick((4, -1), PIXEL), r"pixel of the correction 'Pick' is \(4, -1\)"),
        (lambda: Pick((4, True), PIXEL), "pixel of the correction 'Pick'"),
        (lambda: Pick(4, PIXEL), "pixel of the correction 'Pick' is 4"),
        (lambda: Pick("45", PIXEL), "pixel of the correction 'Pick' is '45'"),
        (lambda: Pick((4, 5), [(0, 0, 1)]), r"region of the correction 'Pick'.*from_mask"),
        (lambda: Pick((4, 5), PIXEL, float("nan")), "growth of the correction 'Pick' is nan"),
        (lambda: Merge([(0, 0)]), r"stroke of the correction 'Merge' is \[\(0, 0\)\].*2 to"),
        (lambda: SplitLine([(0, 0), (0, float("inf"))]), r"stroke of the correction 'SplitLine'"),
        (lambda: SplitLine([(0, 0), (0, 1e12)]), r"stroke of the correction 'SplitLine'.*within"),
        (lambda: SplitLine([(0, 0), (0, 1, 2)]), r"stroke of the correction 'SplitLine'.*y and x"),
        (lambda: SplitLine([(0, 0), (0, 3e6), (0, 0)]), "SplitLine' passes 6000000 pixels"),
        (lambda: SplitLine([(0, 0), "ab"]), r"stroke of the correction 'SplitLine'"),
        (lambda: Split((1, 2), [1, 2]), r"split has \(1, 2\) twice"),
        (lambda: Draw(PIXEL, (0,)), "pixel of the correction 'Draw'"),
        (lambda: Accept((0, 0), PIXEL, plane=3), "plane of the correction 'Accept' is 3"),
        (lambda: Draw(PIXEL, id="7"), "id of the correction 'Draw' is '7'.*UUID"),
        (lambda: Draw(PIXEL, id=None), "id of the correction 'Draw'"),
        (lambda: Draw(PIXEL, time="now"), "time of the correction 'Draw' is 'now'"),
        (lambda: Draw(PIXEL, time=datetime(9999, 12, 31)), "time of the correction 'Draw'.*2999"),
        (lambda: Draw(PIXEL, author="x" * 201), "author of the correction 'Draw' is 'xxx.*200"),
    ],
)
def test_bad_values_are_named(make: Callable[[], Correction], words: str) -> None:
    with pytest.raises(CorrectionError, match=words):
        make()


def test_what_is_outside_the_image_is_refused(image: ImageRef) -> None:
    made = Corrections(image)
    for correction, words in [
        (Merge([(0, 0), (1, 1)]), r"plane \(\).*index along z"),
        (Merge([(0, 0), (1, 1)], plane=(3,)), r"plane \(3,\).*stack.tif"),
        (Pick((24, 0), PIXEL, plane=(0,)), r"pixel \(24, 0\)"),
        (Draw(Region([(0, 31, 2)]), plane=(0,)), r"pixel \(0, 32\)"),
        (Split((0, 0), (0, 32), plane=(0,)), r"pixel \(0, 32\)"),
    ]:
        with pytest.raises(CorrectionError, match=words):
            made.add(correction)
    made.add(Merge([(-9, 0), (1, 99)], plane=(0,)))  # a stroke may leave the image
    assert len(made) == 1
    with pytest.raises(CorrectionError, match="Leave the plane out"):
        Corrections(ImageRef((9, 9))).add(Draw(PIXEL, plane=(0,)))


def test_order_planes_and_times(image: ImageRef) -> None:
    early = datetime(2020, 1, 1, tzinfo=UTC)
    made = Corrections(image)
    for z in (2, 0, 2):
        made.add(Draw(PIXEL, plane=(z,), time=early))
    assert [one.plane[0] for one in made] == [2, 0, 2]
    assert made.planes == ((0,), (2,))
    assert len(made.of_plane((2,))) == 2
    times = [one.time for one in made]
    assert times == sorted(set(times)), "times differ, so that order survives merging"


def test_an_id_counts_once(image: ImageRef) -> None:
    made = Corrections(image)
    added = made.add(Draw(PIXEL, plane=(0,)))
    with pytest.raises(CorrectionError, match="added before"):
        made.add(added)


def test_a_new_correction_ends_redo(image: ImageRef) -> None:
    made = walked(image, [Draw(PIXEL, plane=(0,)) for _ in range(3)], "uu")
    assert made.redo() is not None
    made.add(Draw(PIXEL, plane=(1,)))
    assert made.redo() is None
    assert [one.plane[0] for one in made] == [0, 0, 1]


def test_undo_and_redo_restore_exactly(image: ImageRef, any_corrections: Lists) -> None:
    @quick
    @given(any_corrections, st.integers(0, 8))
    def check(drawn: list[Correction], steps: int) -> None:
        made = Corrections(image, drawn)
        states = [tuple(made)]
        for _ in range(steps):
            _ = made.undo()
            states.append(tuple(made))
        assert [len(state) for state in states] == [max(0, len(drawn) - step) for step in range(steps + 1)]
        for back in range(min(steps, len(drawn)) - 1, -1, -1):
            assert made.redo() is not None
            assert tuple(made) == states[back]
        assert made.redo() is None
        assert tuple(made) == states[0]

    check()


def test_merging_is_a_union_in_the_order_of_time(image: ImageRef, any_corrections: Lists) -> None:
    steps = st.text("ur", max_size=6)

    @quick
    @given(any_corrections, any_corrections, any_corrections, st.lists(steps, min_size=3, max_size=3))
    def check(a: list[Correction], b: list[Correction], c: list[Correction], walks: list[str]) -> None:
        one, two, three = (walked(image, made, walk) for made, walk in zip((a, b, c), walks, strict=True))
        both = one.merge(two)
        assert both.entries == two.merge(one).entries
        assert both.merge(both).entries == both.merge(one).entries == both.entries
        assert both.merge(three).entries == one.merge(two.merge(three)).entries
        assert {made.id for made in both} == {made.id for made in one} | {made.id for made in two}
        keys = [(made.time, made.id) for made in both]
        assert keys == sorted(keys)

    check()


def test_an_undo_outlives_a_merge_with_an_older_copy(image: ImageRef) -> None:
    made = Corrections(image, [Draw(PIXEL, plane=(z,)) for z in range(3)])
    older = made.copy()
    made.undo()
    assert made.merge(older) == older.merge(made) == made
    made.redo()
    assert made.merge(older) == made == older


def test_entries_can_come_in_any_order(image: ImageRef) -> None:
    made = walked(image, [Draw(PIXEL, plane=(z,)) for z in range(3)], "uur")
    for order in itertools.permutations(made.entries):
        other = Corrections(image)
        for entry in order:
            other.put(entry)
        assert other == made
        assert other.redo() == made.copy().redo()


def test_an_impossible_word_is_refused(image: ImageRef) -> None:
    made = Corrections(image)
    added = made.add(Draw(PIXEL, plane=(0,)))
    assert added.time is not None
    for changed in (added.time - timedelta(seconds=1), datetime(9999, 12, 31, tzinfo=UTC)):
        with pytest.raises(CorrectionError, match="before it was made, or in the far future"):
            made.put(Entry(added, False, changed))
    with pytest.raises(CorrectionError, match="no time"):
        made.put(Entry(Draw(PIXEL, plane=(0,)), True, added.time))


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        (ImageRef((8, 9)), ImageRef((8, 9)), True),
        (ImageRef((8, 9), name="a"), ImageRef((8, 9)), True),
        (ImageRef((8, 9), name="a"), ImageRef((8, 9), name="b"), False),
        (ImageRef((8, 9), name="a", key="1"), ImageRef((8, 9), name="b", key="1"), True),
        (ImageRef((8, 9), name="a", key="1"), ImageRef((8, 9), name="a", key="2"), False),
        (ImageRef((8, 9), key="1"), ImageRef((9, 8), key="1"), False),
        (ImageRef((2, 8, 9), "zyx"), ImageRef((2, 8, 9), "tyx"), False),
    ],
)
def test_corrections_stay_with_their_image(one: ImageRef, two: ImageRef, same: bool) -> None:
    if same:
        assert Corrections(one).merge(Corrections(two)).image == Corrections(two).merge(Corrections(one)).image
    else:
        with pytest.raises(CorrectionError, match=r"8 x 9.*not of"):
            Corrections(one).merge(Corrections(two))


def test_an_image_is_known_by_its_pixels() -> None:
    image = np.arange(24).reshape(2, 3, 4)
    assert ImageRef.of(image, "cyx") == ImageRef.of(image.copy(), "cyx")
    assert ImageRef.of(image, "cyx").shape == (3, 4)
    assert ImageRef.of(image).axes == "zyx"
    assert ImageRef.of(image).key != ImageRef.of(image + 1).key
    assert ImageRef.of(image, hashed=False).key is None


@pytest.mark.parametrize(
    ("shape", "axes"), [((8,), ""), ((8, 9), "xy"), ((8, 9), "zyx"), ((8, 0), ""), ((8.0, 9), ""), (8, ""), (None, "")]
)
def test_impossible_images_are_refused(shape: object, axes: str) -> None:
    with pytest.raises(CorrectionError, match="cannot be corrected"):
        ImageRef(shape, axes)  # type: ignore[arg-type]


LAST = datetime(2999, 12, 31, 23, 59, 59, 999999)


@pytest.mark.parametrize("claimed", [LAST, datetime(2999, 12, 31), datetime(2999, 6, 1)])
@pytest.mark.parametrize("kept", ["added", "file", "journal"])
def test_a_date_from_the_end_of_time_blocks_nothing(tmp_path: Path, claimed: datetime, kept: str) -> None:
    path, image = tmp_path / "a.grd-corrections.geojson", ImageRef((64, 64))
    corrections = Corrections(image, [Merge([(1, 1), (1, 5)])])
    future = Merge([(5, 5), (5, 9)], time=claimed.replace(tzinfo=UTC))
    corrections.add(future)
    if kept == "file":
        text = save_corrections(corrections, path).read_text()
        made = tuple(corrections)[-1].time
        assert made is not None
        path.write_text(text.replace(made.isoformat(), claimed.replace(tzinfo=UTC).isoformat()))
        corrections = load_corrections(path)
    elif kept == "journal":
        with open_journal(path, image) as journal:
            for correction in corrections:
                journal.add(correction)
            journal.add(Merge([(7, 7), (7, 9)], time=claimed.replace(tzinfo=UTC)))
        with open_journal(path, image) as journal:
            corrections = journal.copy()
    later = [corrections.add(Merge([(9, 9), (9, at)])).id for at in (20, 30)]
    assert [correction.id for correction in corrections][-2:] == later
    assert corrections.undo() is not None
    assert corrections.redo() is not None
    loaded = load_corrections(save_corrections(corrections, path))
    assert [correction.id for correction in loaded] == [correction.id for correction in corrections]
    assert loaded.add(Merge([(9, 9), (9, 40)])).id == tuple(loaded)[-1].id


def test_strokes_on_one_spot_are_not_all_compared_with_each_other_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    counted, meet = 0, constraint_history._meet

    def counting(first: Any, second: Any) -> bool:
        nonlocal counted
        counted += 1
        return meet(first, second)

    monkeypatch.setattr(constraint_history, "_meet", counting)
    rng, strokes = np.random.default_rng(0), 30
    corrections = Corrections(ImageRef((96, 96)))
    for angle in rng.uniform(0, np.pi, strokes):
        middle, along = 48 + rng.normal(0, 3, 2), 30 * np.array([np.sin(angle), np.cos(angle)])
        corrections.add(Merge([tuple(middle - along), tuple(middle + along)]))
    labels = apply_corrections(np.zeros((96, 96), np.uint32), Predictions(), corrections)
    assert np.unique(labels).tolist() == [0, 1]
    assert counted < 4 * strokes**2  # it was of the third power: 18,000 here
