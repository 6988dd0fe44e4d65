"""The Inspect widget: shows a model's prediction before it is partitioned into instances."""

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel

from napari_grd._napari.best_channel import default_channels
from napari_grd._napari.inspect.form import InspectForm
from napari_grd._napari.inspect.hover import Following, Hover
from napari_grd._napari.inspect.image_region import ImageRegion
from napari_grd._napari.inspect.layers import offset_shown, show_layer
from napari_grd._napari.inspect.request import ChannelsUnclear, InspectRequest, PredictionCache, View
from napari_grd._napari.inspect.text import legend
from napari_grd._napari.job_bar import JobBar
from napari_grd._napari.outputs import provenance
from napari_grd._napari.panel import Panel, button, check_box
from napari_grd._napari.settings import settings
from napari_grd._napari.source import Channel, channel_choices
from napari_grd._napari.worker import Running
from napari_grd.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer

    from napari_grd._napari.inspect.job import Inside
    from napari_grd.jobs import Job
    from napari_grd.models.model import Model

_SETTLE = 300  # milliseconds without a change of the sliders before the similarity is updated


class InspectWidget(Panel):
    """Embeddings, affinities, boundaries and the instance graph of the plane or volume that is shown.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer)
        self.form = InspectForm(self)
        self.look = button("Look inside", "Show the ticked views of the current plane.", self._look)
        self.hover = check_box(
            "Similarity under the cursor",
            "Move the mouse over the image: the brightness of a pixel is its similarity to the one under the mouse.",
        )
        self.bar = JobBar()
        self.offset, self.legend = QLabel(), QLabel()
        for label in (self.offset, self.legend):
            label.setWordWrap(True)
        for widget in (self.form, self.look, self.hover, self.bar, self.offset, self.legend):
            self.body.addWidget(widget)
        self._memory = PredictionCache()
        self._running: Running[Inside] | None = None
        self._request: InspectRequest | None = None
        self._following = Following()
        self._settle = QTimer(self, singleShot=True, interval=_SETTLE)
        self._settle.timeout.connect(self._renew_similarity)
        self.form.subject_changed.connect(self._changed)
        self.form.views_changed.connect(self._describe)
        self.hover.toggled.connect(self._hover_toggled)
        self.follow(self.viewer.dims.events.current_step, self._changed)
        self.follow(self.viewer.layers.events.removed, self._removed)
        self.when_gone(self._following.stop)
        self._describe()
        if self.form.image.layer() is None:
            self.say("Drop an image on the window to begin.")

    def _look(self) -> None:
        views = self.form.ticked()
        if views:
            self._start(views | ({"similarity"} if self.hover.isChecked() else set()))
        else:
            self.say("Tick what you want to see.", "warning")

    def _start(self, views: set[View]) -> None:
        """Start again. Views of an unfinished request are included, with the current settings."""
        if self._request is not None:
            views = views | self._request.views
        self._end(stop=True)
        request = self.attempt(lambda: self._ask(views))
        if request is None:
            return
        self.say("")
        self._request = request
        self._running = self.bar.run(
            self,
            partial(_job, request, self.state.get, self._memory),
            partial(self._done, request.key),
            on_end=self._end,
            on_error=self._failed,
            on_stopped=lambda: self.say("Stopped; nothing was added."),
        )

    def _end(self, *, stop: bool = False) -> None:
        """Drop the job; a stopped job has no more callbacks, so nothing stale can be shown."""
        if stop and self._running is not None:
            self._running.drop()
        self._running = self._request = None
        self.bar.finish()

    def _ask(self, views: set[View]) -> InspectRequest:
        layer = self.form.image.layer()
        if not isinstance(layer, Image):
            raise ImageError("There is no image to inspect.", "Drop an image on the window to begin.")
        labels, chosen = self.form.labels.layer(), settings()
        whole = self.form.region.currentData() == "whole"
        in_3d = self.viewer.dims.ndisplay == 3
        volume = None
        with suppress(ImageError):  # the image has no z; a model for volumes then says so
            volume = ImageRegion.of_volume(self.viewer, layer, whole=whole)
        return InspectRequest(
            frame=None if in_3d else ImageRegion.of_view(self.viewer, layer, whole=whole),
            volume=volume,
            models=self.form.models(),
            channels=self._channels(layer),
            views=frozenset(views),
            graph=self.form.graph_choice(),
            labels=labels if isinstance(labels, Labels) else None,
            device=chosen.device,
            threads=1 if self.state.live else chosen.threads,
        )

    def _channels(self, layer: Image) -> dict[int, tuple[Channel, ...]]:
        """Choose the input channels for models that take that many."""
        most = max(3, len(channel_choices(self.viewer, layer)))
        offered = {count: default_channels(self.viewer, layer, count) for count in range(1, most + 1)}
        picked = self.form.channels.channels()
        if picked is not None:
            offered[len(picked)] = picked
        return {count: channels for count, channels in offered.items() if channels is not None}

    def _done(self, key: object, inside: "Inside") -> None:
        request = inside.request
        if request.key != key:
            self.say("The image was changed meanwhile. Press Look inside again.", "warning")
            return
        image, who = request.layer.name, " − ".join(request.models)
        made_by = provenance(inside.seen[0].model, image=image, models=list(request.models))
        for picture in inside.pictures:
            show_layer(self.viewer, inside.frame, f"{picture.view} of {image} [{who}]", picture, made_by)
        if inside.maps and self.hover.isChecked():
            name = f"similarity of {image} [{who}]"
            self._following.replace(Hover(self.viewer, inside.frame, inside.maps, name, made_by, self), key)
        self._describe()
        self._report(inside)

    def _report(self, inside: "Inside") -> None:
        frame = inside.frame
        if inside.problems:
            self.say("\n".join(map(str, inside.problems)), "warning")
        elif not frame.is_whole:
            what = "voxels around" if len(frame.shape) == 3 else "pixels in"
            self.say(f"Inspected {' × '.join(map(str, frame.shape))} {what} the middle of the view.")

    def _failed(self, error: BaseException) -> None:
        self.show_error(error)
        if isinstance(error, ChannelsUnclear):
            self.form.offer_channels(error.count)

    def _removed(self, event: Any) -> None:
        gone = event.value
        if self._request is not None and self._request.needs(gone):
            self._end(stop=True)
            self.say(f"The layer {gone.name!r} was removed, so Inspect was stopped.", "warning")
        if self._following.needs(gone):
            self.hover.setChecked(False)
        self._memory.forget(gone)
        self._describe()

    def _hover_toggled(self, on: bool) -> None:
        self._describe()
        if on:
            self._start({"similarity"})
        else:
            self._settle.stop()
            self._following.stop()

    def _changed(self, _event: Any = None) -> None:
        """Plane, image or model changed; the similarity follows after a pause."""
        self._describe()
        if self.hover.isChecked():
            self._settle.start()

    def _renew_similarity(self) -> None:
        request = self.attempt(lambda: self._ask({"similarity"}))
        if request is None or (self._request is None and self._following.covers(request)):
            return
        if request.key != (self._following.key if self._request is None else self._request.key):
            self._start({"similarity"})

    def _describe(self) -> None:
        """Show the meaning of the colors, and the slider's current offset."""
        views = self.form.ticked()
        if self.hover.isChecked():
            views.add("similarity")
        self.legend.setText(legend(self.form.eye_name(), views))
        text = offset_shown(self.viewer)
        self.offset.setText(text)
        self.offset.setVisible(bool(text))


def _job(request: InspectRequest, get_model: "Callable[[str], Model]", memory: PredictionCache) -> "Job[Inside]":
    from napari_grd._napari.inspect.job import iter_inspect  # imports torch

    return iter_inspect(request, get_model, memory)
