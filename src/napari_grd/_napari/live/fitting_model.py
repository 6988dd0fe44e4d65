"""The built-in model that fits an image."""

from typing import TYPE_CHECKING, Any

from napari.layers import Image

from napari_grd._napari.best_channel import default_channels
from napari_grd._napari.source import ImageSource

if TYPE_CHECKING:
    from napari_grd.inference.suggestion import Suggestion

_SIDE = 1024  # pixels along y and x that are looked at
_LEAST = 0.3  # score of a suggestion that is worth following


def image_source(viewer: Any, layer: Image) -> ImageSource:
    """An image with the channels that decide on a model: RGB, or the one of the highest contrast."""
    return ImageSource(layer, default_channels(viewer, layer, 3 if layer.rgb else 1))


def rank(source: ImageSource) -> "tuple[Suggestion, ...]":
    """The built-in models, the best first, by the middle of the middle plane; for a worker."""
    from napari_grd.inference.suggestion import rank_models  # imports torch

    middle = tuple(size // 2 for size in source.plane_shape)
    # At the finest level, which the model will see: on a coarse one objects are texture.
    starts = [max(0, (size - _SIDE) // 2) for size in source.shape(0)]
    rows, columns = (slice(start, start + _SIDE) for start in starts)
    return rank_models(source.read(0, middle, (rows, columns)))


def best_fit(ranked: "tuple[Suggestion, ...]", current: str | None) -> "Suggestion | None":
    """The suggestion to follow; None where no model is known to fit better than the current one."""
    if not ranked:
        return None
    best = ranked[0]
    own = max((each.score for each in ranked if each.name == current), default=0.0)
    return best if best.score >= _LEAST and best.score > own else None


def fit_text(ranked: "tuple[Suggestion, ...]", chosen: str) -> str:
    """Why a model was chosen for an image, and which one comes next, in one line.

    Parameters
    ----------
    ranked : tuple of Suggestion
        From :func:`napari_grd.inference.suggestion.rank_models`.
    chosen : str
        Name of the model.
    """
    by_name = {each.name: each for each in ranked}
    if chosen not in by_name:
        return ""
    own, best = by_name[chosen], ranked[0]
    if best.score < _LEAST:
        return "No built-in model was trained on images like this one."
    if best.score > own.score:
        return f"{own.reason} {best.name} fits better."
    second = next((each for each in ranked if each.name != chosen and each.score > 0), None)
    return own.reason if second is None else f"{own.reason} Next best: {second.name}."
