"""Rescaling of images to a model's scale, and of labels back."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.transform import resize

from napari_grd.config import SegmentConfig
from napari_grd.errors import ConfigError
from napari_grd.models.model import ModelConfig

_CLOSE = 0.05  # objects vary more than this in size; rescaling would only blur
_LIMITS = (0.05, 20.0)
_GAUSSIAN_REACH = 4.0  # standard deviations at which scipy cuts a Gaussian off
Box = tuple[slice, ...]


def scale_factor(model: ModelConfig, config: SegmentConfig, downsample: float = 1.0) -> float:
    """The scale factor of an image at which its objects have the size of those in the training images.

    Parameters
    ----------
    model : ModelConfig
        Its ``object_diameter`` and ``pixel_size`` are those of the training data.
    config : SegmentConfig
        Its ``object_diameter`` or ``pixel_size`` is that of the image; "auto" has been resolved.
    downsample : float
        Pixels of the image per pixel of the level of it that is segmented.

    Returns
    -------
    float
        Pixels of the network's grid per pixel of that level. A factor within
        5 % of 1 is returned as exactly 1.

    Raises
    ------
    ConfigError
        If both are given, the model does not store its own, or the factor is below 1/20 or above 20.

    Examples
    --------
    >>> scale_factor(ModelConfig(object_diameter=20), SegmentConfig(object_diameter=10))
    2.0
    """
    assert config.object_diameter != "auto", "resolved by napari_grd.inference.view"
    if config.object_diameter is not None and config.pixel_size is not None:
        raise ConfigError(
            f"object_diameter is {config.object_diameter} and pixel_size is {config.pixel_size}.",
            "Give one of them: either sets the scale.",
        )
    if config.object_diameter is not None:
        name, given, trained = "object_diameter", config.object_diameter, model.grid_diameter
        factor = trained / given if trained else None
    elif config.pixel_size is not None:
        name, given, trained = "pixel_size", config.pixel_size, model.pixel_size
        factor = given / trained * (model.scale or 1.0) if trained else None
    else:
        return _unless_close(downsample * (model.scale or 1.0))
    if factor is None:
        raise ConfigError(
            f"{name} is {given}, but the model does not store the {name} of its training data.",
            f"Leave {name} out and rescale the image yourself, or use a model that stores it.",
        )
    if not _LIMITS[0] <= factor <= _LIMITS[1]:
        raise ConfigError(
            f"{name} is {given} and the model's is {trained}: the image would be rescaled by {factor:.3g}.",
            f"Check {name}; factors from {_LIMITS[0]:g} to {_LIMITS[1]:g} are possible.",
        )
    return _unless_close(factor * downsample)


def _unless_close(factor: float) -> float:
    return 1.0 if abs(factor - 1) <= _CLOSE else factor


def depth_factor(model: ModelConfig, config: SegmentConfig) -> float:
    """How many times as many planes as pixels the network's grid has, relative to the image.

    Parameters
    ----------
    model : ModelConfig
        Its ``anisotropy`` is that of the training data.
    config : SegmentConfig
        Its ``anisotropy`` is that of the image.

    Returns
    -------
    float
        1 for planes, and if either is unknown. A factor within 5 % of 1 is returned as exactly 1.

    Raises
    ------
    ConfigError
        If it is below 1/20 or above 20.

    Examples
    --------
    >>> isotropic = ModelConfig(network={"name": "subpixel_unet3d"}, ndim=3, anisotropy=1)
    >>> depth_factor(isotropic, SegmentConfig(anisotropy=2.5))
    2.5
    """
    if model.ndim == 2 or model.anisotropy is None or config.anisotropy is None:
        return 1.0
    factor = config.anisotropy / model.anisotropy
    if not _LIMITS[0] <= factor <= _LIMITS[1]:
        raise ConfigError(
            f"anisotropy is {config.anisotropy:g} and the model's is {model.anisotropy:g}: the planes would be rescaled"
            f" by {factor:.3g}.",
            f"Check the voxel size of the image; factors from {_LIMITS[0]:g} to {_LIMITS[1]:g} are possible.",
        )
    return _unless_close(factor)


def grid_shape(shape: tuple[int, ...], factor: float, depth: float = 1.0) -> tuple[int, ...]:
    """Spatial shape of the network's grid for an image, at least one pixel per axis.

    Parameters
    ----------
    shape : tuple of int
        Of the image.
    factor : float
        Of :func:`scale_factor`.
    depth : float
        Of :func:`depth_factor`, for volumes.

    Examples
    --------
    >>> grid_shape((100, 33), 0.5), grid_shape((10, 100, 33), 0.5, 3.0)
    ((50, 16), (15, 50, 16))
    """
    factors = [factor * (depth if axis == len(shape) - 3 else 1.0) for axis in range(len(shape))]
    return tuple(max(1, round(size * each)) for size, each in zip(shape, factors, strict=True))


def rescale_image(image: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Resample an image linearly, with smoothing along axes that shrink.

    Parameters
    ----------
    image : (C, *S) float32
    shape : tuple of int
        New spatial shape in pixels.

    Returns
    -------
    (C, *shape) float32
    """
    if image.shape[1:] == shape:
        return image
    target = (len(image), *shape)
    result: NDArray[np.float32] = resize(  # type: ignore[no-untyped-call]
        image, target, order=1, mode="reflect", preserve_range=True, anti_aliasing=True
    )
    return result.astype(np.float32, copy=False)


