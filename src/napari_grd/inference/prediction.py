"""What a network says about an image, before it is partitioned."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import PartitionConfig, SegmentConfig
from napari_grd.graph.cosine import affinities_channels_last
from napari_grd.graph.partition import partition_embedding
from napari_grd.inference.rescale import rescale_labels
from napari_grd.models import ModelConfig


@dataclass(frozen=True, eq=False)
class Prediction:
    """Embedding and foreground of an image.

    The grid is the image's, or a rescaled one if an object diameter or a pixel
    size was given; a stack of planes keeps its z axis as it is.

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
        Of the model that made it.
    precision : str
        "f32", "bf16" or "int8": what the network really ran in.
    """

    embedding: NDArray[np.float32] = field(repr=False)
    foreground: NDArray[np.float32] | None = field(repr=False)
    scale: float
    shape: tuple[int, ...]
    config: ModelConfig
    precision: str

    @property
    def is_stack(self) -> bool:
        """Whether this is a stack of planes through a model that knows planes only."""
        return len(self.shape) > self.config.ndim

    def planes(self) -> "list[Prediction]":
        """The planes of a stack, each a prediction; of anything else, itself."""
        if not self.is_stack:
            return [self]
        foregrounds = [None] * self.shape[0] if self.foreground is None else self.foreground
        return [
            replace(self, embedding=self.embedding[:, z], foreground=foreground, shape=self.shape[1:])
            for z, foreground in enumerate(foregrounds)
        ]

    def affinities(self) -> NDArray[np.float32]:
        """Affinities at the model's offsets (METHOD 3).

        Returns
        -------
        (K, *grid) float32
            In [-1, 1]; 0 where a pixel has no partner.
        """
        planes = [
            affinities_channels_last(np.moveaxis(plane.embedding, 0, -1), self.config.offsets)
            for plane in self.planes()
        ]
        return np.stack(planes, axis=1) if self.is_stack else planes[0]


def partition_prediction(
    prediction: Prediction, config: PartitionConfig | SegmentConfig | None = None
) -> NDArray[np.uint32]:
    """Turn a prediction into instances. The network is not needed any more.

    Parameters
    ----------
    prediction : Prediction
    config : PartitionConfig or SegmentConfig, optional
        Default: the settings stored in the model, as for a SegmentConfig
        without a ``partition`` of its own. Sizes are in pixels of the grid.

    Returns
    -------
    uint32 array of the image's shape
        Consecutive from 1, 0 is background. The planes of a stack are
        partitioned one by one and share no label.
    """
    if isinstance(config, SegmentConfig):
        config = config.partition
    settings = config or prediction.config.partition
    planes = [_partition_plane(plane, settings) for plane in prediction.planes()]
    return join_planes(planes) if prediction.is_stack else planes[0]


def join_planes(planes: list[NDArray[np.uint32]]) -> NDArray[np.uint32]:
    """Stack label images along a new first axis, counting on from plane to plane.

    Examples
    --------
    >>> join_planes([np.array([0, 1], np.uint32), np.array([1, 2], np.uint32)])
    array([[0, 1],
           [2, 3]], dtype=uint32)
    """
    joined = np.stack(planes)
    count = 0
    for plane in joined:
        found = int(plane.max())
        plane[plane > 0] += np.uint32(count)
        count += found
    return joined


def join_predictions(planes: list[Prediction]) -> Prediction:
    """The stack of these planes; the inverse of :meth:`Prediction.planes`."""
    first = planes[0]
    channels_last = np.stack([np.moveaxis(plane.embedding, 0, -1) for plane in planes])
    probabilities = [plane.foreground for plane in planes if plane.foreground is not None]
    return replace(
        first,
        embedding=np.moveaxis(channels_last, -1, 0),
        foreground=np.stack(probabilities) if probabilities else None,
        shape=(len(planes), *first.shape),
    )


def _partition_plane(prediction: Prediction, config: PartitionConfig) -> NDArray[np.uint32]:
    embedding = np.moveaxis(prediction.embedding, 0, -1)
    labels = partition_embedding(embedding, prediction.config.offsets, prediction.foreground, config)
    return rescale_labels(labels, prediction.shape)
