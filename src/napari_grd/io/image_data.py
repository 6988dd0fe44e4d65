"""An image as read: pixels and metadata."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_grd.io.calibration import Calibration

Pick = Callable[[tuple[str, ...]], int]
"""Selects one of the images of a file by their names."""


@dataclass(frozen=True)
class Channel:
    """Display settings of a channel.

    Attributes
    ----------
    name : str
        Name in the file; may be empty.
    color : str or None
        Six hexadecimal digits, ``"00FF00"`` is green.
    limits : (float, float) or None
        Intensities shown as black and as full color.
    visible : bool
        Whether it is initially visible.
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
        One letter of ``tczyx`` per dimension. Axes of length 1 are removed, except y and x. RGB components are ``c``.
    calibration : Calibration
        Calibration of these axes.
    channels : tuple of Channel
        One for each position along ``c``; one if there is no such axis.
    name : str
        Name of the image: the stem of the file, with the name of the series if there are several. Valid as a file name.
    path : Path
        The file or folder.
    series : int
        Index of the image in the file.
    series_names : tuple of str
        Names of all images in the file.
    is_rgb : bool
        Whether the channels are red, green and blue.
    axes_known : bool
        Whether the file names its axes. If not, pages are read as z planes.
    notes : tuple of str
        Messages for the user about how the file was read, in full sentences.
    labels : tuple of ImageData
        Label images in the same file (OME-Zarr).
    made_by : str
        Of labels that a model made and nobody corrected since, as far as the file says so: its name.
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
    made_by: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return tuple(int(size) for size in self.pixels.shape)
