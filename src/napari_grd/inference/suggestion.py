"""Suggestion of a built-in model for an image."""

import functools
from dataclasses import dataclass
from typing import Any, cast

from numpy.typing import NDArray

from napari_grd.data.image_kind import ImageKind, Kind, image_kind
from napari_grd.data.inputs import array_and_shape, check_axes
from napari_grd.errors import ImageError
from napari_grd.hub import ONE_OBJECT, TEACHER, builtin_paths
from napari_grd.inference.array_source import ArraySource
from napari_grd.inference.sampling import sample_planes
from napari_grd.inference.source import PlaneSource
from napari_grd.io.model_file import read_card
from napari_grd.models.model import Contrast, ModelConfig

_KNOWN: dict[Contrast, Kind] = {"bright": "fluorescence", "edges": "phase contrast", "dark": "stained tissue"}
_DARK: Kind = "dark on bright"
_FIT, _INVERTED, _NARROW, _MANY, _OTHER = 1.0, 0.6, 0.5, 0.3, 0.1


@dataclass(frozen=True)
class Suggestion:
    """A built-in model, and how well it fits an image.

    Attributes
    ----------
    name : str
        Name for :func:`napari_grd.api.load_model`.
    score : float
        From 0 (cannot be used) to 1 (the image is like the training images).
    reason : str
        The reason, in one sentence.
    """

    name: str
    score: float
    reason: str


def suggest_model(image: Any, axes: str | None = None) -> tuple[Suggestion, ...]:
    """Rank the built-in models for an image.

    The kind of the image is derived from its histogram and colors; no network runs. For a kind that no model was
    trained on, all scores are low: then distill a student.

    Parameters
    ----------
    image : numpy, dask or zarr array
        One image; of a stack or series the middle plane is used.
    axes : str, optional
        Letters out of "tczyx". Default: "yx", or "yxc" if the last of three axes has length 3.

    Returns
    -------
    tuple of Suggestion
        The best one first.

    Raises
    ------
    ImageError
        If it is not an image, or its axes are ambiguous.

    See Also
    --------
    builtin_models : The models that are ranked.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_grd.data.simulate import nuclei_2d
    >>> suggest_model(nuclei_2d(np.random.default_rng(0))[0])[0].name
    'nuclei'
    """
    array, shape = array_and_shape(image)
    if axes is None:
        axes = {2: "yx", 3: "yxc" if shape[-1] == 3 else ""}.get(len(shape), "")
        if not axes:
            raise ImageError(f"The axes of an image of shape {shape} are ambiguous.", "Name them, as axes='zyx'.")
    channels = shape[check_axes(axes, shape).index("c")] if "c" in axes else 1
    source = cast(PlaneSource, ArraySource(array, axes, ndim=2, in_channels=channels))
    planes = sample_planes(source.plane_shape, 3)
    height, width = source.shape(0)
    return rank_models(source.read(0, planes[len(planes) // 2], (slice(0, height), slice(0, width))))


def rank_models(plane: NDArray[Any]) -> tuple[Suggestion, ...]:
    """Rank the built-in models for a plane, or a part of one.

    Parameters
    ----------
    plane : (C, H, W) array of real numbers
        All channels that can be given to a model.

    Returns
    -------
    tuple of Suggestion
        The best one first.
    """
    kind = image_kind(plane)
    ranked = [_suggestion(name, model, kind, len(plane)) for name, model in _built_in().items()]
    return tuple(sorted(ranked, key=lambda each: (-each.score, each.name)))


def mismatch(model: ModelConfig, image: ImageKind) -> str | None:
    """Why an image is not of the kind of a model's training images, and which model fits; None if it may be."""
    trained_kind = None if model.contrast is None else _KNOWN[model.contrast]
    if (
        trained_kind is None
        or image.kind in (trained_kind, "dense texture")
        or (image.kind, trained_kind) == (_DARK, "fluorescence")
    ):
        return None
    if image.kind == _DARK and model.in_channels == 3:
        return None
    better = [
        name
        for name, other in _built_in().items()
        if name not in ONE_OBJECT and other.contrast and _KNOWN[other.contrast] == image.kind
    ]
    remedy = f" Try the built-in model {better[0]!r}." if better else ""
    return f"The image looks like {image.kind} ({image.reason}), but the model was trained on {trained_kind}.{remedy}"


@functools.cache
def _built_in() -> dict[str, ModelConfig]:
    """Built-in students of planes: name to the kind of their training images."""
    configs = {name: read_card(path)[0] for name, path in builtin_paths().items() if name != TEACHER}
    return {name: model for name, model in configs.items() if model.ndim == 2}


def _suggestion(name: str, model: ModelConfig, image: ImageKind, channels: int) -> Suggestion:
    trained_kind = None if model.contrast is None else _KNOWN[model.contrast]
    if model.in_channels > channels and channels != 1:
        return Suggestion(name, 0.0, f"It takes {model.in_channels} channels, but the image has {channels}.")
    if name in ONE_OBJECT:
        return Suggestion(
            name, _NARROW if image.kind == trained_kind else _OTHER, f"It was trained on {ONE_OBJECT[name]} alone."
        )
    if image.kind == trained_kind:
        return Suggestion(name, _FIT, f"The image looks like {image.kind}: {image.reason}.")
    if image.kind == _DARK and trained_kind == "fluorescence":
        return Suggestion(name, _INVERTED, f"The image is {image.kind} ({image.reason}) and is inverted.")
    if trained_kind is None:
        return Suggestion(name, _MANY, "It was trained on many kinds of images, whose objects were of one size.")
    return Suggestion(
        name,
        _OTHER,
        f"The image looks like {image.kind} ({image.reason}), but the model was trained on {trained_kind}.",
    )
