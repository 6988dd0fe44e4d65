"""Which image corrections are of."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_grd.corrections.correction import Correction
from napari_grd.corrections.region import MAX_SIDE
from napari_grd.data.fingerprint import image_key
from napari_grd.errors import CorrectionError

AXES = ("yx", "zyx", "tyx", "tzyx")
"""Axes that an image can have here; channels are left out."""

_MAX_NAME = 1000


@dataclass(frozen=True)
class ImageRef:
    """Identity of an image.

    Attributes
    ----------
    shape : tuple of int
        Sizes of its axes, without channels.
    axes : str
        One of :data:`AXES`, a letter an axis.
    name : str or None
        E.g. of its file.
    key : str or None
        A hash of its content, see :func:`~napari_grd.data.fingerprint.image_key`.

    Raises
    ------
    CorrectionError
        If shape and axes do not fit each other.

    Examples
    --------
    >>> ImageRef((64, 80)).axes
    'yx'
    """

    shape: tuple[int, ...]
    axes: str = ""
    name: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        shape: Any = self.shape
        sizes_fit = isinstance(shape, tuple | list) and all(
            hasattr(size, "__index__") and not isinstance(size, bool) and 1 <= size <= MAX_SIDE for size in shape
        )
        axes = self.axes or ("zyx"[-len(shape) :] if sizes_fit and len(shape) in (2, 3) else "")
        if not sizes_fit or axes not in AXES or len(axes) != len(shape):
            raise CorrectionError(
                f"An image of shape {shape!r:.80} and axes {self.axes!r:.20} cannot be corrected.",
                f"Give the sizes without channels, and axes out of {', '.join(AXES)}.",
            )
        for value in (self.name, self.key):
            if value is not None and not (isinstance(value, str) and len(value) <= _MAX_NAME):
                raise CorrectionError(f"The image's name or key is {value!r:.80}.", "Give a short text.")
        object.__setattr__(self, "shape", tuple(int(size) for size in shape))
        object.__setattr__(self, "axes", axes)

    @classmethod
    def of(cls, image: Any, axes: str | None = None, name: str | None = None, *, hashed: bool = True) -> "ImageRef":
        """Of an array.

        Parameters
        ----------
        image : numpy, dask or zarr array
            The whole image.
        axes : str, optional
            A letter an axis, ``c`` for channels; without it, the image has none.
        name : str, optional
            E.g. of its file.
        hashed : bool, default True
            Whether to hash the content, which reads all of it; otherwise name and shape identify the image.

        Examples
        --------
        >>> ImageRef.of(np.zeros((2, 64, 80)), "cyx", hashed=False)
        ImageRef(shape=(64, 80), axes='yx', name=None, key=None)
        """
        shape = tuple(image.shape)
        if axes is not None:
            if len(axes) != len(shape):
                raise CorrectionError(f"The axes {axes!r} are not those of shape {shape}.", "Give a letter an axis.")
            shape = tuple(size for size, axis in zip(shape, axes, strict=True) if axis != "c")
        return cls(shape, (axes or "").replace("c", ""), name, image_key(np.asarray(image)) if hashed else None)

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.shape[-2], self.shape[-1]

    def merged(self, other: "ImageRef") -> "ImageRef":
        """The image as described by both.

        Where both have a key, only the keys count beside the shape: a renamed
        file is the same image.

        Raises
        ------
        CorrectionError
            If they are two images.
        """
        hashed = self.key is not None and other.key is not None
        same = self.key == other.key if hashed else None in (self.name, other.name) or self.name == other.name
        if self.shape != other.shape or self.axes != other.axes or not same:
            raise CorrectionError(
                f"The corrections are of {self}, not of {other}.",
                "Open the image they were made on, or another file of corrections.",
            )
        # The smaller of two, so that the result is symmetric.
        name, key = (
            min((value for value in pair if value is not None), default=None)
            for pair in ((self.name, other.name), (self.key, other.key))
        )
        return ImageRef(self.shape, self.axes, name, key)

    def check(self, correction: Correction) -> None:
        """Refuse a correction that does not fit the image.

        Raises
        ------
        CorrectionError
            If its plane or a pixel lies outside.
        """
        name, sizes = type(correction).__name__, self.shape[:-2]
        for plane in (correction.plane, *(plane for plane, _ in correction.places)):
            if len(plane) != len(sizes) or any(number >= size for number, size in zip(plane, sizes, strict=True)):
                raise CorrectionError(
                    f"The correction {name!r} is of plane {plane}, which {self} does not have.",
                    f"Give the index along {', '.join(self.axes[:-2])}." if sizes else "Leave the plane out.",
                )
        if correction.in_volume and "z" not in self.axes:
            raise CorrectionError(
                f"The correction {name!r} is of all planes of a stack, and {self} is none.",
                "Merge or split in the plane, or give the image's axes as zyx or tzyx.",
            )
        ends = [(y + 1, x + 1) for _, (y, x) in correction.places]
        if correction.area is not None:
            ends.append(correction.area.box[2:])
        for y, x in ends:
            if y > self.shape[-2] or x > self.shape[-1]:
                raise CorrectionError(
                    f"The correction {name!r} has the pixel ({y - 1}, {x - 1}), which {self} does not have.",
                    "Give y and x in pixels of the image at full resolution.",
                )

    def __str__(self) -> str:
        sizes = " x ".join(map(str, self.shape))
        content = "" if self.key is None else f", content {self.key[:8]}"
        return f"{'an image' if self.name is None else repr(self.name)} ({self.axes}: {sizes}{content})"
