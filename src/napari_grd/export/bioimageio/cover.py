"""The test image and the cover of a package."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_grd.config import SegmentConfig
from napari_grd.data.inputs import as_image
from napari_grd.data.intensity import normalized
from napari_grd.data.simulate import nuclei_2d, nuclei_3d
from napari_grd.export.bioimageio.description import smallest_sides
from napari_grd.inference.prediction import partition_prediction
from napari_grd.inference.segment import predict
from napari_grd.models.model import Model

_LARGEST = 512  # side of a test image; it is in every package four times over, embedding and affinities among them


def sample_image(model: Model, image: Any = None, axes: str | None = None) -> NDArray[np.float32]:
    """An image to test a model with, ``(C, *S)`` float32, not normalized.

    Parameters
    ----------
    model : Model
    image : array, optional
        One image, of which the middle is used; padded by reflection if it is small. Default: simulated nuclei.
    axes : str, optional
        Its axes.

    Raises
    ------
    ImageError
        If the image does not fit the model.
    """
    config, smallest = model.config, smallest_sides(model)
    if image is None:
        draw: Any = nuclei_2d if config.ndim == 2 else nuclei_3d
        drawn, _ = draw(np.random.default_rng(0), smallest)
        return np.repeat(drawn[None], config.in_channels, axis=0).astype(np.float32)
    pixels = as_image(image, axes, ndim=config.ndim, in_channels=config.in_channels).astype(np.float32)
    missing = [max(0, least - size) for least, size in zip(smallest, pixels.shape[1:], strict=True)]
    pixels = np.pad(pixels, [(0, 0), *((0, width) for width in missing)], mode="reflect")
    largest = (_LARGEST,) * 2 if config.ndim == 2 else smallest
    sides = [
        least + (min(most, size) - least) // stride * stride
        for least, most, size, stride in zip(smallest, largest, pixels.shape[1:], model.strides, strict=True)
    ]
    starts = [(size - side) // 2 for size, side in zip(pixels.shape[1:], sides, strict=True)]
    window = (slice(None), *(slice(start, start + side) for start, side in zip(starts, sides, strict=True)))
    return np.ascontiguousarray(pixels[window])


def cover(model: Model, image: NDArray[np.float32]) -> bytes:
    """A PNG of an image and its segmentation, side by side.

    Parameters
    ----------
    model : Model
    image : (C, *S) float32
        From :func:`sample_image`; of a volume the middle plane is shown.
    """
    axes = "c" + "zyx"[-model.config.ndim :]
    labels = partition_prediction(
        predict(model, image, SegmentConfig(device="cpu", precision="f32").as_known(), axes=axes)
    )
    if labels.ndim == 3:
        image, labels = image[:, image.shape[1] // 2], labels[len(labels) // 2]
    shown = np.clip(normalized(image, model.config.normalization), 0, 1)[:3]
    if len(shown) == 2:
        shown = np.concatenate([shown, np.zeros_like(shown[:1])])
    left = np.broadcast_to(np.moveaxis(shown, 0, -1) * 255, (*labels.shape, 3))
    colors = np.random.default_rng(0).integers(64, 256, (int(labels.max()) + 1, 3))
    colors[0] = 0
    picture = np.concatenate([left.astype(np.uint8), colors[labels].astype(np.uint8)], axis=1)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
