"""A training leaves room for the viewer."""

from threading import Thread

import pytest
import torch

from napari_grd._napari.threads import leaving_room, threads_beside
from napari_grd.graph.parallel import thread_count
from napari_grd.jobs import Job, Progress


def test_one_thread_while_it_is_crowded() -> None:
    assert threads_beside(crowded=True) == 1
    assert threads_beside(crowded=False) == max(1, thread_count() - 1)
    assert threads_beside(crowded=False, most=1) == 1


def test_the_number_follows_between_events_and_is_restored() -> None:
    seen: list[int] = []
    wanted = iter([2, 3, 1])

    def training() -> Job[str]:
        for i in range(2):
            seen.append(torch.get_num_threads())
            yield Progress("", i, 2)
        started = Thread(target=lambda: seen.append(torch.get_num_threads()))
        started.start()
        started.join()
        return "done"

    def work() -> None:
        before = torch.get_num_threads()
        job = leaving_room(training(), lambda: next(wanted))
        assert len(list(job)) == 2
        seen.append(before - torch.get_num_threads())

    thread = Thread(target=work)
    mine = torch.get_num_threads()
    thread.start()
    thread.join()
    assert torch.get_num_threads() == mine, "threads that compute already are left alone"
    assert seen == [2, 3, 1, 0]


def test_the_job_is_closed_with_it() -> None:
    closed: list[bool] = []

    def training() -> Job[None]:
        try:
            yield Progress("", 0, 1)
        finally:
            closed.append(True)

    job = leaving_room(training(), lambda: 1)
    next(job)
    job.close()
    assert closed == [True]


def test_what_the_job_returns_and_raises() -> None:
    def failing() -> Job[None]:
        yield Progress("", 0, 1)
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        list(leaving_room(failing(), lambda: 1))
