"""Offsets: the pairs of pixels connected by the affinity graph (method.md, section 2).

An offset ``o`` connects pixel ``p`` with ``p + o``. All components are <= 0, so a
pair belongs to its later pixel, and the first ``-o`` rows (columns, slices)
of an image have no partner.
"""

from types import EllipsisType

from napari_grd.errors import ConfigError

Offset = tuple[int, ...]
Index = tuple[EllipsisType | slice, ...]

_STEPS_3D = ((1, 2, 3, 4), (1, 3, 9, 27), (1, 3, 9, 27))  # z, y, x: z is sampled coarser


def offsets_2d(shifts: tuple[int, ...] = (1, 3, 5, 9, 27), *, neighbors: int = 4) -> tuple[Offset, ...]:
    """Offsets of a 2D image.

    Parameters
    ----------
    shifts : tuple of int
        Distances in pixels.
    neighbors : {4, 8}
        4: up and left; 8: the two upper diagonals as well.

    Returns
    -------
    tuple of (int, int)
        In ``(y, x)`` order, shift by shift.

    Examples
    --------
    >>> offsets_2d((1, 3))
    ((-1, 0), (0, -1), (-3, 0), (0, -3))
    """
    if neighbors not in (4, 8):
        raise ValueError(f"neighbors must be 4 or 8, got {neighbors}")
    result: list[Offset] = []
    for k in shifts:
        result += [(-k, 0), (0, -k)]
        if neighbors == 8:
            result += [(-k, -k), (-k, k)]
    return tuple(result)


def offsets_3d() -> tuple[Offset, ...]:
    """The 12 offsets of a volume, in ``(z, y, x)`` order: three nearest first."""
    result: list[Offset] = []
    for level in range(4):
        for axis in range(3):
            offset = [0, 0, 0]
            offset[axis] = -_STEPS_3D[axis][level]
            result.append(tuple(offset))
    return tuple(result)


OFFSETS_2D = offsets_2d()
OFFSETS_3D = offsets_3d()


def default_offsets(ndim: int) -> tuple[Offset, ...]:
    """The offsets used for 2 or 3 spatial dimensions."""
    if ndim == 2:
        return OFFSETS_2D
    if ndim == 3:
        return OFFSETS_3D
    raise ValueError(f"ndim must be 2 or 3, got {ndim}")


def pair_ends(offset: Offset, shape: tuple[int, ...]) -> tuple[Index, Index]:
    """Slices of the pixels with a partner inside the image, and of their partners.

    Parameters
    ----------
    offset : Offset
        Its components may have any sign.
    shape : tuple of int
        Spatial shape of the image in pixels.

    Returns
    -------
    here, partner : tuple
        Indices of the last axes of an array; for an offset longer than the image both are empty.

    Raises
    ------
    ConfigError
        If offset and shape differ in length.

    Examples
    --------
    >>> pair_ends((-1, 0), (5, 4))
    ((Ellipsis, slice(1, 5, None), slice(0, 4, None)), (Ellipsis, slice(0, 4, None), slice(0, 4, None)))
    """
    if len(offset) != len(shape):
        raise ConfigError(
            f"The offset {tuple(offset)} has {len(offset)} components, but the image has {len(shape)} axes.",
            "Use offsets_2d() for images and offsets_3d() for volumes.",
        )
    here = tuple(slice(max(0, -step), max(0, size - max(0, step))) for step, size in zip(offset, shape, strict=True))
    partner = tuple(slice(max(0, step), max(0, size - max(0, -step))) for step, size in zip(offset, shape, strict=True))
    return (..., *here), (..., *partner)
