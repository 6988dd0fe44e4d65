"""A job on the command line: progress bars, and a stop that saves."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from napari_grd.errors import Cancelled
from napari_grd.jobs import Event, FileSaved, Job, Notice, Progress, Result, StepMetrics, drain

_PLAIN_EVERY = 10.0  # seconds between lines if the output is not a terminal
_PATIENCE = 0.5  # seconds after which a stage gets a bar
_ALWAYS = (signal.SIGINT, signal.SIGTERM)
_DEPTH = 2  # a stage and one nested stage: "Validating" during training


def run(
    job: Job[Result], *, resume: str = "Run the same command again.", finish: threading.Event | None = None
) -> Result:
    """Run a job to its end, with progress bars on the error output.

    The first Ctrl-C, termination signal or hang-up (of the terminal, or of an
    ssh connection) stops the job at its next event, after it has saved its state; a second one ends the program at
    once. A hang-up that is ignored, as by ``nohup``, stays ignored.

    Parameters
    ----------
    job : Job
        The job; it is always closed.
    resume : str
        Instruction for the user after a stop.
    finish : threading.Event, optional
        Set by the first signal instead of stopping the job, which then ends by itself with its best result so far.

    Raises
    ------
    SystemExit
        After a stop: 128 plus the number of the signal, so 130 for Ctrl-C.
    """
    console = Console(stderr=True)
    with _stop_signals(console, finish) as stop, Monitor(console) as monitor:
        try:
            return drain(job, monitor.on_event, lambda: finish is None and stop.number is not None, warn=False)
        except Cancelled:
            assert stop.number is not None
            number = stop.number
    text = f"Stopped. Progress was saved. {resume}"
    with suppress(OSError):  # after a hang-up there is no reader
        console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)
    raise SystemExit(128 + number)


@dataclass
class _Stop:
    number: int | None = None


@contextmanager
def _stop_signals(console: Console, finish: threading.Event | None) -> Iterator[_Stop]:
    stop = _Stop()
    # After a hang-up printing may fail, which must not prevent the job from saving.
    numbers = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    handlers = {number: signal.getsignal(number) for number in numbers}
    previous = {
        number: handler
        for number, handler in handlers.items()
        if number in _ALWAYS or handler not in (signal.SIG_IGN, None)
    }
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        previous = {}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def ask(number: int, frame: FrameType | None) -> None:
        restore()
        stop.number = number
        result = "Saving the best result so far"
        if finish is None:
            result = "Stopping and saving"
        else:
            finish.set()
        with suppress(OSError):
            console.print(f"{result}; press again to quit at once.", style="yellow")

    for number in previous:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        restore()


@dataclass
class _Stage:
    """A running stage."""

    latest: Progress
    began: float = field(default_factory=time.monotonic)
    bar: TaskID | None = None
    note: str = ""
    printed: float = field(default_factory=time.monotonic)


class Monitor:
    """Draws a job's events: a bar for each stage, or occasional lines if there is no terminal.

    Stages that report the overall progress share one bar. Other events do not state how stages are nested: a stage that
    begins before another has finished is nested in it, and ends when the outer one reports again.

    Parameters
    ----------
    console : Console
        The console to draw on.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[count]}"),
            _TimeColumn(),
            TextColumn("{task.fields[note]}", style="cyan"),
            console=console,
            disable=not console.is_terminal,
        )
        self._open: list[_Stage] = []

    def __enter__(self) -> "Monitor":
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(OSError):
            self._bars.stop()

    def on_event(self, event: Event) -> None:
        """Process an event."""
        if isinstance(event, Progress):
            self._progress(event)
        elif isinstance(event, StepMetrics):
            self._metrics(event)
        elif isinstance(event, Notice):
            self._console.print(f"Note: {event.message}", style="yellow", markup=False, highlight=False, soft_wrap=True)
        elif isinstance(event, FileSaved) and event.kind == "model" and not self._within_whole():
            self._open.clear()

    def _progress(self, event: Progress) -> None:
        names = [stage.latest.stage for stage in self._open]
        if event.overall is not None and self._within_whole():
            if event.stage != names[0]:
                self._open[0].note = ""
            self._leave(1)
        elif event.stage in names:
            self._leave(names.index(event.stage) + 1)
        else:
            while self._open and self._open[-1].latest.over:
                self._open.pop()
            if len(self._open) == _DEPTH:
                return
            self._open.append(_Stage(event))
        stage = self._open[-1]
        stage.latest = event
        self._show(stage)

    def _metrics(self, event: StepMetrics) -> None:
        if event.kind == "validation":
            # The last report was the validation's; the training reports a loss.
            self._leave(1 if self._open and self._open[0].note else 0)
            note = " ".join(f"{name} {event.values[key]:.3f}" for name, key in _SCORES if key in event.values)
        else:
            note = f"loss {event.values['loss']:.3f}" if "loss" in event.values else ""
        if self._open:
            kept = self._open[0].note.partition("  ")
            loss, scores = (kept[0], note) if event.kind == "validation" else (note, kept[2])
            self._open[0].note = f"{loss}  {scores}"

    def _within_whole(self) -> bool:
        """Whether the outermost bar spans several stages and is not full."""
        outer = self._open[0].latest if self._open else None
        return outer is not None and outer.overall is not None and not outer.over

    def _leave(self, depth: int) -> None:
        """Remove the stages that are nested deeper."""
        for stage in self._open[depth:]:
            if stage.bar is not None:
                self._bars.remove_task(stage.bar)
        del self._open[depth:]

    def _show(self, stage: _Stage) -> None:
        event = stage.latest
        if not self._console.is_terminal:
            if stage is self._open[0]:
                self._print(stage)
            return
        if stage.bar is None:
            if time.monotonic() - stage.began < _PATIENCE:
                return
            stage.bar = self._bars.add_task(event.stage, total=1.0, note="", left=None, count="")
        self._bars.update(
            stage.bar,
            description=event.stage,
            completed=event.share,
            count=f"{event.done}/{event.total}",
            left=event.left,
            note=stage.note,
        )

    def _print(self, stage: _Stage) -> None:
        now, event = time.monotonic(), stage.latest
        lasted = now - stage.began
        if now - stage.printed < _PLAIN_EVERY and not (event.over and lasted > _PATIENCE):
            return
        stage.printed = now
        when = "" if event.left is None else f"{_clock(event.left)} left"
        if event.over:
            when = f"took {_clock(lasted)}"
        whole = "" if event.overall is None else f" ({event.share:.0%} of all)"
        text = f"{event.stage} {event.done}/{event.total}{whole}  {when}  {stage.note}"
        self._console.print(text.rstrip(), markup=False, highlight=False, soft_wrap=True)


_SCORES = (("AP50", "ap50"), ("AJI", "aji"))


class _TimeColumn(ProgressColumn):
    """Time left as the job estimates it; once done, the time it took."""

    def render(self, task: Task) -> Text:
        if task.finished:
            return Text(f"took {_clock(task.finished_time or 0)}", style="green")
        left: float | None = task.fields["left"]
        return Text("" if left is None else f"{_clock(left)} left", style="yellow")


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
