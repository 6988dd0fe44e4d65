"""Conversion between float32 and float16, in which network outputs are cached.

numpy converts one number at a time, which takes longer than everything else between network and partition.
"""

import numpy as np
from numpy.typing import NDArray

from napari_grd.compiled import compiled

_SIGN, _REST = np.uint32(0x8000), np.uint32(0x7FFF)  # of a float16
_INFINITY = np.uint32(0x7C00)
_NORMAL = np.uint32(0x38800000)  # bits of 2**-14, the smallest normal float16
_OVERFLOW = np.uint32(0x47800000)  # of 2**16
_INFINITY_32 = np.uint32(0x7F800000)
_ROUND = np.uint32(0xC8000FFF)  # adds 15 - 127 to the exponent, and almost half of the last bit that is kept
_SCALE = np.float32(2.0**112)  # the exponents of float16 and float32 differ by this


def to_half(values: NDArray[np.float32]) -> NDArray[np.float16]:
    """The nearest float16.

    Parameters
    ----------
    values : float32 array

    Examples
    --------
    >>> to_half(np.array([1 / 3, 1e6], np.float32))
    array([0.3333,    inf], dtype=float16)
    """
    result = np.empty(values.shape, np.float16)
    _narrow(np.ascontiguousarray(values).reshape(-1).view(np.uint32), result.reshape(-1).view(np.uint16))
    return result


def from_half(half: NDArray[np.float16]) -> NDArray[np.float32]:
    """The same numbers as float32.

    Parameters
    ----------
    half : float16 array

    Examples
    --------
    >>> from_half(np.array([0.5, -2], np.float16))
    array([ 0.5, -2. ], dtype=float32)
    """
    result = np.empty(half.shape, np.float32)
    _widen(np.ascontiguousarray(half).reshape(-1).view(np.uint16), result.reshape(-1))
    return result


@compiled()
def _narrow(bits, half):  # type: ignore[no-untyped-def]
    for i in range(len(bits)):
        size = np.uint32(bits[i] & np.uint32(0x7FFFFFFF))
        odd = np.uint32((size >> np.uint32(13)) & np.uint32(1))
        normal = np.uint32(np.uint32(size + _ROUND + odd) >> np.uint32(13))
        # The sum with a half leaves the last bits of a subnormal number where they belong, rounded.
        small = np.uint32(np.float32(size.view(np.float32) + np.float32(0.5)).view(np.uint32) - np.uint32(0x3F000000))
        large = np.uint32(0x7E00) if size > _INFINITY_32 else _INFINITY
        rest = large if size >= _OVERFLOW else (small if size < _NORMAL else normal)
        half[i] = np.uint16(rest | (bits[i] >> np.uint32(16)) & _SIGN)


@compiled()
def _widen(half, values):  # type: ignore[no-untyped-def]
    for i in range(len(half)):
        bits = np.uint32(half[i])
        size = np.uint32(bits & _REST)
        value = np.float32(np.uint32(size << np.uint32(13)).view(np.float32) * _SCALE)
        special = np.uint32((size << np.uint32(13)) | _INFINITY_32).view(np.float32)
        value = special if size >= _INFINITY else value
        values[i] = -value if bits & _SIGN else value
