"""The layer that shows what was corrected: strokes as lines, objects as outlines."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from napari.layers import Shapes
from numpy.typing import NDArray

from napari_grd._napari.correct.target import CorrectionTarget
from napari_grd._napari.correct.tool_texts import KINDS
from napari_grd.corrections import Correction, Link, Merge, Split, SplitLine, Unlink
from napari_grd.corrections.region import polygons

_WIDTH = 1.6  # pixels
_SMOOTH = 0.7  # pixels that a drawn outline may leave the pixels' edges
_LOOK = {"face_color": "transparent", "edge_width": _WIDTH}


class CorrectionsLayer:
    """A Shapes layer in step with the corrections, for looking at.

    Parameters
    ----------
    viewer : ViewerModel
    target : CorrectionTarget
    """

    def __init__(self, viewer: Any, target: CorrectionTarget) -> None:
        self._viewer = viewer
        self._target = target
        self._ids: list[str] = []
        self.layer: Shapes | None = None

    def show(self, corrections: Iterable[Correction]) -> None:
        """Show these and no others; what is shown already is left alone."""
        wanted = {correction.id: correction for correction in corrections}
        if self.layer is None or self.layer not in self._viewer.layers:
            self._make(wanted)
            return
        gone = {row for row, known in enumerate(self._ids) if known not in wanted}
        if gone:
            self.layer.selected_data = gone
            self.layer.remove_selected()
            self._ids = [known for row, known in enumerate(self._ids) if row not in gone]
        known = set(self._ids)
        new = [correction for number, correction in wanted.items() if number not in known]
        if new:
            lines = [self._lines(correction) for correction in new]
            colors = [KINDS[correction.kind].color for correction in new]
            self.layer.add(lines, shape_type=[_shape_of(correction) for correction in new], edge_color=colors, **_LOOK)
            self._ids += [correction.id for correction in new]

    def remove(self) -> None:
        """Take the layer away."""
        layer, self.layer, self._ids = self.layer, None, []
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _make(self, wanted: dict[str, Correction]) -> None:
        layers, active = self._viewer.layers, self._viewer.layers.selection.active
        found = list(wanted.values())
        look: dict[str, Any] = {"ndim": self._target.layer.ndim, "name": f"corrections of {self._target.layer.name}"}
        if found:
            look |= {
                "shape_type": [_shape_of(correction) for correction in found],
                "edge_color": [KINDS[o.kind].color for o in found],
            }
        lines = [self._lines(correction) for correction in found] or None
        self.layer = Shapes(lines, **look, **_LOOK, **self._target.options())
        self._ids = list(wanted)
        layers.insert(layers.index(self._target.layer) + 1, self.layer)
        self.layer.editable = False
        layers.selection.active = active

    def _lines(self, correction: Correction) -> NDArray[np.float64]:
        if isinstance(correction, Link | Unlink):
            return np.array([self._target.lift(np.array(pixel), plane) for plane, pixel in correction.places])
        return self._target.lift(_points(correction), correction.plane)


def _shape_of(correction: Correction) -> str:
    return "polygon" if correction.area is not None else "path"


def _points(correction: Correction) -> NDArray[np.float64]:
    """A line, or the outer ring of the largest part of a region, in y, x with pixel centers at whole numbers."""
    if isinstance(correction, Merge | SplitLine):
        return np.array(correction.stroke, float)
    if isinstance(correction, Split) or correction.area is None:
        return np.array(correction.pixels, float)
    from skimage.measure import approximate_polygon  # at the first outline: it takes a while

    rings = [part[0] for part in polygons(correction.area)]
    ring = np.array(max(rings, key=len), float)[:, ::-1] - 0.5
    smooth: NDArray[np.float64] = approximate_polygon(ring, _SMOOTH)  # type: ignore[no-untyped-call]
    return (smooth if len(smooth) > 3 else ring)[:-1]
