"""What can be picked to teach, to learn and to learn from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_grd._napari.distill.data import DataPicker
from napari_grd._napari.distill.student_picker import StudentPicker
from napari_grd._napari.distill.teacher_picker import TeacherChoice, TeacherPicker
from napari_grd._napari.panel import Panel
from napari_grd.config import NetworkConfig
from napari_grd.errors import ConfigError, DataError, ImageError
from napari_grd.teaching.base import TeacherInfo
from napari_grd.teaching.options import TeacherOption

INSTALLED = {
    "model": (
        TeacherInfo("model", "A model."),
        (TeacherOption("object_diameter", "in pixels", float | None, None, False),),
    ),
    "stars": (
        TeacherInfo(
            "stars", "Star-convex shapes.", parameters=1_420_000, license="BSD-3-Clause", restrictions="Not for sale."
        ),
        (
            TeacherOption("weights", "a file or folder", str | Path, None, True),
            TeacherOption("diameter", "in pixels", float | None, None, False),
            TeacherOption("download", "whether it may fetch what is missing", bool, False, False),
        ),
    ),
    "absent": (TeacherInfo("absent", "Anything.", available=False, reason='pip install "absent"'), ()),
}


@pytest.fixture
def panel(viewer: Any, qtbot: Any) -> Panel:
    panel = Panel(viewer)
    qtbot.addWidget(panel)
    return panel


@pytest.fixture
def picker(panel: Panel, qtbot: Any, monkeypatch: Any) -> TeacherPicker:
    monkeypatch.setattr("napari_grd._napari.distill.teacher_picker._installed", lambda: INSTALLED)
    picker = TeacherPicker(panel)
    qtbot.addWidget(picker)
    qtbot.waitUntil(lambda: picker.kind.findData("absent") > 0, timeout=20_000)
    return picker


def test_teachers_of_other_programs_are_offered_with_their_options(picker: TeacherPicker) -> None:
    picker.kind.setCurrentIndex(picker.kind.findData("stars"))
    assert picker.facts.text() == "Star-convex shapes. 1.42 M parameters. License: BSD-3-Clause. Not for sale."
    assert list(picker.options.editors) == ["weights", "diameter", "download"]
    assert picker.choice() == TeacherChoice("installed", "stars", (("download", "false"),))
    weights, diameter, download = picker.options.editors.values()
    assert [weights.placeholderText(), diameter.placeholderText()] == ["required", "automatic"]
    changes: list[None] = []
    picker.changed.connect(lambda: changes.append(None))
    weights.setText("a.pt")
    diameter.setText(" 30 ")
    download.setChecked(True)
    assert picker.choice() == TeacherChoice(
        "installed", "stars", (("weights", "a.pt"), ("diameter", "30"), ("download", "true"))
    )
    assert len(changes) == 3
    picker.kind.setCurrentIndex(picker.kind.findData("labels"))
    assert picker.options.editors == {}


def test_a_model_can_be_told_how_large_the_objects_are(picker: TeacherPicker, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: "object_diameter" in picker.options.editors, timeout=20_000)
    diameter = picker.options.editors["object_diameter"]
    qtbot.waitUntil(lambda: "from training" in diameter.placeholderText(), timeout=60_000)
    assert picker.config is not None
    assert diameter.placeholderText() == f"{picker.config.object_diameter:.0f}, from training"
    diameter.setText("12")
    assert picker.choice() == TeacherChoice("model", "nuclei-teacher", (("object_diameter", "12"),))


def test_of_teachers_that_are_not_there_it_is_said_what_to_install(picker: TeacherPicker) -> None:
    picker.kind.setCurrentIndex(picker.kind.findData("absent"))
    assert picker.kind.currentText() == "absent (not installed)"
    assert 'pip install "absent"' in picker.facts.text()


@pytest.mark.parametrize(
    "network",
    [
        NetworkConfig(),
        NetworkConfig(name="mobilenetv2", embedding=8),
        NetworkConfig(widths=(2, 4, 4, 4, 4)),
        NetworkConfig(name="mine"),
    ],
)
def test_students_round_trip(qtbot: Any, network: NetworkConfig) -> None:
    picker = StudentPicker()
    qtbot.addWidget(picker)
    picker.set_value(network)
    assert NetworkConfig(**picker.value()) == network


def test_a_width_that_is_no_number_is_named(qtbot: Any) -> None:
    picker = StudentPicker()
    qtbot.addWidget(picker)
    picker.set_value(NetworkConfig(name="mine"))
    picker.other.setText("resunet: 4, many")
    with pytest.raises(ConfigError, match="widths"):
        NetworkConfig(**picker.value())


def test_images_are_ticked_and_long_stacks_are_thinned_out_aloud(panel: Panel, qtbot: Any) -> None:
    data = DataPicker(panel)
    qtbot.addWidget(data)
    with pytest.raises(DataError, match="Drop an image"):
        data.pieces(patch=32)
    series = panel.viewer.add_image(np.zeros((100, 64, 64), np.uint8), name="series")
    assert data.layers() == [series]
    assert data.note.text() == "Of the 100 planes of 'series', 24 are used, evenly spread."
    other = panel.viewer.add_image(np.zeros((64, 64), np.uint8), name="other")
    assert data.layers() == [other, series], "all that are dropped are ticked"
    data.tick(series, False)
    assert [piece.source.layer for piece in data.pieces(patch=32)] == [other]
    third = panel.viewer.add_image(np.zeros((64, 64), np.uint8), name="third")
    assert data.layers() == [third, other], "what was unticked stays so"


def test_only_images_of_one_kind_are_ticked_and_one_of_several_channels(panel: Panel, qtbot: Any) -> None:
    data = DataPicker(panel)
    qtbot.addWidget(data)
    rng = np.random.default_rng(0)
    noise = rng.normal(10, 1, (64, 64))
    bright = noise + 200 * (np.hypot(*(np.indices((64, 64)) - 32)) < 12)
    channels = panel.viewer.add_image(np.stack([noise, bright, noise]), channel_axis=0, name=["a", "b", "c"])
    assert data.layers() == [channels[1]]
    panel.viewer.add_image(np.zeros((64, 64, 3), np.uint8), rgb=True, name="color")
    panel.viewer.add_image(noise, name="embedding", metadata={"napari_grd": {"view": "embedding"}})
    assert data.layers() == [channels[1]]


def test_two_images_of_an_rgb_kind_share_their_channels(panel: Panel, qtbot: Any) -> None:
    data = DataPicker(panel)
    qtbot.addWidget(data)
    layers = [panel.viewer.add_image(np.zeros((64, 64, 3), np.uint8), rgb=True) for _ in range(2)]
    gray = panel.viewer.add_image(np.zeros((64, 64), np.uint8), name="gray")
    assert data.layers() == layers[::-1]
    data.require_channels(3)
    pieces = data.pieces(patch=32)
    assert {piece.source.layer for piece in pieces} == set(layers)
    assert all([channel.index for channel in piece.source.channels] == [0, 1, 2] for piece in pieces)
    data.tick(gray)
    data.tick(layers[0], False)
    data.tick(layers[1], False)
    with pytest.raises(ImageError, match="which of 'gray' is ambiguous"):
        data.pieces(patch=32)
