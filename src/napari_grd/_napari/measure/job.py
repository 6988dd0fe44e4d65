"""The request to measure, fixed when the button is pressed, and its job."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_grd._napari.object_table.labels_layer import ChannelPixels
from napari_grd._napari.outputs import provenance
from napari_grd._napari.source import ImageSource
from napari_grd._napari.state import State
from napari_grd.config import SegmentConfig
from napari_grd.errors import ConfigError, ImageError
from napari_grd.jobs import Job, Stopwatch
from napari_grd.measurements.table import ObjectTable

if TYPE_CHECKING:
    from napari_grd.measurements.filtering import FilteredLabels, ObjectFilter
    from napari_grd.measurements.frame import PredictionSource
    from napari_grd.models.model import Model


@dataclass(frozen=True)
class MeasureRequest:
    """The complete input of a measurement; later clicks do not change it.

    Attributes
    ----------
    labels : array
        Finest level of the layer's data.
    objects : ObjectFilter
        Selects the objects to measure.
    layer_name : str
        For provenance.
    geometry : mapping
        Axes, scale and unit, from :func:`napari_grd._napari.object_table.labels_layer.geometry_options`.
    images : mapping of str to ChannelPixels
        Channels to measure.
    model_name : str or None
        Model for the embedding and the certainty.
    model_image : ImageSource or None
        The model's input.
    config : SegmentConfig
        Settings of the prediction.
    """

    labels: Any
    objects: "ObjectFilter"
    layer_name: str
    geometry: Mapping[str, Any]
    images: Mapping[str, ChannelPixels]
    model_name: str | None
    model_image: ImageSource | None
    config: SegmentConfig


@dataclass(frozen=True)
class Measured:
    """The result of a measurement.

    Attributes
    ----------
    table : ObjectTable
        The measurements.
    made_by : mapping
        Provenance.
    labels : array
        The measured objects.
    left_out : int
        Number of excluded objects.
    """

    table: ObjectTable
    made_by: Mapping[str, Any]
    labels: Any
    left_out: int


def measure_job(request: MeasureRequest, state: State) -> Job[Measured]:
    """Measure, in a worker's thread."""
    from napari_grd.inference.background import in_background  # imports numba
    from napari_grd.measurements.filtering import FilteredLabels
    from napari_grd.measurements.geometry import resolve_geometry
    from napari_grd.measurements.objects import iter_measure

    model, source = None, None
    if request.model_name is not None:
        model = state.get(request.model_name)
        source = _source(request, model)
    labels, left_out = request.labels, 0
    if request.objects:
        geometry = resolve_geometry(tuple(labels.shape), **request.geometry)
        labels = FilteredLabels(labels, request.objects, geometry)
        watch = Stopwatch("Checking borders and sizes", 1)
        look = partial(_count_left_out, labels)
        left_out = yield from in_background(look, partial(watch.progress, 0))
    table = yield from iter_measure(labels, request.images, source=source, **request.geometry)
    made_by = provenance(
        model,
        request.config if model is not None else None,
        measured=request.layer_name,
        channels=list(request.images),
        axes=dict(zip(request.geometry["axes"], request.geometry["scale"], strict=True)),
        unit=request.geometry["unit"] or "pixel",
        objects=asdict(request.objects),
    )
    return Measured(table, made_by, labels, left_out)


def _count_left_out(labels: "FilteredLabels") -> int:
    return sum(len(labels.left_out(frame)) for frame in labels.geometry.frames())


def _source(request: MeasureRequest, model: "Model") -> "PredictionSource":
    from napari_grd.inference.segment import iter_predict
    from napari_grd.measurements.frame import PredictionSource

    image = request.model_image
    if image is None:
        raise ConfigError(f"The model {request.model_name!r} has no image.", "Choose its image.")
    sizes = image.layer.data[0].shape if image.layer.multiscale else image.layer.data.shape
    shape = tuple(int(sizes[axis]) for axis in (*image.plane_axes, *image.spatial_axes))
    if shape != tuple(request.labels.shape):
        raise ImageError(
            f"The image {image.layer.name!r} has shape {shape} and the labels have shape {request.labels.shape}.",
            "Choose the image that the labels were made from.",
        )
    if model.config.ndim != 2:
        raise ImageError(f"The model {request.model_name!r} works in 3D.", "Choose a model for planes.")
    return PredictionSource(
        2,
        model.embedding_channels,
        lambda plane: iter_predict(model, image.read(0, plane), request.config, axes="cyx"),
    )
