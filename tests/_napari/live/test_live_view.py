"""Live finds size and contrast of objects by itself, shows what it decided, and takes another word for it."""

from typing import Any

import numpy as np
import pytest

from napari_grd._napari.outputs import view_settings
from napari_grd.api import segment
from napari_grd.config import SegmentConfig
from napari_grd.data.simulate import nuclei_2d

PLANE = nuclei_2d(np.random.default_rng(0), (160, 200))[0]
LARGE = np.kron(PLANE, np.ones((3, 3), PLANE.dtype))


def start(widget: Any, qtbot: Any) -> None:
    widget.live.setChecked(True)
    qtbot.waitUntil(lambda: "instance" in widget.readout.text(), timeout=60000)


def made_by(widget: Any) -> dict[str, Any]:
    return dict(widget.output.layer.metadata["napari_grd"]["config"])


def test_the_size_is_estimated_and_the_models_own_is_one_click_away(live_widget: Any, viewer: Any, qtbot: Any) -> None:
    viewer.add_image(LARGE)
    start(live_widget, qtbot)
    form = live_widget.form
    found = made_by(live_widget)["object_diameter"]
    assert found > 1.5 * live_widget._model.config.object_diameter
    assert form.diameter.specialValueText() == f"automatic: {found:.0f} px"
    assert "rescaled" in live_widget.message.text()
    assert "rescaled" in form.diameter.toolTip()

    live_widget.say("Stopped; no layer was added.")
    live_widget.readout.setText("")
    live_widget._schedule()
    qtbot.waitUntil(lambda: "instance" in live_widget.readout.text(), timeout=30000)
    assert "Stopped" in live_widget.message.text()  # what others said is not said over by every view

    live_widget.permanent.start.click()
    qtbot.waitUntil(live_widget.permanent.start.isEnabled, timeout=60000)
    assert "Added the layer" in live_widget.message.text()
    assert "rescaled" in live_widget.message.text()
    assert viewer.layers[-1].metadata["napari_grd"]["config"]["object_diameter"] == found

    viewer.layers[-1].visible = False  # under which Live pauses
    form.as_known.click()
    qtbot.waitUntil(lambda: made_by(live_widget)["object_diameter"] is None, timeout=30000)
    assert not form.diameter.isEnabled()

    form.as_known.click()
    qtbot.waitUntil(lambda: made_by(live_widget)["object_diameter"] == found, timeout=30000)
    form.diameter.setValue(50)
    qtbot.waitUntil(lambda: made_by(live_widget)["object_diameter"] == 50, timeout=30000)


def test_a_dark_image_is_inverted_until_told_otherwise(live_widget: Any, viewer: Any, qtbot: Any) -> None:
    viewer.add_image(PLANE.max() - PLANE)
    start(live_widget, qtbot)
    assert made_by(live_widget)["invert"] is True
    assert live_widget.form.invert.currentText() == "automatic: inverted"
    assert "inverted" in live_widget.message.text()
    live_widget.form.invert.setCurrentIndex(2)
    qtbot.waitUntil(lambda: made_by(live_widget)["invert"] is False, timeout=30000)


def test_noise_gets_a_word(live_widget: Any, viewer: Any, qtbot: Any) -> None:
    viewer.add_image(np.random.default_rng(0).normal(100, 5, (256, 256)).astype(np.float32))
    start(live_widget, qtbot)
    assert "0 instances" in live_widget.readout.text()
    assert "Nothing in the image exceeds its noise" in live_widget.message.text()


@pytest.mark.parametrize("diameter", [140, 5])
def test_a_wrong_size_does_not_explode(diameter: int, live_widget: Any, viewer: Any, qtbot: Any) -> None:
    viewer.add_image(PLANE)
    live_widget.form.diameter.setValue(diameter)
    start(live_widget, qtbot)
    sizes = np.bincount(np.asarray(live_widget.output.layer.data).ravel())[1:]
    config = live_widget._model.config
    scale = config.object_diameter / diameter
    # An object of the smallest size on the network's grid, less what its rim loses in rescaling.
    assert np.all(sizes[sizes > 0] >= 0.5 * config.partition.min_size / scale**2)
    assert np.count_nonzero(sizes) < 60


def test_the_contrast_limits_of_the_layer_can_be_the_range(live_widget: Any, viewer: Any, qtbot: Any) -> None:
    layer = viewer.add_image(PLANE, contrast_limits=(0.0, float(PLANE.max())))
    start(live_widget, qtbot)
    assert made_by(live_widget)["intensity_range"] is None
    live_widget.form.range.setCurrentIndex(1)
    qtbot.waitUntil(lambda: made_by(live_widget)["intensity_range"] == [[0.0, float(PLANE.max())]], timeout=30000)
    found = int(np.asarray(live_widget.output.layer.data).max())
    assert found > 0

    layer.contrast_limits = (0.0, 50.0 * float(PLANE.max()))  # nothing is bright now
    qtbot.waitUntil(lambda: "0 instances" in live_widget.readout.text(), timeout=30000)
    request = live_widget._order()
    assert request.config.intensity_range == ((0.0, 50.0 * float(PLANE.max())),)

    viewer.layers.remove(layer)
    color = viewer.add_image(np.stack([PLANE] * 3, axis=-1), rgb=True)
    live_widget.form.image.set_layer(color)
    qtbot.waitUntil(lambda: live_widget.form.range.isHidden(), timeout=30000)
    assert live_widget._order().config.intensity_range is None


def test_a_given_size_means_the_same_everywhere(live_widget: Any, viewer: Any, qtbot: Any, nuclei: Any) -> None:
    """An image that is enlarged, with the size of its objects: Live, Make permanent and scripts find the same."""
    diameter = round(5 * nuclei.config.object_diameter, 1)  # as the box shows it
    enlarged = np.kron(PLANE[:96, :120], np.ones((5, 5), PLANE.dtype))
    viewer.add_image(enlarged, name="large")
    live_widget.form.diameter.setValue(diameter)
    start(live_widget, qtbot)
    expected = segment(nuclei, enlarged, SegmentConfig(object_diameter=diameter))
    plain = segment(nuclei, PLANE[:96, :120], SegmentConfig(object_diameter=nuclei.config.object_diameter))
    assert expected.max() == plain.max() > 3
    assert live_widget.form.controls._size_label.text() == "Smallest object (px at 0.2 x)"
    assert live_widget.form.controls.min_size.value() == nuclei.config.partition.min_size
    live_widget.permanent.start.click()
    qtbot.waitUntil(lambda: "instances of large" in viewer.layers, timeout=60000)
    made = viewer.layers["instances of large"]
    np.testing.assert_array_equal(np.asarray(made.data) > 0, expected > 0)
    assert len(np.unique(made.data)) == len(np.unique(expected))
    viewer.fit_to_view()
    qtbot.waitUntil(lambda: len(np.unique(live_widget.output.layer.data)) == len(np.unique(expected)), timeout=30000)
    corrected = view_settings(made.metadata["napari_grd"])
    assert corrected.object_diameter == diameter, "Correct predicts at this scale, too"
