"""The button that segments everything into a Labels layer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari.layers import Labels, Shapes
from qtpy.QtWidgets import QCheckBox, QFormLayout, QWidget

from napari_grd._napari.job_bar import JobBar
from napari_grd._napari.labels_layers import labels_layer
from napari_grd._napari.outputs import provenance
from napari_grd._napari.panel import Panel, button, stack
from napari_grd._napari.pickers import LayerCombo
from napari_grd._napari.regions import mask_of, outlines
from napari_grd._napari.source import ImageSource
from napari_grd._napari.worker import run_job
from napari_grd.config import SegmentConfig
from napari_grd.jobs import Job, Notice

if TYPE_CHECKING:
    from napari_grd.models.model import Model


@dataclass(frozen=True, eq=False)
class SegmentationRequest:
    """Image, model and settings to segment with."""

    source: ImageSource
    model: "Model"
    config: SegmentConfig


class PermanentPart(QWidget):
    """Segments a whole image, stack or series, or a region, in the background.

    Parameters
    ----------
    panel : Panel
        Shows messages.
    request : callable
        Returns the request when the button is pressed; raises a GrdError that names what is missing.
    """

    def __init__(self, panel: Panel, request: Callable[[], SegmentationRequest]) -> None:
        super().__init__()
        self._panel = panel
        self._order = request
        self.region = LayerCombo(
            panel, (Shapes,), "Segment only objects in the shapes of this layer, in every plane.", none="whole image"
        )
        self.linked = QCheckBox("Same number through z and time")
        self.linked.setChecked(True)
        self.linked.setToolTip("An object keeps its number and color in the next plane or frame, where it overlaps.")
        self.start = button(
            "Make permanent",
            "Segment everything, not only what is visible, into a new Labels layer. You can continue working.",
            self._start,
        )
        self.bar = JobBar("Stop; no layer is added.")
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Region", self.region)
        stack(self, form, self.linked, self.start, self.bar)

    def _start(self) -> None:
        try:
            request = self._order()
            shapes = self.region.layer()
            areas = None if shapes is None else outlines(shapes, request.source)
        except Exception as error:  # reading a layer may raise anything; show it to the user
            self._panel.show_error(error)
            return
        linked = self.linked.isChecked()

        def make() -> Job[Labels]:
            from napari_grd.inference.planes import iter_segment_planes
            from napari_grd.inference.view import resolve_view

            source, model = request.source, request.model
            region = None if areas is None else mask_of(areas, source.shape(0))
            # With all automatic values fixed, so that later predictions use the same scale.
            view = resolve_view(source, model.config, request.config.replace(link=linked))
            yield from (Notice(note, category=None) for note in view.notes)
            labels, level = yield from iter_segment_planes(source, model, view.config, region=region)
            name = f"{source.layer.name} instances"
            return labels_layer(source, level, labels, name=name, made_by=provenance(model, view.config))

        self.start.setEnabled(False)
        self._panel.say("")
        running = run_job(
            make,
            on_event=self.bar.show_event,
            on_done=self._done,
            on_error=self._failed,
            on_stopped=lambda: self._end("Stopped; no layer was added.", "info"),
        )
        self._panel.track(running)
        self.bar.start(running)

    def _done(self, layer: Labels) -> None:
        self._panel.viewer.add_layer(layer)
        self._end(" ".join([f"Added the layer {layer.name!r}.", *self.bar.notices]), "info")

    def _failed(self, error: BaseException) -> None:
        self._end("", "info")
        self._panel.show_error(error)

    def _end(self, text: str, kind: str) -> None:
        self.bar.finish()
        self.start.setEnabled(True)
        self._panel.say(text, kind)
