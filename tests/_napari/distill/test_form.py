"""A form made from a config object gives that object back, and says what is wrong with it."""

from typing import Any

import pytest
from qtpy.QtWidgets import QAbstractSpinBox, QCheckBox, QComboBox, QLineEdit

from napari_grd._napari.distill.form import ConfigForm
from napari_grd._napari.distill.form_fields import NumberBox
from napari_grd.config import DistillConfig, SegmentConfig
from napari_grd.errors import ConfigError

CHANGED = DistillConfig().replace(
    steps=321,
    background="ignore",
    precision="bf16",
    **{
        "network.widths": (2, 4, 4, 4, 4),
        "network.embedding": 8,
        "optim.lr": 3.25e-4,
        "augment.flip": False,
        "augment.scale_range": (0.5, 2.0),
        "assistant.network.name": "unet++",
        "weights.agd_balanced": True,
    },
)


@pytest.fixture
def form(qtbot: Any) -> Any:
    form = ConfigForm(DistillConfig(), basic=("steps", "background"))
    qtbot.addWidget(form)
    return form


@pytest.mark.parametrize("config", [DistillConfig(), CHANGED])
def test_round_trip(form: Any, config: DistillConfig) -> None:
    form.set_value(config)
    assert form.value() == config
    assert form.problem == ""


def test_optional_numbers_survive(qtbot: Any) -> None:
    form = ConfigForm(SegmentConfig(), omit=("partition",))
    qtbot.addWidget(form)
    for config in (SegmentConfig(object_diameter=12.5), SegmentConfig()):
        form.set_value(config)
        assert form.value() == config


def test_widgets_fit_the_types(form: Any) -> None:
    kinds = {
        "steps": QAbstractSpinBox,
        "optim.lr": NumberBox,
        "augment.flip": QCheckBox,
        "background": QComboBox,
        "network.widths": QLineEdit,
    }
    for path, kind in kinds.items():
        assert isinstance(form.editor(path).widget, kind)
    box = form.editor("background").widget
    assert [box.itemText(i) for i in range(box.count())] == ["class", "ignore", "boundary", "none"]
    assert form.editor("patch").widget.minimum() == 32
    assert form.editor("steps").widget.toolTip() == "Optimizer steps (steps)"


def test_basic_settings_stand_above_the_folded_ones(form: Any) -> None:
    assert not form.advanced.isExpanded()
    assert not form.advanced.isAncestorOf(form.editor("steps").widget)
    assert form.advanced.isAncestorOf(form.editor("seed").widget)


def test_an_edit_is_announced(form: Any, qtbot: Any) -> None:
    with qtbot.waitSignal(form.changed, timeout=1000):
        form.editor("steps").widget.setValue(7)
    assert form.value().steps == 7


@pytest.mark.parametrize(
    ("path", "text", "named"),
    [("network.widths", "4, many", "network.widths"), ("augment.scale_range", "2, 1", "scale_range")],
)
def test_an_invalid_setting_is_named_in_the_form(form: Any, path: str, text: str, named: str) -> None:
    form.editor(path).widget.setText(text)
    assert named in form.problem
    with pytest.raises(ConfigError, match=named):
        form.value()
    form.set_value(DistillConfig())
    assert form.problem == ""


def test_numbers_read_as_people_write_them(qtbot: Any) -> None:
    box = NumberBox()
    qtbot.addWidget(box)
    for value, text in ((0.002, "0.002"), (1e-4, "0.0001"), (99.8, "99.8")):
        box.setRange(0, 100)
        box.setValue(value)
        assert box.text() == text
    box.lineEdit().setText("5e-05")
    box.interpretText()
    assert box.value() == 5e-5
