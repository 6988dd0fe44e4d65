"""A live segmentation becomes permanent, and is corrected."""

from typing import Any

import numpy as np
from napari.layers import Labels

from napari_grd._napari.outputs import provenance
from napari_grd.config import SegmentConfig


def test_what_live_shows_is_made_permanent_first(
    correct: Any, viewer: Any, picture: Any, tiny: Any, qtbot: Any
) -> None:
    viewer.add_image(picture, name="cells")
    widget = correct(start=False)
    made_by = provenance(tiny, SegmentConfig(), live=True)
    part = np.zeros_like(picture, np.uint32)
    live = viewer.add_labels(part, name="cells live", metadata={"napari_grd": made_by})
    widget.form.labels.set_layer(live)
    widget.start.click()
    qtbot.waitUntil(lambda: widget.toolbox.session is not None, timeout=60_000)
    layer = widget.toolbox.session.layer
    assert isinstance(layer, Labels)
    assert layer is not live
    assert layer.name == "instances of cells"
    assert not live.visible
    assert "live" not in layer.metadata["napari_grd"]
