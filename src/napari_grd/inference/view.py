"""Scale and inversion of an image for a model.

Determined once for a plane, stack or series, so that tiles, views and crops agree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import SegmentConfig
from napari_grd.data.image_kind import image_kind
from napari_grd.data.intensity import PlaneStatistics, measure_intensity
from napari_grd.data.object_size import estimate_diameter
from napari_grd.errors import ConfigError, ImageError
from napari_grd.inference.rescale import depth_factor, scale_factor
from napari_grd.inference.sampling import sample_planes
from napari_grd.inference.source import PlaneSource, read_patch
from napari_grd.inference.suggestion import mismatch
from napari_grd.models.model import ModelConfig

Range = NDArray[np.floating[Any]]

_SIDE = 1024  # side of the part of a plane that is read
_PLANES = 3  # planes of a stack or series that are read
_KEPT = 1.25  # maximum ratio to the model's diameter without rescaling
_CLEAN = 40.0  # minimum range of an image to be enlarged, in deviations of its noise: else noise becomes texture
_LARGEST = 10.0  # maximum ratio to the model's diameter of a plausible estimate
_BACKGROUND = 0.7  # of an image that is dark on bright, half of the pixels are above this in normalized intensity


@dataclass(frozen=True)
class ImageView:
    """The resolved scale and inversion.

    Attributes
    ----------
    config : SegmentConfig
        The resolved settings: ``object_diameter`` and ``invert`` are no longer "auto".
    scale : float
        Pixels of the network's grid per pixel of the finest level.
    diameter : float or None
        Typical diameter of objects in pixels of the finest level, as estimated; None without an estimate.
    notes : tuple of str
        Messages for the user about deviations from the training images, with reasons.
    given : PlaneStatistics or None
        Intensities of every plane, given by the caller.
    measured : mapping of plane to PlaneStatistics
        Statistics of whole planes at the finest level that were measured for this, for reuse.
    """

    config: SegmentConfig
    scale: float
    diameter: float | None = None
    notes: tuple[str, ...] = ()
    given: PlaneStatistics | None = None
    measured: Mapping[tuple[int, ...], PlaneStatistics] = field(default_factory=dict, compare=False)

    @property
    def invert(self) -> bool:
        """Whether intensities are inverted."""
        return self.config.invert is True


def resolve_view(
    source: PlaneSource, model: ModelConfig, config: SegmentConfig, given: PlaneStatistics | None = None
) -> ImageView:
    """Resolve the automatic settings for an image.

    Parameters
    ----------
    source : PlaneSource
        The image. A few windows of a few planes are read, at the finest level.
    model : ModelConfig
        Object diameter, pixel size and contrast of the training images.
    config : SegmentConfig
    given : PlaneStatistics, optional
        Given intensities, which also determine the inversion.

    Returns
    -------
    ImageView

    Raises
    ------
    ConfigError
        If sizes are given that the model cannot use.
    ImageError
        If the image does not fit the model.
    """
    if config.intensity_range is not None and len(config.intensity_range) != model.in_channels:
        raise ImageError(
            f"intensity_range has {len(config.intensity_range)} pair(s), but the model takes {model.in_channels}"
            " channel(s).",
            "Give low and high per channel.",
        )
    size_open = config.object_diameter == "auto" and config.pixel_size is None and model.scale is None
    invert_open = config.invert == "auto" and given is None and config.intensity_range is None
    knows = model.ndim == 2 and model.contrast is not None
    sizes = model.contrast in ("bright", "dark")
    changes: dict[str, object] = {}
    notes: list[str] = []
    diameter = None
    measured: dict[tuple[int, ...], PlaneStatistics] = {}
    if config.object_diameter == "auto":
        changes["object_diameter"] = None
    if config.invert == "auto":
        changes["invert"] = given is not None and given.inverted
    if knows and (size_open or invert_open):
        planes = sample_planes(source.plane_shape, _PLANES)
        windows = [_window(source, plane, model) for plane in planes]
        adapted = config.replace(invert=changes.get("invert", config.invert))
        statistics = [measured_as(adapted, [window], model, model.object_diameter) for window in windows]
        if given is None and (problem := mismatch(model, image_kind(windows[len(windows) // 2]))) is not None:
            notes.append(problem)
        if invert_open and sizes and _is_dark_on_bright(windows, statistics, model):
            changes["invert"] = True
            adapted = adapted.replace(invert=True)
            statistics = [measured_as(adapted, [window], model, model.object_diameter) for window in windows]
            notes.append("The image is dark on bright and is inverted for this model; disable that if it is wrong.")
        if size_open and sizes and model.object_diameter is not None:
            diameter = _estimate(windows, statistics, model)
            if diameter is not None and diameter * _KEPT < model.object_diameter and not _is_clean(windows, statistics):
                notes.append(
                    f"The objects look about {diameter:.0f} pixels wide, in training {model.object_diameter:.0f},"
                    " but the image is too noisy to be enlarged. Set the object diameter to enlarge it anyway."
                )
            elif diameter is not None and not 1 / _KEPT <= diameter / model.object_diameter <= _KEPT:
                changes["object_diameter"] = diameter
                notes.append(
                    f"The objects look about {diameter:.0f} pixels wide, in training {model.object_diameter:.0f}:"
                    " the image is rescaled. Set the object diameter if that is wrong."
                )
        if windows[0].shape[1:] == tuple(source.shape(0)):
            measured = dict(zip(planes, statistics, strict=True))
    resolved = config.replace(**changes) if changes else config
    scale = scale_factor(model, resolved)
    notes += _on_depth(model, resolved)
    if config.pixel_size is not None and scale != 1:
        notes.append(
            f"The image's pixels are {config.pixel_size:g} µm wide, in training {model.pixel_size:g} µm:"
            " the image is rescaled."
        )
    # Statistics depend on how large objects are.
    return ImageView(resolved, scale, diameter, tuple(notes), given, measured if scale == 1 else {})


def with_pixel_size(config: SegmentConfig, model: ModelConfig, pixel_size: float | None) -> SegmentConfig:
    """Settings with the pixel size from the image's file, if usable; a given object diameter takes precedence.

    Parameters
    ----------
    config : SegmentConfig
    model : ModelConfig
        Must store the pixel size of its training data.
    known : float or None
        In micrometers.
    """
    if (
        pixel_size is None
        or model.pixel_size is None
        or config.object_diameter != "auto"
        or config.pixel_size is not None
    ):
        return config
    # Implausible pixel sizes are frequent in files: then the size is estimated from the image.
    possible = 1 / _LARGEST <= pixel_size / model.pixel_size <= _LARGEST
    return config.replace(pixel_size=pixel_size) if possible else config


def with_anisotropy(config: SegmentConfig, anisotropy: float | None) -> SegmentConfig:
    """Settings with the anisotropy from the image's file; a given one takes precedence."""
    return config if anisotropy is None or config.anisotropy is not None else config.replace(anisotropy=anisotropy)


