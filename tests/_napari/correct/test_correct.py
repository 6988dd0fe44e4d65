"""Every tool in a real viewer, with the mouse, from the canvas to the labels."""

import threading
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_grd._napari.correct import jobs
from napari_grd._napari.correct.tool_descriptions import Tool
from napari_grd._napari.state import state_of
from napari_grd.corrections.loading import load_corrections
from napari_grd.teaching.confidence import VIEWS, transformed

SHIFT, ALT, CTRL = (
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.AltModifier,
    Qt.KeyboardModifier.ControlModifier,
)


def kinds(widget: Any) -> list[str]:
    return [one.kind for one in widget.toolbox.session.corrections]


def number(layer: Any, pixel: tuple[int, ...]) -> int:
    return int(layer.data[pixel])


@pytest.fixture
def layer(viewer: Any, picture: Any, blocks: Any) -> Any:
    viewer.add_image(picture, name="cells", scale=(0.5, 0.5), translate=(3, 5), units="um")
    return viewer.add_labels(blocks, name="blocks", scale=(0.5, 0.5), translate=(3, 5), units="um")


def test_merge_by_stroke_and_undo_by_key(correct: Any, mouse: Any, layer: Any, blocks: Any) -> None:
    widget = correct()
    hand = mouse(layer)
    center = widget.viewer.scene.camera.center
    hand.key(Qt.Key.Key_J)
    assert widget.toolbox.tools.buttons[Tool.MERGE].isChecked()
    hand.drag([(20, 20), (21, 30), (22, 45)])
    assert kinds(widget) == ["join"]
    assert number(layer, (15, 15)) == number(layer, (15, 45))
    np.testing.assert_array_equal(layer.data[50:], blocks[50:])
    assert widget.viewer.scene.camera.center == center
    hand.key(Qt.Key.Key_Z, CTRL)
    np.testing.assert_array_equal(layer.data, blocks)
    assert "merge" in widget.toolbox.steps.redo.toolTip()
    hand.key(Qt.Key.Key_Z, CTRL | SHIFT)
    assert number(layer, (15, 15)) == number(layer, (15, 45))


def test_hidden_labels_are_shown_and_what_corrections_need_is_compiled_by_the_worker(
    correct: Any, layer: Any, monkeypatch: Any
) -> None:
    threads = []
    monkeypatch.setattr(jobs, "warm_up", lambda: threads.append(threading.current_thread()))
    layer.visible = False
    correct(model=False)
    assert layer.visible
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


def test_split_by_stroke_and_by_two_clicks(correct: Any, mouse: Any, layer: Any) -> None:
    widget = correct()
    hand = mouse(layer)
    hand.key(Qt.Key.Key_C)
    hand.drag([(58, 30), (70, 30), (82, 30)])
    assert number(layer, (70, 25)) != number(layer, (70, 35))
    assert number(layer, (70, 25)) > 0
    assert number(layer, (70, 35)) > 0
    hand.click((20, 15))
    assert "other" in widget.toolbox.hint.text()
    hand.click((35, 25))
    assert kinds(widget) == ["cut", "split"]
    assert number(layer, (20, 15)) != number(layer, (35, 25))
    assert number(layer, (70, 50)) == 4


def test_space_pans_while_a_stroke_tool_is_in_hand(correct: Any, mouse: Any, layer: Any) -> None:
    widget = correct()
    hand = mouse(layer)
    hand.key(Qt.Key.Key_C)
    hand.hold(Qt.Key.Key_Space, True)
    before = widget.viewer.scene.camera.center
    hand.drag([(20, 20), (30, 30), (40, 40)])
    assert not kinds(widget)
    assert widget.viewer.scene.camera.center != before
    hand.hold(Qt.Key.Key_Space, False)
    hand.drag([(58, 30), (82, 30)])
    assert kinds(widget) == ["cut"]


