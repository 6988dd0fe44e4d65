"""A network's prediction of an image, before partitioning."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import PartitionConfig, SegmentConfig
from napari_grd.data.intensity import PlaneStatistics
from napari_grd.graph.cosine import affinities_channels_last
from napari_grd.graph.partition import EdgeWeights, edge_weights, partition_edges, partition_embedding
from napari_grd.inference.contrast import remove_faint, remove_faint_3d
from napari_grd.inference.rescale import consecutive, rescale_labels
from napari_grd.models.model import ModelConfig


@dataclass(frozen=True, eq=False)
class Prediction:
    """Embedding and foreground of an image.

    The grid is the image's, or a rescaled one if the objects' size differs from that of the training images, or a pixel
    size was given; the z axis of a stack of planes is not rescaled.

    Attributes
    ----------
    embedding : (C, *grid) float32
        Raw embedding; a view of an array with the channels last.
    foreground : (*grid) float32 or None
        Probability in [0, 1]; None if the model has no foreground.
    scale : float
        Pixels of the grid per pixel of the image.
    shape : tuple of int
        Spatial shape of the image in pixels.
    config : ModelConfig
        Config of its model.
    precision : str
        "f32", "bf16" or "int8": the precision actually used.
    pixels : (C, *shape) array or None
        The predicted image, as stored; None if not available.
    statistics : tuple of PlaneStatistics
        Statistics of each of the :meth:`planes`, as a whole; empty if unknown.
    places : tuple of arrays of int, or None
        For a part of a larger plane that is rescaled: for every row and column of ``shape`` the corresponding row or
        column of the grid. None: derived from the shape.
    """

    embedding: NDArray[np.float32] = field(repr=False)
    foreground: NDArray[np.float32] | None = field(repr=False)
    scale: float
    shape: tuple[int, ...]
    config: ModelConfig
    precision: str
    pixels: NDArray[Any] | None = field(default=None, repr=False)
    statistics: tuple[PlaneStatistics, ...] = field(default=(), repr=False)
    places: tuple[NDArray[np.intp], ...] | None = field(default=None, repr=False)

    @property
    def plane_shape(self) -> tuple[int, ...]:
        """Lengths of the axes that index planes of a stack or series; else ``()``."""
        return self.shape[: len(self.shape) - self.config.ndim]

    @property
    def is_stack(self) -> bool:
        """Whether these are several planes, predicted by a 2D model."""
        return len(self.shape) > self.config.ndim

    def planes(self) -> "list[Prediction]":
        """The planes of a stack, each a prediction, in the order of their indices; otherwise itself."""
        if not self.is_stack:
            return [self]
        return [
            replace(
                self,
                embedding=self.embedding[:, *index],
                foreground=None if self.foreground is None else self.foreground[index],
                shape=self.shape[len(index) :],
                pixels=None if self.pixels is None else self.pixels[:, *index],
                statistics=self.statistics[number : number + 1],
            )
            for number, index in enumerate(np.ndindex(self.plane_shape))
        ]

    def affinities(self) -> NDArray[np.float32]:
        """Affinities at the model's offsets (method.md, section 3).

        Returns
        -------
        (K, *grid) float32
            In [-1, 1]; 0 where a pixel has no partner.
        """
        planes = [
            affinities_channels_last(np.moveaxis(plane.embedding, 0, -1), self.config.offsets)
            for plane in self.planes()
        ]
        if not self.is_stack:
            return planes[0]
        joined = np.stack(planes, axis=1)
        return joined.reshape(len(joined), *self.plane_shape, *planes[0].shape[1:])

    def edge_weights(self, config: PartitionConfig) -> EdgeWeights:
        """What the partition of a plane, or of a volume, needs of the embedding."""
        return edge_weights(np.moveaxis(self.embedding, 0, -1), self.config.offsets, self.foreground, config)


def partition_prediction(
    prediction: Prediction, config: PartitionConfig | SegmentConfig | None = None
) -> NDArray[np.uint32]:
    """Partition a prediction into instances, without the network.

    Parameters
    ----------
    prediction : Prediction
    config : PartitionConfig or SegmentConfig, optional
        Default: the settings stored in the model, as for a SegmentConfig
        without a ``partition`` of its own. Sizes are in pixels of the grid.

    Returns
    -------
    uint32 array of the image's shape
        Consecutive from 1, 0 is background. The planes of a stack are partitioned separately and share no label.
    """
    if isinstance(config, SegmentConfig):
        config = config.partition
    settings = config or prediction.config.partition
    labels = [label_plane(plane, settings) for plane in prediction.planes()]
    if not prediction.is_stack:
        return labels[0]
    count = 0
    for plane in labels:
        largest = int(plane.max())
        plane[plane > 0] += np.uint32(count)
        count += largest
    return np.stack(labels).reshape(prediction.shape)


def label_plane(
    prediction: Prediction, config: PartitionConfig, weights: EdgeWeights | None = None
) -> NDArray[np.uint32]:
    """Partition the prediction of one plane, or of a part of one, into instances.

    All segmentations, by scripts, of folders and in Live, use this function.

    Parameters
    ----------
    prediction : Prediction
        Of a plane, or of a volume, with its ``pixels`` and ``statistics``.
    config : PartitionConfig
    weights : EdgeWeights, optional
        Its :meth:`Prediction.edge_weights`. Default: computed from its embedding.

    Returns
    -------
    uint32 array of the prediction's shape
        Consecutive from 1, 0 is background. Objects that do not exceed the noise of a sparse field are removed, see
        :func:`~napari_grd.inference.contrast.remove_faint`.
    """
    offsets = prediction.config.offsets
    if weights is None:
        embedding = np.moveaxis(prediction.embedding, 0, -1)
        labels = partition_embedding(embedding, offsets, prediction.foreground, config)
    else:
        labels = partition_edges(weights, offsets, config)
    if prediction.places is not None:
        labels = consecutive(labels[np.ix_(*prediction.places)])
    else:
        labels = rescale_labels(labels, prediction.shape)
    model = prediction.config
    if prediction.pixels is None or not prediction.statistics or not model.foreground:
        return labels
    (statistics,) = prediction.statistics
    if labels.ndim == 2:
        kept = remove_faint(labels, prediction.pixels, statistics, model.contrast)
    else:
        diameter = None if model.grid_diameter is None else model.grid_diameter / prediction.scale
        depth = (model.anisotropy or 1.0) * prediction.embedding.shape[1] / labels.shape[0] / prediction.scale
        kept = remove_faint_3d(labels, prediction.pixels, statistics, model, diameter=diameter, depth=depth)
    return labels if kept is labels else consecutive(kept)


def join_predictions(planes: list[Prediction], plane_shape: tuple[int, ...]) -> Prediction:
    """The stack of these planes; the inverse of :meth:`Prediction.planes`."""
    first = planes[0]
    channels_last = np.stack([np.moveaxis(plane.embedding, 0, -1) for plane in planes])
    probabilities = [plane.foreground for plane in planes if plane.foreground is not None]
    pixels = [plane.pixels for plane in planes if plane.pixels is not None]
    return replace(
        first,
        embedding=np.moveaxis(channels_last.reshape(*plane_shape, *channels_last.shape[1:]), -1, 0),
        foreground=np.stack(probabilities).reshape(*plane_shape, *probabilities[0].shape) if probabilities else None,
        shape=(*plane_shape, *first.shape),
        pixels=np.stack(pixels, axis=1).reshape(len(pixels[0]), *plane_shape, *first.shape) if pixels else None,
        statistics=tuple(each for plane in planes for each in plane.statistics),
    )
