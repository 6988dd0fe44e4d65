"""Each of napari's label tools, with the mouse: what is painted is learned, and undone exactly."""

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_grd._napari.correct.tool_descriptions import Tool
from napari_grd.corrections.kinds import Draw, Erase
from napari_grd.corrections.painting import BACKGROUND_NUMBER
from napari_grd.corrections.training_labels import training_labels

CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def layer(viewer: Any, picture: Any, blocks: Any) -> Any:
    viewer.add_image(picture, name="cells")
    return viewer.add_labels(blocks, name="blocks")


def kinds(widget: Any) -> list[str]:
    return [one.kind for one in widget.toolbox.session.corrections]


def test_every_label_tool_is_recorded_at_once_and_undone_exactly(
    correct: Any, mouse: Any, layer: Any, blocks: Any
) -> None:
    widget = correct(model=False)
    hand = mouse(layer)
    made = widget.toolbox.session.corrections
    steps: list[np.ndarray] = []

    def check(*new: str) -> None:
        """The last action has made these corrections, and they are of what is seen."""
        assert kinds(widget)[sum(counts) :] == list(new)
        counts.append(len(new))
        steps.append(layer.data.copy())
        np.testing.assert_array_equal(layer.data, widget.toolbox.session.editor.labels)
        assert not np.array_equal(steps[-1], steps[-2] if len(steps) > 1 else blocks)

    counts: list[int] = []
    hand.key(Qt.Key.Key_D)
    layer.brush_size = 6
    hand.drag([(90, 80), (90, 90)])
    check("draw")

    layer.mode = "polygon"  # as napari's button does
    assert widget.toolbox.controller.tool is Tool.DRAW
    layer.selected_label = 9
    for corner in ((5, 60), (5, 80), (25, 80)):
        hand.click(corner)
    hand.double_click((25, 60))
    check("draw")
    drawn = list(made)[-1]
    assert isinstance(drawn, Draw)
    assert layer.data[15, 70] == layer.selected_label == 6, "numbers of new objects are the editor's"
    assert abs(drawn.region.area - 20 * 20) < 60, "the polygon itself, not the stroke before"
    layer.selected_label = 10
    for corner in ((30, 90), (30, 105)):
        hand.click(corner)
    hand.double_click((45, 105))
    check("draw")
    assert layer.data[33, 103] == 7

    layer.mode = "fill"
    layer.selected_label = 1
    hand.click((15, 45))
    check("draw")
    assert layer.data[15, 45] == layer.data[15, 15] == 1

    hand.key(Qt.Key.Key_E)
    hand.drag([(25, 25), (25, 35)])
    check("erase")

    hand.key(Qt.Key.Key_B)
    hand.drag([(50, 90), (50, 100)])
    check_background = kinds(widget)[sum(counts) :]
    assert check_background == ["erase"]
    hand.key(Qt.Key.Key_Z, CTRL)
    np.testing.assert_array_equal(layer.data, steps[-1])

    for before in [*reversed(steps[:-1]), blocks]:
        hand.key(Qt.Key.Key_Z, CTRL)
        np.testing.assert_array_equal(layer.data, before)
    assert not kinds(widget)
    for after in steps:
        hand.key(Qt.Key.Key_Z, CTRL | Qt.KeyboardModifier.ShiftModifier)
        np.testing.assert_array_equal(layer.data, after)


def test_that_there_is_nothing_is_painted_with_a_brush_of_its_own(correct: Any, mouse: Any, layer: Any) -> None:
    widget = correct(model=False)
    hand = mouse(layer)
    layer.selected_label = 3
    hand.key(Qt.Key.Key_B)
    assert widget.toolbox.tools.buttons[Tool.BACKGROUND].isChecked()
    assert "nothing" in widget.toolbox.hint.text()
    layer.brush_size = 8
    hand.drag([(50, 80), (50, 100)])
    (made,) = widget.toolbox.session.corrections
    assert isinstance(made, Erase)
    assert (50, 90) in made.region
    assert BACKGROUND_NUMBER not in layer.data
    assert widget.toolbox.session.trainable == 0, "background is no object"
    known = training_labels(widget.toolbox.session.corrections, layer.data)
    assert known[50, 90] == 0
    assert known[5, 5] == -1
    record = widget.viewer.layers["corrections of blocks"]
    assert list(record.shape_type) == ["polygon"] * 2, "it is seen, with a rim"
    assert "background" in widget.toolbox.steps.legend.text()
    hand.drag([(70, 25), (70, 15)])  # across the border of an object
    assert kinds(widget) == ["erase"] * 3
    assert layer.data[70, 22] == 0
    hand.key(Qt.Key.Key_A)
    assert layer.selected_label == 3
    hand.key(Qt.Key.Key_B)
    hand.key(Qt.Key.Key_M)  # napari's key for a new object
    assert widget.toolbox.controller.tool is Tool.DRAW
    hand.drag([(90, 80), (90, 90)])
    assert kinds(widget)[3:] == ["draw"]
    hand.key(Qt.Key.Key_B)
    widget.start.click()
    assert layer.selected_label != BACKGROUND_NUMBER
    assert BACKGROUND_NUMBER not in layer.data
