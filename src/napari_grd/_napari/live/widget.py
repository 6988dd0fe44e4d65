"""The Live widget: segments the visible part of an image."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.QtCore import QTimer

from napari_grd._napari.folded import Folded
from napari_grd._napari.live.covering import covering, segmented_layers
from napari_grd._napari.live.engine import open_session
from napari_grd._napari.live.folder import FolderPart
from napari_grd._napari.live.form import LiveForm
from napari_grd._napari.live.model_loader import ModelLoader
from napari_grd._napari.live.output import LiveOutput
from napari_grd._napari.live.permanent import PermanentPart, SegmentationRequest
from napari_grd._napari.live.readout import Readout
from napari_grd._napari.outputs import provenance
from napari_grd._napari.panel import Panel, check_box, heading, row
from napari_grd._napari.source import ImageSource, image_layers, volume_axes
from napari_grd._napari.viewport import displayed_axes, viewport_of, volume_viewport_of
from napari_grd._napari.worker import message_of
from napari_grd.config import SegmentConfig
from napari_grd.errors import ConfigError, GrdError, ImageError

if TYPE_CHECKING:
    import napari

    from napari_grd.inference.view import ImageView
    from napari_grd.live.session import LiveSession, LiveUpdate
    from napari_grd.live.viewport import View
    from napari_grd.models.model import Model

_DEBOUNCE = 15  # milliseconds in which the steps of a drag become one request
_SETTLE = 200  # milliseconds without another step after which contrast limits hold
_LONG = 400  # milliseconds after which it is said that the view is still being segmented
_COMPILING = 4000  # milliseconds after which loading a model is slower than it ever is when its code has been compiled
_PARTLY = " · filling in"
_EMPTY = "Drop an image on the window to begin."
_IN_3D = "The 3D view shows what has been segmented. Live follows the view again in 2D."


class LiveWidget(Panel):
    """Segments the visible region with the viewer's student, and follows the view.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer)
        self._session: LiveSession | None = None
        self._source: ImageSource | None = None
        self._key: Any = None
        self._told = self._counted = ""
        self._watched: Image | None = None
        self._made_by: dict[str, Any] = {}
        self._asked = SegmentConfig()
        self._shown: ImageView | None = None  # the image with the settings of form and layer
        self._engines: list[LiveSession] = []  # the session, for the cleanup after the widget is deleted
        self._watch, self._limits, self._covers = _Watch(), _Watch(), _Watch()
        self.output = LiveOutput(self.viewer.layers)
        self.live = check_box("Live", "Segment what is visible, and follow while you pan, zoom and scroll.")
        self.form = LiveForm(self)
        self.controls = self.form.controls
        self.readout = Readout("Live is off.")
        self.readout.setToolTip(
            "Objects in view, and the time from the last move to their labels.\n"
            "Filling in: the rest of the plane is being segmented, so that a part of it has no labels yet."
        )
        self._loader = ModelLoader(self, self.form, self._load_begins, self._model_loaded, self._not_loaded)
        self.permanent = PermanentPart(self, self._order, partial(self._loader.when_ready, of_image=True))
        self.folder = FolderPart(self, self._folder_settings, self._loader.when_ready)
        self.batch = Folded("A folder of images")
        self.batch.addWidget(self.folder)
        self.body.addLayout(row(self.live, self.readout))
        self.body.addWidget(self.readout.bar)
        for part in (self.form, heading("Everything"), self.permanent, self.batch):
            self.body.addWidget(part)
        self._timer = QTimer(self, singleShot=True, interval=_DEBOUNCE)
        self._timer.timeout.connect(self._look)
        self._long = QTimer(self, singleShot=True, interval=_LONG)
        self._long.timeout.connect(lambda: self.readout.setText("Segmenting the view…"))
        self._compiling = QTimer(self, singleShot=True, interval=_COMPILING)
        self._compiling.timeout.connect(self._say_that_code_is_compiled)
        self._settle = QTimer(self, singleShot=True, interval=_SETTLE)
        self._settle.timeout.connect(self._settings_changed)
        self._connect()
        self._loader.load()
        self._image_changed()

    @property
    def _model(self) -> "Model | None":
        return self._loader.model

    def _connect(self) -> None:
        viewer = self.viewer
        for event in (
            viewer.dims.events.current_step,
            viewer.scene.camera.events.zoom,
            viewer.scene.camera.events.center,
            viewer.canvas.events.size,
        ):
            self.follow(event, self._schedule)
        for event in (viewer.dims.events.ndisplay, viewer.dims.events.order, viewer.layers.events.inserted):
            self.follow(event, self._image_changed)
        self.follow(viewer.layers.events.removed, self._layer_removed)
        self.follow(viewer.layers.selection.events.active, self._layer_selected)
        self.follow(self.state.events.student, self.form.model.set_name)
        self.live.toggled.connect(self._toggled)
        self.form.source_changed.connect(self._image_changed)
        self.form.model_changed.connect(self._loader.model_changed)
        self.form.settings_changed.connect(self._settings_changed)
        self.form.partition_changed.connect(self._partition_changed)
        self.form.contour.valueChanged.connect(self.output.set_contour)
        self.when_gone(self._watch.stop)
        self.when_gone(self._limits.stop)
        self.when_gone(self._covers.stop)
        self.when_gone(partial(_close, self._engines))
        self.when_gone(partial(setattr, self.state, "live", False))

    # On and off, and the model

    def _toggled(self, on: bool) -> None:
        self.state.live = on
        if on:
            self.readout.setText("Preparing…")
            if self._model is not None:
                self._open(self._model)
            else:
                self._compiling.start()
            return
        _close(self._engines)
        self._session = self._source = self._key = None
        self._long.stop()
        self.readout.setText("Live is off.")

    def _load_begins(self) -> None:
        if self.live.isChecked():
            self.readout.setText(f"Loading {self.form.model.name()}…")
            self._compiling.start()

    def _say_that_code_is_compiled(self) -> None:
        if self.live.isChecked() and self._model is None and self.readout.text():
            self.readout.setText("Preparing; the first time takes half a minute…")

    def _not_loaded(self, error: BaseException) -> None:
        self.permanent.start.setEnabled(True)
        self.readout.setText("")
        self._tell(message_of(error), "error")

    def _model_loaded(self, model: "Model") -> None:
        self.form.show_model(model)
        if self.live.isChecked():
            self._open(model)

    def _open(self, model: "Model") -> None:
        if self._session is None:
            self._session = open_session(self._updated, self._failed, self._busy)
            self._engines.append(self._session)
        self._set_model(model)
        self._image_changed()

    def _set_model(self, model: "Model") -> None:
        if self._session is not None:
            self._session.set_model(model, self._config(model), planes=self.form.planes.value())

    def _config(self, model: "Model") -> SegmentConfig:
        config = self.form.segment_config(model)
        self._made_by = provenance(model, config, live=True)  # other tools make it permanent first
        self._asked, self._shown = config, None
        return config

    # The image

    def _layer_selected(self, event: Any) -> None:
        if not self.live.isChecked() and event.value in image_layers(self.viewer):
            self.form.image.suggest(event.value)

    def _layer_removed(self, event: Any) -> None:
        if self.output.forget(event.value) and self.live.isChecked():
            self.live.setChecked(False)
            self.say("The live layer was removed, so Live is off. Tick Live to start again.")
        elif isinstance(event.value, Image | Labels):
            self._image_changed()

    def _image_changed(self, _event: Any = None) -> None:
        """Set the engine's source; if there is none, show the reason."""
        layer = self.form.image.layer()
        if layer is not self._watched:
            self._watched = layer
            self._watch.start(
                []
                if layer is None
                else [
                    (layer.events.data, self._image_changed),
                    (layer.events.visible, self._image_changed),
                    (layer.events.set_data, self._schedule),
                ]
            )
        self._covers.start([(made.events.visible, self._image_changed) for made in segmented_layers(self.viewer)])
        self._loader.image_changed()
        self.permanent.show_for(layer)
        if self._session is None:
            self._tell(_EMPTY if layer is None else "")
            return
        if self._model is None:
            return
        if self.viewer.dims.ndisplay == 3 and self._source is not None and self._source.layer is layer:
            self._tell(_IN_3D)  # labels and their numbers stay, and follow the sliders
            return
        try:
            source = self._current_source(self._model)
        except GrdError as error:
            self._source = self._key = None
            self._session.set_source(None)
            self._long.stop()
            self.readout.setText("" if layer is None else "Live is paused.")
            self._tell(str(error), "info" if layer is None or self.viewer.dims.ndisplay == 3 else "warning")
            if layer is None:
                self.form.channels.set_image(None, 0)
            return
        if self._key != source.key:  # a source's own key changes with its layer
            self._source, self._key = source, source.key
            self._shown = None
            self.form.forget_view()
            self._session.set_source(source)
            self._limits.start([(c.layer.events.contrast_limits, self._limits_changed) for c in source.channels])
            if self.form.takes_limits:  # of other layers
                self._set_model(self._model)
        self._tell("")
        self._schedule()

    def _current_source(self, model: "Model") -> ImageSource:
        layer = self.form.image.layer()
        if layer is None:
            raise ImageError(_EMPTY, "")
        if self.viewer.dims.ndisplay == 3:
            raise ImageError(_IN_3D, "")
        if not layer.visible:
            raise ImageError(f"The image {layer.name!r} is hidden.", "Show it to continue.")
        made = covering(self.viewer, layer, model.card.name)
        if made is not None:
            raise ImageError(f"Live is paused under {made.name!r}, which the same model made.", "Hide it to continue.")
        if model.config.ndim == 3:
            source = ImageSource(layer, self.form.choose_channels(layer, model.config.in_channels))
            volume_axes(source)
            volume_viewport_of(self.viewer, source)
            return source
        axes = displayed_axes(self.viewer, layer)
        if axes is None:
            raise ImageError(f"The view does not show planes of {layer.name!r}.", "Show its y and x.")
        return ImageSource(layer, self.form.choose_channels(layer, model.config.in_channels), axes)

    def _order(self) -> SegmentationRequest:
        """What to make permanent: all planes of y and x, whatever of them is seen."""
        layer = self.form.image.layer()
        if layer is None:
            raise ImageError(_EMPTY, "")
        if self._model is None:
            raise ConfigError("The model is not loaded.", "Choose a model.")
        channels = self.form.choose_channels(layer, self._model.config.in_channels)
        axes = displayed_axes(self.viewer, layer) if self._model.config.ndim == 2 else None
        source = ImageSource(layer, channels, axes)
        return SegmentationRequest(source, self._model, self.form.segment_config(self._model))

    def _folder_settings(self) -> "tuple[Model, SegmentConfig]":
        """Model and settings for images that are not open: what is of the layer's own pixels is left out."""
        if self._model is None:
            raise ConfigError("The model is not loaded.", "Choose a model.")
        config = self.form.segment_config(self._model)
        return self._model, config.replace(pixel_size=None, intensity_range=None)

    # Settings and the view

    def _settings_changed(self) -> None:
        if self._session is not None and self._model is not None:
            self._set_model(self._model)
            self._schedule()

    def _limits_changed(self, _event: Any = None) -> None:
        if self.form.takes_limits:
            self._settle.start()

    def _partition_changed(self) -> None:
        if self._session is not None and self._model is not None:
            self._session.set_partition(self._config(self._model).partition)

    def _schedule(self, _event: Any = None) -> None:
        # A running timer is not restarted: otherwise nothing would be shown during a continuous drag.
        if self._session is not None and self._source is not None and not self._timer.isActive():
            self._timer.start()

    def _look(self) -> None:
        if self._session is None or self._source is None or self._model is None or self.viewer.dims.ndisplay == 3:
            return
        look = volume_viewport_of if self._model.config.ndim == 3 else viewport_of
        self._session.look_at(look(self.viewer, self._source))

    # Results of the engine

    def _busy(self, what: str) -> None:
        """Say what is waited for, and that only a part of the plane is segmented yet."""
        self._long.stop()
        if what == "Preparing":
            self.readout.setText(f"Preparing {self.form.model.name()}…")
        elif what == "Segmenting":
            self._long.start()
        elif what == "Filling in" and self.readout.text() == self._counted:
            self.readout.setText(f"{self._counted}{_PARTLY}")
        elif not what and self.readout.text().endswith(_PARTLY):
            self.readout.setText(self._counted)

    def _failed(self, error: Exception, generation: int) -> None:
        if self._session is not None and generation == self._session.generation:
            self.readout.setText("")
            self._tell(message_of(error), "error")

    def _updated(self, update: "LiveUpdate") -> None:
        if self._session is None or update.generation != self._session.generation:
            return
        self._show_view(update.image_view)
        self.output.show(update, self._made_by, self.form.contour.value())
        if not update.idle:
            objects = f"{update.count} instance{'' if update.count == 1 else 's'}"
            self._long.stop()
            self._counted = f"{objects}{_slab_of(update.view)} · {update.seconds * 1000:.0f} ms"
            self.readout.setText(self._counted)
            self._tell(*_word(update))

    def _show_view(self, view: "ImageView") -> None:
        if view is self._shown or self._model is None:
            return
        self._shown = view
        self.form.show_view(view)
        resolved = self._asked.replace(object_diameter=view.config.object_diameter, invert=view.config.invert)
        self._made_by = provenance(self._model, resolved, live=True)

    def _tell(self, text: str, kind: str = "info") -> None:
        """Show Live's status; an unrelated message stays until there is a status."""
        shown = self.message.text() == self._told or bool(self._told and self._told in self.message.text())
        if shown or (text and text != self._told):  # every view repeats the message
            self.say(text, kind)
        self._told = text