def test_pick_follows_the_mouse_and_takes_what_is_outlined(
    correct: Any, mouse: Any, layer: Any, blocks: Any, qtbot: Any
) -> None:
    widget = correct()
    hand = mouse(layer)
    hand.key(Qt.Key.Key_K)
    hand.move((70, 30))
    preview = widget.toolbox.controller.preview.layer
    assert len(preview.data) == 2 * 2 * (20 + 20), "lines and their rim"
    zoom = widget.viewer.scene.camera.zoom
    hand.wheel((70, 30), -4)
    qtbot.waitUntil(lambda: 0 < len(preview.data) < 160)
    assert widget.viewer.scene.camera.zoom == zoom
    hand.click((70, 30))
    assert kinds(widget) == ["pick"]
    assert 0 < np.count_nonzero(layer.data == number(layer, (70, 30))) < 400
    np.testing.assert_array_equal(layer.data[:50], blocks[:50])


def test_shift_adds_and_alt_takes_away(correct: Any, mouse: Any, layer: Any) -> None:
    widget = correct()
    hand = mouse(layer)
    hand.key(Qt.Key.Key_K)
    hand.click((70, 30))
    assert "Object 3 is picked" in widget.toolbox.hint.text()
    assert not kinds(widget)
    hand.click((70, 50), SHIFT)
    assert kinds(widget) == ["add"]
    assert number(layer, (70, 30)) == number(layer, (70, 50)) != 0
    hand.click((20, 40), ALT)
    assert kinds(widget) == ["add", "erase"]
    assert not (layer.data[10:40, 30:50]).any()
    assert number(layer, (20, 20)) == 1


def test_accept_counts_until_the_object_changes(correct: Any, mouse: Any, layer: Any, qtbot: Any) -> None:
    widget = correct()
    hand = mouse(layer)
    hand.key(Qt.Key.Key_A)
    hand.click((70, 30))
    hand.click((70, 50))
    qtbot.waitUntil(lambda: widget.toolbox.steps.verified.text() == "2 of 4 verified", timeout=60_000)
    record = widget.viewer.layers["corrections of blocks"]
    assert list(record.shape_type) == ["polygon", "polygon"] * 2, "each with a rim"
    assert not record.editable
    hand.key(Qt.Key.Key_J)
    hand.drag([(70, 30), (70, 50)])
    qtbot.waitUntil(lambda: widget.toolbox.steps.verified.text() == "0 of 3 verified", timeout=60_000)
    assert list(record.shape_type) == ["path"] * 2
    hand.key(Qt.Key.Key_Z, CTRL)
    qtbot.waitUntil(lambda: widget.toolbox.steps.verified.text() == "2 of 4 verified", timeout=60_000)


def test_painting_is_a_correction(correct: Any, mouse: Any, layer: Any, blocks: Any) -> None:
    widget = correct()
    hand = mouse(layer)
    hand.key(Qt.Key.Key_D)
    assert str(layer.mode) == "paint"
    layer.brush_size = 6
    hand.drag([(90, 80), (90, 90), (90, 100)])
    assert kinds(widget) == ["draw"]
    assert number(layer, (90, 90)) == layer.selected_label == 5
    hand.drag([(90, 100), (85, 100)])  # goes on with it
    assert number(layer, (85, 100)) == 5
    hand.key(Qt.Key.Key_E)
    assert widget.toolbox.tools.buttons[Tool.ERASE].isChecked()
    hand.drag([(25, 25), (25, 35)])
    assert kinds(widget) == ["draw", "draw", "erase", "erase"]
    assert number(layer, (25, 30)) == 0
    hand.key(Qt.Key.Key_Z, CTRL)
    assert kinds(widget) == ["draw", "draw"]
    np.testing.assert_array_equal(layer.data[:50], blocks[:50])
    hand.key(Qt.Key.Key_Z, CTRL)
    hand.key(Qt.Key.Key_Z, CTRL)
    np.testing.assert_array_equal(layer.data, blocks)
    hand.key(Qt.Key.Key_Z)
    assert widget.toolbox.controller.tool is Tool.NAVIGATE
    assert str(layer.mode) == "pan_zoom"


