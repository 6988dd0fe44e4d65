"""Objects are drawn on an image without labels, one after the other, with the mouse."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_grd._napari.correct.tool_descriptions import Tool
from napari_grd.corrections.painting import BACKGROUND_NUMBER, fill_encircled

CTRL = Qt.KeyboardModifier.ControlModifier
RING = [(30, 70), (30, 90), (50, 90), (50, 70), (30, 70)]


def start(widget: Any, qtbot: Any) -> Any:
    """Begin with the button, as one does on an image without labels; the layer that is made."""
    assert widget.start.text() == "Draw objects"
    QTest.mouseClick(widget.start, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: widget.toolbox.session is not None, timeout=60_000)
    qtbot.waitUntil(lambda: widget.bar.isHidden(), timeout=60_000)
    return widget.toolbox.session.layer


def test_drawing_begins_without_labels_and_each_stroke_is_an_object(
    correct: Any, mouse: Any, viewer: Any, picture: Any, qtbot: Any
) -> None:
    viewer.add_image(picture, name="cells", scale=(2, 0.5), translate=(3, 4))
    widget = correct(start=False, model=False)
    layer = start(widget, qtbot)
    assert layer.name == "objects of cells"
    assert not layer.data.any()
    np.testing.assert_array_equal(layer.scale, (2, 0.5))
    np.testing.assert_array_equal(layer.translate, (3, 4))
    assert widget.toolbox.controller.tool is Tool.DRAW
    assert not widget.toolbox.fill.isHidden()
    layer.scale, layer.translate = viewer.layers["cells"].scale, viewer.layers["cells"].translate = (1, 1), (0, 0)
    hand = mouse(layer)
    layer.brush_size = 6
    hand.drag([(10, 10), (10, 20)])
    hand.drag([(10, 40), (10, 50)])
    hand.drag([(70, 10), (70, 20)])
    assert [layer.data[at] for at in ((10, 15), (10, 45), (70, 15))] == [1, 2, 3], "no key in between"
    assert layer.selected_label == 3
    hand.drag([(10, 45), (20, 45)])  # begins on an object
    assert layer.data[20, 45] == 2
    hand.drag(RING)
    assert layer.data[30, 80] == layer.data[40, 80] == 4, "what is encircled is filled"
    assert np.unique(layer.data).tolist() == [0, 1, 2, 3, 4]
    widget.toolbox.fill.click()
    hand.drag([(y + 30, x) for y, x in RING])
    assert layer.data[60, 80] == 5
    assert layer.data[70, 80] == 0, "or not"
    assert [made.kind for made in widget.toolbox.session.corrections] == ["draw"] * 6
    for _ in range(6):
        hand.key(Qt.Key.Key_Z, CTRL)
    assert not layer.data.any()


def test_an_object_that_was_selected_is_drawn_into(
    correct: Any, mouse: Any, viewer: Any, picture: Any, blocks: Any, qtbot: Any
) -> None:
    viewer.add_image(picture, name="cells")
    layer = viewer.add_labels(blocks, name="blocks")
    widget = correct()
    hand = mouse(layer)
    hand.key(Qt.Key.Key_D)
    layer.brush_size = 4
    hand.key(Qt.Key.Key_L)  # napari's key to pick
    hand.click((70, 30))
    assert layer.selected_label == 3
    layer.mode = "paint"
    for column in (85, 100):
        hand.drag([(90, column), (90, column + 4)])
        assert layer.data[90, column] == 3, "in pieces, if one wants"
    hand.key(Qt.Key.Key_M)  # napari's key for a new object
    hand.drag([(5, 70), (5, 75)])
    hand.drag([(5, 90), (5, 95)])
    assert [layer.data[5, 72], layer.data[5, 92]] == [5, 6]
    hand.key(Qt.Key.Key_N)  # shows an object, and selects it
    qtbot.waitUntil(lambda: widget.toolbox.review._running is None, timeout=60_000)
    assert layer.selected_label <= 4
    viewer.fit_to_view()
    hand.drag([(50, 85), (50, 95)])
    assert layer.data[50, 90] == 7, "which is no reason to draw into it"


@pytest.mark.parametrize("knows", [True, False])
def test_the_object_diameter_follows_what_is_drawn(
    correct: Any, mouse: Any, viewer: Any, picture: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch, knows: bool
) -> None:
    viewer.add_image(picture, name="cells")
    widget = correct(start=False, model=True)
    tiny = widget.state.get("tiny")
    if knows:
        sized = replace(tiny, config=tiny.config.replace(object_diameter=10.0))
        monkeypatch.setitem(widget.state._models, "tiny", sized)
    layer = start(widget, qtbot)
    session = widget.toolbox.session
    hand = mouse(layer)
    layer.brush_size = 20
    hand.click((48, 20))
    hand.click((48, 60))
    drawn = session.context.request.drawn
    assert drawn == pytest.approx(20, abs=2)
    assert f"object diameter {drawn:.0f} px" in widget.about.text()
    qtbot.waitUntil(lambda: session.context.predictions.of(()) is not None, timeout=60_000)
    assert widget.bar.isHidden()
    assert not widget.message.text()
    config = session.context.request.config_of(widget.state.get("tiny"))
    assert config.object_diameter == (drawn if knows else "auto")


def test_corrected_labels_keep_the_size_that_they_were_made_at(
    correct: Any, mouse: Any, viewer: Any, picture: Any, blocks: Any
) -> None:
    viewer.add_image(picture, name="cells")
    layer = viewer.add_labels(blocks, name="blocks")
    widget = correct(model=False)
    hand = mouse(layer)
    hand.key(Qt.Key.Key_D)
    layer.brush_size = 8
    hand.click((90, 90))
    assert widget.toolbox.session.context.request.drawn is None


@pytest.mark.parametrize("number", [3, BACKGROUND_NUMBER])
def test_only_new_holes_of_objects_are_filled(number: int) -> None:
    before = np.zeros((9, 9), np.uint32)
    before[1:4, 1:4] = 3
    before[2, 2] = 0  # a hole that was there
    after = before.copy()
    after[4:9, 4:9] = number
    after[5:8, 5:8] = 0
    after[6, 6] = 7  # another object in the ring
    filled = fill_encircled(before, after)
    expected = after.copy()
    if number == 3:
        expected[5:8, 5:8] = 3
        expected[6, 6] = 7
    np.testing.assert_array_equal(filled, expected)
    assert fill_encircled(before, before) is before
