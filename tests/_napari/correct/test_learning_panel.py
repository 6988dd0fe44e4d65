"""Learn, Stop, Keep and Revert, with a tiny model and a few steps."""

from threading import Event as Flag
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from napari.layers import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

import napari_grd as grd
from napari_grd._napari.correct import jobs, learning_jobs
from napari_grd._napari.correct.open_images import middle_plane, planes_without_corrections
from napari_grd._napari.source import ImageSource
from napari_grd._napari.state import state_of
from napari_grd.config import DistillConfig, FineTuneConfig, NetworkConfig, TeachConfig
from napari_grd.corrections.kinds import Accept
from napari_grd.corrections.region import Region
from napari_grd.finetuning import choice, fine_tune, learning
from napari_grd.hub import load_model
from napari_grd.jobs import PreviewImages
from napari_grd.models.model import Model, ModelConfig

QUICK = FineTuneConfig(steps=2, seconds=None, patch=64)


def press(part: Any) -> None:
    """With the mouse, in its middle; a check box at its box."""
    at = part.rect().center()
    if hasattr(part, "isCheckable") and part.isCheckable() and not hasattr(part, "setDefault"):
        at.setX(8)
    QTest.mouseClick(part, Qt.MouseButton.LeftButton, pos=at)


@pytest.fixture
def gains(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was learned counts as a gain: an untrained model gains nothing in two steps."""
    for module in (choice, learning):
        monkeypatch.setattr(module, "is_gain", lambda before, after: True)
    monkeypatch.setattr(learning, "mean_quality", lambda scores: 0.0)


@pytest.fixture
def dock(correct: Any, viewer: Any, picture: Any, blocks: Any) -> Any:
    viewer.add_image(picture, name="cells")
    viewer.add_labels(blocks, name="blocks")
    widget = correct()
    widget.toolbox.learn.config = QUICK
    widget.toolbox.learn.best.setChecked(False)
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
    press(part.start)
    assert not part.start.isEnabled()
    qtbot.waitUntil(lambda: part._running is None, timeout=120_000)
    return part


def test_too_few_objects_are_a_reason(dock: Any, blocks: Any) -> None:
    accept(dock, blocks, 2)
    assert not dock.toolbox.learn.start.isEnabled()
    assert "1 more object" in dock.toolbox.learn.start.text()


def test_what_was_learned_is_shown_and_kept(dock: Any, blocks: Any, viewer: Any, qtbot: Any, gains: None) -> None:
    accept(dock, blocks, 4)
    part = learn(dock, qtbot)
    assert not dock.message.text()
    assert "4 corrected objects, each held out once" in part.scores.text()
    before, after = viewer.layers["before learning of blocks"], viewer.layers["after learning of blocks"]
    assert after.visible
    press(part._views["before"])
    assert before.visible
    assert not after.visible
    np.testing.assert_array_equal(viewer.layers["blocks"].data, blocks)
    press(part.keep)
    assert before not in viewer.layers
    assert state_of(viewer).student == dock.form.model.name() != "tiny"
    assert part.save.isEnabled()
    tuned = state_of(viewer).get(state_of(viewer).student)
    assert tuned.card.recipe["fine_tune"]["mode"] == "these_images"


def test_what_gains_nothing_changes_nothing_and_says_so(dock: Any, blocks: Any, viewer: Any, qtbot: Any) -> None:
    accept(dock, blocks, 3)
    names = state_of(viewer).names
    part = learn(dock, qtbot)
    assert "Nothing was gained" in dock.message.text()
    assert "after learning of blocks" not in viewer.layers
    assert part.choice.isHidden()
    assert part.start.isEnabled()
    assert state_of(viewer).names == names


def test_revert_leaves_everything_as_it_was(dock: Any, blocks: Any, viewer: Any, qtbot: Any, gains: None) -> None:
    accept(dock, blocks, 3)
    names = state_of(viewer).names
    part = learn(dock, qtbot)
    press(part.revert)
    assert state_of(viewer).names == names
    assert "after learning of blocks" not in viewer.layers
    assert part.start.isEnabled()


def test_what_it_knows_can_be_kept(
    dock: Any, blocks: Any, viewer: Any, qtbot: Any, gains: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fine_tune, "IMAGES", 2)
    accept(dock, blocks, 3)
    part = dock.toolbox.learn
    part.mode.setFocus()
    QTest.keyClick(part.mode, Qt.Key.Key_Down)
    assert part.mode.currentText() == "Keep previous performance"
    learn(dock, qtbot)
    assert part._learned.model.card.recipe["fine_tune"]["mode"] == "keep"
    assert part._learned.model.config == state_of(viewer).get("tiny").config


def test_improved_labels_appear_and_stop_keeps_the_best_so_far(
    dock: Any, blocks: Any, viewer: Any, qtbot: Any, gains: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "_PREVIEW_EVERY", 0.0)
    accept(dock, blocks, 3)
    part = dock.toolbox.learn
    part.config = QUICK.replace(steps=100_000)
    press(part.start)
    qtbot.waitUntil(lambda: "learning of blocks" in viewer.layers, timeout=120_000)
    preview = viewer.layers["learning of blocks"]
    assert preview.data.shape == blocks.shape
    press(part.bar.stop)
    qtbot.waitUntil(lambda: part._running is None, timeout=120_000)
    assert preview not in viewer.layers
    assert "after learning of blocks" in viewer.layers
    assert part._learned.model.card.recipe["fine_tune"]["steps_taken"] < 100_000
    assert len(dock.toolbox.session.corrections) == 3


def test_improved_labels_stay_on_their_plane(correct: Any, viewer: Any, picture: Any, blocks: Any) -> None:
    viewer.add_image(np.stack([picture] * 3), name="cells")
    viewer.add_labels(np.stack([blocks] * 3), name="blocks")
    viewer.dims.set_current_step(0, 2)
    widget = correct(model=False)
    part = widget.toolbox.learn
    visible = part._request(widget.toolbox.session).visible
    viewer.dims.set_current_step(0, 0)
    part._show_event(visible, PreviewImages(0, {learning_jobs.SHOWN: blocks}))
    assert viewer.layers["learning of blocks"].data_to_world((0, 0, 0))[0] == 2


def test_it_starts_from_the_built_in_model_that_fits_best(dock: Any, blocks: Any, viewer: Any, qtbot: Any) -> None:
    """Real nuclei: the untrained model is not the one that goes on, even if nothing is gained by learning."""
    accept(dock, blocks, 3)
    part = dock.toolbox.learn
    press(part.best)
    assert part.best.isChecked()
    learn(dock, qtbot)
    assert "Learning starts from" in dock.message.text()


def test_what_a_model_knows_is_kept_by_that_model(nuclei: Any) -> None:
    def starts(mode: str) -> list[Any]:
        request = SimpleNamespace(request=SimpleNamespace(model="nuclei", get_model=load_model), best_start=True)
        return learning_jobs._starts(request, FineTuneConfig(mode=mode), nuclei, 1)  # type: ignore[arg-type]

    assert starts("keep") == [nuclei]
    assert [model.card.name for model in starts("these_images")][:2] == ["cells", nuclei.card.name]


def test_corrections_of_images_add_up_and_untouched_ones_are_compared(
    dock: Any,
    blocks: Any,
    picture: Any,
    viewer: Any,
    qtbot: Any,
    gains: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("napari_grd._napari.windows._LARGEST", 256)
    accept(dock, blocks, 2)
    press(dock.start)  # ends the session of the first image
    qtbot.waitUntil(lambda: dock.toolbox.session is None, timeout=60_000)
    viewer.add_image(np.tile(picture[::-1], (3, 1)), name="untouched", scale=(0.5, 0.5))
    viewer.add_image(picture[:, ::-1].copy(), name="second")
    mirrored = blocks[:, ::-1].copy()
    dock.form.labels.set_layer(viewer.add_labels(mirrored, name="second blocks"))
    dock.form.image.set_layer(viewer.layers["second"])
    press(dock.start)
    qtbot.waitUntil(lambda: dock.toolbox.session is not None, timeout=60_000)
    accept(dock, mirrored, 2)
    part = learn(dock, qtbot)
    assert "4 corrected objects" in part.scores.text()
    after = viewer.layers["after learning of untouched"]
    assert after.visible
    assert after.data.shape == (256, 112)  # of 288 x 112 pixels
    np.testing.assert_allclose(after.translate, [16 * 0.5, 0])
    assert not viewer.layers["before learning of untouched"].visible
    assert "after learning of cells" not in viewer.layers
    press(part.revert)
    assert "after learning of untouched" not in viewer.layers
    viewer.layers.remove("blocks")
    assert part._others() == []


def test_of_open_slides_only_windows_are_read(slide: Any) -> None:
    huge = slide(np.eye(7, dtype=np.uint8), 40_000)
    source = ImageSource(Image(huge.levels, multiscale=True, contrast_limits=(0, 1)))
    assert middle_plane(source).read().shape == (1, 2048, 2048)
    assert len(huge.computed) == 81
    planes = planes_without_corrections([], [source])
    assert [plane.read().shape for plane in planes] == [(1, 1024, 1024)] * 8
    assert len(huge.computed) < 81 + 8 * 25  # of 24,649


@pytest.fixture
def teaching(dock: Any, blocks: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The panel with corrected objects, set to teach the teacher (here a small one), with few steps."""
    monkeypatch.setattr(learning_jobs, "TEACHER", "nuclei")
    accept(dock, blocks, 3)
    part = dock.toolbox.learn
    part.teach_config = TeachConfig(
        fine_tune=QUICK, distill=DistillConfig(steps=2, batch=1, network=NetworkConfig(widths=(2, 4, 4, 4, 4)))
    )
    part.mode.setFocus()
    for _ in range(2):
        QTest.keyClick(part.mode, Qt.Key.Key_Down)
    assert part.mode.currentText() == "Teach the teacher"
    assert not part.best.isEnabled()
    return part


def test_a_teacher_is_taught_and_its_student_goes_live(
    teaching: Any, dock: Any, blocks: Any, picture: Any, viewer: Any, qtbot: Any, gains: None
) -> None:
    viewer.add_image(np.stack([picture, picture[::-1], np.zeros_like(picture)]), name="series")
    learn(dock, qtbot)
    assert not dock.message.text()
    assert "The teacher, on 3 corrected objects" in teaching.scores.text()
    assert viewer.layers["after learning of blocks"].visible
    assert "after learning of series" in viewer.layers
    names = state_of(viewer).names
    press(teaching.keep)
    state = state_of(viewer)
    student = state.get(state.student)
    assert dock.form.model.name() == state.student
    assert (student.card.kind, student.card.teacher) == ("student", "nuclei-tuned")
    assert student.config.network.widths == (2, 4, 4, 4, 4)
    assert set(state.names) - set(names) == {state.student, "nuclei-tuned"}
    assert state.get("nuclei-tuned").card.recipe["fine_tune"]["train"] == "auto"


def test_a_teacher_that_learned_nothing_is_told(teaching: Any, dock: Any, viewer: Any, qtbot: Any) -> None:
    names = state_of(viewer).names
    learn(dock, qtbot)
    assert "Nothing was gained" in dock.message.text()
    assert "No student is distilled" in dock.message.text()
    assert state_of(viewer).names == names
    assert teaching.choice.isHidden()


def test_stop_while_distilling_keeps_the_student_so_far(
    teaching: Any, dock: Any, viewer: Any, qtbot: Any, gains: None
) -> None:
    distill = teaching.teach_config.distill.replace(steps=100_000)
    teaching.teach_config = teaching.teach_config.replace(distill=distill)
    press(teaching.start)
    qtbot.waitUntil(lambda: "Distilling" in teaching.bar.text.text(), timeout=120_000)
    press(teaching.bar.stop)
    qtbot.waitUntil(lambda: teaching._running is None, timeout=120_000)
    assert not dock.message.text()
    assert teaching._learned.model.card.summary.endswith("stopped early")
    assert teaching._learned.teacher.card.name == "nuclei-tuned"
    assert "after learning of blocks" in viewer.layers


def test_a_prediction_of_the_model_before_is_dropped_when_another_is_kept(
    dock: Any, viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, asked = dock.toolbox.session.context, []
    predicting, go_on = Flag(), Flag()
    predict = jobs.iter_predict

    def slow(model: Any, *arguments: Any, **keywords: Any) -> Any:
        asked.append(model.card.name)
        if model.card.name == "tiny":
            predicting.set()
            assert go_on.wait(60)
        return (yield from predict(model, *arguments, **keywords))

    monkeypatch.setattr(jobs, "iter_predict", slow)
    context.predictions.clear()
    dock._requested.clear()
    dock._predict_plane()
    assert predicting.wait(60)
    torch.manual_seed(1)
    name = state_of(viewer).add(Model.create(ModelConfig()).with_card(name="tuned"))
    dock._model_kept(name)
    qtbot.wait(50)
    go_on.set()
    qtbot.waitUntil(lambda: context.predictions.of(()) is not None, timeout=60_000)
    qtbot.wait(200)
    expected = grd.embed(state_of(viewer).get(name), viewer.layers["cells"].data)
    np.testing.assert_allclose(context.predictions.of(()).embedding, np.moveaxis(expected, 0, -1), atol=0.02)
    assert asked == ["tiny", name]
