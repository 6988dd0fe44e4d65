"""Requests and results of Inspect; free of torch, as the GUI thread imports it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_grd._napari.inspect.image_region import ImageRegion
from napari_grd._napari.source import Channel
from napari_grd.errors import ImageError

if TYPE_CHECKING:
    from napari_grd._napari.inspect.views import ModelPrediction

View = Literal["embedding", "affinities", "boundaries", "graph", "similarity"]


@dataclass(frozen=True)
class GraphChoice:
    """Which instances are connected by edges.

    Attributes
    ----------
    nearest : int or None
        Number of nearest instances to connect; None: all within a distance.
    max_distance : float or None
        That distance in pixels, between centroids; None: 2.5 median diameters.
    """

    nearest: int | None = None
    max_distance: float | None = None


class ChannelsUnclear(ImageError):
    """The model's input channels are ambiguous.

    Attributes
    ----------
    count : int
        Number of channels that the model takes.
    """

    def __init__(self, problem: str, remedy: str, count: int) -> None:
        super().__init__(problem, remedy)
        self.count = count


@dataclass(frozen=True, eq=False)
class InspectRequest:
    """A complete request: the job needs nothing else from the viewer.

    Attributes
    ----------
    frame : ImageRegion or None
        The region for models of planes; its source gives only the position. None in a 3D view.
    volume : ImageRegion or None
        The region for models of volumes; None if the image is none.
    models : tuple of str
        One name, or student and teacher for their difference.
    channels : mapping of int to channels
        Input channels by the number that a model takes.
    views : frozenset of View
    graph : GraphChoice
    labels : Labels or None
        Instances of the graph; None: those of the model.
    device : str
        Where networks run.
    threads : int
        CPU threads, 0 for all.
    """

    frame: ImageRegion | None
    volume: ImageRegion | None
    models: tuple[str, ...]
    channels: Mapping[int, tuple[Channel, ...]]
    views: frozenset[View]
    graph: GraphChoice = GraphChoice()
    labels: Labels | None = None
    device: str = "auto"
    threads: int = 0

    @property
    def key(self) -> tuple[Any, ...]:
        """Identifies image, region and models, independent of the views."""
        picked = ((count, *((c.layer.unique_id, c.index) for c in some)) for count, some in self.channels.items())
        return (*(each and each.key for each in (self.frame, self.volume)), self.models, *picked)

    @property
    def layer(self) -> Image:
        """The image.

        Raises
        ------
        ImageError
            If it is not visible, neither as a plane nor as a volume.
        """
        region = self.frame or self.volume
        if region is None:
            raise ImageError("The 3D view shows no volume.", "Switch to 2D, or open a stack of planes along z.")
        return region.source.layer

    def needs(self, layer: Layer) -> bool:
        """Whether it reads a layer."""
        images = [region.source.layer for region in (self.frame, self.volume) if region is not None]
        images += [channel.layer for some in self.channels.values() for channel in some]
        return layer is self.labels or any(layer is image for image in images)


@dataclass(frozen=True, eq=False)
class LayerSpec:
    """Specification of a layer.

    Attributes
    ----------
    view : str
        Name of the view; part of the layer's name.
    kind : {"image", "points", "vectors"}
        Type of the layer.
    data : ndarray
        Of an image ``(*new_axes, h, w)``, with colors last if ``rgb``; of
        points ``(N, 2)``, of vectors ``(E, 2, 2)``: rows and columns. Of a volume with planes before them.
    look : dict
        Further arguments of the layer.
    new_axes : tuple of str
        Names of an image's axes in front of its rows.
    notes : dict
        Further metadata of the layer, beside model and version.
    """

    view: str
    kind: Literal["image", "points", "vectors"]
    data: NDArray[Any] = field(repr=False)
    look: Mapping[str, Any] = field(repr=False)
    new_axes: tuple[str, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)


class PredictionCache:
    """The latest predictions of student and teacher, so that another view needs no forward pass."""

    def __init__(self) -> None:
        self._kept: dict[object, _CachedPrediction] = {}

    def get(self, key: object) -> "ModelPrediction | None":
        """Store the predictions of a key."""
        return self._kept[key].seen if key in self._kept else None

    def put(self, key: object, seen: "ModelPrediction", layers: Sequence[Layer]) -> None:
        """Store predictions of these layers, and drop all others but the latest."""
        self._kept.pop(key, None)
        while len(self._kept) > 1:
            self._kept.pop(next(iter(self._kept)))
        self._kept[key] = _CachedPrediction(seen, [(layer, layer.data) for layer in layers])

    def forget(self, layer: Layer) -> None:
        """Drop the predictions of a layer."""
        self._kept = {
            key: kept for key, kept in self._kept.items() if all(layer is not read_layer for read_layer, _ in kept.read)
        }


@dataclass(frozen=True, eq=False)
class _CachedPrediction:
    seen: "ModelPrediction"
    # Keeps the data alive: the key contains their ids, which must not be reused by other arrays.
    read: list[tuple[Layer, Any]]