def with_range(
    config: SegmentConfig, measured: Range | PlaneStatistics | None
) -> tuple[SegmentConfig, PlaneStatistics | None]:
    """Settings with given intensities: a range becomes a setting, statistics are used directly.

    Raises
    ------
    ImageError
        If a range does not have low and high for each channel, with all or none of them reversed.
    """
    if measured is None or isinstance(measured, PlaneStatistics):
        return config, measured
    values = np.asarray(measured, np.float64)
    turned = values.ndim == 2 and values.shape[1] == 2 and bool((values[:, 0] > values[:, 1]).all())
    ordered = values[:, ::-1] if turned else values
    try:
        return config.replace(intensity_range=ordered.tolist(), invert=True if turned else config.invert), None
    except ConfigError:
        raise ImageError(
            f"intensity_range is {values.tolist()}.", "Pass low and high, low < high, for each channel: (C, 2)."
        ) from None


def measured_as(
    config: SegmentConfig, pixels: Sequence[NDArray[np.generic]], model: ModelConfig, diameter: float | None
) -> PlaneStatistics:
    """The statistics of a plane with the settings' inversion and intensity range."""
    inverted = config.invert is True
    measured = measure_intensity(pixels, model.normalization, diameter, invert=inverted)
    if config.intensity_range is None:
        return measured
    bounds = np.array(config.intensity_range, np.float64)
    return replace(measured, range=bounds[:, ::-1] if inverted else bounds)


