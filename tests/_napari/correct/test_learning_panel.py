"""Learn, Keep and Revert, with a tiny model and two steps."""

from typing import Any

import numpy as np
import pytest

from napari_grd._napari.state import state_of
from napari_grd.config import FineTuneConfig
from napari_grd.corrections import Accept, Region


@pytest.fixture
def learning(correct: Any, viewer: Any, picture: Any, blocks: Any) -> Any:
    viewer.add_image(picture, name="cells")
    viewer.add_labels(blocks, name="blocks")
    widget = correct()
    widget.toolbox.learn.config = FineTuneConfig(steps=2, seconds=None, patch=64)
    return widget


def accept(widget: Any, blocks: Any, count: int) -> None:
    for number in range(1, count + 1):
        region = Region.from_mask(blocks == number)
        y, x, _ = region.runs[0]
        widget.toolbox.apply([Accept((y, x), region)])
    widget.toolbox.describe()


def learn(widget: Any, qtbot: Any) -> Any:
    part = widget.toolbox.learn
    assert part.start.isEnabled()
    part.start.click()
    assert not part.start.isEnabled()
    qtbot.waitUntil(lambda: part._running is None, timeout=120_000)
    assert not widget.message.text()
    return part


def test_too_few_objects_are_a_reason(learning: Any, blocks: Any) -> None:
    accept(learning, blocks, 2)
    assert not learning.toolbox.learn.start.isEnabled()
    assert "1 more object" in learning.toolbox.learn.start.text()


def test_what_was_learned_is_shown_and_kept(learning: Any, blocks: Any, viewer: Any, qtbot: Any) -> None:
    accept(learning, blocks, 4)
    part = learn(learning, qtbot)
    assert "4 corrected objects" in part.scores.text()
    before, after = viewer.layers["blocks before learning"], viewer.layers["blocks after learning"]
    assert after.visible
    part._views["before"].click()
    assert before.visible
    assert not after.visible
    np.testing.assert_array_equal(viewer.layers["blocks"].data, blocks)
    part.keep.click()
    assert before not in viewer.layers
    assert state_of(viewer).student == learning.form.model.name() != "tiny"
    assert part.save.isEnabled()


def test_revert_leaves_everything_as_it_was(learning: Any, blocks: Any, viewer: Any, qtbot: Any) -> None:
    accept(learning, blocks, 3)
    names = state_of(viewer).names
    part = learn(learning, qtbot)
    part.revert.click()
    assert state_of(viewer).names == names
    assert "blocks after learning" not in viewer.layers
    assert part.start.isEnabled()


def test_learning_is_stopped_and_nothing_is_lost(learning: Any, blocks: Any, viewer: Any, qtbot: Any) -> None:
    accept(learning, blocks, 3)
    part, names = learning.toolbox.learn, state_of(viewer).names
    part.config = FineTuneConfig(steps=100_000, seconds=None, patch=64)
    part.start.click()
    qtbot.waitUntil(lambda: "Learning" in part.bar.text.text(), timeout=120_000)
    part.bar.stop.click()
    qtbot.waitUntil(lambda: part._running is None, timeout=120_000)
    assert state_of(viewer).names == names
    assert "blocks after learning" not in viewer.layers
    assert len(learning.toolbox.session.corrections) == 3
    assert part.start.isEnabled()
    part.config = FineTuneConfig(steps=2, seconds=None, patch=64)
    assert "3 corrected objects" in learn(learning, qtbot).scores.text()
