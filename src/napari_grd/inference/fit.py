"""Matching an image's channels to those of a model."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.data.channel_contrast import contrast_to_noise
from napari_grd.errors import ImageError
from napari_grd.models.model import Model

_LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601, the common conversion to gray
_CROP = 2048  # pixels along y and x that are evaluated


@dataclass(frozen=True, eq=False)
class FittedImage:
    """An image with a model's number of channels.

    Attributes
    ----------
    pixels : array
        The image with the model's number of channels; lazy if it was.
    axes : str
        Of the pixels.
    note : str
        What was done to the channels, if not requested; without a full stop.
    """

    pixels: Any = field(repr=False)
    axes: str
    note: str = ""


def fit_channels(
    model: Model,
    pixels: Any,
    axes: str,
    *,
    names: Sequence[str] = (),
    is_rgb: bool = False,
    wanted: Sequence[str] | None = None,
) -> FittedImage:
    """Select or convert channels for a model.

    Parameters
    ----------
    model : Model
    pixels : numpy or dask array
        The image.
    axes : str
        One letter per axis, as for :func:`napari_grd.api.segment`.
    names : sequence of str
        Names of the channels, "" if unnamed.
    is_rgb : bool
        Whether the channels are red, green and blue.
    wanted : sequence of str, optional
        Channels to use, by name or zero-based index. Default: all if their number is the model's. Otherwise the
        luminance of RGB; of more channels those with the highest contrast-to-noise ratio, see :func:`choose_channels`;
        a single one is repeated for all channels of the model.

    Raises
    ------
    ImageError
        If there is no such channel, or their number is not the model's.

    Examples
    --------
    >>> from napari_grd.models.model import ModelConfig
    >>> fitted = fit_channels(Model.create(ModelConfig()), np.zeros((3, 20, 30)), "cyx", is_rgb=True)
    >>> fitted.axes, fitted.pixels.shape, fitted.note
    ('yx', (20, 30), 'it is RGB, the model takes gray: its luminance is segmented')
    """
    count = model.config.in_channels
    place = axes.find("c")
    have = int(pixels.shape[place]) if place >= 0 else 1
    if wanted is not None:
        chosen = [_channel(text, have, names) for text in wanted]
        if len(chosen) not in (1, count):
            raise ImageError(
                f"{len(chosen)} channels are chosen ({', '.join(wanted)}); the model takes {count}.",
                f"Choose {count}." if count == 1 else f"Choose {count}, or a single one, which is repeated.",
            )
        return _taken(pixels, axes, chosen, count)
    if have == count:
        return FittedImage(pixels, axes)
    if count == 1 and is_rgb and have == 3:
        return FittedImage(
            _luminance(pixels, place),
            axes.replace("c", ""),
            "it is RGB, the model takes gray: its luminance is segmented",
        )
    if have == 1:
        note = f"it is gray, the model takes {count} channels: the channel is repeated"
        return FittedImage(*_several(pixels, axes, count), note)
    if have < count:
        chosen = list(choose_channels(model, _sample(pixels, axes)))[:1]
        note = f"it has {have} channels, the model takes {count}: {_called(chosen, names)} is repeated"
    else:
        chosen = list(choose_channels(model, _sample(pixels, axes)))
        note = (
            f"of its {have} channels {_called(chosen, names)} has the highest contrast and is segmented"
            if count == 1
            else f"of its {have} channels {_called(chosen, names)} are segmented"
        )
    fitted = _taken(pixels, axes, chosen, count)
    return FittedImage(fitted.pixels, fitted.axes, note)


def choose_channels(model: Model, pixels: NDArray[Any]) -> tuple[int, ...]:
    """Choose the channels of an image with the highest contrast-to-noise ratio.

    Parameters
    ----------
    model : Model
    pixels : (C, H, W) array
        A plane.

    Returns
    -------
    tuple of int
        As many as the model takes, or all if there are fewer, in the image's order: those with the largest ratio of
        contrast to noise.

    Examples
    --------
    >>> from napari_grd.models.model import ModelConfig
    >>> noise = np.random.default_rng(0).normal(0, 1, (2, 64, 64))
    >>> noise[1, 20:40, 20:40] += 50
    >>> choose_channels(Model.create(ModelConfig()), noise)
    (1,)
    """
    ratios = [contrast_to_noise(channel) for channel in pixels]
    best = np.argsort([-ratio for ratio in ratios], kind="stable")[: model.config.in_channels]
    return tuple(sorted(int(place) for place in best))


def _channel(text: str, have: int, names: Sequence[str]) -> int:
    matching = [place for place, name in enumerate(names) if name and name.casefold() == text.casefold()]
    if len(matching) == 1:
        return matching[0]
    if text.isdecimal() and len(text) < 10 and int(text) < have:
        return int(text)
    choices = [f"{place} ({name})" if name else str(place) for place, name in enumerate(names or [""] * have)]
    raise ImageError(
        f"There is no channel {text!r}." if not matching else f"{len(matching)} channels are named {text!r}.",
        f"Choose from {', '.join(choices)}.",
    )


def _taken(pixels: Any, axes: str, chosen: Sequence[int], count: int) -> FittedImage:
    place = axes.find("c")
    if place < 0:
        return FittedImage(*_several(pixels, axes, count))
    before = (slice(None),) * place
    if len(chosen) == 1:
        channel = pixels[(*before, chosen[0])]
        return FittedImage(*_several(channel, axes.replace("c", ""), count))
    return FittedImage(pixels[(*before, list(chosen))], axes)


def _several(pixels: Any, axes: str, count: int) -> tuple[Any, str]:
    """Repeat one channel without copying."""
    if count == 1:
        return pixels, axes
    channels_first = pixels if "c" in axes else pixels[None]
    place = axes.find("c") if "c" in axes else 0
    shape = (*channels_first.shape[:place], count, *channels_first.shape[place + 1 :])
    if isinstance(channels_first, np.ndarray):
        repeated: Any = np.broadcast_to(channels_first, shape)
    else:
        import dask.array as da

        repeated = da.broadcast_to(channels_first, shape)
    return repeated, axes if "c" in axes else f"c{axes}"


def _luminance(pixels: Any, place: int) -> Any:
    before = (slice(None),) * place
    red, green, blue = (
        np.float32(weight) * pixels[(*before, number)].astype(np.float32) for number, weight in enumerate(_LUMINANCE)
    )
    return red + green + blue


def _sample(pixels: Any, axes: str) -> NDArray[Any]:
    """The middle of the middle plane, ``(C, h, w)``."""
    index: list[Any] = []
    for axis, size in zip(axes, pixels.shape, strict=True):
        if axis == "c":
            index.append(slice(None))
        elif axis in "yx":
            start = max(0, (size - _CROP) // 2)
            index.append(slice(start, start + _CROP))
        else:
            index.append(size // 2)
    left = [axis for axis in axes if axis in "cyx"]
    return np.asarray(pixels[tuple(index)]).transpose([left.index(axis) for axis in "cyx"])


def _called(chosen: Sequence[int], names: Sequence[str]) -> str:
    return ", ".join(
        f"{place} ({names[place]!r})" if place < len(names) and names[place] else str(place) for place in chosen
    )