def _on_depth(model: ModelConfig, config: SegmentConfig) -> list[str]:
    """Messages on the distance of the planes of a volume."""
    if model.ndim == 2 or model.anisotropy is None:
        return []
    if config.anisotropy is None:
        return [
            "The distance of the planes is not known and is assumed to be that of the training volumes"
            f" ({model.anisotropy:.3g} pixels). Set the anisotropy if that is wrong."
        ]
    if depth_factor(model, config) == 1:
        return []
    return [
        f"The planes are {config.anisotropy:.3g} pixels apart, in training {model.anisotropy:.3g}: they are rescaled."
    ]


def _window(source: PlaneSource, plane: tuple[int, ...], model: ModelConfig) -> NDArray[np.generic]:
    """The central part of a plane."""
    box = tuple(
        slice(max(0, (size - _SIDE) // 2), max(0, (size - _SIDE) // 2) + min(size, _SIDE)) for size in source.shape(0)
    )
    return read_patch(source, 0, plane, (box[0], box[1]), model.in_channels).pixels


def _normalized(
    windows: list[NDArray[np.generic]], statistics: list[PlaneStatistics]
) -> tuple[list[NDArray[np.float32]], float]:
    """Windows with contrast above the noise, and their noise."""
    useful = [(w, s) for w, s in zip(windows, statistics, strict=True) if s.stands_out]
    planes = [s.normalize(w) for w, s in useful]
    noises = [
        float(np.max(s.noise / np.maximum(np.abs(s.range[:, 1] - s.range[:, 0]), 1e-30)))
        for _, s in useful
        if s.noise is not None
    ]
    return planes, max(noises, default=0.0)


def _estimate(
    windows: list[NDArray[np.generic]], statistics: list[PlaneStatistics], model: ModelConfig
) -> float | None:
    planes, noise = _normalized(windows, statistics)
    diameter = estimate_diameter(planes, dark=model.contrast == "dark", noise=noise)
    if diameter is None or model.object_diameter is None:
        return None
    return diameter if 1 / _LARGEST <= diameter / model.object_diameter <= _LARGEST else None


def _is_dark_on_bright(
    windows: list[NDArray[np.generic]], statistics: list[PlaneStatistics], model: ModelConfig
) -> bool:
    """Whether the contrast of objects is opposite to that of the training images."""
    if model.in_channels != 1:
        return False
    planes, _ = _normalized(windows, statistics)
    if not planes:
        return False
    # A quarter of the pixels is sufficient.
    background = float(np.median([np.median(plane[:, ::2, ::2]) for plane in planes]))
    return (1 - background if model.contrast == "dark" else background) > _BACKGROUND


def _is_clean(windows: list[NDArray[np.generic]], statistics: list[PlaneStatistics]) -> bool:
    """Whether the pixel noise is small relative to the range."""
    for window, measured in zip(windows, statistics, strict=True):
        plane = window[0].astype(np.float64)
        if min(plane.shape) < 2:
            return False
        # Diagonal second differences cancel smooth variation; for independent noise their deviation is doubled.
        difference = np.abs(plane[1:, 1:] - plane[1:, :-1] - plane[:-1, 1:] + plane[:-1, :-1])
        noise = float(np.nanmedian(difference)) / (2 * 0.6745)
        if abs(measured.range[0, 1] - measured.range[0, 0]) < _CLEAN * noise:
            return False
    return True