def rescale_source(region: Box, shape: tuple[int, ...], grid: tuple[int, ...]) -> Box:
    """The source pixels of :func:`rescale_region`.

    Parameters
    ----------
    region : tuple of slice
        Part of the new grid.
    shape, grid : tuple of int
        Spatial shape of the whole image before and after, in pixels.

    Returns
    -------
    tuple of slice
        Part of the whole image.

    Examples
    --------
    >>> rescale_source((slice(10, 20),), (100,), (50,))
    (slice(17, 43, None),)
    """
    spans = []
    for span, old, new in zip(region, shape, grid, strict=True):
        reach = 1 + math.ceil(_GAUSSIAN_REACH * _smoothing(old, new))
        start = math.floor((span.start + 0.5) * old / new - 0.5) - reach
        stop = math.ceil((span.stop - 0.5) * old / new - 0.5) + 1 + reach
        spans.append(slice(max(start, 0), min(stop, old)))
    return tuple(spans)


def rescale_region(
    pixels: NDArray[np.float32], box: Box, shape: tuple[int, ...], grid: tuple[int, ...], region: Box
) -> NDArray[np.float32]:
    """A part of the result of :func:`rescale_image`, computed from a part of the image.

    Parameters
    ----------
    pixels : (C, *S) float32
        Part of the image.
    box : tuple of slice
        Its position in the image; it must contain :func:`rescale_source` of the region.
    shape, grid : tuple of int
        Spatial shape of the whole image before and after, in pixels.
    region : tuple of slice
        The part of the new grid to compute.

    Returns
    -------
    (C, *region) float32
        Equal to the same part of the rescaled image, except for rounding.
    """
    if shape == grid:
        inside = (slice(span.start - b.start, span.stop - b.start) for span, b in zip(region, box, strict=True))
        return pixels[(slice(None), *inside)]
    sizes = list(zip(shape, grid, strict=True))
    steps = [old / new for old, new in sizes]
    offsets = [(span.start + 0.5) * step - 0.5 - b.start for span, b, step in zip(region, box, steps, strict=True)]
    smoothed = ndimage.gaussian_filter(pixels, [0, *(_smoothing(*size) for size in sizes)], mode="mirror")
    target = tuple(span.stop - span.start for span in region)
    planes = [ndimage.affine_transform(channel, steps, offsets, target, order=1, mode="mirror") for channel in smoothed]
    return np.stack(planes)


def _smoothing(old: int, new: int) -> float:
    """Standard deviation by which scikit-image smooths an axis that shrinks."""
    return max(0.0, (old / new - 1) / 2)


def rescale_labels(labels: NDArray[np.uint32], shape: tuple[int, ...]) -> NDArray[np.uint32]:
    """Resample a label image by nearest neighbor.

    Parameters
    ----------
    labels : (*S) uint32
    shape : tuple of int
        New shape in pixels.

    Returns
    -------
    (*shape) uint32
        Consecutive from 1, also if objects vanish.

    Examples
    --------
    >>> rescale_labels(np.array([[1, 2]], np.uint32), (1, 4))
    array([[1, 1, 2, 2]], dtype=uint32)
    """
    if labels.shape == shape:
        return labels
    return consecutive(nearest(labels, shape))


def consecutive(labels: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Renumber the objects consecutively from 1, in the order of their labels.

    Examples
    --------
    >>> consecutive(np.array([[0, 7, 3]], np.uint32))
    array([[0, 2, 1]], dtype=uint32)
    """
    present = np.zeros(int(labels.max(initial=0)) + 1, bool)
    present[labels.ravel()] = True
    present[0] = False
    numbers: NDArray[np.uint32] = np.cumsum(present).astype(np.uint32)
    return np.where(present, numbers, np.uint32(0))[labels]


def nearest(image: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Resample by nearest neighbor, with unchanged values.

    Parameters
    ----------
    image : (*S) array
    shape : tuple of int
        New shape in pixels.

    Returns
    -------
    (*shape) array

    Examples
    --------
    >>> nearest(np.array([[1, 7]]), (1, 4))
    array([[1, 1, 7, 7]])
    """
    # Center of each new pixel, in old pixels.
    places = [((np.arange(new) + 0.5) * old / new).astype(np.intp) for old, new in zip(image.shape, shape, strict=True)]
    return image[np.ix_(*places)]
