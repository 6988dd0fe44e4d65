"""The Live widget: instances appear where one looks."""

from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QFormLayout, QLabel, QSpinBox

from napari_grd._napari.live_channels import ChannelPickers
from napari_grd._napari.live_controls import PartitionControls
from napari_grd._napari.live_engine import open_session
from napari_grd._napari.live_output import LiveOutput
from napari_grd._napari.live_permanent import Order, PermanentPart
from napari_grd._napari.live_view import displayed_axes, look_of
from napari_grd._napari.outputs import provenance
from napari_grd._napari.panel import Panel, heading
from napari_grd._napari.pickers import LayerCombo, ModelCombo
from napari_grd._napari.source import ImageSource
from napari_grd._napari.worker import Running, run_call
from napari_grd.config import SegmentConfig
from napari_grd.errors import ConfigError, GrdError, ImageError

if TYPE_CHECKING:
    import napari

    from napari_grd.live.session import LiveSession, LiveUpdate
    from napari_grd.models import Model

_DEBOUNCE = 30  # milliseconds; the camera reports every step of a drag
_EMPTY = "Drop an image on the window to begin."


class LiveWidget(Panel):
    """Segments what is visible with the viewer's student, as one looks around.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer)
        self._session: LiveSession | None = None
        self._loading: Running[Any] | None = None
        self._model: Model | None = None
        self._source: ImageSource | None = None
        self._key: Any = None
        self.output = LiveOutput(self.viewer.layers)
        self._watched: Image | None = None
        self._build()
        self._connect()
        self._timer = QTimer(self, singleShot=True, interval=_DEBOUNCE)
        self._timer.timeout.connect(self._look)
        self._image_changed()

    # What it looks like

    def _build(self) -> None:
        self.live = QCheckBox("Live")
        self.live.setToolTip("Segment what is visible, and follow while you pan, zoom and scroll.")
        self.image = LayerCombo(self, (Image,), "The image to segment.")
        self.model = ModelCombo(self, "The model that segments. A distilled or dropped one appears here.")
        self.model.set_name(self.state.student)
        self.channels = ChannelPickers(self)
        self.diameter = QDoubleSpinBox(minimum=0, maximum=10000, decimals=1, singleStep=1, suffix=" px")
        self.diameter.setSpecialValueText("as the model knows")
        self.diameter.setKeyboardTracking(False)
        self.diameter.setToolTip(
            "How large your objects are, in pixels of the image. Set it if they are much larger or smaller than those"
            " the model was trained on."
        )
        self.controls = PartitionControls()
        self.contour = QSpinBox(minimum=0, maximum=20, suffix=" px")
        self.contour.setSpecialValueText("filled")
        self.contour.setToolTip("Show objects filled, or as outlines of this width.")
        self.readout = QLabel("Live is off.")
        self.permanent = PermanentPart(self, self._order)
        form = QFormLayout()
        form.addRow("Image", self.image)
        form.addRow("Model", self.model)
        form.addRow(self.channels)
        form.addRow("Object diameter", self.diameter)
        form.addRow(self.controls)
        form.addRow("Outline", self.contour)
        self.body.addWidget(self.live)
        self.body.addLayout(form)
        self.body.addWidget(self.readout)
        self.body.addWidget(heading("Everything"))
        self.body.addWidget(self.permanent)
        self.body.addWidget(self.message)

    def _connect(self) -> None:
        viewer = self.viewer
        for event in (
            viewer.dims.events.current_step,
            viewer.scene.camera.events.zoom,
            viewer.scene.camera.events.center,
            viewer.canvas.events.size,
        ):
            self.follow(event, self._schedule)
        for event in (viewer.dims.events.ndisplay, viewer.dims.events.order):
            self.follow(event, self._image_changed)
        self.follow(viewer.layers.events.inserted, self._image_changed)
        self.follow(viewer.layers.events.removed, self._layer_removed)
        self.follow(viewer.layers.selection.events.active, self._layer_selected)
        self.follow(self.state.events.student, self.model.set_name)
        self.live.toggled.connect(self._toggled)
        self.image.changed.connect(self._image_changed)
        self.channels.changed.connect(self._source_changed)
        self.model.changed.connect(self._model_changed)
        self.diameter.valueChanged.connect(self._settings_changed)
        self.controls.changed.connect(self._partition_changed)
        self.contour.valueChanged.connect(self._contour_changed)

    # On and off

    def _toggled(self, on: bool) -> None:
        self.state.live = on
        if on:
            self._load_model()
        else:
            self._close("Live is off.")

    def _close(self, text: str) -> None:
        if self._session is not None:
            self._session.close()
        self._session = self._source = self._key = None
        self.readout.setText(text)

    # The model

    def _model_changed(self) -> None:
        name = self.model.name()
        if name is not None:
            self.state.student = name
        self._model = None
        if self.live.isChecked():
            self._load_model()

    def _load_model(self) -> None:
        name, state = self.model.name(), self.state
        if name is None:
            self.say("Choose a model.", "warning")
            return

        def load() -> "Model":
            import napari_grd.live.session  # noqa: F401  imports torch

            return state.get(name)

        if self._loading is not None:
            self._loading.silence()
        self.readout.setText("Preparing…")
        self._loading = run_call(load, on_done=self._model_loaded, on_error=self._failed_to_load)
        self.track(self._loading)

    def _failed_to_load(self, error: BaseException) -> None:
        self.readout.setText("")
        self.show_error(error)

    def _model_loaded(self, model: "Model") -> None:
        self._model = model
        known = model.config.object_diameter
        self.diameter.setEnabled(known is not None)
        self.diameter.setSpecialValueText(
            "as the model knows" if known is None else f"as the model knows ({known:.0f})"
        )
        self.controls.set_value(model.config.partition, foreground=model.config.foreground)
        if not self.live.isChecked():
            return
        if self._session is None:
            self._session = open_session(self._updated, self._failed, self._busy)
            self._keep_closing()
        self._settings_changed()
        self._image_changed()

    def _keep_closing(self) -> None:
        # The widget may be destroyed without having been switched off.
        assert self._session is not None
        self._undo.append(self._session.close)

    # The image

    def _layer_selected(self, event: Any) -> None:
        if not self.live.isChecked() and isinstance(event.value, Image):
            self.image.set_layer(event.value)

    def _layer_removed(self, event: Any) -> None:
        if self.output.forget(event.value) and self.live.isChecked():
            self.live.setChecked(False)
            self.say("The live layer was removed, so Live is off. Tick Live to start again.")
        elif isinstance(event.value, Image):
            self._image_changed()

    def _image_changed(self, _event: Any = None) -> None:
        layer = self.image.layer()
        self._watch(layer)
        self.channels.set_image(layer, 0 if self._model is None else self._model.config.in_channels)
        self._source_changed()

    def _watch(self, layer: Image | None) -> None:
        if layer is self._watched:
            return
        if self._watched is not None:
            self._watched.events.data.disconnect(self._image_changed)
            self._watched.events.set_data.disconnect(self._schedule)
            self._watched.events.visible.disconnect(self._source_changed)
        self._watched = layer
        if layer is not None:
            layer.events.data.connect(self._image_changed)
            layer.events.set_data.connect(self._schedule)
            layer.events.visible.connect(self._source_changed)

    def _source_changed(self, _event: Any = None) -> None:
        """Tell the engine what to read; where it is nothing, tell the user why."""
        if self._session is None:
            if not self.live.isChecked():
                self.say(_EMPTY if self.image.layer() is None else "")
            return
        try:
            source = self._current_source()
        except GrdError as error:
            self._source = self._key = None
            self._session.set_source(None)
            self.readout.setText("")
            self.say(str(error), "info" if self.image.layer() is None else "warning")
            return
        if self._key != source.key:  # a source's own key changes with its layer
            self._source, self._key = source, source.key
            self._session.set_source(source)
        self.say("")
        self._schedule()

    def _current_source(self) -> ImageSource:
        layer = self.image.layer()
        if layer is None:
            raise ImageError(_EMPTY, "")
        if self.viewer.dims.ndisplay == 3:
            raise ImageError("Live waits while the view is 3D.", "Switch back to 2D to go on.")
        if not layer.visible:
            raise ImageError(f"The image {layer.name!r} is hidden.", "Show it, and Live goes on.")
        axes = displayed_axes(self.viewer, layer)
        if axes is None:
            raise ImageError(f"The view does not show planes of {layer.name!r}.", "Show its y and x.")
        channels = self.channels.channels()
        if channels is None:
            count = 1 if self._model is None else self._model.config.in_channels
            raise ImageError(
                f"The model takes {count} channel{'s' if count > 1 else ''}, and it is not clear which of"
                f" {layer.name!r} they are.",
                "Choose them above; channels can also be other image layers of the same shape.",
            )
        return ImageSource(layer, channels, axes)

    # Settings

    def _segment_config(self, model: "Model") -> SegmentConfig:
        diameter = self.diameter.value() or None
        known = model.config.object_diameter
        scale = known / diameter if known and diameter else 1.0
        return SegmentConfig(object_diameter=diameter if known else None, partition=self.controls.value(scale))

    def _settings_changed(self, _value: Any = None) -> None:
        if self._session is not None and self._model is not None:
            self._session.set_model(self._model, self._segment_config(self._model))
            self._schedule()

    def _partition_changed(self) -> None:
        if self._session is not None and self._model is not None:
            self._session.set_partition(self._segment_config(self._model).partition)

    def _contour_changed(self, width: int) -> None:
        self.output.set_contour(width)

    def _order(self) -> Order:
        name = self.model.name()
        if name is None:
            raise ConfigError("No model is chosen.", "Choose one above.")
        return Order(self._current_source(), name, self._segment_config)

    # The view

    def _schedule(self, _event: Any = None) -> None:
        if self._session is not None and self._source is not None:
            self._timer.start()

    def _look(self) -> None:
        if self._session is not None and self._source is not None:
            self._session.look_at(look_of(self.viewer, self._source))

    # What the engine says

    def _busy(self, what: str | None) -> None:
        if what == "Preparing":
            self.readout.setText("Preparing…")

    def _failed(self, error: Exception, generation: int) -> None:
        if self._session is not None and generation == self._session.generation:
            self.readout.setText("")
            self.show_error(error)

    def _updated(self, update: "LiveUpdate") -> None:
        if self._session is None or update.generation != self._session.generation:
            return
        assert self._model is not None
        made_by = provenance(self._model, self._segment_config(self._model))
        self.output.show(update, made_by, self.contour.value())
        if not update.idle:
            objects = f"{update.count} instance{'' if update.count == 1 else 's'}"
            self.readout.setText(f"{objects} · {update.seconds * 1000:.0f} ms")
            self.say("Zoom in: the view is too wide, only its middle is segmented." if update.cut else "")
