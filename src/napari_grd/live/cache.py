"""A least-recently-used cache of network outputs."""

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray


class CellCache:
    """Arrays by key, limited in total size.

    Parameters
    ----------
    capacity : int
        Maximum total size in bytes.

    Notes
    -----
    Not locked: for use in one thread.

    Examples
    --------
    >>> cache = CellCache(8)
    >>> cache.put(b"a", np.zeros(8, np.uint8))
    >>> cache.put(b"b", np.zeros(8, np.uint8))
    >>> cache.get(b"a") is None, b"b" in cache
    (True, True)
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.used = 0
        self._arrays: OrderedDict[bytes, NDArray[np.generic]] = OrderedDict()

    def __contains__(self, key: bytes) -> bool:
        return key in self._arrays

    def __len__(self) -> int:
        return len(self._arrays)

    def get(self, key: bytes) -> NDArray[np.generic] | None:
        """The array of a key, marked as recently used; None if it is missing."""
        array = self._arrays.get(key)
        if array is not None:
            self._arrays.move_to_end(key)
        return array

    def put(self, key: bytes, array: NDArray[np.generic]) -> None:
        """Store an array, which must own its memory; the least recently used ones are dropped."""
        old = self._arrays.pop(key, None)
        self.used += array.nbytes - (0 if old is None else old.nbytes)
        self._arrays[key] = array
        while self.used > self.capacity and len(self._arrays) > 1:
            _, oldest = self._arrays.popitem(last=False)
            self.used -= oldest.nbytes

    def clear(self) -> None:
        """Forget everything."""
        self._arrays.clear()
        self.used = 0