def test_corrections_are_in_a_file_at_once_and_come_back(
    correct: Any, mouse: Any, layer: Any, blocks: Any, data_folder: Any, viewer: Any, qtbot: Any
) -> None:
    widget = correct()
    hand = mouse(layer)
    hand.key(Qt.Key.Key_J)
    hand.drag([(20, 20), (22, 45)])
    (journal,) = data_folder.glob("*.journal")
    assert '"kind":"join"' in journal.read_text().replace(" ", "")
    assert str(journal) in widget.toolbox.files.where.text(), "it names a file that there is"
    joined = layer.data.copy()
    widget.start.click()
    (path,) = data_folder.glob("*.geojson")
    assert len(load_corrections(path)) == 1
    assert layer.mouse_pan
    assert not layer.keymap

    layer.data = blocks
    widget.start.click()
    qtbot.waitUntil(lambda: widget.toolbox.session is not None, timeout=60_000)
    np.testing.assert_array_equal(layer.data, joined)
    assert "Corrections restored: 1." in widget.message.text()


def test_a_layer_that_goes_ends_it(correct: Any, layer: Any, viewer: Any, mouse: Any) -> None:
    widget = correct()
    hand = mouse(layer)
    hand.key(Qt.Key.Key_C)
    viewer.layers.remove(layer)
    assert widget.toolbox.session is None
    assert "removed" in widget.message.text()
    assert [one.name for one in viewer.layers] == ["cells"]
    assert [one.__name__ for one in viewer.mouse_drag_callbacks] == ["drag_to_zoom"]  # napari's own


def test_another_layer_puts_the_tool_away(correct: Any, layer: Any, viewer: Any, mouse: Any, qtbot: Any) -> None:
    widget = correct()
    mouse(layer).key(Qt.Key.Key_C)
    assert not layer.mouse_pan
    viewer.layers.selection.active = viewer.layers["cells"]
    qtbot.waitUntil(lambda: widget.toolbox.controller.tool is Tool.NAVIGATE, timeout=60_000)
    assert layer.mouse_pan
    assert viewer.scene.camera.mouse_pan


def test_in_3d_it_says_what_to_do(correct: Any, layer: Any, viewer: Any) -> None:
    widget = correct()
    viewer.dims.ndisplay = 3
    assert "2D" in widget.message.text()
    widget.toolbox.tools.buttons[Tool.SPLIT].click()
    assert widget.toolbox.controller.tool is Tool.NAVIGATE
    viewer.dims.ndisplay = 2
    assert not widget.message.text()


@pytest.mark.parametrize("how", ["key", "napari's button"])
def test_nothing_is_painted_in_3d(correct: Any, layer: Any, viewer: Any, mouse: Any, qtbot: Any, how: str) -> None:
    widget = correct()
    viewer.layers.selection.active = layer
    viewer.dims.ndisplay = 3
    controls = viewer.window._qt_viewer.controls.widgets[layer]
    if how == "key":
        mouse(layer).key(getattr(Qt.Key, f"Key_{Tool.DRAW.key}"))
    else:
        controls._MODE_BUTTONS["paint"].click()
    qtbot.waitUntil(lambda: str(layer.mode) == "pan_zoom", timeout=60_000)
    assert widget.toolbox.controller.tool is Tool.NAVIGATE
    assert "2D" in widget.toolbox.hint.text()
    assert controls._MODE_BUTTONS["pan_zoom"].isChecked()


def test_planes_are_corrected_one_by_one(
    correct: Any, viewer: Any, mouse: Any, picture: Any, blocks: Any, qtbot: Any
) -> None:
    labels = np.stack([blocks, blocks, blocks])
    viewer.add_image(np.stack([picture] * 3), name="series", axis_labels=("t", "y", "x"))
    layer = viewer.add_labels(labels.copy(), name="series instances", axis_labels=("t", "y", "x"))
    viewer.dims.set_current_step(0, 1)
    widget = correct()
    hand = mouse(layer)
    hand.key(Qt.Key.Key_J)
    hand.drag([(1, 20, 20), (1, 22, 45)])
    (made,) = widget.toolbox.session.corrections
    assert made.plane == (1,)
    assert widget.toolbox.session.corrections.image.axes == "tyx"
    np.testing.assert_array_equal(layer.data[[0, 2]], labels[[0, 2]])
    viewer.dims.set_current_step(0, 2)
    qtbot.waitUntil(lambda: widget.toolbox.session.context.predictions.of((2,)) is not None, timeout=60_000)
    hand.key(Qt.Key.Key_Z, CTRL)
    assert viewer.dims.current_step[0] == 1  # one sees what was undone
    np.testing.assert_array_equal(layer.data, labels)


