"""Functions compiled to machine code, cached on disk if possible."""

import contextlib
import pickle
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import IndexDataCacheFile


def compiled(**options: Any) -> Any:
    """Compile a function with numba, releasing the interpreter lock (decorator).

    Parameters
    ----------
    **options
        Further options of :func:`numba.njit`.

    Notes
    -----
    The machine code is cached beside the package or in the user's cache folder. If neither is writable, as in a
    read-only installation without a home, numba raises an error: such a process compiles without a cache.

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
            result = njit(nogil=True, cache=True, **options)(function)
            result._cache = _Kept(result._cache)
            return result
        except RuntimeError:  # "cannot cache function ...: no locator available"
            return njit(nogil=True, **options)(function)

    return decorate


class _Kept:
    """Numba's cache of one function; it is optional, so its problems are not errors."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache
        cache._cache_file.__class__ = _Checked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, *arguments: Any) -> Any:
        """Cached machine code; None if there is none, or it is damaged."""
        try:
            return self._cache.load_overload(*arguments)
        except Exception:  # truncated pickles raise any error
            with contextlib.suppress(Exception):
                self._cache.flush()  # replace it by an empty index: else nothing would be cached again
            return None

    def save_overload(self, *arguments: Any) -> None:
        """Cache machine code, if possible."""
        with contextlib.suppress(Exception):
            self._cache.save_overload(*arguments)


class _Checked(IndexDataCacheFile):
    """Machine code with its digest appended: damaged code would crash the process."""

    def _save_data(self, name: str, data: Any) -> None:
        content: bytes = self._dump(data)  # type: ignore[no-untyped-call]
        with self._open_for_write(self._data_path(name)) as file:  # type: ignore[no-untyped-call]
            file.write(content + sha256(content).digest())

    def _load_data(self, name: str) -> Any:
        content = Path(self._data_path(name)).read_bytes()  # type: ignore[no-untyped-call]
        size = len(content) - sha256().digest_size
        if size < 0 or sha256(content[:size]).digest() != content[size:]:
            raise OSError(f"{name} is damaged")
        return pickle.loads(content[:size])
