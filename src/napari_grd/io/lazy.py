"""Lazy arrays whose errors name their file."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import DataError, GrdError

IN_MEMORY = 2**24
"""Values of lazy images up to which a training reads them as a whole."""

_SIDE = 1024  # side of chunks in pixels: strips of a few rows would result in millions of them


def is_lazy(array: Any) -> bool:
    """Whether an array is read when it is indexed."""
    return hasattr(array, "shape") and hasattr(array, "dtype") and not isinstance(array, np.ndarray)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Convert errors of readers on damaged files (struct.error, zlib.error, KeyError, ...) to ones that name the file.

    Raises
    ------
    DataError
        In place of any other exception.
    """
    try:
        yield
    except GrdError:
        raise
    except Exception as error:
        raise DataError(
            f"The image file {str(path)!r} cannot be read ({type(error).__name__}: {error}).",
            "The file may be cut off or damaged: copy it again or exclude it.",
        ) from error


def lazy_array(array: Any, path: Path, plane: Sequence[int] = (-2, -1)) -> Any:
    """A dask array of a Zarr array, in the machine's byte order.

    Parameters
    ----------
    array : zarr.Array
        What to read.
    path : Path
        The file, for messages.
    plane : sequence of int
        The two axes of the image plane: chunks have at least 1024 pixels along these, and are whole along shorter axes
        after them (colors).
    """
    import dask.array as da

    y, x = (axis % array.ndim for axis in plane)
    chunks = []
    for axis, (size, native) in enumerate(zip(array.shape, array.chunks, strict=True)):
        if axis in (y, x):
            chunks.append(min(size, -(-_SIDE // native) * native))
        else:
            chunks.append(size if axis > max(y, x) else native)
    return da.from_array(_Source(array, path), chunks=tuple(chunks), name=False)


class _Source:
    """An array-like object for dask."""

    def __init__(self, array: Any, path: Path) -> None:
        self._array = array
        self._path = path
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.ndim = len(self.shape)
        self.dtype = np.dtype(array.dtype).newbyteorder("=")

    def __getitem__(self, index: Any) -> NDArray[Any]:
        with explained(self._path):
            return np.asarray(self._array[index], self.dtype)
