"""Outlines are seen on every gray."""

from typing import Any

import numpy as np
import pytest
from napari.layers import Vectors
from qtpy.QtGui import QColor

from napari_grd._napari.colors import GRAPHICS, contrast
from napari_grd._napari.correct.overlays import RIM, CorrectionsLayer, PreviewLayer, _outline
from napari_grd._napari.correct.target import CorrectionTarget
from napari_grd._napari.correct.tool_descriptions import KINDS, Tool
from napari_grd.corrections.kinds import Accept, Merge
from napari_grd.corrections.region import Region
from napari_grd.corrections.tools import ToolPreview

COLORS = sorted({text.color for text in (*KINDS.values(), *Tool)})


@pytest.fixture
def target(viewer: Any) -> CorrectionTarget:
    image = viewer.add_image(np.zeros((40, 50), np.float32), name="cells")
    return CorrectionTarget.of(viewer.add_labels(np.zeros((40, 50), np.uint32), name="objects"), image)


@pytest.mark.parametrize("color", COLORS)
def test_colors_stand_out_from_their_rim(color: str) -> None:
    assert contrast(QColor(color), QColor(RIM)) >= GRAPHICS


def test_the_rim_of_an_outline_lies_outside() -> None:
    mask = np.zeros((9, 9), bool)
    mask[2:7, 2:7], mask[4, 4] = True, False  # with a hole, whose outside is its middle
    lines, outward = _outline(Region.from_mask(mask))
    middle = lines[:, 0] + lines[:, 1] / 2
    inside, outside = (np.rint(middle + side * outward / 2).astype(int) for side in (-1, 1))
    assert mask[tuple(inside.T)].all()
    assert not mask[tuple(outside.T)].any()


def test_previews_and_corrections_have_a_rim(viewer: Any, target: CorrectionTarget) -> None:
    mask = np.zeros((40, 50), bool)
    mask[10:20, 10:20] = True
    preview = PreviewLayer(viewer, target)
    preview.show(ToolPreview(Region.from_mask(mask), line=((1.0, 1.0), (5.0, 9.0))), (), "#56b4e9")
    layer = preview.layer
    assert isinstance(layer, Vectors)
    dark = np.allclose(layer.edge_color[:, :3], 0) or (layer.edge_color[:, :3] == 0).all(axis=1)
    assert dark.sum() == 40 + 2
    assert (~dark).sum() == 40 + 1
    assert dark[:42].all(), "below"
    record = CorrectionsLayer(viewer, target)
    made = [Accept((12, 12), Region.from_mask(mask)), Merge(((1.0, 1.0), (30.0, 30.0)))]
    record.show(made)
    widths, colors = np.array(record.layer.edge_width), record.layer.edge_color[:, :3]
    assert widths[:2].min() > widths[2:].max()
    assert not colors[:2].any()
    assert colors[2:].any(axis=1).all()
    record.show(made[1:])
    assert len(record.layer.data) == 2
    record.show(made)
    assert len(record.layer.data) == 4
