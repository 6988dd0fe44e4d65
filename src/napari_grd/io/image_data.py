"""An image as it was read: pixels, and what the file says of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_grd.io.calibration import Calibration

Pick = Callable[[tuple[str, ...]], int]
"""Chooses one of the images of a file by their names."""


@dataclass(frozen=True)
class Channel:
    """How a channel is to be shown.

    Attributes
    ----------
    name : str
        As the file calls it; empty if it does not.
    color : str or None
        Six hexadecimal digits, ``"00FF00"`` is green.
    limits : (float, float) or None
        Intensities shown as black and as full color.
    visible : bool
        Whether it is to be seen at first.
    """

    name: str = ""
    color: str | None = None
    limits: tuple[float, float] | None = None
    visible: bool = True


@dataclass(frozen=True, eq=False)
class ImageData:
    """One image of a file.

    Attributes
    ----------
    pixels : array
        In the file's own type, in the machine's byte order; numpy, or dask where
        the file is an OME-Zarr or larger than :data:`napari_grd.io.images.LAZY_BYTES`.
    axes : str
        What each dimension is: a letter out of ``tczyx`` for each. Axes of length 1
        are left out, but for y and x. Colors are ``c``.
    calibration : Calibration
        Of these axes.
    channels : tuple of Channel
        One for each position along ``c``; one if there is no such axis.
    name : str
        What the image is called: the stem of the file, with the name of the series
        where there are several. Fit for the name of a file.
    path : Path
        The file or folder.
    series : int
        Which of the images in the file this is.
    series_names : tuple of str
        What all images of the file are called.
    is_rgb : bool
        Whether the channels are red, green and blue.
    axes_known : bool
        Whether the file says what its axes are. If not, pages are taken for z planes.
    notes : tuple of str
        What the user should know about how the file was read, in full sentences.
    labels : tuple of ImageData
        Label images that the file has with it (OME-Zarr).
    """

    pixels: Any = field(repr=False)
    axes: str
    calibration: Calibration
    channels: tuple[Channel, ...]
    name: str
    path: Path
    series: int = 0
    series_names: tuple[str, ...] = ("0",)
    is_rgb: bool = False
    axes_known: bool = True
    notes: tuple[str, ...] = ()
    labels: tuple["ImageData", ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return tuple(int(size) for size in self.pixels.shape)