def test_without_a_model_strokes_work(correct: Any, layer: Any, mouse: Any) -> None:
    widget = correct(model=False)
    hand = mouse(layer)
    hand.key(Qt.Key.Key_C)
    hand.drag([(58, 30), (82, 30)])
    assert kinds(widget) == ["cut"]


def test_it_says_what_is_missing(correct: Any, viewer: Any, picture: Any, blocks: Any) -> None:
    widget = correct(start=False)
    assert "Live" in widget.message.text()
    assert not widget.start.isEnabled()
    viewer.add_image(picture)
    viewer.add_labels(blocks[:50])
    assert widget.start.isEnabled()
    widget.start.click()
    assert "shape" in widget.message.text()


def test_the_next_review_object_is_shown_and_said_why(correct: Any, layer: Any, mouse: Any, qtbot: Any) -> None:
    widget = correct()
    hand = mouse(layer)
    seen = []
    for _ in range(4):
        hand.key(Qt.Key.Key_N)
        qtbot.waitUntil(lambda: widget.toolbox.review._running is None, timeout=60_000)
        seen.append(layer.selected_label)
        assert f"Object {seen[-1]}: " in widget.toolbox.review.reason.text()
        middle = layer.world_to_data(widget.viewer.scene.camera.center[-2:])
        assert number(layer, tuple(np.round(middle).astype(int))) == seen[-1]
    assert sorted(seen) == [1, 2, 3, 4]
    hand.key(Qt.Key.Key_N)
    assert "N starts again" in widget.toolbox.review.reason.text()


def test_next_skips_what_was_drawn_and_outlines_what_it_shows(correct: Any, layer: Any, mouse: Any, qtbot: Any) -> None:
    widget = correct()
    hand = mouse(layer)
    hand.key(Qt.Key.Key_D)
    layer.brush_size = 10
    hand.drag([(88, 80), (88, 95)])
    drawn = number(layer, (88, 90))
    seen = []
    for _ in range(4):
        hand.key(Qt.Key.Key_N)
        qtbot.waitUntil(lambda: widget.toolbox.review._running is None, timeout=60_000)
        seen.append(layer.selected_label)
        outline = widget.viewer.layers["uncertain object"].data[:, 0]
        inside = np.argwhere(layer.data == seen[-1])
        # The rim of the outline lies around it.
        np.testing.assert_allclose(outline.min(axis=0), inside.min(axis=0) - 0.5, atol=0.5)
        np.testing.assert_allclose(outline.max(axis=0), inside.max(axis=0) + 0.5, atol=0.5)
    assert drawn not in seen
    assert sorted(seen) == [1, 2, 3, 4]
    hand.key(Qt.Key.Key_A)
    y, x = np.argwhere(layer.data == seen[-1]).mean(axis=0)
    hand.click((y, x))
    qtbot.waitUntil(lambda: "uncertain object" not in widget.viewer.layers, timeout=60_000)