def _slab_of(view: "View") -> str:
    """Which planes of a volume were segmented."""
    if len(view.region) == 2:
        return ""
    planes = view.region[view.across]
    return f" in {'zyx'[view.across]} {planes.start}–{planes.stop - 1}"


def _word(update: "LiveUpdate") -> tuple[str, str]:
    """The message about a view, and its severity."""
    if update.empty:
        from napari_grd.inference.statistics import NOTHING_STANDS_OUT  # the engine has imported it

        return NOTHING_STANDS_OUT, "warning"
    messages = ["Zoom in: the view is too large, only its middle is segmented."] if update.cut else []
    return " ".join([*messages, *update.image_view.notes]), "info"


def _close(sessions: list["LiveSession"]) -> None:
    while sessions:
        sessions.pop().close()


class _Watch:
    """Connects to the events of the current layers, and disconnects from those of the previous ones."""

    def __init__(self) -> None:
        self._connections: list[tuple[Any, Callable[..., None]]] = []

    def start(self, connections: list[tuple[Any, Callable[..., None]]]) -> None:
        """Follow these, and disconnect from all others."""
        self.stop()
        self._connections = connections
        for event, callback in connections:
            event.connect(callback)

    def stop(self) -> None:
        """Follow nothing."""
        for event, callback in self._connections:
            event.disconnect(callback)
        self._connections = []
