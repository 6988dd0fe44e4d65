"""How many processors a training may use beside a viewer."""

from collections.abc import Callable

from napari_grd.graph.parallel import thread_count
from napari_grd.jobs import Job, Result


def threads_beside(crowded: bool, most: int = 0) -> int:
    """Threads for work beside a viewer.

    Parameters
    ----------
    crowded : bool
        Something else needs the processors: then it is one.
    most : int
        What the user allows, 0 for any number. Otherwise it is all but one.
    """
    free = max(1, thread_count() - 1)
    return 1 if crowded else min(free, most or free)


def leaving_room(job: Job[Result], threads: Callable[[], int]) -> Job[Result]:
    """A job whose torch leaves room for the viewer.

    Between any two events torch is set to as many threads. It keeps that number for each
    thread; a new thread takes over the one set last. So the setting reaches
    this job, what it starts, and no thread that computes already.

    Parameters
    ----------
    job : Job
        Trains with torch; it is closed in every case.
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
