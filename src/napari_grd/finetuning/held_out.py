"""Scores of a network on single corrected objects, from a window around each."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_grd.finetuning.corrected_grid import GridImage
from napari_grd.finetuning.folds import LabeledRegion
from napari_grd.graph.partition import partition_embedding
from napari_grd.models.model import Model
from napari_grd.teaching.base import TeacherPrediction
from napari_grd.teaching.soft_affinities import centered

_CONTEXT = 24  # pixels of the grid around an object: at its scale nearly an object more on each side
_UNIT = 16  # sides of windows are multiples of this, so that few sizes occur
_MATCH = 0.5  # IoU of a found object


@dataclass(frozen=True)
class RegionScore:
    """How a region is segmented.

    Attributes
    ----------
    iou : float
        Of the best matching object; NaN for a piece of background.
    extra : int
        Objects that lie mostly on the labeled pixels of the region and are not that match.
    """

    iou: float
    extra: int

    @property
    def is_object(self) -> bool:
        """Whether an object was labeled."""
        return not math.isnan(self.iou)

    @property
    def quality(self) -> float:
        """0 to 1: of an object the mean of its IoU and of whether it is found, less for extra objects."""
        if not self.is_object:
            return 0.0 if self.extra else 1.0
        return (self.iou + (self.iou >= _MATCH)) / 2 / (1 + self.extra / 2)


@dataclass(frozen=True)
class HeldOut:
    """Scores before and after fine-tuning, on corrected objects that were held out of it.

    Attributes
    ----------
    objects : int
        Number of objects.
    ap50_before, ap50_after : float
        Average precision at an IoU of 0.5: found objects / (found + extra + missed objects).
    iou_before, iou_after : float
        Mean IoU of the objects with their best match.
    """

    objects: int
    ap50_before: float
    ap50_after: float
    iou_before: float
    iou_after: float

    @classmethod
    def of(cls, before: Sequence[RegionScore], after: Sequence[RegionScore]) -> "HeldOut":
        """From the scores of the same regions."""
        objects = sum(score.is_object for score in before)
        return cls(objects, average_precision(before), average_precision(after), mean_iou(before), mean_iou(after))

    @classmethod
    def from_card(cls, scores: Mapping[str, float]) -> "HeldOut":
        """From the scores of a model card, or of the event of a fine-tuning.

        Examples
        --------
        >>> scores = HeldOut(3, 0.5, 0.75, 0.4, 0.6)
        >>> HeldOut.from_card(scores.on_card()) == scores
        True
        """
        names = ("AP50 before", "AP50", "IoU before", "IoU")
        return cls(int(scores["held-out objects"]), *(scores[f"held-out {name}"] for name in names))

    def on_card(self) -> dict[str, float]:
        """Scores for a model card."""
        return {
            "held-out objects": float(self.objects),
            "held-out AP50 before": round(self.ap50_before, 4),
            "held-out AP50": round(self.ap50_after, 4),
            "held-out IoU before": round(self.iou_before, 4),
            "held-out IoU": round(self.iou_after, 4),
        }


def average_precision(scores: Iterable[RegionScore], match: float = _MATCH) -> float:
    """Found objects / (found + extra + missed objects); 0 without any."""
    scores = list(scores)
    objects = [score for score in scores if score.is_object]
    matched = sum(score.iou >= match for score in objects)
    every = len(objects) + sum(score.extra for score in scores)
    return matched / every if every else 0.0


def mean_iou(scores: Iterable[RegionScore]) -> float:
    """Mean IoU of objects with their best match; 0 without any."""
    values = [score.iou for score in scores if score.is_object]
    return float(np.mean(values)) if values else 0.0


def mean_quality(scores: Sequence[RegionScore]) -> float:
    """Mean quality of regions; 0 without any."""
    return float(np.mean([score.quality for score in scores])) if scores else 0.0


def score_regions(
    model: Model,
    network: nn.Module,
    images: Sequence[GridImage],
    owned: Sequence[NDArray[np.int64]],
    regions: Sequence[LabeledRegion],
) -> list[RegionScore]:
    """Segment a window around each region with a network in evaluation mode, and compare.

    ``owned`` are the owners of the pixels of each image, see :func:`~napari_grd.finetuning.folds.owners`.
    """
    scores = []
    for region in regions:
        image = images[region.image]
        mine = owned[region.image] == region.owner
        if not mine.any():  # an object that is lost on a much coarser grid
            scores.append(RegionScore(0.0 if region.is_object else math.nan, 0))
            continue
        box = _window(mine, image.labels.shape)
        prediction = predict_window(model, network, image.image[:, *box])
        scores.append(_score(prediction.labels, image.labels[box], mine[box], region))
    return scores


@torch.no_grad()
def predict_window(model: Model, network: nn.Module, image: NDArray[np.float32]) -> TeacherPrediction:
    """Embedding, foreground and instances of a normalized window ``(C, h, w)`` at the scale of the network."""
    height, width = image.shape[1:]
    device, settings = next(network.parameters()).device, model.config.partition
    output = network(torch.from_numpy(_padded(image, model.stride))[None].to(device))
    embedding, logit = model.split(output[..., :height, :width].float().cpu())
    vectors = embedding[0].permute(1, 2, 0).contiguous().numpy()
    foreground = None if logit is None else torch.sigmoid(logit[0]).numpy()
    labels = partition_embedding(vectors, model.config.offsets, foreground, settings)
    if foreground is not None:
        foreground = centered(foreground, settings.foreground_threshold)
    return TeacherPrediction(labels, foreground, embedding[0].numpy())


def _score(
    predicted: NDArray[np.uint32], labels: NDArray[np.int64], mine: NDArray[np.bool_], region: LabeledRegion
) -> RegionScore:
    areas = np.bincount(predicted.ravel())
    areas[0] = 0
    inside = np.bincount(predicted[mine], minlength=len(areas))
    mostly = (2 * inside >= areas) & (areas > 0)
    if not region.is_object:
        return RegionScore(math.nan, int(mostly.sum()))
    target = labels == region.owner
    common = np.bincount(predicted[target], minlength=len(areas))
    common[0] = 0
    ious = common / np.maximum(areas + target.sum() - common, 1)
    best = int(ious.argmax())
    mostly[best] = False
    return RegionScore(float(ious[best]), int(mostly.sum()))


def _window(mine: NDArray[np.bool_], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The box of a region with context, within the image."""
    box = []
    for axis, size in enumerate(shape):
        places = np.flatnonzero(mine.any(1 - axis))
        first, last = int(places[0]) - _CONTEXT, int(places[-1]) + 1 + _CONTEXT
        last = first + -(-(last - first) // _UNIT) * _UNIT
        box.append(slice(max(0, first), min(size, last)))
    return tuple(box)


def _padded(image: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
    """Extended at the far ends, to a multiple of the stride."""
    missing = [(0, -size % stride) for size in image.shape[1:]]
    mode = "reflect" if all(extra < size for (_, extra), size in zip(missing, image.shape[1:], strict=True)) else "edge"
    return np.ascontiguousarray(np.pad(image, [(0, 0), *missing], mode=mode))  # type: ignore[call-overload]
