"""Threads for compiled loops that release the interpreter lock.

Numba's own parallel loops are not used: without TBB and OpenMP they abort the process when two Python threads run them
concurrently, as the workers of a GUI do, and OpenMP's idle threads would compete with the network's.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import TypeVar

from numba import config

_Piece = TypeVar("_Piece")
_Result = TypeVar("_Result")


def thread_count() -> int:
    """Threads to use: the processors of this process, or ``NUMBA_NUM_THREADS``."""
    return int(config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]


@cache
def _pool(_process: int) -> ThreadPoolExecutor:
    # Keyed by process: threads do not survive a fork.
    return ThreadPoolExecutor(thread_count(), thread_name_prefix="grd-graph")


def for_slabs(function: Callable[[int, int], object], length: int, *, threads: int | None = None) -> None:
    """Call ``function(start, stop)`` on slabs that cover ``range(length)``, in threads.

    Parameters
    ----------
    function : callable
        Processes one slab; it must release the interpreter lock to be faster, and must not call :func:`for_slabs`.
    length : int
        Total number of rows.
    threads : int, optional
        Default :func:`thread_count`.

    Examples
    --------
    >>> done = []
    >>> for_slabs(lambda start, stop: done.extend(range(start, stop)), 3, threads=1)
    >>> done
    [0, 1, 2]
    """
    threads = thread_count() if threads is None else threads
    if threads == 1 or length < 2:
        function(0, length)
        return
    # More slabs than threads: foreground is unevenly distributed, and the processors are shared.
    count = min(length, 4 * threads)
    edges = [length * i // count for i in range(count + 1)]
    in_threads(lambda pair: function(*pair), list(pairwise(edges)))


def in_threads(function: Callable[[_Piece], _Result], pieces: Sequence[_Piece]) -> list[_Result]:
    """Call a function on pieces, in threads unless there is only one; it must not call this again.

    Parameters
    ----------
    function : callable
    pieces : sequence

    Returns
    -------
    list
        What was returned, in the order of the pieces.

    Examples
    --------
    >>> in_threads(abs, [-1, 2])
    [1, 2]
    """
    if len(pieces) == 1:
        return [function(pieces[0])]
    futures = [_pool(os.getpid()).submit(function, piece) for piece in pieces]
    return [future.result() for future in futures]
