"""The button that segments everything into a Labels layer."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image, Labels, Shapes
from qtpy.QtWidgets import QFormLayout, QWidget

from napari_grd._napari.job_bar import JobBar
from napari_grd._napari.labels_layers import labels_layer
from napari_grd._napari.live.on_disk import LARGE, iter_segment_on_disk, pixels_of, preview_layer, proposed_path
from napari_grd._napari.live.target_line import TargetLine
from napari_grd._napari.outputs import provenance
from napari_grd._napari.panel import Panel, button, check_box, stack
from napari_grd._napari.pickers import LayerCombo
from napari_grd._napari.regions import mask_of, outlines
from napari_grd._napari.source import ImageSource, channel_axis
from napari_grd._napari.volumes import iter_segment_volumes
from napari_grd._napari.worker import run_job
from napari_grd.config import SegmentConfig
from napari_grd.errors import ConfigError, GrdError
from napari_grd.jobs import Event, Job, Notice, PreviewImages

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
    when_ready : callable
        Calls a function when there is a model; returns False if it has to wait for it.
    """

    def __init__(
        self,
        panel: Panel,
        request: Callable[[], SegmentationRequest],
        when_ready: Callable[[Callable[[], object]], bool],
    ) -> None:
        super().__init__()
        self._panel = panel
        self._order = request
        self._when_ready = when_ready
        self.region = LayerCombo(
            panel, (Shapes,), "Segment only objects in the shapes of this layer, in every plane.", none="whole image"
        )
        self.linked = check_box(
            "Same number through z and time",
            "An object keeps its number and color from plane to plane, and from frame to frame.\n"
            "Through z, models of compact objects, as nuclei, join pieces by their shape in 3D, other models where"
            " they overlap.\nThrough time, where they overlap.",
            on=True,
        )
        self.on_disk = check_box(
            "On disk, block by block",
            "For images larger than memory: the labels are written to an OME-Zarr, and shown as they come. "
            "A stopped job continues. Objects keep no number from plane to plane.",
        )
        self.on_disk.toggled.connect(self.region.setDisabled)
        self.on_disk.toggled.connect(self.linked.setDisabled)
        self.on_disk.toggled.connect(self._propose)
        self.target = TargetLine()
        self._preview: Labels | None = None
        self.start = button(
            "Make permanent",
            "Segment everything, not only what is visible, into a new Labels layer. You can continue working.",
            self._start,
        )
        self.bar = JobBar("Stop; no layer is added.")
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Region", self.region)
        stack(self, form, self.linked, self.on_disk, self.target, self.start, self.bar)
        self.target.hide()

    def show_for(self, layer: Image | None) -> None:
        """Offer what applies to an image."""
        planes = 0 if layer is None else layer.ndim - 2 - (channel_axis(layer) is not None)
        self.linked.setVisible(planes > 0)

    def _propose(self, on: bool) -> None:
        self.target.setVisible(on)
        with suppress(GrdError):  # without an image or a model, Make permanent names what is missing
            request = self._order()
            self.target.propose(proposed_path(request.source, request.model.card.name))

    def _start(self) -> None:
        self.start.setEnabled(False)
        if not self._when_ready(self._begin):
            self._panel.say("Waiting for the model, which is being loaded.")

    def _begin(self) -> None:
        self.start.setEnabled(True)
        try:
            request = self._order()
            shapes = self.region.layer()
            areas = None if shapes is None else outlines(shapes, request.source)
        except Exception as error:  # reading a layer may raise anything; show it to the user
            self._panel.show_error(error)
            return
        if request.model.config.ndim == 3:
            self._segment_volumes(request)
            return
        if areas is None and pixels_of(request.source) >= LARGE:
            self.on_disk.setChecked(True)
        if self.on_disk.isChecked():
            self.target.propose(proposed_path(request.source, request.model.card.name))
            self.write(request, self.target.path())
            return
        linked = self.linked.isChecked()

        def make() -> Job[Labels]:
            from napari_grd.inference.planes import iter_segment_planes
            from napari_grd.inference.view import resolve_view, with_anisotropy

            source, model = request.source, request.model
            region = None if areas is None else mask_of(areas, source.shape(0))
            # With all automatic values fixed, so that later predictions use the same scale.
            config = with_anisotropy(request.config.replace(link=linked), source.anisotropy)
            view = resolve_view(source, model.config, config)
            yield from (Notice(note, category=None) for note in view.notes)
            labels, level = yield from iter_segment_planes(source, model, view.config, region=region)
            name = f"instances of {source.layer.name}"
            part = {} if shapes is None else {"region": shapes.name}
            made_by = provenance(model, view.config, **part)
            return labels_layer(source, level, labels, name=name, made_by=made_by)

        self._run(make, "Stopped; no layer was added.")

    def _segment_volumes(self, request: SegmentationRequest) -> None:
        """Segment with a model that takes volumes."""
        for chosen, what in ((self.region.layer() is not None, "A region"), (self.on_disk.isChecked(), "On disk")):
            if chosen:
                model = request.model.card.name
                error = ConfigError(f"{what} is for models of planes, and {model!r} takes volumes.", "Unset it.")
                self._panel.show_error(error)
                return

        def make() -> Job[Labels]:
            source, model, config = request.source, request.model, request.config
            labels = yield from iter_segment_volumes(source, model, config)
            name = f"instances of {source.layer.name}"
            return labels_layer(source, 0, labels, name=name, made_by=provenance(model, config))

        self._run(make, "Stopped; no layer was added.")

    def write(self, request: SegmentationRequest, path: Path) -> None:
        """Segment into an OME-Zarr.

        Parameters
        ----------
        request : SegmentationRequest
            Image, model and settings.
        path : Path
            The folder.
        """

        def make() -> Job[Labels]:
            return iter_segment_on_disk(request.source, request.model, request.config, path)

        def show(event: Event) -> None:
            if isinstance(event, PreviewImages) and self._preview is None:
                self._preview = preview_layer(request.source, event)
                self._panel.viewer.add_layer(self._preview)
            elif isinstance(event, PreviewImages) and self._preview is not None:
                self._preview.refresh()

        kept = f"Stopped. The finished blocks are kept in {path}: make it permanent there again to go on."
        self._run(make, kept, show)

    def _run(self, make: Callable[[], Job[Labels]], stopped: str, show: Callable[[Event], None] | None = None) -> None:
        def on_event(event: Event) -> None:
            self.bar.show_event(event)
            if show is not None:
                show(event)

        self.start.setEnabled(False)
        self._panel.say("")
        running = run_job(
            make,
            on_event=on_event,
            on_done=self._done,
            on_error=self._failed,
            on_stopped=lambda: self._end(stopped, "info"),
        )
        self._panel.track(running)
        self.bar.start(running)

    def _done(self, layer: Labels) -> None:
        self._panel.viewer.add_layer(layer)
        paused = self._panel.message.text()  # Live says so, if it pauses under the layer
        parts = [f"Added the layer {layer.name!r}.", paused, *self.bar.notices]
        self._end(" ".join(filter(None, parts)), "info")

    def _failed(self, error: BaseException) -> None:
        self._end("", "info")
        self._panel.show_error(error)

    def _end(self, text: str, kind: str) -> None:
        self.bar.finish()
        if self._preview is not None:
            with suppress(ValueError):  # it was removed by the user
                self._panel.viewer.layers.remove(self._preview)
            self._preview = None
        self.start.setEnabled(True)
        self._panel.say(text, kind)
