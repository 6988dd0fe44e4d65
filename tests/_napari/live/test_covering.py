"""Live pauses under a layer that was made of it, and says how far it is."""

from typing import Any

import numpy as np
import pytest

from napari_grd.data.simulate import nuclei_2d

PLANE = nuclei_2d(np.random.default_rng(0), (160, 200))[0]


def test_live_pauses_under_what_was_made_of_it(live_widget: Any, viewer: Any, qtbot: Any) -> None:
    viewer.add_image(PLANE, name="cells", scale=(0.3, 0.3))
    viewer.add_image(PLANE[:80], name="another")
    live_widget.form.image.set_layer(viewer.layers["cells"])
    live_widget.live.setChecked(True)
    qtbot.waitUntil(lambda: "instances" in live_widget.readout.text(), timeout=60_000)
    live_widget.permanent.start.click()
    qtbot.waitUntil(lambda: "instances of cells" in viewer.layers, timeout=60_000)
    made = viewer.layers["instances of cells"]
    assert live_widget.readout.text() == "Live is paused."
    assert live_widget._source is None
    assert "Added the layer 'instances of cells'. Live is paused under" in live_widget.message.text()
    made.visible = False
    qtbot.waitUntil(lambda: "instances" in live_widget.readout.text(), timeout=60_000)
    assert not live_widget.message.text()
    made.visible = True
    assert live_widget.readout.text() == "Live is paused."
    live_widget.form.image.set_layer(viewer.layers["another"])
    live_widget._image_changed()
    assert live_widget._source is not None, "it lies over the other image"
    live_widget.form.image.set_layer(viewer.layers["cells"])
    live_widget._image_changed()
    assert live_widget._source is None
    made.metadata["napari_grd"]["model"]["name"] = "another model"
    live_widget._image_changed()
    assert live_widget._source is not None, "results of two models are compared"
    made.metadata["napari_grd"]["model"]["name"] = live_widget._model.card.name
    live_widget._image_changed()
    viewer.layers.remove(made)
    assert live_widget._source is not None


def test_it_says_that_a_view_or_plane_is_only_partly_segmented(live_widget: Any, qtbot: Any) -> None:
    live_widget._busy("Segmenting")
    qtbot.waitUntil(lambda: live_widget.readout.text() == "Segmenting the view…", timeout=5000)
    live_widget._busy("")
    live_widget._counted = "3 instances · 90 ms"
    live_widget.readout.setText(live_widget._counted)
    live_widget._busy("Filling in")
    assert live_widget.readout.text() == "3 instances · 90 ms · filling in"
    live_widget._busy("")
    assert live_widget.readout.text() == "3 instances · 90 ms"
    live_widget._busy("Preparing")
    live_widget._busy("Filling in")
    assert live_widget.readout.text() == f"Preparing {live_widget.form.model.name()}…", "which comes first"


def test_it_says_why_the_first_start_takes_long(live_widget: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    live_widget.live.setChecked(False)
    monkeypatch.setattr(live_widget._loader, "model", None)  # its code is being compiled
    live_widget.live.setChecked(True)
    assert live_widget.readout.text() == "Preparing…"
    assert live_widget._compiling.isActive()
    live_widget._compiling.timeout.emit()
    assert "the first time takes half a minute" in live_widget.readout.text()
    assert not live_widget.readout.bar.isHidden(), "it moves as long as one waits"
    live_widget.live.setChecked(False)
    live_widget._compiling.timeout.emit()
    assert live_widget.readout.text() == "Live is off."
    assert live_widget.readout.bar.isHidden()
