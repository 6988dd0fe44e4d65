"""Jobs of the Correct widget, run in a worker: open corrections, predict planes, rank objects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_grd._napari.correct.storage import corrections_file, reference
from napari_grd._napari.correct.target import CorrectionTarget, ImagePlane
from napari_grd._napari.labels_layers import labels_layer
from napari_grd._napari.outputs import provenance
from napari_grd._napari.source import volume_axes
from napari_grd._napari.volumes import iter_segment_volumes
from napari_grd.config import SegmentConfig
from napari_grd.corrections.correction import Plane
from napari_grd.corrections.editor import Editor, warm_up
from napari_grd.corrections.journal import Journal, open_journal
from napari_grd.corrections.loading import load_corrections
from napari_grd.corrections.predictions import PlanePrediction, Predictions
from napari_grd.corrections.uncertainty import UncertainObject, uncertain_objects
from napari_grd.data.intensity import PlaneStatistics
from napari_grd.errors import ConfigError
from napari_grd.inference.planes import iter_segment_planes
from napari_grd.inference.prediction import partition_prediction
from napari_grd.inference.segment import iter_predict
from napari_grd.inference.statistics import SourceStatistics
from napari_grd.inference.view import resolve_view, with_anisotropy
from napari_grd.jobs import Job, Progress
from napari_grd.live.slab import iter_predict_volume_plane
from napari_grd.teaching.confidence import VIEWS, transformed, transformed_back

if TYPE_CHECKING:
    from napari_grd.models.model import Model

_MOST = 1 << 30  # bytes of embeddings that are kept: 16 planes of 1024 x 1024


@dataclass(frozen=True, eq=False)
class CorrectionRequest:
    """What to correct and with what, frozen when the button is pressed."""

    target: CorrectionTarget
    model: str | None  # whose embedding is used
    config: SegmentConfig  # of the prediction
    get_model: "Callable[[str], Model]"
    drawn: float | None = None  # diameter in pixels of the objects that were drawn on an image without labels

    def config_of(self, model: "Model") -> SegmentConfig:
        """The settings for a model: at the size of what was drawn, if it knows the size of its objects."""
        if self.drawn is None or model.config.object_diameter is None:
            return self.config
        return self.config.replace(object_diameter=self.drawn)


@dataclass(eq=False, repr=False)
class CorrectionContext:
    """Labels that can be corrected."""

    request: CorrectionRequest
    labels: NDArray[np.uint32]  # as they were, (*planes, H, W)
    journal: Journal
    editor: Editor
    predictions: Predictions
    why_elsewhere: str  # why the corrections do not lie beside the image; empty if they do


def iter_open(request: CorrectionRequest, added: Path | None = None) -> Job[CorrectionContext]:
    """Read the labels, open the corrections, add those of a file, and make all that there are."""
    yield Progress("Reading labels and image", 0, 1)
    warm_up()
    target = request.target
    labels = target.labels()
    ref = reference(target.source.layer, target.shape, target.axes)
    path, why_elsewhere = corrections_file(target.source.layer, ref)
    journal = open_journal(path, ref)
    try:
        if added is not None:
            journal.merge(load_corrections(added, ref))
        predictions = Predictions(limit=_MOST)
        for plane in journal.planes:
            predictions.update((yield from iter_predict_plane(request, plane)))
        editor = Editor(labels, journal, predictions)
    except BaseException:
        journal.close()
        raise
    return CorrectionContext(request, labels, journal, editor, predictions, why_elsewhere)


def iter_predict_plane(request: CorrectionRequest, plane: Plane) -> Job[Predictions]:
    """Ask the network about a plane; no answer without a model.

    Who asks takes the answer, or does not: another model may have been chosen meanwhile.
    """
    predictions, target = Predictions(), request.target
    if request.model is None:
        return predictions
    yield Progress(f"Loading {request.model}", 0, 1)
    model = request.get_model(request.model)
    config = request.config_of(model)
    yield Progress("Reading the image", 0, 1)
    if model.config.ndim == 3:
        volume_axes(target.source)
        if target.level:
            raise ConfigError(
                f"The labels {target.layer.name!r} are of a coarser level than the model of volumes reads.",
                "Correct labels of the finest level, or choose a model for planes.",
            )
        predicted = yield from iter_predict_volume_plane(target.source, model, config, plane)
        predictions.put_plane(plane, PlanePrediction(*predicted))
        return predictions
    pixels, statistics, config = seen_by(model, target.image_plane(plane), config)
    predictions.put(plane, (yield from iter_predict(model, pixels, config, axes="cyx", intensity_range=statistics)))
    return predictions


def iter_permanent(request: CorrectionRequest, made_by: Mapping[str, Any]) -> Job[Labels]:
    """Everything that Live would show, as Live is set now; ``made_by`` is that of its layer."""
    if request.model is None:
        raise ConfigError("A live segmentation has a model, and none is chosen.", "Choose the model of Live.")
    yield Progress("Making the live segmentation permanent", 0, 1)
    recorded = made_by.get("config")
    config = SegmentConfig.model_validate(recorded) if isinstance(recorded, Mapping) else request.config
    config = config.replace(device=request.config.device, threads=request.config.threads)
    source, model = request.target.source, request.get_model(request.model)
    if model.config.ndim == 3:
        labels, level = (yield from iter_segment_volumes(source, model, config)), 0
    else:
        config = with_anisotropy(config, source.anisotropy)
        labels, level = yield from iter_segment_planes(source, model, config)
    name = f"instances of {source.layer.name}"
    return labels_layer(source, level, labels, name=name, made_by=provenance(model, config))


def seen_by(
    model: "Model", image: ImagePlane, config: SegmentConfig
) -> tuple[NDArray[Any], PlaneStatistics, SegmentConfig]:
    """A plane ``(C, H, W)``, its intensities, and the settings with nothing left to decide."""
    if model.config.ndim != 2:
        raise ConfigError(
            f"The model {model.card.name!r} takes volumes, and planes are segmented here.", "Choose a model for planes."
        )
    view = resolve_view(image.source, model.config, config)
    statistics = SourceStatistics(image.source, image.level, model.config, view)
    return image.read(), statistics.of(image.plane), view.config


def iter_segment_pixels(
    model: "Model", pixels: NDArray[Any], statistics: PlaneStatistics, config: SegmentConfig
) -> Job[NDArray[np.uint32]]:
    """Segment what :func:`seen_by` returns, or the same rotated."""
    prediction = yield from iter_predict(model, pixels, config, axes="cyx", intensity_range=statistics)
    return partition_prediction(prediction, config)


def iter_uncertain_objects(
    request: CorrectionRequest,
    plane: Plane,
    labels: NDArray[np.uint32],
    prediction: PlanePrediction,
    *,
    augmented: bool,
    other: str | None,
) -> Job[list[UncertainObject]]:
    """All objects of a plane, the most uncertain first.

    Compared are labels of the model under test-time augmentation, if ``augmented``, and those of the model ``other``.
    """
    image, views, others = request.target.image_plane(plane), [], None
    if augmented and request.model is not None:
        model = request.get_model(request.model)
        pixels, statistics, config = seen_by(model, image, request.config_of(model))
        for number, view in enumerate(VIEWS):
            yield Progress("Test-time augmentation", number, len(VIEWS))
            turned = yield from iter_segment_pixels(model, transformed(pixels, *view), statistics, config)
            views.append(transformed_back(turned, *view))
    if other is not None:
        yield Progress(f"Segmenting with {other}", 0, 1)
        model = request.get_model(other)
        others = yield from iter_segment_pixels(model, *seen_by(model, image, request.config_of(model)))
    return uncertain_objects(labels, Predictions({(): prediction}), teacher_labels=others, augmented_labels=views)
