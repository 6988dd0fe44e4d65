"""How many processors a training may use beside a viewer."""

from collections.abc import Callable

from napari_grd.graph.parallel import thread_count
from napari_grd.jobs import Job, Result


def threads_beside(crowded: bool) -> int:
    """Threads for work beside a viewer: one while something else needs the processors, else all but one."""
    return 1 if crowded else max(1, thread_count() - 1)


def leaving_room(job: Job[Result], crowded: Callable[[], bool]) -> Job[Result]:
    """A job whose torch leaves room for the viewer.

    Between any two events torch is set to :func:`threads_beside`. torch keeps that number for each
    thread; a new thread takes over the one set last. So the setting reaches
    this job, what it starts, and no thread that computes already.

    Parameters
    ----------
    job : Job
        Trains with torch; it is closed in every case.
    crowded : callable
        Whether something else needs the processors now, e.g. Live is on.

    Yields
    ------
    Event
        Those of the job.
    """
    import torch

    before = torch.get_num_threads()
    try:
        while True:
            torch.set_num_threads(threads_beside(crowded()))
            try:
                event = next(job)
            except StopIteration as stop:
                result: Result = stop.value
                return result
            yield event
    finally:
        job.close()
        torch.set_num_threads(before)
