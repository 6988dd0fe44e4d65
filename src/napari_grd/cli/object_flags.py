"""Options shared by several commands: object filters, axes, pixel size."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_grd.errors import ConfigError

if TYPE_CHECKING:
    from napari_grd.measurements.filtering import FilteredLabels, ObjectFilter

ExcludeBorder = Annotated[
    bool, typer.Option("--exclude-border", help="Exclude objects that touch the border of the image.")
]
BorderAxes = Annotated[
    str, typer.Option(help="Axes with a border: with zyx also the first and last planes of a stack.")
]
MinSize = Annotated[int, typer.Option(help="Exclude objects with fewer pixels (volumes: voxels).")]
MaxSize = Annotated[int | None, typer.Option(help="Exclude objects with more pixels (volumes: voxels).")]
PerPlane = Annotated[
    bool, typer.Option("--per-plane", help="Treat each plane separately; objects are not volumes along z.")
]
Axes = Annotated[str | None, typer.Option(help="Axes of the label images, e.g. tyx. \\[default: from the files]")]
PixelSize = Annotated[
    str | None, typer.Option(help="Size of a pixel in µm: one number, or Y,X or Z,Y,X. \\[default: from the files]")
]


def object_options(exclude_border: bool, border_axes: str, min_size: int, max_size: int | None) -> "ObjectFilter":
    """The object filter of these options.

    Raises
    ------
    ConfigError
        If a size or an axis is invalid.
    """
    from napari_grd.measurements.filtering import object_filter

    if not border_axes or set(border_axes) - set("zyx"):
        raise ConfigError(f"--border-axes is {border_axes!r}.", "Write yx, or zyx for stacks.")
    return object_filter(border_axes if exclude_border else False, min_size, max_size)


def filtered(labels: Any, axes: str, objects: "ObjectFilter", per_plane: bool = False) -> "FilteredLabels":
    """Labels without the excluded objects; only volumes have a border along z."""
    from napari_grd.measurements.filtering import FilteredLabels
    from napari_grd.measurements.geometry import resolve_geometry

    geometry = resolve_geometry(labels.shape, axes=axes, ndim=object_ndim(axes, per_plane))
    border = "".join(axis for axis in objects.border if axis in geometry.object_axes)
    return FilteredLabels(labels, replace(objects, border=border), geometry)


def object_ndim(axes: str, per_plane: bool) -> int:
    """Number of axes over which an object extends."""
    return 2 if per_plane or "z" not in axes else 3


def parse_pixel_size(text: str | None) -> tuple[float, ...] | None:
    """The values of ``--pixel-size``.

    Raises
    ------
    ConfigError
        If they are not numbers above 0.

    Examples
    --------
    >>> parse_pixel_size("2,0.5,0.5")
    (2.0, 0.5, 0.5)
    """
    if text is None:
        return None
    try:
        steps = tuple(float(part) for part in text.split(","))
    except ValueError:
        steps = ()
    if not 1 <= len(steps) <= 3 or not all(0 < step < math.inf for step in steps):
        raise ConfigError(
            f"The pixel size {text!r} is invalid.",
            "Write one number above 0 in µm, or one per axis: 0.5,0.5 for y, x; 2,0.5,0.5 for z, y, x.",
        )
    return steps
