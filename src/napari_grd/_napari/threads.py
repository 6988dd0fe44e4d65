"""The number of threads a training may use beside a viewer."""

from collections.abc import Callable

from napari_grd.graph.parallel import thread_count
from napari_grd.jobs import Job, Result


def threads_beside(crowded: bool, most: int = 0) -> int:
    """Threads for work beside a viewer.

    Parameters
    ----------
    crowded : bool
        Something else needs the processors: use one thread.
    most : int
        The user's limit, 0 for none. Otherwise all but one are used.
    """
    free = max(1, thread_count() - 1)
    return 1 if crowded else min(free, most or free)


def leaving_room(job: Job[Result], threads: Callable[[], int]) -> Job[Result]:
    """A job that leaves processors to the viewer.

    torch's number of threads is set before each event. torch keeps the number per thread, and a new thread inherits the
    last one set, so the setting affects this job and the threads it starts, but no thread that already computes.

    Parameters
    ----------
    job : Job
        The job that trains with torch; it is always closed.
    threads : callable
        How many threads it may use now.

    Yields
    ------
    Event
        Those of the job.
    """
    import torch

    before = torch.get_num_threads()
    try:
        while True:
            torch.set_num_threads(threads())
            try:
                event = next(job)
            except StopIteration as stop:
                result: Result = stop.value
                return result
            yield event
    finally:
        job.close()
        torch.set_num_threads(before)
