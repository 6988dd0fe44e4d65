"""Links through planes with the mouse."""

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_grd._napari.correct.tool_descriptions import Tool

ALT = Qt.KeyboardModifier.AltModifier


@pytest.fixture
def stack(viewer: Any, picture: Any, blocks: Any) -> Any:
    """Objects 1 to 4 in the first plane, 11 to 14 in the other two."""
    viewer.add_image(np.stack([picture] * 3), name="cells")
    viewer.add_labels(np.stack([blocks, *[blocks + 10 * (blocks > 0)] * 2]), name="blocks")
    viewer.dims.set_current_step(0, 0)
    return viewer.layers["blocks"]


def test_clicks_in_two_planes_link_and_with_alt_unlink(correct: Any, viewer: Any, mouse: Any, stack: Any) -> None:
    before = stack.data.copy()
    widget = correct(model=False)
    hand = mouse(stack)
    hand.key(Qt.Key.Key_T)
    assert widget.toolbox.tools.buttons[Tool.LINK].isChecked()
    hand.click((0, 50, 80))
    assert "no object" in widget.toolbox.hint.text()
    hand.click((0, 20, 20))
    assert "another plane" in widget.toolbox.hint.text()
    viewer.dims.set_current_step(0, 1)
    hand.click((1, 20, 20))
    assert stack.data[:, 20, 20].tolist() == [1, 1, 1]
    linked = stack.data.copy()
    linked[:, 10:40, 10:30] = before[:, 10:40, 10:30]
    np.testing.assert_array_equal(linked, before)
    hand.click((1, 20, 20))
    viewer.dims.set_current_step(0, 2)
    hand.click((2, 22, 20))
    assert "already" in widget.toolbox.hint.text()
    viewer.dims.set_current_step(0, 1)
    hand.click((1, 20, 20))
    viewer.dims.set_current_step(0, 2)
    hand.click((2, 22, 20), ALT)
    assert stack.data[:, 20, 20].tolist() == [1, 1, 15]
    assert [one.kind for one in widget.toolbox.session.corrections] == ["link", "unlink"]
    widget.toolbox.undo()
    widget.toolbox.undo()
    np.testing.assert_array_equal(stack.data, before)
    assert viewer.dims.current_step[0] == 1  # where the link began to change something


def test_a_verified_object_keeps_that_when_it_is_linked(correct: Any, viewer: Any, mouse: Any, stack: Any) -> None:
    widget = correct(model=False)
    hand = mouse(stack)
    viewer.dims.set_current_step(0, 2)
    hand.key(Qt.Key.Key_A)
    hand.click((2, 20, 20))
    viewer.dims.set_current_step(0, 0)
    hand.key(Qt.Key.Key_T)
    hand.click((0, 20, 20))
    viewer.dims.set_current_step(0, 1)
    hand.click((1, 20, 20))
    assert widget.toolbox.session.accepted((2,)) == {1}
    assert widget.toolbox.session.trainable == 1


def test_one_plane_has_nothing_to_link(correct: Any, viewer: Any, mouse: Any, picture: Any, blocks: Any) -> None:
    viewer.add_image(picture, name="cells")
    viewer.add_labels(blocks, name="blocks")
    widget = correct(model=False)
    assert widget.toolbox.tools.buttons[Tool.LINK].isHidden()
    hand = mouse(viewer.layers["blocks"])
    hand.key(Qt.Key.Key_T)
    hand.click((20, 20))
    assert "one plane" in widget.toolbox.hint.text()
