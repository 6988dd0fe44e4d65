"""A model about to learn: the corrected images as it sees them, and scores on each correction."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from napari_grd.config import FineTuneConfig, SegmentConfig
from napari_grd.data.dataset import Example
from napari_grd.errors import ConfigError
from napari_grd.finetuning.corrected_grid import GridImage, at_diameter, corrected_diameter, on_grid
from napari_grd.finetuning.features import FeatureCache, learns_in_decoder
from napari_grd.finetuning.folds import LabeledRegion, divide, labeled_regions, owners, without
from napari_grd.finetuning.held_out import RegionScore, score_regions
from napari_grd.finetuning.labeled_windows import labeled_windows
from napari_grd.finetuning.rehearsal import Rehearsal
from napari_grd.finetuning.run import FineTuningRun, Weights, blended
from napari_grd.inference.rescale import nearest
from napari_grd.inference.torch_runtime import cpu_threads
from napari_grd.models.model import Model

Improved = Callable[[Model], Mapping[str, Any]]
"""Called with the model so far; returns named images to show."""


class Candidate:
    """A model, the corrected images on its grid, and their division into folds.

    Images are raw intensities ``(C, H, W)``, in labels ``(H, W)`` 0 is labeled background and
    :data:`~napari_grd.data.inputs.IGNORED` is unlabeled.
    """

    def __init__(
        self, model: Model, images: Sequence[NDArray[Any]], labels: Sequence[NDArray[np.int64]], config: FineTuneConfig
    ) -> None:
        if model.config.ndim != 2:
            raise ConfigError(f"The model works in {model.config.ndim}D.", "Fine-tune a model that works in 2D.")
        self.model, self.config = model, config
        # In evaluation mode, whatever mode the model is in: else scoring would change its statistics.
        self.frozen = replace(model, network=copy.deepcopy(model.network).to("cpu").eval())
        self._raw, self._labels = images, labels
        self.features = FeatureCache() if learns_in_decoder(model, config) else None
        diameter = config.object_diameter
        self.diameter = corrected_diameter(labels) if diameter == "auto" else diameter
        settings = SegmentConfig(object_diameter="auto" if diameter == "auto" else None)
        learned = config.mode == "these_images"
        self.sized, self.images = at_diameter(model, images, labels, settings, self.diameter, learned=learned)
        self._owners = [owners(each) for each in labels]
        self.owned = self._on(self.images)
        self.regions = labeled_regions(self._owners)
        self.folds = divide(self.regions, config.seed)

    @property
    def scale(self) -> float:
        """Pixels of the grid per pixel of the images."""
        return self.images[0].scale

    @property
    def objects(self) -> int:
        """Number of corrected objects."""
        return sum(region.is_object for region in self.regions)

    @cached_property
    def before(self) -> dict[LabeledRegion, RegionScore]:
        """Scores of the model as it segments these images by itself: at the scale that it finds."""
        return dict(zip(self.regions, self._score(self.frozen.network, self.regions, self.alone), strict=True))

    @cached_property
    def alone(self) -> list[GridImage]:
        """The images at the scale that the model finds by itself."""
        return on_grid(self.model, self._raw, self._labels)

    @cached_property
    def rescaled(self) -> dict[LabeledRegion, RegionScore]:
        """Scores of the model at the scale of the corrected objects, before it learned anything."""
        return dict(zip(self.regions, self._score(self.frozen.network, self.regions, self.images), strict=True))

    def see(self, images: Sequence[NDArray[Any]], labels: Sequence[NDArray[np.int64]]) -> list[GridImage]:
        """Other images, at the same scale."""
        return on_grid(replace(self.model, config=self.sized), images, labels)

    def score(self, weights: Weights, blend: float, regions: Sequence[LabeledRegion]) -> list[RegionScore]:
        """Scores of fine-tuned weights."""
        return self._score(blended(self.model.network, weights, blend), regions, self.images)

    def run(
        self, rehearsal: Rehearsal | None, held: Sequence[LabeledRegion] = (), start: Weights | None = None
    ) -> FineTuningRun:
        """A training without the regions that are held out."""
        return FineTuningRun(self.model, self._windows(held), rehearsal, self.config, start, self.features)

    def _windows(self, held: Sequence[LabeledRegion]) -> list[Example]:
        windows: list[Example] = []
        for number, (image, owned) in enumerate(zip(self.images, self.owned, strict=True)):
            labels = without(image.labels, owned, number, held)
            windows += labeled_windows(f"image {number}", image.image, labels, self.config.patch)
        return windows

    def _score(
        self, network: nn.Module, regions: Sequence[LabeledRegion], images: Sequence[GridImage]
    ) -> list[RegionScore]:
        owned = self.owned if images is self.images else self._on(images)
        with cpu_threads(self.config.threads):
            return score_regions(self.model, network, images, owned, regions)

    def _on(self, images: Sequence[GridImage]) -> list[NDArray[np.int64]]:
        return [nearest(owner, image.labels.shape) for owner, image in zip(self._owners, images, strict=True)]
