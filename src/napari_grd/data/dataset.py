"""Training patches, each batch a pure function of seed, step and rank.

Because nothing is remembered between batches, a training that is killed and
resumed sees exactly the patches it would have seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_grd.config import AugmentConfig
from napari_grd.data.augment import random_patch


@dataclass(frozen=True)
class Example:
    """One training image with what is known about it.

    Attributes
    ----------
    name : str
        For messages.
    image : ndarray (C, *S) float32
        Normalised intensities.
    labels : ndarray (*S) of int
        Instances: ground truth, or the teacher's own where there is none.
    teacher : array-like (E, *S) or None
        Cached teacher output: embedding channels, then the foreground
        probability if the teacher has one. Any array that can be sliced.
    """

    name: str
    image: np.ndarray
    labels: np.ndarray
    teacher: Any = None


@dataclass(frozen=True)
class Batch:
    """Patches of one step.

    Attributes
    ----------
    image : Tensor (B, C, *S) float32
    labels : Tensor (B, *S) int64
    teacher : Tensor (B, E, *S) float32 or None
    sources : tuple of int
        Index of the example each patch was cut from.
    """

    image: Tensor
    labels: Tensor
    teacher: Tensor | None
    sources: tuple[int, ...]

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        teacher = None if self.teacher is None else self.teacher.to(device, non_blocking=True)
        return Batch(
            self.image.to(device, non_blocking=True), self.labels.to(device, non_blocking=True), teacher, self.sources
        )


class PatchSampler:
    """Draws batches of augmented patches.

    Parameters
    ----------
    examples : sequence of Example
        At least one; all with the same number of channels.
    batch : int
        Patches in a batch.
    patch : int
        Side of a patch in pixels.
    augment : AugmentConfig
        Which random changes to make.
    seed : int
        Root of all randomness.
    """

    def __init__(
        self, examples: Sequence[Example], *, batch: int, patch: int, augment: AugmentConfig, seed: int
    ) -> None:
        self.examples = list(examples)
        self._batch = batch
        self._patch = patch
        self._augment = augment
        self._seed = seed

    def batch(self, step: int, rank: int = 0) -> Batch:
        """The batch of a step (counted from 0) on a rank."""
        rng = np.random.default_rng((self._seed, step, rank))
        n = len(self.examples)
        # Without replacement while there are enough: the bank compares *different* images.
        sources = tuple(int(i) for i in rng.choice(n, size=self._batch, replace=n < self._batch))
        patches = []
        for i in sources:
            example = self.examples[i]
            patches.append(
                random_patch(rng, self._augment, self._patch, example.image, example.labels, example.teacher)
            )
        extras = [p.extra for p in patches if p.extra is not None]
        return Batch(
            torch.from_numpy(np.stack([p.image for p in patches])),
            torch.from_numpy(np.stack([p.labels for p in patches if p.labels is not None])),
            torch.from_numpy(np.stack(extras)) if len(extras) == len(patches) else None,
            sources,
        )
