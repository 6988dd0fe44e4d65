"""Conversion of a file's axes to letters of ``tczyx``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from napari_grd.errors import DataError

AXES = "tczyx"
_UNKNOWN = "?"
_MEANING = {"s": "c", "e": "c", "λ": "c"}  # color samples, and wavelengths
_GUESSED = {"z": "z planes", "t": "time points", "c": "channels"}


class AxesGuess(str):
    """A note for the user on axes that a file does not name: labels, and images with axes given, need none."""

    __slots__ = ()


@dataclass(frozen=True)
class Layout:
    """An array with its axes named.

    Attributes
    ----------
    pixels : array
        Without axes of length 1, except y and x.
    axes : str
        One letter per dimension.
    axes_known : bool
        Whether all are named by the file or the user.
    note : str
        Message about guessed axes; empty if none were.
    """

    pixels: Any
    axes: str
    axes_known: bool = True
    note: str = ""


def lay_out(pixels: Any, letters: Sequence[str], axes: str | None, where: str) -> Layout:
    """Name the axes of an array, and remove those of length 1.

    Parameters
    ----------
    pixels : array
        numpy or dask.
    letters : sequence of str
        The file's name of each axis, upper or lower case: t, c, z, y, x have their usual meaning, s is a color sample;
        anything else is an axis of unknown meaning.
    axes : str or None
        The user's axes, which replace the file's.
    where : str
        The file, for messages.

    Returns
    -------
    Layout

    Raises
    ------
    DataError
        If the user's axes do not fit, or there are more unknown axes than remaining letters.

    Examples
    --------
    >>> import numpy as np
    >>> lay_out(np.zeros((1, 5, 8, 9)), "TIYX", None, "a.tif").axes
    'zyx'
    """
    if 0 in pixels.shape:
        raise DataError(f"{where} has no pixels (shape {tuple(pixels.shape)}).", "Exclude it.")
    if axes is not None:
        return _told(pixels, letters, axes, where)
    letters = [_MEANING.get(letter.lower(), letter.lower()) for letter in letters]
    letters = [letter if letter in AXES else _UNKNOWN for letter in letters]
    pixels, letters = _squeezed(pixels, letters)
    pixels, letters = _one_channel_axis(pixels, letters)
    guessed: list[str] = []
    for axis in range(len(letters) - 1, -1, -1):  # the axis next to the image plane is most likely z
        if letters[axis] == _UNKNOWN:
            free = [letter for letter in "ztc" if letter not in letters]
            if not free:
                raise DataError(
                    f"The axes of {where}, of shape {tuple(pixels.shape)}, are ambiguous.",
                    "Name them: axes='tzyx' for example, one letter of 'tczyx' per dimension.",
                )
            letters[axis] = free[0]
            guessed.append(free[0])
            count = pixels.shape[axis]
    if len(set(letters)) < len(letters) or not {"y", "x"} <= set(letters):
        raise DataError(
            f"The axes of {where}, {''.join(letters)!r}, do not name y and x once each.", "Name them: axes="
        )
    if not guessed:
        return Layout(pixels, "".join(letters))
    named = "".join(letters)
    other = named.replace(guessed[-1], "t" if "t" not in named else "c")
    note = AxesGuess(
        f"{where} does not say what its {count} pages are: they are taken for {_GUESSED[guessed[-1]]} (axes {named!r})."
        f" If they are something else, name the axes, {other!r} for example."
    )
    return Layout(pixels, named, axes_known=False, note=note)


def _told(pixels: Any, letters: Sequence[str], axes: str, where: str) -> Layout:
    wanted = axes.lower()
    bad = set(wanted) - set(AXES)
    if bad or len(set(wanted)) < len(wanted) or not {"y", "x"} <= set(wanted):
        raise DataError(
            f"The axes {axes!r} are unknown.", "Use the letters t, c, z, y, x at most once each; y and x are required."
        )
    if len(wanted) != pixels.ndim:
        names = [letter if letter.lower() in "yx" else _UNKNOWN for letter in letters]
        pixels, _ = _squeezed(pixels, [name.lower() for name in names])
    if len(wanted) != pixels.ndim:
        shape = tuple(pixels.shape)
        raise DataError(
            f"The axes {axes!r} name {len(wanted)} dimensions, {where} of shape {shape} has {pixels.ndim}.",
            "Name every axis once, or omit the axes.",
        )
    pixels, kept = _squeezed(pixels, list(wanted))
    return Layout(pixels, "".join(kept))


def _squeezed(pixels: Any, letters: list[str]) -> tuple[Any, list[str]]:
    drop = [axis for axis, letter in enumerate(letters) if letter not in "yx" and pixels.shape[axis] == 1]
    index = tuple(0 if axis in drop else slice(None) for axis in range(len(letters)))
    return pixels[index] if drop else pixels, [letter for axis, letter in enumerate(letters) if axis not in drop]


def _one_channel_axis(pixels: Any, letters: list[str]) -> tuple[Any, list[str]]:
    """Channels with several colors each (``CZYXS``) are merged into one channel axis."""
    if letters.count("c") < 2:
        return pixels, letters
    first, last = letters.index("c"), len(letters) - 1 - letters[::-1].index("c")
    order = [axis for axis in range(len(letters)) if axis != last]
    order.insert(order.index(first) + 1, last)
    moved = pixels.transpose(order)
    shape = [*moved.shape[:first], moved.shape[first] * moved.shape[first + 1], *moved.shape[first + 2 :]]
    return moved.reshape(shape), [letter for axis, letter in enumerate(letters) if axis != last]