def test_counts_are_of_objects_and_what_changes_nothing_is_no_correction(
    correct: Any, layer: Any, mouse: Any, qtbot: Any
) -> None:
    widget = correct(model=False)
    hand = mouse(layer)
    hand.key(Qt.Key.Key_A)
    for _ in range(2):
        hand.click((70, 30))
    assert kinds(widget) == ["accept"]
    assert "Object 3 is verified already." in widget.toolbox.hint.text()
    hand.key(Qt.Key.Key_J)
    hand.drag([(15, 15), (20, 20)])
    assert "one object already" in widget.toolbox.hint.text()
    hand.drag([(90, 90), (90, 100)])
    assert "no objects here to merge" in widget.toolbox.hint.text()
    hand.click((20, 15))
    hand.click((35, 25))
    assert kinds(widget) == ["accept"]
    hand.key(Qt.Key.Key_C)
    hand.drag([(58, 30), (82, 30)])  # changes the accepted object
    steps = widget.toolbox.steps
    qtbot.waitUntil(lambda: steps.verified.text() == "0 of 5 verified", timeout=60_000)
    assert "verified" not in steps.legend.text()


def test_views_and_another_model_tell_what_is_review(
    correct: Any, layer: Any, viewer: Any, tiny: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model finds nothing of object 3 in the turned plane, and another one nothing of object 2."""
    widget = correct()
    review = widget.toolbox.review
    looked: list[Any] = []

    def found(prediction: Any, _config: Any) -> Any:
        looked.append(prediction.shape)
        missed = 3 if len(looked) <= 3 else 2
        labels = np.where(layer.data == missed, 0, layer.data)
        return transformed(labels, *[*VIEWS, (0, False)][len(looked) - 1])

    monkeypatch.setattr(jobs, "partition_prediction", found)
    review.augmented.setChecked(True)
    review.next.click()
    qtbot.waitUntil(lambda: review._running is None, timeout=60_000)
    assert "Object 3: it differs under test-time augmentation" in review.reason.text()
    assert looked == [(96, 112), (112, 96), (96, 112)]
    review.augmented.setChecked(False)
    review.other.set_name(state_of(viewer).add(tiny, "its teacher"))
    assert not review.reason.text(), "the walk begins anew"
    review.next.click()
    qtbot.waitUntil(lambda: review._running is None, timeout=60_000)
    assert "Object 2: the other model segments it differently" in review.reason.text()
    assert looked[3:] == [(96, 112)]


def test_the_channel_that_was_chosen_is_read(
    correct: Any, viewer: Any, picture: Any, blocks: Any, mouse: Any, qtbot: Any
) -> None:
    channels = np.stack([np.full_like(picture, 7), picture])
    viewer.add_image(channels, name="cells", axis_labels=("c", "y", "x"))
    layer = viewer.add_labels(blocks, name="blocks", axis_labels=("y", "x"))
    widget = correct(start=False)
    (picker,) = widget.form.channels._pickers
    read = {}
    for index in (0, 1):
        picker.setCurrentIndex(index + 1)  # the first entry asks to choose
        widget.start.click()
        qtbot.waitUntil(lambda: widget.toolbox.session is not None and widget.bar.isHidden(), timeout=60_000)
        read[index] = widget.toolbox.session.context.predictions.of(()).embedding
        assert widget.toolbox.session.target.source.channels[0].index == index
        if index == 0:
            widget.start.click()
    assert not np.array_equal(read[0], read[1])
    hand = mouse(layer)
    hand.key(Qt.Key.Key_A)
    hand.click((70, 30))
    assert kinds(widget) == ["accept"]


def test_a_turned_layer_is_corrected_where_it_is_seen(
    correct: Any, viewer: Any, picture: Any, blocks: Any, mouse: Any
) -> None:
    seen = {"scale": (0.5, 0.5), "translate": (3, 5), "rotate": 30}
    viewer.add_image(picture, name="cells", **seen)
    layer = viewer.add_labels(blocks, name="blocks", **seen)
    widget = correct()
    hand = mouse(layer)
    hand.key(Qt.Key.Key_C)
    hand.drag([(58, 30), (70, 30), (82, 30)])
    assert kinds(widget) == ["cut"]
    assert 0 != number(layer, (70, 25)) != number(layer, (70, 35)) != 0
    hand.key(Qt.Key.Key_A)
    hand.click((70, 50))
    assert widget.toolbox.session.corrections.planes == ((),)
    assert [one.pixel for one in widget.toolbox.session.corrections if one.kind == "accept"] == [(70, 50)]
