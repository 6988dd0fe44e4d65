"""Long calls inside a job that stays responsive."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from typing import TypeVar

from napari_grd.jobs import Event, Job

Result = TypeVar("Result")
_BEAT = 0.25  # seconds between events; front ends rely on two per second


def in_background(work: Callable[[], Result], event: Callable[[], Event]) -> Job[Result]:
    """Run a long call in a thread, and yield events until it returns.

    A job can be stopped only where it yields, but a network of 30 million weights takes many seconds per tile.

    Parameters
    ----------
    work : callable
        Takes no argument. If the job is closed early, it runs to its end in the thread, so it should not write to
        memory that is used afterwards.
    event : callable
        Creates the event to yield, four times a second.

    Returns
    -------
    object
        The result of ``work``; its errors are raised here.

    Examples
    --------
    >>> from napari_grd.jobs import Progress, drain
    >>> drain(in_background(lambda: 42, lambda: Progress("Thinking", 0, 1)))
    42
    """
    executor = ThreadPoolExecutor(1, thread_name_prefix="grd-inference")
    try:
        future = executor.submit(work)
        while not wait_for([future], timeout=_BEAT).done:
            yield event()
        return future.result()
    finally:
        executor.shutdown(wait=False)
