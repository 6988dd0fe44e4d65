"""Square blocks of planes."""

from typing import Any

from numpy.typing import NDArray


def blocks_of(plane: NDArray[Any], side: int) -> NDArray[Any]:
    """Square blocks of a plane, without incomplete ones at its end.

    Parameters
    ----------
    plane : (H, W) array
    side : int
        In pixels.

    Returns
    -------
    (rows, columns, side, side) array
        A view.

    Examples
    --------
    >>> import numpy as np
    >>> blocks_of(np.arange(15).reshape(3, 5), 2)[0, 1].tolist()
    [[2, 3], [7, 8]]
    """
    rows, columns = plane.shape[0] // side, plane.shape[1] // side
    return plane[: rows * side, : columns * side].reshape(rows, side, columns, side).swapaxes(1, 2)
