"""Long calls inside a job, without making the job deaf."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from typing import TypeVar

from napari_grd.jobs import Event, Job

Result = TypeVar("Result")
_BEAT = 0.25  # seconds between events; whoever drives a job may count on two a second


def in_background(work: Callable[[], Result], event: Callable[[], Event]) -> Job[Result]:
    """Do one long piece of work in a thread, and keep yielding events meanwhile.

    A job can be stopped only where it yields. A network of 30 million weights
    is silent for many seconds a tile, so the job yields beside it.

    Parameters
    ----------
    work : callable
        Takes no argument. If the job is closed early it is left to finish on
        its own, so it should not write anywhere that is used afterwards.
    event : callable
        Makes the event to yield, four times a second.

    Returns
    -------
    object
        What ``work`` returned; what it raised is raised here.

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
