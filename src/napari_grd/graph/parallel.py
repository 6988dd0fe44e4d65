"""Threads for compiled loops that release the interpreter lock.

Numba's own parallel loops are not used: without TBB and OpenMP they abort the process when two Python threads run them
concurrently, as the workers of a GUI do, and OpenMP's idle threads would compete with the network's.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

from numba import config


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
    for future in [_pool(os.getpid()).submit(function, *pair) for pair in pairwise(edges)]:
        future.result()
