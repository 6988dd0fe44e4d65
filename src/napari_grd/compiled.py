"""Loops compiled to machine code, kept on disk where there is a place for it."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(**options: Any) -> Any:
    """Compile a function with numba, without holding the interpreter lock (decorator).

    Parameters
    ----------
    **options
        Further options of :func:`numba.njit`.

    Notes
    -----
    The machine code is kept beside the package or in the user's cache folder. Where neither can be written to, as
    in a read-only installation without a home, numba refuses to decorate: such a process compiles for itself.

    Examples
    --------
    >>> @compiled()
    ... def double(value):
    ...     return 2 * value
    >>> double(21)
    42
    """

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return njit(nogil=True, cache=True, **options)(function)
        except RuntimeError:  # "cannot cache function ...: no locator available"
            return njit(nogil=True, **options)(function)

    return decorate
