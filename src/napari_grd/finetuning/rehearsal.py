"""Rehearsal: patches with the teacher's predictions, against forgetting during fine-tuning.

For images like the corrected ones, the rest of these images is rehearsed: what the model predicts away from the
corrections. To keep what the model was made for, images of its own kind are. Without any, simulated nuclei of many
sizes and intensities replace them: their content matters less than that the model's predictions on them stay the
same. Robins, "Catastrophic Forgetting, Rehearsal and Pseudorehearsal", Connection Science 7 (1995).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.config import NormalizationConfig
from napari_grd.data.dataset import Example, TeacherLayout
from napari_grd.data.inputs import IGNORED
from napari_grd.data.intensity import normalized as normalize_whole
from napari_grd.data.simulate import nuclei_2d
from napari_grd.distillation.teacher_cache import layout_of, stacked
from napari_grd.finetuning.corrected_grid import GridImage
from napari_grd.finetuning.held_out import predict_window
from napari_grd.inference.rescale import nearest, rescale_image
from napari_grd.jobs import Job, Stopwatch
from napari_grd.models.model import Model
from napari_grd.teaching.base import Teacher, TeacherPrediction
from napari_grd.teaching.prediction_check import check_prediction

IMAGES = 32
"""Maximum number of rehearsal images."""
_SIDE = 192  # side of a simulated image, in pixels
_WINDOW = 512  # largest side of the window of a given image: larger ones take more time without benefit
_DIAMETER = 26.0  # diameter of simulated nuclei, in pixels
_SIZES = (0.4, 2.2)  # smallest and largest diameter, relative to the model's objects
_DIM = (0.04, 0.5)  # intensity of dim nuclei, relative to bright ones
_HAZE = 0.6  # largest intensity of the out-of-focus background
_DEFOCUS = (3.0, 20.0)  # sigma of its blur, in pixels
_NOISE = (0.003, 0.12)  # standard deviation, relative to the intensity of nuclei
_OWN_WINDOWS, _OWN_SIDE = 4, 384  # number of windows of the corrected images, and their largest side


@dataclass(frozen=True)
class Rehearsal:
    """Images with the teacher's predictions.

    Attributes
    ----------
    examples : list of Example
        Normalized images, the teacher's instances and its output.
    layout : TeacherLayout or None
        Layout of that output; None if the teacher provides labels only.
    """

    examples: list[Example]
    layout: TeacherLayout | None


def simulated_images(
    rng: np.random.Generator, channels: int, diameter: float | None, count: int
) -> list[NDArray[np.float32]]:
    """Nuclei of many sizes, densities, contrasts and sharpnesses, each ``(C, 192, 192)``.

    All channels show the same nuclei with different intensities, bright or dark, which is sufficient for a prediction.
    """
    simulated = []
    behind = np.zeros((_SIDE, _SIDE), np.float32)
    for _ in range(count):
        sharp = _nuclei(rng, diameter or _DIAMETER)
        plane = ndimage.gaussian_filter(sharp, rng.uniform(0, 1.5))
        # The previous image, rotated, is the background: as dim nuclei beside bright ones, and out of focus.
        plane = np.maximum(plane, rng.choice([0.0, np.exp(rng.uniform(*np.log(_DIM)))]) * behind)
        plane += rng.uniform(0, _HAZE) * ndimage.gaussian_filter(behind, np.exp(rng.uniform(*np.log(_DEFOCUS))))
        plane /= plane.max()
        # A gamma below 1 brightens dim nuclei, above 1 it darkens them: nuclei vary more in real images.
        plane = plane ** np.exp(rng.uniform(-0.7, 0.7))
        plane += np.exp(rng.uniform(*np.log(_NOISE))) * rng.standard_normal(plane.shape)
        signs = np.ones(1) if channels == 1 else rng.choice([-1.0, 1.0], channels)
        simulated.append((signs * rng.uniform(0.3, 1.0, channels))[:, None, None] * plane)
        behind = np.rot90(sharp, int(rng.integers(1, 4)))
    return [image.astype(np.float32) for image in simulated]


def _nuclei(rng: np.random.Generator, diameter: float) -> NDArray[np.float32]:
    """Nuclei of any size and density, 0 to 1, not blurred."""
    size = diameter / _DIAMETER * np.exp(rng.uniform(*np.log(_SIZES)))
    drawn = round(_SIDE / size)
    number = max(1, round(rng.uniform(0.1, 1.0) * drawn**2 / 1100))
    image, _ = nuclei_2d(rng, (drawn, drawn), number)
    plane = rescale_image(image[None].astype(np.float32), (_SIDE, _SIDE))[0]
    plane -= plane.min()
    scaled: NDArray[np.float32] = plane / plane.max()
    return scaled


def windows_of(rng: np.random.Generator, images: Sequence[NDArray[Any]], count: int) -> list[NDArray[Any]]:
    """A window of each image ``(C, H, W)``; of many images, an evenly spaced subset."""
    chosen = np.linspace(0, len(images), min(count, len(images)), endpoint=False).astype(int)
    windows = []
    for image in (images[i] for i in chosen):
        starts = [int(rng.integers(0, max(0, size - _WINDOW) + 1)) for size in image.shape[1:]]
        windows.append(image[:, *(slice(start, start + _WINDOW) for start in starts)])
    return windows


def iter_rehearsal(
    teacher: Teacher, images: Sequence[NDArray[Any]], config: NormalizationConfig, stage: str
) -> Job[Rehearsal]:
    """Predict images with the teacher, once; they are normalized for the model to fine-tune."""
    watch = Stopwatch(stage, len(images))
    examples, layout = [], None
    for done, image in enumerate(images):
        yield watch.progress(done)
        prediction = teacher.predict(image)
        check_prediction(prediction, image.shape[1:])
        layout = layout_of(prediction)
        normalized = normalize_whole(image, config)
        output = None if layout is None else stacked(prediction, layout)
        examples.append(Example(f"rehearsal {done}", normalized, prediction.labels.astype(np.int64), output))
    yield watch.progress(len(images))
    return Rehearsal(examples, layout)


def iter_own_images(
    model: Model,
    images: Sequence[GridImage],
    stage: str,
    seed: int,
    predictions: Sequence[TeacherPrediction] | None = None,
) -> Job[Rehearsal]:
    """What the model before fine-tuning, or a teacher, predicts on the corrected images, away from the corrections."""
    rng = np.random.default_rng(seed)
    count = max(_OWN_WINDOWS, len(images))
    watch = Stopwatch(stage, count)
    examples, layout = [], None
    for done in range(count):
        yield watch.progress(done)
        number = done % len(images)
        grid = images[number]
        starts = [int(rng.integers(0, max(0, size - _OWN_SIDE) + 1)) for size in grid.labels.shape]
        box = tuple(slice(start, start + _OWN_SIDE) for start in starts)
        if predictions is None:
            prediction = predict_window(model, model.network, grid.image[:, *box])
        else:
            prediction = _cut(predictions[number], grid.labels.shape, box)
        layout = layout_of(prediction)
        output = None if layout is None else stacked(prediction, layout)
        labels = np.where(grid.labels[box] >= 0, IGNORED, prediction.labels.astype(np.int64))
        examples.append(Example(f"rehearsal {done}", grid.image[:, *box], labels, output))
    yield watch.progress(count)
    return Rehearsal(examples, layout)


def _cut(prediction: TeacherPrediction, shape: tuple[int, ...], box: tuple[slice, ...]) -> TeacherPrediction:
    """A window of a prediction on the grid. Affinities have lengths in pixels, so that they cannot be rescaled."""
    foreground, embeddings, affinities = prediction.foreground, prediction.embeddings, prediction.affinities
    return TeacherPrediction(
        nearest(prediction.labels, shape)[box],
        None if foreground is None else rescale_image(foreground[None], shape)[0][box],
        None if embeddings is None else rescale_image(embeddings, shape)[:, *box],
        None if affinities is None or prediction.labels.shape != shape else affinities[:, *box],
    )
