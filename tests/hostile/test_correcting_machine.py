"""Any order of gestures, undo, saving, reloading and crashes leaves the labels that were shown last."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from napari_grd.corrections.correction import Correction
from napari_grd.corrections.editor import Editor
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.journal import Journal, open_journal
from napari_grd.corrections.painting import BACKGROUND_NUMBER, fill_encircled, painted_corrections
from napari_grd.corrections.tools import AcceptTool, CorrectionTool, LinkTool, MergeTool, PickTool, Position, SplitTool

from ..corrections.conftest import Known

TOOLS: list[type[CorrectionTool]] = [MergeTool, SplitTool, AcceptTool, PickTool, LinkTool]
PLANES, HEIGHT, WIDTH = 2, 24, 32
IMAGE = ImageRef((PLANES, HEIGHT, WIDTH), "zyx", "stack.tif")
NAME = "stack.grd-corrections.geojson"
PLACES = st.builds(
    Position,
    plane=st.tuples(st.integers(0, PLANES - 1)),
    point=st.tuples(st.integers(-2, HEIGHT + 1), st.integers(-2, WIDTH + 1)),
    shift=st.booleans(),
    alt=st.booleans(),
)
STROKES = st.lists(st.tuples(st.floats(-2, HEIGHT + 1), st.floats(-2, WIDTH + 1)), min_size=2, max_size=4)


def drawn() -> np.ndarray:
    """Objects of about 7 x 7 pixels, some of which touch; in the second plane some are missing."""
    labels = np.zeros((PLANES, HEIGHT, WIDTH), np.uint32)
    for number, (y, x) in enumerate(np.ndindex(3, 4), start=1):
        labels[:, 8 * y : 8 * y + 7 + (x < 2), 8 * x : 8 * x + 7 + (y > 0)] = number
    labels[1][labels[1] > 9] = 0
    return labels


def objects(labels: np.ndarray) -> np.ndarray:
    """The labels with numbers in the order of their first pixels: equal for equal objects."""
    numbers, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(np.where(numbers == 0, -1, first)))
    return np.asarray(order[inverse].reshape(labels.shape) + (numbers[0] != 0))


class Correcting(RuleBasedStateMachine):
    """A person with a mouse; all labels that could come back are kept beside the editor."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.given, self.predictions = drawn(), Known(drawn())
        self.states = [objects(self.given)]  # after each correction
        self.steps: list[int] = []  # how many corrections each step has, done or undone
        self.at = 0  # steps that are done
        self.open()

    def open(self) -> None:
        self.journal: Journal = open_journal(self.folder / NAME, IMAGE)
        self.editor = Editor(self.given, self.journal, self.predictions)
        self.tools = [kind(self.editor) for kind in TOOLS]

    def again(self) -> None:
        """Open what is on the disk, in which each correction is a step."""
        done = sum(self.steps[: self.at])
        self.steps, self.at = [1] * sum(self.steps), done
        self.open()

    def apply(self, corrections: Iterable[Correction]) -> None:
        done = sum(self.steps[: self.at])
        states = self.states[: done + 1]

        def followed() -> Iterator[Correction]:
            for number, correction in enumerate(corrections):
                if number:
                    states.append(objects(self.editor.labels))
                yield correction

        if self.editor.apply_group(followed()):
            states.append(objects(self.editor.labels))
            self.states = states
            self.steps = [*self.steps[: self.at], len(states) - 1 - done]
            self.at += 1

    @rule(tool=st.sampled_from(range(len(TOOLS))), place=PLACES)
    def click(self, tool: int, place: Position) -> None:
        self.tools[tool].hover(place)
        made = self.tools[tool].click(place)
        if not isinstance(made, str):
            self.apply([made])

    @rule(tool=st.sampled_from([0, 1]), points=STROKES, plane=st.integers(0, PLANES - 1))
    def stroke(self, tool: int, points: list[tuple[float, float]], plane: int) -> None:
        made = self.tools[tool].stroke([Position((plane,), point) for point in points])
        if not isinstance(made, str):
            self.apply([made])

    @rule(place=PLACES, notches=st.floats(-3, 3))
    def wheel(self, place: Position, notches: float) -> None:
        self.tools[TOOLS.index(PickTool)].wheel(place, notches)

    @rule(
        plane=st.integers(0, PLANES - 1),
        window=st.tuples(st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1), st.integers(1, 9), st.integers(1, 9)),
        number=st.sampled_from([0, 1, 5, 40, BACKGROUND_NUMBER]),
        hollow=st.booleans(),
    )
    def paint(self, plane: int, window: tuple[int, int, int, int], number: int, hollow: bool) -> None:
        before, (y, x, height, width) = self.editor.labels[plane].copy(), window
        after = before.copy()
        after[y : y + height, x : x + width] = number
        if hollow:
            after[y + 1 : y + height - 1, x + 1 : x + width - 1] = before[y + 1 : y + height - 1, x + 1 : x + width - 1]
        if (before != after).any():
            self.apply(painted_corrections(before, fill_encircled(before, after), (plane,)))

    @precondition(lambda self: self.at)
    @rule()
    def undo(self) -> None:
        self.at -= 1
        assert len(self.editor.undo()) == self.steps[self.at]

    @precondition(lambda self: self.at < len(self.steps))
    @rule()
    def redo(self) -> None:
        assert len(self.editor.redo()) == self.steps[self.at]
        self.at += 1

    @rule()
    def save(self) -> None:
        self.journal.compact()

    @rule()
    def reload(self) -> None:
        self.journal.close()
        self.again()

    @rule(torn=st.booleans())
    def crash(self, torn: bool) -> None:
        """What is on the disk is all there is, perhaps with the beginning of one more line."""
        folder = Path(tempfile.mkdtemp())
        for path in (self.journal.path, self.journal.journal_path):  # not the lock, of a process that is gone
            if path.exists():
                shutil.copy(path, folder)
        if torn:
            with (folder / self.journal.journal_path.name).open("ab") as file:
                file.write(b'{"type": "Feature", "id"')
        self.journal.close()
        shutil.rmtree(self.folder)
        self.folder = folder
        self.again()
        assert bool(self.journal.dropped) == torn

    @invariant()
    def labels_are_those_that_were_shown(self) -> None:
        if hasattr(self, "folder"):
            np.testing.assert_array_equal(objects(self.editor.labels), self.states[sum(self.steps[: self.at])])

    @invariant()
    def what_was_said_holds(self) -> None:
        for plane in range(PLANES) if hasattr(self, "folder") else ():
            labels, said = self.editor.labels[plane], self.editor.constraints((plane,))
            linked, apart = (labels[pairs[..., 0], pairs[..., 1]] for pairs in (said.must_link, said.cannot_link))
            assert (linked[:, 0] == linked[:, 1]).all()
            assert ((apart[:, 0] != apart[:, 1]) | (apart[:, 0] == 0)).all()
            assert (labels[tuple(said.foreground.T)] > 0).all()
            assert (labels[tuple(said.background.T)] == 0).all()

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.journal.close()
            shutil.rmtree(self.folder)


def test_any_order_of_gestures(hostile_long: bool) -> None:
    examples, steps = (300, 60) if hostile_long else (10, 20)
    run_state_machine_as_test(
        Correcting,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
