"""A job is a generator: it yields frozen events and returns its result.

There is no thread, queue or flag in here. The front end iterates and decides how: the command line draws a progress
bar, a script passes a callback, a GUI worker relays events to its own thread. To cancel, stop iterating and ``close()``
the generator; the job's ``finally`` saves its state.
"""

import time
import warnings
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from napari_grd.errors import Cancelled, GrdWarning, out_of_memory


@dataclass(frozen=True)
class Overall:
    """Overall progress of a job with several stages.

    Attributes
    ----------
    done : float
        Share of the expected work, 0 to 1; it never falls.
    seconds_left : float or None
        Estimated time left until all is done; None until there is a basis for it.
    """

    done: float
    seconds_left: float | None = None


@dataclass(frozen=True)
class Progress:
    """Progress of a stage.

    Attributes
    ----------
    stage : str
        Description for a progress bar ("Distilling").
    done, total : int
        Units finished and units in all.
    seconds_left : float or None
        Estimated time left in this stage; None until there is a basis for it.
    overall : Overall or None
        Overall progress, if the stage is one of several; shown by a single bar.
    """

    stage: str
    done: int
    total: int
    seconds_left: float | None = None
    overall: Overall | None = None

    @property
    def share(self) -> float:
        """Fraction for a progress bar, 0 to 1: overall if known, else of the stage."""
        if self.overall is not None:
            return self.overall.done
        return self.done / self.total if self.total else 1.0

    @property
    def left(self) -> float | None:
        """Seconds left, overall or of the stage."""
        return self.seconds_left if self.overall is None else self.overall.seconds_left

    @property
    def over(self) -> bool:
        """Whether ``share`` has reached 1."""
        return self.share >= 1


@dataclass(frozen=True)
class StepMetrics:
    """Named numbers at a step, e.g. the terms of the loss, or validation scores."""

    step: int
    values: Mapping[str, float]
    kind: str = "train"


@dataclass(frozen=True)
class PreviewImages:
    """Images of the current state: name to array, e.g. the validation image and its labels."""

    step: int
    images: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class FileSaved:
    """A file was written. A ``kind`` of "checkpoint" can be resumed from."""

    path: Path
    kind: str = "checkpoint"


@dataclass(frozen=True)
class Notice:
    """Something the user should know that does not stop the job.

    Attributes
    ----------
    message : str
        One or two full sentences: the finding and, if there is one, the remedy.
    category : type of GrdWarning, or None
        The warning that :func:`drain` issues for it; None: the event alone.
    """

    message: str
    category: type[GrdWarning] | None = GrdWarning


Event = Progress | StepMetrics | PreviewImages | FileSaved | Notice
Result = TypeVar("Result")
Job = Generator[Event, None, Result]


class Stopwatch:
    """Estimates the time left in a stage from its rate so far.

    Parameters
    ----------
    stage : str
        Name of the stage, passed on to every event.
    total : int
        Units in all.
    done : int, default 0
        Units that were finished before the watch started (a resumed job); they
        count as progress but not for the rate.
    """

    def __init__(self, stage: str, total: int, done: int = 0) -> None:
        self.stage = stage
        self.total = total
        self._first = done
        self._start = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the watch was started."""
        return time.monotonic() - self._start

    def progress(self, done: int) -> Progress:
        """The event for ``done`` finished units."""
        finished = done - self._first
        left = None
        if finished > 0:
            pace = (time.monotonic() - self._start) / finished
            left = pace * (self.total - done)
        return Progress(self.stage, done, self.total, left)


def relay(job: Job[Result], change: Callable[[Event], Event | None]) -> Job[Result]:
    """A job as part of another: the same result, its events changed.

    ``yield from job`` would pass events on as they are. Closing this job
    closes the inner one.

    Parameters
    ----------
    job : Job
        The inner job.
    change : callable
        Maps each of its events to the one to yield, or None to drop it.

    Examples
    --------
    >>> def inner():
    ...     yield Progress("Counting", 1, 1)
    ...     return "done"
    >>> drain(relay(inner(), lambda event: Progress("All", 1, 2)), print)
    Progress(stage='All', done=1, total=2, seconds_left=None, overall=None)
    'done'
    """
    try:
        while True:
            try:
                event = next(job)
            except StopIteration as end:
                result: Result = end.value
                return result
            changed = change(event)
            if changed is not None:
                yield changed
    finally:
        job.close()


def without_notices(job: Job[Result]) -> Job[Result]:
    """A job as part of another, without its notices: the same result and the other events."""
    return relay(job, lambda event: None if isinstance(event, Notice) else event)


def drain(
    job: Job[Result],
    on_event: Callable[[Event], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    *,
    warn: bool = True,
) -> Result:
    """Run a job to its end and return its result.

    Parameters
    ----------
    job : Job
        The generator to run. It is always closed.
    on_event : callable, optional
        Called with every event, in this thread.
    cancelled : callable, optional
        Polled at every event; returning true stops the job.
    warn : bool, default True
        Whether a :class:`Notice` is also issued as a Python warning. False for a front end that shows notices itself.

    Returns
    -------
    object
        The job's result.

    Raises
    ------
    Cancelled
        If ``cancelled`` returned true. Its ``checkpoint`` is the last one saved, including that written while the job
        was closed.
    OutOfMemory
        If the job has run out of memory.

    See Also
    --------
    iter_segment, iter_distill, iter_measure : Functions that return a job.

    Examples
    --------
    >>> def count():
    ...     for i in range(3):
    ...         yield Progress("Counting", i + 1, 3)
    ...     return "done"
    >>> drain(count())
    'done'
    """
    checkpoint: Path | None = None
    try:
        while True:
            try:
                event = next(job)
            except StopIteration as stop:
                result: Result = stop.value
                return result
            except (MemoryError, RuntimeError) as error:
                short = out_of_memory(error)
                if short is None:
                    raise
                raise short from error
            if isinstance(event, FileSaved) and event.kind == "checkpoint":
                checkpoint = event.path
            if warn and isinstance(event, Notice) and event.category is not None:
                warnings.warn(event.message, event.category, stacklevel=3)
            if on_event is not None:
                on_event(event)
            if cancelled is not None and cancelled():
                # Closing first lets the job's finally bring the checkpoint up to date.
                job.close()
                raise Cancelled(checkpoint)
    finally:
        job.close()
