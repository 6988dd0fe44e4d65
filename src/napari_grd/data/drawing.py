"""Batches in the order of their steps, drawn while the previous ones are used.

On a GPU a step of a small network takes less time than drawing its patches. Processes can draw ahead because a batch is
a function of its step: the order, and with it a resumed training, stay the same.
"""

import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader, Dataset

from napari_grd.data.dataset import Batch, PatchSampler
from napari_grd.errors import GrdError

_AHEAD = 4  # batches of each process
_LAST = -100  # after the finalizers of multiprocessing itself


def draw(
    sampler: PatchSampler, first: int, last: int, rank: int = 0, *, workers: int = 0
) -> Generator[Batch, None, None]:
    """The batches of consecutive steps.

    Parameters
    ----------
    sampler : PatchSampler
        Source of the batches. Each process holds a copy of its images.
    first, last : int
        First step, and the one after the last.
    rank : int
        Rank of the device.
    workers : int
        Processes that draw ahead; 0: each batch is drawn when it is requested.

    Yields
    ------
    Batch
        The same for every number of processes.

    Raises
    ------
    GrdError
        If a patch cannot be drawn, e.g. from a damaged cache.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_grd.data.augment import NO_AUGMENTATION
    >>> from napari_grd.data.dataset import Example
    >>> example = Example("a", np.zeros((1, 64, 64), np.float32), np.ones((64, 64), int))
    >>> sampler = PatchSampler([example], batch=2, patch=32, augment=NO_AUGMENTATION, seed=0)
    >>> [batch.image.shape[0] for batch in draw(sampler, 0, 3)]
    [2, 2, 2]
    """
    if not workers:
        yield from (sampler.batch(step, rank) for step in range(first, last))
        return
    # Through a file: if a process dies while it reads its start-up data from a pipe, Python waits forever.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sampler"
        with path.open("wb") as file:
            pickle.dump(sampler, file, protocol=pickle.HIGHEST_PROTOCOL)
        loader: Any = DataLoader(
            _Steps(path, rank),
            batch_size=None,
            sampler=range(first, last),
            num_workers=workers,
            prefetch_factor=_AHEAD,
            worker_init_fn=_start,
            multiprocessing_context=multiprocessing.get_context("spawn"),  # a fork would inherit threads and a GPU
        )
        with new_processes(threads=1):
            batches = iter(loader)
        try:
            while (batch := _next(batches)) is not None:
                yield batch
        finally:
            batches._shutdown_workers()


def _next(batches: Iterator[Batch | GrdError]) -> Batch | None:
    try:
        batch = next(batches, None)
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise GrdError(
            "A process that draws patches ended unexpectedly.",
            "Set workers to 0, or protect a script's code by: if __name__ == '__main__'. Memory may have run out, too.",
        ) from error
    if isinstance(batch, GrdError):
        raise batch
    return batch


def can_start_processes() -> bool:
    """Whether this process may start others: not in the window, whose jobs run in a thread, nor in a notebook."""
    return (
        threading.current_thread() is threading.main_thread()
        and hasattr(sys.modules["__main__"], "__file__")
        and not multiprocessing.current_process().daemon
    )


@contextmanager
def new_processes(*, threads: int | None = None) -> Iterator[None]:
    """Processes started here do not search the folder of the user's images for modules; with a limit of threads."""
    wanted = {"PYTHONSAFEPATH": "1"}
    if threads is not None:
        wanted |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


class _Steps(Dataset[Batch | GrdError]):
    """The batches of a sampler by step, in a process that draws ahead."""

    def __init__(self, sampler: Path, rank: int) -> None:
        self._path, self._rank = sampler, rank
        self._sampler: PatchSampler | None = None

    def __getitem__(self, step: int) -> Batch | GrdError:
        if self._sampler is None:
            with self._path.open("rb") as file:
                self._sampler = pickle.load(file)  # written by the process that started this one
        assert self._sampler is not None
        try:
            return self._sampler.batch(step, self._rank)
        except GrdError as error:  # as a value: raised here, it would arrive with a traceback as its message
            return error


def _start(_: int) -> None:
    # Without the interpreter's own end: a thread that still sends a batch then, as its reader has closed, is stopped in
    # C++ code, which aborts the process, and the reader takes that for an error.
    Finalize(None, os._exit, args=(0,), exitpriority=_LAST)
    # Ctrl-C reaches all processes of a terminal; the training decides when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
