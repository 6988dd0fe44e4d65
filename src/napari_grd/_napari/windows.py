"""Windows of planes that are too large to be read as a whole."""

from napari_grd._napari.source import Region

_LARGEST = 2048  # planes up to this side length are read whole
_WINDOW = 1024  # side of the windows of larger planes


def windows_of(shape: tuple[int, int]) -> list[Region]:
    """A plane as a whole, or windows side by side of a large one.

    Examples
    --------
    >>> windows_of((100, 2048)), len(windows_of((5000, 3000)))
    ([(slice(0, 100, None), slice(0, 2048, None))], 8)
    """
    if max(shape) <= _LARGEST:
        return [(slice(0, shape[0]), slice(0, shape[1]))]
    return [(rows, columns) for rows in _cut(shape[0]) for columns in _cut(shape[1])]


def middle_of(shape: tuple[int, int]) -> Region:
    """A plane as a whole, or the middle of a large one.

    Examples
    --------
    >>> middle_of((100, 4096))
    (slice(0, 100, None), slice(1024, 3072, None))
    """
    starts = [max(0, (size - _LARGEST) // 2) for size in shape]
    rows, columns = (slice(start, min(start + _LARGEST, size)) for start, size in zip(starts, shape, strict=True))
    return rows, columns


def _cut(size: int) -> list[slice]:
    if size <= _LARGEST:
        return [slice(0, size)]
    return [slice(start, start + _WINDOW) for start in range(0, size - _WINDOW + 1, _WINDOW)]
