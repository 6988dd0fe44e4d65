"""The Measure widget: measures the objects of a Labels layer."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QSpinBox

from napari_grd._napari.channels import ChannelPickers
from napari_grd._napari.files.calibrated import image_name, layer_calibration
from napari_grd._napari.job_panel import JobPanel
from napari_grd._napari.measure.check_list import CheckList
from napari_grd._napari.measure.job import Measured, MeasureRequest, measure_job
from napari_grd._napari.object_table.labels_layer import (
    channels_under,
    finest,
    geometry_options,
    is_plane_by_plane,
    set_features,
)
from napari_grd._napari.object_table.widget import result_table
from napari_grd._napari.outputs import made_by, view_settings
from napari_grd._napari.panel import check_box
from napari_grd._napari.pickers import LayerCombo, ModelCombo
from napari_grd._napari.source import ImageSource
from napari_grd._napari.worker import run_call
from napari_grd.errors import ConfigError, ImageError, LabelError
from napari_grd.jobs import Job

if TYPE_CHECKING:
    import napari

    from napari_grd.models.model import Model

TABLE = "GRD measurements"
_COLUMN_TIPS = {
    "label": "Label of the object in the labels layer.",
    "area": "Number of pixels times the area of a pixel; in 3D, number of voxels times their volume.",
    "equivalent_diameter_area": "Diameter of a circle (in 3D: a ball) of the same size.",
    "axis_major_length": "Major axis of the ellipse with the same second moments.",
    "axis_minor_length": "Minor axis of the ellipse with the same second moments.",
    "eccentricity": "0 for a circle, close to 1 for an elongated object.",
    "solidity": "Share of its convex hull that the object fills: 1 if convex.",
    "perimeter": "Length of its outline.",
    "surface_area": "Area of its surface in 3D, by marching cubes.",
    "sphericity": "Surface of a ball of the same volume, divided by its surface: 1 for a ball.",
    "centroid": "Position of its center along each axis, in the units of the image.",
    "bbox": "First pixel and one past the last of its bounding box, along each axis.",
    "extent": "Length of its bounding box along each axis.",
    "touches_border": "Whether it touches the border of the image in y and x: then it may be cut off.",
    "intensity_mean": "Mean of the image's values over its pixels.",
    "intensity_min": "Lowest of the image's values in it.",
    "intensity_max": "Highest of the image's values in it.",
    "intensity_std": "Standard deviation of the image's values over its pixels.",
    "integrated_intensity": "Sum of the image's values over its pixels; no background is subtracted.",
    "embedding": "Mean of the model's embedding over its pixels, channel by channel.",
    "certainty": (
        "How sure the model is of this object, from 0 to 1: how strongly it joins the pixels inside,\n"
        "less how strongly it joins them to what lies across the border."
    ),
}


class MeasureWidget(JobPanel):
    """Measures the objects of a Labels layer; the results become its features and a table.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(
            viewer,
            "Measure",
            "Measure all objects and show them in a table.",
            "Stop; the layer keeps the features it has.",
        )
        self._count = 1  # input channels of the model
        self._build()
        for event in ("inserted", "removed", "renamed"):
            self.follow(getattr(self.viewer.layers.events, event), self._refresh)
        self.labels.changed.connect(self._labels_changed)
        self.model.changed.connect(self._model_changed)
        self.image.changed.connect(self._image_changed)
        self._labels_changed()
        self._model_changed()

    def _build(self) -> None:
        self.labels = LayerCombo(self, (Labels,), "The objects to measure.")
        self.channels = CheckList(
            "Images whose intensities are measured in every object: mean, minimum, maximum, standard deviation"
            " and integrated intensity.",
            "no image of this shape: size and shape only",
        )
        self.per_plane = check_box(
            "Objects are per plane",
            "Ticked: every plane is measured separately, with a row for each.\n"
            "Not ticked: an object extends through z and is measured as a volume.",
        )
        self.exclude_border = check_box(
            "Exclude objects at the border",
            "Objects that touch the border of the image are cut off, so their measurements are too small.\n"
            "In a stack the border in y and x counts, not its first and last planes.",
        )
        self.min_size = _size_box("any", "Objects with fewer pixels (volumes: voxels) are excluded.")
        self.max_size = _size_box("any", "Objects with more pixels (volumes: voxels) are excluded.")
        sizes = QHBoxLayout()
        for part in (self.min_size, QLabel("to"), self.max_size, QLabel("pixels")):
            sizes.addWidget(part)
        sizes.addStretch(1)
        self.model = ModelCombo(self, "Adds the model's mean embedding of each object, and its certainty.", none="none")
        self.image = LayerCombo(self, (Image,), "The model's input: the image that the labels were made from.")
        self.model_channels = ChannelPickers(self)
        self.form = QFormLayout()
        self.form.addRow("Objects", self.labels)
        self.form.addRow("", self.per_plane)
        self.form.addRow("", self.exclude_border)
        self.form.addRow("Size from", sizes)
        self.form.addRow("Brightness in", self.channels)
        self.form.addRow("Model", self.model)
        self.form.addRow("Model looks at", self.image)
        self.form.addRow("", self.model_channels)
        self.body.addLayout(self.form)
        self.body.addWidget(self.go)
        self.body.addWidget(self.bar)
        self.body.addStretch(1)

    # The choices

    def _labels_changed(self) -> None:
        layer = self.labels.layer()
        self.per_plane.setVisible(layer is not None and layer.ndim > 2)
        self.per_plane.setChecked(layer is not None and is_plane_by_plane(layer))
        self._refresh()
        if layer is None:
            self.say("Measure needs a labels layer. Segment an image first, with Live or another tool.")
        else:
            self.say("")
            under = next(iter(channels_under(self.viewer, layer).values()), None)
            self.image.set_layer(None if under is None else under.source.layer)

    def _refresh(self, _event: Any = None) -> None:
        layer = self.labels.layer()
        self.channels.offer([] if layer is None else list(channels_under(self.viewer, layer)))

    def _model_changed(self) -> None:
        name = self.model.name()
        self.form.setRowVisible(self.image, name is not None)
        self.model_channels.set_image(None, 0)
        if name is not None:
            self.track(run_call(lambda: self.state.get(name), on_done=self._model_known, on_error=self.show_error))

    def _model_known(self, model: "Model") -> None:
        self._count = model.config.in_channels
        self._image_changed()

    def _image_changed(self) -> None:
        if self.model.name() is not None:
            self.model_channels.set_image(self.image.layer(), self._count)

    # The job

    def begin(self) -> None:
        """Start measuring."""
        layer = self.labels.layer()
        if layer is None:
            raise LabelError("There are no objects to measure.", "Segment an image first, with Live or another tool.")
        request = self._request(layer)

        export = _exporter(layer)

        def done(measured: Measured) -> str:
            table = measured.table
            set_features(layer, table)
            shown = result_table(self.viewer, TABLE, _COLUMN_TIPS)
            shown.set_table(layer, table, measured.made_by, partial(export, measured.labels))
            without = f" {measured.left_out:,} excluded at the border or by size." if measured.left_out else ""
            return (f"{len(table):,} rows measured." if len(table) else f"No objects in {layer.name!r}.") + without

        self.run(lambda: measure_job(request, self.state), done, [layer])

    def _request(self, layer: Labels) -> MeasureRequest:
        from napari_grd.measurements.filtering import object_filter  # imports skimage

        under = channels_under(self.viewer, layer)
        name = self.model.name()
        return MeasureRequest(
            labels=finest(layer),
            objects=object_filter(
                self.exclude_border.isChecked(), self.min_size.value(), self.max_size.value() or None
            ),
            layer_name=layer.name,
            geometry=geometry_options(layer, self.per_plane.isChecked()),
            images={ticked: under[ticked] for ticked in self.channels.ticked() if ticked in under},
            model_name=name,
            model_image=None if name is None else self._model_image(name),
            config=view_settings(made_by(layer)).replace(threads=1 if self.state.live else 0),
        )

    def _model_image(self, name: str) -> ImageSource:
        image = self.image.layer()
        if image is None:
            raise ImageError(f"The model {name!r} needs an image.", "Add the image of these objects.")
        channels = self.model_channels.channels()
        if channels is None:
            raise ConfigError(
                f"The model {name!r} takes {self._count} channels, but which is ambiguous.", "Choose them."
            )
        return ImageSource(image, channels)


def _size_box(nothing: str, tip: str) -> QSpinBox:
    box = QSpinBox()
    box.setRange(0, 1_000_000_000)
    box.setSpecialValueText(nothing)
    box.setToolTip(tip)
    box.setMinimumWidth(70)
    box.setMaximumWidth(110)
    return box


def _exporter(layer: Labels) -> Callable[[Any, str | Path], Job[Path]]:
    """A function that exports the objects of this layer in its current state."""
    meta = {name: getattr(layer, name) for name in ("axis_labels", "scale", "translate", "units")}
    calibration = layer_calibration(meta, layer.ndim)
    image = image_name(layer.name, layer.metadata)

    def export(labels: Any, path: str | Path) -> Job[Path]:
        from napari_grd.io.objects.formats import iter_export_objects  # imports scipy

        return iter_export_objects(labels, path, image=image, calibration=calibration)

    return export
