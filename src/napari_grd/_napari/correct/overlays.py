"""Layers over the labels under correction: the preview of the active tool, and what was corrected."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from napari.layers import Shapes, Vectors
from napari.utils.colormaps.standardize_color import transform_color
from numpy.typing import NDArray

from napari_grd._napari.correct.target import CorrectionTarget
from napari_grd._napari.correct.tool_descriptions import KINDS
from napari_grd._napari.outputs import add_unselected, output_options
from napari_grd.corrections.correction import Correction, Plane
from napari_grd.corrections.region import Region, polygons
from napari_grd.corrections.tools import ToolPreview

_PREVIEW_WIDTH = 2.5  # points of the screen
_WIDTH = 1.6  # pixels
_RIM_WIDTH = 0.6  # pixels on either side
_NO_LINES = np.zeros((0, 2, 2))
RIM = "#000000"
"""Color beside all lines: on gray, most colors are seen by it alone."""
_SMOOTH = 0.7  # pixels that a drawn outline may leave the pixels' edges


class _Overlay:
    """A layer that is added when there is something to show."""

    def __init__(self, viewer: Any, target: CorrectionTarget) -> None:
        self._viewer = viewer
        self._target = target
        self.layer: Any = None

    @property
    def present(self) -> bool:
        """Whether the layer is in the viewer."""
        return self.layer is not None and self.layer in self._viewer.layers

    def remove(self) -> None:
        """Take the layer away."""
        if self.present:
            self._viewer.layers.remove(self.layer)
        self.layer = None


class PreviewLayer(_Overlay):
    """A layer of lines above all others, present while a tool is active.

    Lines as Vectors: new ones every few milliseconds are too much for Shapes.
    """

    def __init__(self, viewer: Any, target: CorrectionTarget, name: str = "correcting") -> None:
        super().__init__(viewer, target)
        self._name = name

    def show(self, preview: ToolPreview, plane: Plane, color: str) -> None:
        """Draw a preview in place of the one before."""
        zoom = max(float(self._viewer.scene.camera.zoom), 1e-9)
        width = _PREVIEW_WIDTH / zoom / max(self._target.pixel_size, 1e-9)
        lines, rims = _NO_LINES, _NO_LINES
        if preview.region is not None:
            lines, outward = _outline(preview.region)
            rims = _moved(lines, width * outward)
        if len(preview.line) > 1:
            corners = np.asarray(preview.line, np.float64)
            stroke = np.stack([corners[:-1], np.diff(corners, axis=0)], axis=1)
            across = stroke[:, 1, ::-1] * (1, -1) / np.maximum(np.linalg.norm(stroke[:, 1], axis=1), 1e-9)[:, None]
            lines = np.concatenate([lines, stroke])
            rims = np.concatenate([rims, *(_moved(stroke, side * width * across) for side in (1, -1))])
        if not len(lines) and not (self.present and len(self.layer.data)):
            return
        if not self.present:
            empty = np.zeros((0, 2, self._target.layer.ndim))
            options = output_options(self._target.layer)
            self.layer = Vectors(empty, name=self._name, vector_style="line", **options)
            add_unselected(self._viewer.layers, self.layer)
        lifted = self._target.lift(np.concatenate([rims, lines]), plane)
        lifted[:, 1, list(self._target.plane_axes)] = 0  # steps stay in the plane
        self.layer.data = lifted
        if len(lines):
            self.layer.edge_color = np.repeat(transform_color([RIM, color]), [len(rims), len(lines)], axis=0)
            self.layer.edge_width = width

    def clear(self) -> None:
        """Show nothing."""
        self.show(ToolPreview(), (0,) * len(self._target.plane_axes), "white")


class CorrectionsLayer(_Overlay):
    """A Shapes layer in step with the corrections, for looking at: strokes as lines, objects as outlines.

    Each is drawn twice, on a darker and wider copy of itself, so that it is seen on gray, too.
    """

    def show(self, corrections: Iterable[Correction]) -> None:
        """Show these and no others; what is shown already is left alone."""
        wanted = {correction.id: correction for correction in corrections}
        if not self.present:
            name, options = f"corrections of {self._target.layer.name}", output_options(self._target.layer)
            self._ids: list[str] = []
            self.layer = Shapes(None, ndim=self._target.layer.ndim, name=name, **options)
            add_unselected(self._viewer.layers, self.layer, self._viewer.layers.index(self._target.layer) + 1)
            self.layer.editable = False
        gone = {row for row, id_ in enumerate(self._ids) if id_ not in wanted}
        if gone:
            self.layer.selected_data = gone
            self.layer.remove_selected()
            self._ids = [id_ for id_ in self._ids if id_ in wanted]
        shown = set(self._ids)
        new = [correction for id_, correction in wanted.items() if id_ not in shown]
        if new:
            count = len(new)
            self.layer.add(
                [self._line(correction) for correction in new] * 2,
                shape_type=["path" if correction.area is None else "polygon" for correction in new] * 2,
                edge_color=[RIM] * count + [KINDS[correction.kind].color for correction in new],
                face_color="transparent",
                edge_width=[_WIDTH + 2 * _RIM_WIDTH] * count + [_WIDTH] * count,
            )
            self._ids += 2 * [correction.id for correction in new]

    def _line(self, correction: Correction) -> NDArray[np.float64]:
        """A stroke, points, or the outer ring of the largest part of a region, as coordinates of the layer."""
        if correction.area is not None:
            return self._target.lift(_smooth_ring(correction.area), correction.plane)
        points = [(correction.plane, point) for point in correction.line] or correction.places
        return np.array([self._target.lift(np.array(point, float), plane) for plane, point in points])


def _smooth_ring(region: Region) -> NDArray[np.float64]:
    """In y, x, with pixel centers at whole numbers."""
    from skimage.measure import approximate_polygon  # at the first outline: it takes a while

    rings = [part[0] for part in polygons(region)]
    ring = np.array(max(rings, key=len), float)[:, ::-1] - 0.5
    smooth: NDArray[np.float64] = approximate_polygon(ring, _SMOOTH)  # type: ignore[no-untyped-call]
    return (smooth if len(smooth) > 3 else ring)[:-1]


def _moved(lines: NDArray[np.float64], by: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lines that begin elsewhere."""
    return np.stack([lines[:, 0] + by, lines[:, 1]], axis=1)


def _outline(region: Region) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The outline of a region along the edges of pixels, as lines, and the direction that is outside of each.

    Start and step of each line, (N, 2, 2), and its direction, (N, 2), in y, x. A pixel's center has whole numbers, as
    napari draws it.

    Examples
    --------
    >>> lines, outward = _outline(Region([(0, 0, 1)]))
    >>> lines.tolist()[0], outward.tolist()[0]
    ([[-0.5, -0.5], [0.0, 1.0]], [-1.0, 0.0])
    """
    mask = np.pad(region.box_mask, 1).view(np.int8)
    down, right = np.diff(mask, axis=0), np.diff(mask, axis=1)  # 1 where an object begins, -1 where it ends
    across = np.add(np.argwhere(down), (0.5, -0.5))
    along = np.add(np.argwhere(right), (-0.5, 0.5))
    starts = np.add(np.concatenate([across, along]), np.subtract(region.box[:2], 1))
    steps = np.repeat([(0.0, 1.0), (1.0, 0.0)], [len(across), len(along)], axis=0)
    outward = np.zeros((len(starts), 2))
    outward[: len(across), 0], outward[len(across) :, 1] = -down[down != 0], -right[right != 0]
    return np.stack([starts, steps], axis=1), outward
