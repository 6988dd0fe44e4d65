"""The Distill widget in a real viewer, from the pressed button to the live student."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_grd._napari.distill.data import is_preview
from napari_grd._napari.distill.widget import DistillWidget
from napari_grd._napari.settings import Settings
from napari_grd.config import DistillConfig, SegmentConfig
from napari_grd.data.simulate import nuclei_2d
from napari_grd.hub import TEACHER, builtin_paths, load_model
from napari_grd.models.model import Model
from napari_grd.teaching.embedding import EmbeddingTeacher

QUICK = DistillConfig().replace(
    steps=10,
    batch=1,
    patch=64,
    validate_every=5,
    device="cpu",
    **{
        "network.widths": (2, 4, 4, 4, 4),
        "assistant.network.widths": (2, 4, 4, 4, 4),
        "assistant.steps": 4,
        "bank.sample": 2,
    },
)
ENDLESS = QUICK.replace(steps=100_000, validate_every=5)
WAIT = 120_000


@pytest.fixture(scope="module")
def nuclei() -> tuple[np.ndarray, np.ndarray]:
    return nuclei_2d(np.random.default_rng(0), (128, 256))


@pytest.fixture(scope="module")
def model() -> Model:
    """Loaded once, so that it is prepared for running once."""
    return load_model(builtin_paths()["nuclei"]).with_card(name="teacher")


@pytest.fixture
def widget(viewer: Any, nuclei: Any, model: Model, tmp_path: Path, monkeypatch: Any) -> DistillWidget:
    """The widget, on an image that is ticked, with a recipe of a second."""
    chosen = Settings("auto", 0, tmp_path / "cache", 10**9, False, False)
    monkeypatch.setattr("napari_grd._napari.distill.widget.settings", lambda: chosen)
    viewer.add_image(nuclei[0], name="nuclei", scale=(0.5, 0.5), translate=(3, 4), units="um")
    widget = DistillWidget(viewer)
    viewer.window.add_dock_widget(widget)
    widget.teacher.models.set_name(widget.state.add(model))
    widget.form.set_value(QUICK)
    widget.runs.setText(str(tmp_path / "runs"))
    return widget


def test_of_a_slide_only_windows_are_read(
    viewer: Any, widget: DistillWidget, slide: Any, nuclei: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_grd._napari.windows._WINDOW", 128)
    huge = slide(nuclei[0], 40_000)
    viewer.add_image(huge.levels, name="slide", multiscale=True, contrast_limits=(0, 1))
    widget.data.tick(viewer.layers["nuclei"], ticked=False)
    assert [layer.name for layer in widget.data.layers()] == ["slide"]
    widget.distill.click()
    wait_for(qtbot, widget, "Done")
    assert 24 <= len(huge.computed) <= 24 * 4  # of 24,649: each window touches four chunks at most


def test_the_builtin_teacher_is_offered_first(viewer: Any) -> None:
    assert DistillWidget(viewer).teacher.models.name() == TEACHER


def wait_for(qtbot: Any, widget: DistillWidget, text: str) -> None:
    """Until the widget says so; anything else that it says at the end fails at once."""
    qtbot.waitUntil(
        lambda: text in widget.message.text() or (_idle(widget) and bool(widget.message.text())), timeout=WAIT
    )
    qtbot.waitUntil(lambda: text in widget.message.text(), timeout=2000)


def _idle(widget: DistillWidget) -> bool:
    return widget.distill.isEnabled()


def test_from_the_button_to_the_live_student(viewer: Any, widget: DistillWidget, qtbot: Any) -> None:
    source = viewer.layers["nuclei"]
    viewer.layers.selection.active = source
    widget.distill.click()
    assert not widget.distill.isEnabled()
    wait_for(qtbot, widget, "Done")
    name = widget.state.student
    assert name is not None
    assert name.startswith("teacher-student")
    assert widget.state.get(name).config.network.widths == (2, 4, 4, 4, 4)
    assert "AP50" in widget.message.text()
    assert {("train", "loss"), ("validation", "ap50")} <= widget.curves.points.keys()
    assert widget.curves.points["train", "loss"][0] == [10]
    # Pictures come one at a time, so that none of them holds the window up for long.
    qtbot.waitUntil(
        lambda: "preview: teacher" in viewer.layers and viewer.layers["preview: teacher"].data.any(), timeout=WAIT
    )
    shown = [viewer.layers[f"preview: {what}"] for what in ("image", "teacher", "student")]
    assert [type(layer) for layer in shown] == [Image, Labels, Labels]
    for layer in shown:
        assert is_preview(layer)
        np.testing.assert_allclose(layer.scale, source.scale)
        # The right quarter of the image was set aside.
        np.testing.assert_allclose(layer.translate, [3, 4 + 192 * 0.5])
        assert layer.units == source.units
    np.testing.assert_array_equal(shown[0].data, source.data[:, 192:])
    assert shown[1].data.max() > 0
    assert viewer.layers.selection.active is source, "previews must not take the selection away"
    assert [layer.name for layer in widget.data.layers()] == ["nuclei"], "previews are not learned from"
    assert shown[0].opacity == 1
    assert widget.request is not None
    assert list(widget.request.cache.glob("*/*")), "the next student of this teacher is quicker"


def test_stop_keeps_the_student_so_far_and_resume_finishes(
    viewer: Any, widget: DistillWidget, qtbot: Any, tmp_path: Path
) -> None:
    config = QUICK.replace(steps=40)
    widget.form.set_value(config)
    widget.distill.click()
    qtbot.waitUntil(lambda: ("train", "loss") in widget.curves.points, timeout=WAIT)
    widget.bar.stop.click()
    wait_for(qtbot, widget, "The student so far")
    assert widget.request is not None
    folder = widget.request.out
    assert (folder / "checkpoint.safetensors").exists()
    first = widget.state.student
    assert first != "nuclei"
    widget.resume.click()
    wait_for(qtbot, widget, "Done")
    assert widget.state.student != first
    assert widget.curves.points["train", "loss"][0] == list(range(10, 41, 10))
    assert load_model(folder / "student.grd.safetensors").card.recipe["steps"] == 40
    # A finished run that is resumed from its folder is finished at once, with the settings it had.
    widget.form.set_value(QUICK)
    widget.resume_from(folder)
    wait_for(qtbot, widget, "Done")
    assert widget.form.value() == config


def test_removing_the_layer_ends_it_with_a_checkpoint(viewer: Any, widget: DistillWidget, qtbot: Any) -> None:
    widget.form.set_value(ENDLESS)
    widget.distill.click()
    qtbot.waitUntil(lambda: ("validation", "ap50") in widget.curves.points, timeout=WAIT)
    viewer.layers.remove("nuclei")
    wait_for(qtbot, widget, "'nuclei' was removed")
    wait_for(qtbot, widget, "is live")
    assert widget.request is not None
    assert (widget.request.out / "checkpoint.safetensors").exists()


def test_closing_the_widget_ends_it_with_a_checkpoint(viewer: Any, widget: DistillWidget, qtbot: Any) -> None:
    widget.form.set_value(ENDLESS)
    widget.distill.click()
    qtbot.waitUntil(lambda: ("train", "loss") in widget.curves.points, timeout=WAIT)
    running, request = widget._running, widget.request
    assert running is not None
    assert request is not None
    viewer.window.remove_dock_widget(widget)
    widget.deleteLater()
    qtbot.waitUntil(lambda: running.wait(0), timeout=WAIT)
    assert load_model(request.out / "student-so-far.grd.safetensors").card.kind == "student"


def test_labels_teach_through_an_assistant(viewer: Any, widget: DistillWidget, qtbot: Any, nuclei: Any) -> None:
    viewer.add_labels(np.zeros((8, 8), int), name="something else")
    truth = viewer.add_labels(nuclei[1].astype(int), name="nuclei truth")
    widget.teacher.kind.setCurrentIndex(widget.teacher.kind.findData("labels"))
    assert "assistant" in widget.teacher.facts.text()
    widget.distill.click()
    wait_for(qtbot, widget, "Done")
    assert widget.request is not None
    assert {piece.labels for piece in widget.request.pieces} == {truth}
    assert (widget.request.out / "assistant" / "assistant.grd.safetensors").exists()
    qtbot.waitUntil(lambda: "preview: ground truth" in viewer.layers, timeout=WAIT)


def test_a_region_and_a_folder_are_learned_from(
    viewer: Any, widget: DistillWidget, qtbot: Any, nuclei: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(2):
        np.save(folder / f"{i}.npy", np.roll(nuclei[0], 40 * (i + 1), axis=1))
    source = viewer.layers["nuclei"]
    corners = np.array([source.data_to_world((r, c)) for r, c in ((10, 20), (10, 120), (110, 120), (110, 20))])
    shapes = viewer.add_shapes([corners], shape_type="polygon")
    widget.data.region.set_layer(shapes)
    widget.data.folder.setText(str(folder))
    widget.distill.click()
    wait_for(qtbot, widget, "Done")
    assert widget.request is not None
    assert [piece.shape for piece in widget.request.pieces] == [(100, 100)]
    assert "2 images" in widget.state.get(widget.state.student or "").card.summary


@pytest.mark.parametrize("case", ["no layer", "channels", "small", "nan", "read-only", "setting", "no truth"])
def test_what_cannot_work_is_said_and_the_viewer_stays_usable(
    viewer: Any, widget: DistillWidget, qtbot: Any, tmp_path: Path, case: str, nuclei: Any
) -> None:
    match case:
        case "no layer":
            viewer.layers.clear()
            expected = "No image is chosen. Drop an image on the window"
        case "channels":
            qtbot.waitUntil(lambda: widget.teacher.config is not None, timeout=WAIT)
            widget.data.require_channels(2)  # as a teacher of two channels does
            expected = "which of 'nuclei' is ambiguous. Choose the channels below the images"
        case "small":
            widget.form.set_value(QUICK.replace(patch=160))
            expected = "128 x 256 pixels, but a patch has 160"
        case "nan":
            image = nuclei[0].astype(np.float32)
            image[:] = np.nan
            viewer.layers["nuclei"].data = image
            expected = "all are NaN"
        case "read-only":
            blocked = tmp_path / "file"
            blocked.touch()
            widget.runs.setText(str(blocked))
            expected = "cannot be created"
        case "setting":
            widget.form.editor("augment.scale_range").widget.setText("2, 1")
            expected = "scale_range"
        case _:
            widget.teacher.kind.setCurrentIndex(widget.teacher.kind.findData("labels"))
            expected = "'nuclei' has no labels to learn from. Choose its Labels layer"
    widget.distill.click()
    qtbot.waitUntil(lambda: expected in widget.message.text(), timeout=WAIT)
    assert widget.distill.isEnabled()
    assert not widget.bar.isVisible()
    qtbot.waitUntil(lambda: not any(is_preview(layer) for layer in viewer.layers), timeout=WAIT)


def test_a_function_of_ones_own_teaches(widget: DistillWidget, qtbot: Any, tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(
        "from skimage import measure\n\n\ndef blobs(image):\n    return measure.label(image > image.mean())\n"
    )
    qtbot.waitUntil(lambda: widget.teacher.kind.findData("callable") > 0, timeout=WAIT)
    widget.teacher.kind.setCurrentIndex(widget.teacher.kind.findData("callable"))
    widget.distill.click()
    qtbot.waitUntil(lambda: "needs function" in widget.message.text(), timeout=WAIT)
    widget.teacher.options.editors["function"].setText(f"{script}:blobs")
    widget.distill.click()
    wait_for(qtbot, widget, "Done")
    assert widget.request is not None
    assert load_model(widget.request.out / "student.grd.safetensors").card.teacher == "assistant of blobs"


def test_a_model_that_is_told_a_diameter_sees_the_image_at_the_size_it_knows(
    widget: DistillWidget, qtbot: Any, model: Model, tmp_path: Path
) -> None:
    qtbot.waitUntil(lambda: "object_diameter" in widget.teacher.options.editors, timeout=WAIT)
    diameter = widget.teacher.options.editors["object_diameter"]
    diameter.setText("small")
    widget.distill.click()
    qtbot.waitUntil(
        lambda: "'object_diameter' of the teacher 'model' cannot be 'small'" in widget.message.text(), timeout=WAIT
    )
    diameter.setText("12")
    widget.distill.click()
    wait_for(qtbot, widget, "Done")
    seen = EmbeddingTeacher(model, SegmentConfig(object_diameter=12)).fingerprint
    assert [found.name for found in (tmp_path / "cache" / "teachers").iterdir()] == [seen]


def test_what_is_known_of_the_teacher_and_what_it_will_cost(viewer: Any, widget: DistillWidget, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: "0.30 M parameters" in widget.teacher.facts.text(), timeout=WAIT)
    assert "1 channel" in widget.teacher.facts.text()
    assert "trained on" in widget.teacher.facts.text()
    assert not widget.data.number.isVisible()
    qtbot.waitUntil(lambda: "on this CPU" in widget.cost.text(), timeout=WAIT)
    cost = widget.student.cost
    assert "ms for 512 x 512" in cost.text()
    qtbot.waitUntil(lambda: cost.height() >= cost.heightForWidth(cost.width()), timeout=WAIT)
    for size, parameters in (("Fast: half of Tiny's time", "0.26 M"), ("Small", "1.18 M")):
        widget.student.choice.setCurrentText(size)
        qtbot.waitUntil(lambda: "Measuring" in widget.student.cost.text(), timeout=WAIT)
        qtbot.waitUntil(lambda text=parameters: f"{text} parameters" in widget.student.cost.text(), timeout=WAIT)
    viewer.layers.clear()
    qtbot.waitUntil(lambda: not widget.student.cost.text(), timeout=WAIT)
    assert widget.student.cost.isHidden(), "an empty line would be a gap"


def test_saving_the_student(viewer: Any, widget: DistillWidget, qtbot: Any, tmp_path: Path) -> None:
    assert not widget.save.isEnabled()
    widget.distill.click()
    wait_for(qtbot, widget, "Done")
    assert widget.save.isEnabled()
    widget.save.save_as(str(tmp_path / "mine"))
    wait_for(qtbot, widget, "Saved as")
    assert load_model(tmp_path / "mine.grd.safetensors").card.kind == "student"
    widget.save.save_as(str(tmp_path / "missing" / "mine"))
    wait_for(qtbot, widget, "there is no folder")
