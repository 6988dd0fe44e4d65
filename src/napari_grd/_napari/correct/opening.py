"""The work behind correcting, for a worker: opening the corrections, and asking the network about planes."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_grd._napari.correct.place import FilePlace, place_of, reference
from napari_grd._napari.correct.subject import Subject
from napari_grd._napari.labels_layers import labels_layer
from napari_grd._napari.outputs import provenance
from napari_grd.config import SegmentConfig
from napari_grd.corrections import Journal, load_corrections, open_journal
from napari_grd.corrections.editor import Editor
from napari_grd.corrections.evidence import PlaneEvidence
from napari_grd.data.intensity import PlaneStatistics
from napari_grd.errors import ConfigError
from napari_grd.inference.planes import iter_segment_planes
from napari_grd.inference.segment import iter_predict
from napari_grd.inference.statistics import SourceStatistics
from napari_grd.inference.view import resolve_view
from napari_grd.jobs import Job, Progress

if TYPE_CHECKING:
    from napari_grd.models import Model

Plane = tuple[int, ...]

_MOST = 1 << 30  # bytes of embeddings that are kept: 16 planes of 1024 x 1024


@dataclass(frozen=True, eq=False)
class Order:
    """What to correct and with what, frozen when the button is pressed.

    Attributes
    ----------
    subject : Subject
        Labels and image.
    model : str or None
        Name of the model whose embedding is used; None: none.
    config : SegmentConfig
        How the network is asked.
    """

    subject: Subject
    model: str | None
    config: SegmentConfig


class Recent:
    """What a network said about the planes seen last; it is :class:`napari_grd.corrections.evidence.Evidence`."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._planes: OrderedDict[Plane, PlaneEvidence] = OrderedDict()

    def of(self, plane: Plane) -> PlaneEvidence | None:
        """What is known of a plane."""
        found = self._planes.get(tuple(plane))
        if found is not None:
            self._planes.move_to_end(tuple(plane))
        return found

    def clear(self) -> None:
        """Forget all: another model is asked from now on."""
        self._planes.clear()

    def put(self, plane: Plane, evidence: PlaneEvidence) -> None:
        """Keep what was said about a plane, and drop what was not asked for longest if that is too much."""
        self._planes[plane] = evidence
        while len(self._planes) > 1 and sum(one.embedding.nbytes for one in self._planes.values()) > self._most:
            self._planes.popitem(last=False)


@dataclass(eq=False)
class Opened:
    """Labels that can be corrected.

    Attributes
    ----------
    order : Order
    labels : (\\*planes, H, W) uint32
        As they were.
    journal : Journal
    editor : Editor
    evidence : Recent
    place : FilePlace
        Of the corrections.
    found : int
        How many corrections there were, and were made again on the labels.
    """

    order: Order
    labels: NDArray[np.uint32] = field(repr=False)
    journal: Journal = field(repr=False)
    editor: Editor = field(repr=False)
    evidence: Recent = field(repr=False)
    place: FilePlace
    found: int

    def renewed(self) -> Editor:
        """An editor of the labels as they were, with all corrections made again."""
        self.editor = Editor(self.labels, self.journal, self.evidence)
        return self.editor


def iter_open(order: Order, get_model: "Callable[[str], Model]", added: Path | None = None) -> Job[Opened]:
    """Read the labels, open the corrections, and make those that there are.

    Parameters
    ----------
    order : Order
    get_model : callable
        Gives the model of a name.
    added : Path, optional
        A file of corrections to add to those of the image.

    Raises
    ------
    GrdError
        If the labels cannot be read, or the corrections are another image's.
    """
    yield Progress("Reading labels and image", 0, 1)
    subject = order.subject
    labels = subject.labels()
    ref = reference(subject.source.layer, subject.shape, subject.axes)
    place = place_of(subject.source.layer, ref)
    journal = open_journal(place.path, ref)
    try:
        if added is not None:
            journal.merge(load_corrections(added, ref))
        evidence = Recent()
        for plane in journal.corrections.planes:
            yield from iter_evidence(order, plane, evidence, get_model)
        editor = Editor(labels, journal, evidence)
    except BaseException:
        journal.close()
        raise
    return Opened(order, labels, journal, editor, evidence, place, len(journal.corrections))


def iter_evidence(order: Order, plane: Plane, evidence: Recent, get_model: "Callable[[str], Model]") -> Job[None]:
    """Ask the network about a plane; no answer without a model.

    Raises
    ------
    GrdError
        If the image cannot be read by the model.
    """
    if order.model is None:
        return
    yield Progress(f"Loading {order.model}", 0, 1)
    model = get_model(order.model)
    yield Progress("Reading the image", 0, 1)
    pixels, statistics, config = seen_by(model, order.subject, plane, order.config)
    prediction = yield from iter_predict(model, pixels, config, axes="cyx", intensity_range=statistics)
    evidence.put(plane, PlaneEvidence.of(prediction))


def iter_permanent(order: Order, made_by: Mapping[str, Any], get_model: "Callable[[str], Model]") -> Job[Labels]:
    """Everything that Live would show, as Live is set now.

    Parameters
    ----------
    order : Order
        Image, model and device.
    made_by : mapping
        Of the live layer.

    Raises
    ------
    GrdError
        If there is no model, or the image cannot be read by it.
    """
    if order.model is None:
        raise ConfigError("A live segmentation has a model, and none is chosen.", "Choose the model of Live.")
    yield Progress("Making the live segmentation permanent", 0, 1)
    known = made_by.get("config")
    config = SegmentConfig.model_validate(known) if isinstance(known, Mapping) else order.config
    config = config.replace(device=order.config.device, threads=order.config.threads)
    source, model = order.subject.source, get_model(order.model)
    labels, level = yield from iter_segment_planes(source, model, config)
    name = f"{source.layer.name} instances"
    return labels_layer(source, level, labels, name=name, made_by=provenance(model, config))


def seen_by(
    model: "Model", subject: Subject, plane: Plane, config: SegmentConfig
) -> tuple[NDArray[Any], PlaneStatistics, SegmentConfig]:
    """The image under a plane, ``(C, H, W)``, its intensities, and the settings with nothing left to decide.

    Raises
    ------
    ConfigError
        If the model is none for planes.
    """
    if model.config.ndim != 2:
        raise ConfigError(f"The model {model.card.name!r} works in 3D.", "Choose a 2D model: planes are corrected.")
    view = resolve_view(subject.source, model.config, config)
    statistics = SourceStatistics(subject.source, subject.level, model.config, view)
    return read_plane(subject, plane), statistics.of(plane), view.config


def read_plane(subject: Subject, plane: Plane) -> NDArray[Any]:
    """The image under a plane of labels, ``(C, H, W)``."""
    return np.asarray(subject.source.read(subject.level, plane))
