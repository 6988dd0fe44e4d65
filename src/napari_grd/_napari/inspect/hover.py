"""A layer that follows the pointer: the similarity of every pixel to the one under it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Image, Layer
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer

from napari_grd._napari.inspect.image_region import ImageRegion
from napari_grd._napari.inspect.layers import put_layer
from napari_grd._napari.inspect.palette import DIFFERENCE_LIMITS, SIMILARITY, SIMILARITY_DIFFERENCE
from napari_grd._napari.inspect.request import InspectRequest
from napari_grd.graph.similarity import SimilarityMap

_PAUSE = 15  # milliseconds between two updates: the refresh interval of a screen


class Hover:
    """Follows the pointer over one region until :meth:`stop`.

    Parameters
    ----------
    viewer : ViewerModel
    frame : ImageRegion
        The region of the maps.
    maps : sequence of SimilarityMap
        One model's map, or student's and teacher's, of which the difference is shown.
    name : str
        Name of the layer.
    made_by : dict
        Provenance for the layer's metadata.
    parent : QObject
        Owns a timer, which must be there until :meth:`stop`.
    """

    def __init__(
        self,
        viewer: Any,
        frame: ImageRegion,
        maps: Sequence[SimilarityMap],
        name: str,
        made_by: dict[str, Any],
        parent: QObject,
    ) -> None:
        self._viewer = viewer
        self.frame = frame
        self._maps = tuple(maps)
        self._pixel = tuple(size // 2 for size in frame.shape)
        look: dict[str, Any] = {"colormap": SIMILARITY, "contrast_limits": (0, 1), "blending": "translucent"}
        if len(maps) == 2:
            look |= {"colormap": SIMILARITY_DIFFERENCE, "contrast_limits": DIFFERENCE_LIMITS}
        options = frame.options(made_by | {"view": "similarity"}, step=maps[0].step)
        self.layer: Image = put_layer(viewer, Image, name, frame.lift(self._answer()), options, look)
        self._timer = QTimer(parent, singleShot=True, interval=_PAUSE)
        self._timer.timeout.connect(self._show)
        viewer.mouse_move_callbacks.append(self._moved)

    def stop(self, *, keep: Image | None = None) -> None:
        """Stop following the pointer and remove the layer, unless it is ``keep``."""
        self._timer.stop()
        self._timer.deleteLater()
        if self._moved in self._viewer.mouse_move_callbacks:
            self._viewer.mouse_move_callbacks.remove(self._moved)
        if self.layer is not keep and self.layer in self._viewer.layers:
            self._viewer.layers.remove(self.layer)

    def _moved(self, _viewer: Any, event: Any) -> None:
        pixel = self.frame.pixel(event.position)
        if pixel is not None and pixel != self._pixel:
            self._pixel = pixel
            # Later moves do not restart it; it shows the latest position.
            if not self._timer.isActive():
                self._timer.start()

    def _show(self) -> None:
        self.layer.data[...] = self.frame.lift(self._answer())
        self.layer.refresh(thumbnail=False, highlight=False, extent=False)

    def _answer(self) -> NDArray[np.float32]:
        answers = [similarity.to(self._pixel) for similarity in self._maps]
        return answers[0] - answers[1] if len(answers) == 2 else answers[0]


class Following:
    """At most one :class:`Hover` at a time, with its request."""

    def __init__(self) -> None:
        self.hover: Hover | None = None
        self.key: object = None

    def replace(self, hover: Hover, key: object) -> None:
        """Replace the current one. A layer that both share stays."""
        before, self.hover, self.key = self.hover, hover, key
        if before is not None:
            before.stop(keep=hover.layer)

    def stop(self) -> None:
        """Follow no more."""
        before, self.hover, self.key = self.hover, None, None
        if before is not None:
            before.stop()

    def covers(self, request: InspectRequest) -> bool:
        """Whether it is of a volume that the viewed plane of a request, with the same models and channels, lies in."""
        frame, wanted = None if self.hover is None else self.hover.frame, request.volume
        if frame is None or wanted is None or len(frame.shape) != 3 or not isinstance(self.key, tuple):
            return False
        middle = (wanted.region[0].start + wanted.region[0].stop) // 2
        same = self.key[2:] == request.key[2:] and frame.source.key == wanted.source.key and frame.plane == wanted.plane
        return same and frame.region[0].start <= middle < frame.region[0].stop

    def needs(self, layer: Layer) -> bool:
        """Whether it depends on a layer."""
        return self.hover is not None and layer in (self.hover.layer, self.hover.frame.source.layer)
