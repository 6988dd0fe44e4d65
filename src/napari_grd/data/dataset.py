"""Training patches, each batch a pure function of seed, step and rank.

Because there is no state between batches, a training that is killed and resumed uses exactly the same patches.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_grd.config import AugmentConfig
from napari_grd.data.augment import Patch, random_patch
from napari_grd.data.missing import Missing
from napari_grd.data.volume_patch import random_volume_patch
from napari_grd.jobs import Event, Job, Progress, drain


@dataclass(frozen=True)
class TeacherLayout:
    """The channels of a teacher's output, in this order.

    Attributes
    ----------
    embedding : int
        Number of embedding channels; 0 without an embedding.
    affinities : int
        Soft affinities, as many as there are standard offsets, or 0.
    foreground : bool
        Whether a probability of foreground comes last.
    """

    embedding: int = 0
    affinities: int = 0
    foreground: bool = False

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.embedding + self.affinities + self.foreground

    @property
    def pairs(self) -> slice | None:
        """The affinity channels."""
        return slice(self.embedding, self.embedding + self.affinities) if self.affinities else None

    def split(self, output: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Embedding ``(B, C, *S)``, affinities ``(B, K, *S)`` and foreground ``(B, *S)`` of ``(B, E, *S)``; or None."""
        return (
            output[:, : self.embedding] if self.embedding else None,
            output[:, self.pairs] if self.pairs else None,
            output[:, -1] if self.foreground else None,
        )


@dataclass(frozen=True)
class Example:
    """One training image with labels and teacher output.

    Attributes
    ----------
    name : str
        Name in messages.
    image : array-like (C, *S) float32
        Normalized intensities. Of this and the following arrays only the parts are read that patches are cut from.
    labels : array-like (*S) of int
        Instances: ground truth, or the teacher's if there is none; 0 is background,
        :data:`~napari_grd.data.inputs.IGNORED` is unlabeled.
    teacher : array-like (E, *S) or None
        Cached teacher output, see :class:`TeacherLayout`. NaN, or None, is ignored.
    weight : float
        Sampling weight.
    """

    name: str
    image: Any
    labels: Any
    teacher: Any = None
    weight: float = 1.0


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
        """The same batch on another device; channels last on a GPU, whose convolutions are faster so."""
        teacher = None if self.teacher is None else self.teacher.to(device, non_blocking=True)
        image = self.image.to(device, non_blocking=True)
        if device.type == "cuda" and image.ndim == 4:
            image = image.contiguous(memory_format=torch.channels_last)
        return Batch(image, self.labels.to(device, non_blocking=True), teacher, self.sources)

    def targets_within(self, shape: Sequence[int]) -> "Batch":
        """The same images, with labels and teacher output of their central part only.

        Parameters
        ----------
        shape : sequence of int
            Spatial shape of a network's output, smaller than its input if its convolutions are valid.
        """
        full = self.labels.shape[1:]
        if tuple(full) == tuple(shape):
            return self
        center: Any = (..., *(slice((a - b) // 2, (a + b) // 2) for a, b in zip(full, shape, strict=True)))
        teacher = None if self.teacher is None else self.teacher[center]
        return replace(self, labels=self.labels[center], teacher=teacher)


class PatchSampler:
    """Draws batches of augmented patches.

    Parameters
    ----------
    examples : sequence of Example
        At least one; all with the same number of channels.
    batch : int
        Patches in a batch.
    patch : int or (int, int, int)
        Side of a patch of planes, in pixels; or planes, rows and columns of a patch of volumes.
    augment : AugmentConfig
        Which random changes to make.
    seed : int
        Root of all randomness.
    layout : TeacherLayout, optional
        Layout of the examples' teacher output; without it batches have none.
    views : int, optional
        Number of patches that are drawn of each example, once. Default: every patch is new.
    anisotropy : float, default 1
        Of volumes: distance of the planes divided by their pixel size.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        *,
        batch: int,
        patch: int | Sequence[int],
        augment: AugmentConfig,
        seed: int,
        layout: TeacherLayout | None = None,
        views: int | None = None,
        anisotropy: float = 1.0,
    ) -> None:
        self.examples = list(examples)
        weights = np.array([example.weight for example in self.examples], float)
        # None for equal weights: numpy draws other numbers with explicit, even equal, probabilities.
        self._odds = None if (weights == weights[:1]).all() else weights / weights.sum()
        self._batch = batch
        self._patch = patch
        self._augment = augment
        self._seed = seed
        self._layout = layout
        self._views = views
        self._anisotropy = anisotropy
        # By content: the same image has the same views, whatever examples are beside it.
        self._keys = [] if views is None else [zlib.crc32(e.image.tobytes()) for e in self.examples]

    @property
    def computes(self) -> bool:
        """Whether a part of the examples may have to be computed when it is first drawn."""
        arrays = (array for e in self.examples for array in (e.labels, e.teacher))
        return any(getattr(array, "computes", False) for array in arrays)

    def batch(self, step: int, rank: int = 0) -> Batch:
        """The batch of a step (counted from 0) on a rank."""
        return drain(self.iter_batch(step, rank, lambda: Progress("Drawing patches", 0, 1)))

    def iter_batch(self, step: int, rank: int, progress: Callable[[], Event]) -> Job[Batch]:
        """The same as a job, with progress before each part of an example that is computed."""
        rng = np.random.default_rng((self._seed, step, rank))
        n = len(self.examples)
        # Without replacement while there are enough: the bank compares *different* images.
        sources = tuple(int(i) for i in rng.choice(n, size=self._batch, replace=n < self._batch, p=self._odds))
        patches = []
        for i in sources:
            patches.append((yield from self._iter_patch(rng, i, progress)))
        return Batch(
            torch.from_numpy(np.stack([p.image for p in patches])),
            torch.from_numpy(np.stack([p.labels for p in patches if p.labels is not None])),
            None if self._layout is None else torch.from_numpy(np.stack([self._teacher_output(p) for p in patches])),
            sources,
        )

    def _iter_patch(self, rng: np.random.Generator, source: int, progress: Callable[[], Event]) -> Job[Patch]:
        before = rng.bit_generator.state
        while True:
            try:
                return self._cut(self._random(rng, source), self.examples[source])
            except Missing as part:
                rng.bit_generator.state = before  # the same patch again
                yield progress()
                part.compute()

    def _random(self, rng: np.random.Generator, source: int) -> np.random.Generator:
        """The source of a patch's randomness."""
        if self._views is None:
            return rng
        return np.random.default_rng((self._seed, self._keys[source], int(rng.integers(self._views))))

    def _cut(self, rng: np.random.Generator, example: Example) -> Patch:
        teacher, pairs = (None, None) if self._layout is None else (example.teacher, self._layout.pairs)
        image, labels = example.image, example.labels
        if isinstance(self._patch, int):
            return random_patch(rng, self._augment, self._patch, image, labels, teacher, pairs)
        return random_volume_patch(
            rng, self._augment, self._patch, image, labels, teacher, pairs, anisotropy=self._anisotropy
        )

    def _teacher_output(self, patch: Patch) -> NDArray[np.float32]:
        assert self._layout is not None
        if patch.extra is not None:
            return patch.extra
        return np.full((self._layout.channels, *patch.image.shape[1:]), np.nan, np.float32)
