"""Calibration patches: a small sample of normalized images stored in a model, which sets the ranges of int8."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_grd.data.inputs import as_image, split_planes
from napari_grd.data.intensity import normalized
from napari_grd.errors import ConfigError, DataError, GrdError, naming
from napari_grd.hub import ModelLike, as_model
from napari_grd.models.model import Model

PATCHES = {2: 16, 3: 8}
SIDES: dict[int, tuple[int, ...]] = {2: (128, 128), 3: (16, 64, 64)}
"""Number and sides of calibration patches, by the model's spatial dimensions."""
_CANDIDATES = 8  # candidate positions for each patch
# A patch is stored as bytes: value = byte * _STEP + _LOWEST. All but 1.2 % of the pixels of an image are in [0, 1].
_STEP, _LOWEST = 1 / 64, -0.5


def calibrate_int8(model: ModelLike, images: Any, *, axes: str | None = None) -> Model:
    """Store calibration images for int8 in a model.

    Parameters
    ----------
    model : Model, str or Path
        A model, or its name or file, as for :func:`napari_grd.load_model`. The one returned shares its network.
    images : array or sequence of arrays
        Images like those to be segmented, with objects: a handful is enough, variety is better. One bare array is one
        image.
    axes : str, optional
        Axes of every image, as for :func:`napari_grd.inference.segment.predict`.

    Returns
    -------
    Model
        With ``calibration``: 16 patches of 128 pixels a side, of volumes 8 patches of 16 x 64 x 64 voxels, as bytes.
        They are saved with the model, so do not share a model calibrated on confidential images.

    Raises
    ------
    DataError
        If there is no image.
    ImageError
        If an image does not fit the model.
    ConfigError
        If the network is one of valid convolutions, as MALA, whose patches would not fit into a model file.

    See Also
    --------
    segment : Runs the calibrated model with ``SegmentConfig(precision="int8")``.
    export_model : Exports it with ``int8=True``.

    Examples
    --------
    >>> from napari_grd.models.model import ModelConfig
    >>> model = calibrate_int8(Model.create(ModelConfig()), np.zeros((200, 200)))
    >>> tuple(model.calibration.shape), model.calibration.dtype
    ((16, 1, 128, 128), torch.uint8)
    """
    model = as_model(model)
    sides = SIDES[model.config.ndim]
    if model.entry.input_size(sides) != sides:
        raise ConfigError(
            f"The network {model.entry.name!r} does not run on patches of {' x '.join(map(str, sides))} pixels, so it"
            " cannot be calibrated for int8.",
            "Use precision 'f32' or 'bf16', or another network.",
        )
    planes = _normalized(model, images, axes)
    if not planes:
        raise DataError("There are no images to calibrate on.", "Give at least one image.")
    rng = np.random.default_rng(0)
    count = PATCHES[model.config.ndim]
    patches = np.stack([_patch(planes[number % len(planes)], sides, rng) for number in range(count)])
    stored = np.clip(np.round((patches - _LOWEST) / _STEP), 0, 255).astype(np.uint8)
    return replace(model, calibration=torch.from_numpy(stored))


def calibration_images(model: Model) -> NDArray[np.float32]:
    """The calibration patches of a model, normalized.

    Returns
    -------
    (N, C, *S) float32

    Raises
    ------
    GrdError
        If the model has none.
    """
    if model.calibration is None:
        raise GrdError(
            f"The model {model.card.name!r} is not calibrated, so precision 'int8' is not available.",
            "Calibrate it on some of your images: grd.calibrate_int8(model, images), or 'napari-grd calibrate-int8'.",
        )
    values: NDArray[np.float32] = model.calibration.numpy().astype(np.float32) * np.float32(_STEP) + np.float32(_LOWEST)
    return values


def _normalized(model: Model, images: Any, axes: str | None) -> list[NDArray[np.float32]]:
    config = model.config
    planes = []
    for number, image in enumerate(images if isinstance(images, list | tuple) else [images]):
        with naming(f"Image {number}"):
            for part, rest in split_planes(image, axes, ndim=config.ndim):
                plane = as_image(part, rest, ndim=config.ndim, in_channels=config.in_channels)
                planes.append(normalized(plane, config.normalization))
    return planes


def _patch(image: NDArray[np.float32], sides: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """The position with the highest contrast of several candidates: background is not representative."""
    missing = [max(0, side - size) for side, size in zip(sides, image.shape[1:], strict=True)]
    if any(missing):
        image = np.pad(image, [(0, 0), *((0, width) for width in missing)], mode="reflect")
    spans = list(zip(sides, image.shape[1:], strict=True))
    places = [[rng.integers(0, size - side + 1) for side, size in spans] for _ in range(_CANDIDATES)]
    crops = [
        image[(slice(None), *(slice(start, start + side) for start, side in zip(place, sides, strict=True)))]
        for place in places
    ]
    return max(crops, key=lambda crop: float(crop.std()))
