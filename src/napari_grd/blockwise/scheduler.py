"""Runs work on many blocks with dask: in this process, or in the workers of a cluster."""

import logging
import os
import queue
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Any

from napari_grd.blockwise.block_work import Outcome
from napari_grd.errors import ConfigError, GrdError

Work = Callable[[int], Outcome]

_BEAT = 0.25  # seconds after which a caller gets control
_WINDOW = 64  # tasks that are in a graph at the same time
_AHEAD = 32  # tasks for each thread of a cluster
_RETRIES = 2
_CONNECT = 10  # seconds until a scheduler has to answer


def run_here(work: Work, numbers: Sequence[int], threads: int = 2) -> Generator[Outcome | None, None, None]:
    """Work on blocks with dask's threaded scheduler; None now and then while there is no outcome.

    Without a socket or other processes. Two threads, so that what uses one processor is done for two blocks at a time.
    """
    import dask

    outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    stopped = False

    def one(number: int) -> None:
        if not stopped:
            outcomes.put(work(number))

    def all_of_them() -> None:
        for start in range(0, len(numbers), _WINDOW):
            if not stopped:
                dask.compute(
                    *[dask.delayed(one, pure=False)(number) for number in numbers[start : start + _WINDOW]],
                    scheduler="threads",
                    num_workers=threads,
                )

    executor = ThreadPoolExecutor(1, thread_name_prefix="grd-blocks")
    try:
        future = executor.submit(all_of_them)
        while not (future.done() and outcomes.empty()):
            try:
                yield outcomes.get(timeout=_BEAT)
            except queue.Empty:
                yield None
        future.result()
    finally:
        stopped = True
        executor.shutdown(wait=True)


def run_on_cluster(work: Work, numbers: Sequence[int], client: Any) -> Generator[Outcome | None, None, None]:
    """The same in the workers of a ``dask.distributed.Client``.

    Tasks are submitted as others end, so that the scheduler knows few of them, and many at a time, as their results
    are fetched: that takes most of the time of a task without work. A task whose worker ends is repeated.
    """
    import dask
    import distributed

    wait: Any = distributed.wait
    # As the result of a task, which is repeated if the workers that have it end; what is scattered would be lost.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):  # an image may be in memory
        sent = client.submit(_itself, work, pure=False)
    waiting: dict[Any, int] = {}
    remaining = iter(numbers)
    try:
        while True:
            limit = _AHEAD * max(1, sum(client.nthreads().values()))
            if len(waiting) <= limit // 2:
                following = list(islice(remaining, limit - len(waiting)))
                futures = client.map(_apply, following, work=sent, pure=False, retries=_RETRIES) if following else []
                waiting.update(zip(futures, following, strict=True))
            if not waiting:
                return
            try:
                done = wait(list(waiting), timeout=_BEAT, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                yield None
                continue
            finished = {future for future in done if future.status == "finished"}
            yield from client.gather(list(finished))
            for future in done:
                number = waiting.pop(future)
                if future not in finished:
                    yield number, f"{type(future.exception()).__name__}: {future.exception()}"
    finally:
        client.cancel(list(waiting))


def _itself(work: Work) -> Work:
    return work


def _apply(number: int, work: Work) -> Outcome:
    return work(number)


@contextmanager
def cluster(workers: int, scheduler: str | None = None) -> Iterator[Any]:
    """A client of a cluster: of one that runs at an address, or of processes on this computer, on the loopback only.

    Raises
    ------
    GrdError
        If dask.distributed is not installed, or the scheduler does not answer.
    """
    try:
        import distributed
    except ImportError:
        raise GrdError(
            "Several processes need the package 'distributed'.", "Install it with 'pip install napari-grd[cluster]'."
        ) from None
    untyped: Any = distributed
    if scheduler is not None:
        try:
            client = untyped.Client(scheduler, timeout=_CONNECT)
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(
                f"The scheduler {scheduler!r} does not answer ({type(error).__name__}: {error}).",
                "Check the address and that it runs the same versions of dask and Python.",
            ) from error
        with client:
            yield client
        return
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with (
        _own_environment() as restore,
        untyped.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # any free port, or several jobs would want one
            env=one_thread,
            memory_limit=0,
            silence_logs=logging.CRITICAL,  # a worker that ends slowly is killed, which is logged as an error
        ) as local,
        untyped.Client(local) as client,
    ):
        restore()
        yield client


@contextmanager
def _own_environment() -> Iterator[Callable[[], None]]:
    """Restore variables that dask sets in this process, not only in workers: programs started later inherit them."""
    import dask

    names: Any = dask.config.get("distributed.nanny.pre-spawn-environ", {})
    before = {name: os.environ.get(name) for name in names}

    def restore() -> None:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

    try:
        yield restore
    finally:
        restore()
