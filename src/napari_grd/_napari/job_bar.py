"""Progress of a job, with the time left and a way to stop it."""

from collections.abc import Callable
from typing import Any, Protocol

from qtpy.QtWidgets import QLabel, QProgressBar, QWidget

from napari_grd._napari.panel import Panel, button, row, stack
from napari_grd._napari.worker import Running, run_job
from napari_grd.jobs import Event, Job, Notice, Progress, Result

_FINE = 1000  # parts of a bar that shows several stages as one


class Stoppable(Protocol):
    """What Stop stops: a job, or the part of one that its owner ends in its own way."""

    def stop(self) -> None:
        """Stop soon."""


class JobBar(QWidget):
    """Stage, bar, time left and a Stop button; hidden while nothing runs.

    For stages that report the overall progress, bar and time show the whole job.

    Parameters
    ----------
    stop_tip : str
        Tooltip of Stop: what is kept and what is lost.

    Attributes
    ----------
    notices : list of str
        Messages of the Notice events of the running or last job.
    """

    def __init__(self, stop_tip: str = "Stop; nothing is added.") -> None:
        super().__init__()
        self._running: Stoppable | None = None
        self.notices: list[str] = []
        self.text = QLabel()
        self.bar = QProgressBar()
        self.stop = button("Stop", stop_tip, self._stop)
        stack(self, self.text, row(self.bar, self.stop, stretch=(1, 0)))
        self.hide()

    def run(
        self,
        panel: Panel,
        make: Callable[[], Job[Result]],
        on_done: Callable[[Result], object],
        *,
        on_end: Callable[[], object] = lambda: None,
        on_event: Callable[[Event], None] | None = None,
        on_error: Callable[[BaseException], object] | None = None,
        on_stopped: Callable[[], object] = lambda: None,
        stop: Stoppable | None = None,
    ) -> Running[Result]:
        """Run a job of a panel, and show it.

        However it ends, ``on_end`` is called first. Errors are shown by the panel if there is no ``on_error``; ``stop``
        is what Stop stops instead of the job. The other arguments are those of :func:`run_job`.
        """

        def ending(then: Callable[..., object]) -> Callable[..., None]:
            def ended(*result: Any) -> None:
                self.finish()
                on_end()
                then(*result)

            return ended

        running = run_job(
            make,
            on_event=on_event or self.show_event,
            on_done=ending(on_done),
            on_error=ending(on_error or panel.show_error),
            on_stopped=ending(on_stopped),
        )
        panel.track(running)
        self.start(stop or running)
        return running

    def start(self, running: Stoppable) -> None:
        """Show a job that was started."""
        self._running = running
        self.notices = []
        self.bar.setRange(0, 0)  # busy, until the first event reports the total
        self.text.setText("Starting…")
        self.stop.setEnabled(True)
        self.show()

    def show_event(self, event: Event) -> None:
        """Show a Progress event, store a Notice's message, ignore others."""
        if isinstance(event, Notice) and event.message not in self.notices:
            self.notices.append(event.message)
        if not isinstance(event, Progress):
            return
        done, total = (event.done, event.total) if event.overall is None else (round(event.share * _FINE), _FINE)
        self.bar.setRange(0, max(1, total))
        self.bar.setValue(done)
        left = "" if event.left is None else f" · {duration(event.left)} left"
        self.text.setText(f"{event.stage}{left}")

    def finish(self) -> None:
        """Hide it: the job has ended."""
        self._running = None
        self.hide()

    def _stop(self) -> None:
        if self._running is not None:
            self.stop.setEnabled(False)
            self.text.setText("Stopping…")
            self._running.stop()


def duration(seconds: float) -> str:
    """A duration in words.

    Examples
    --------
    >>> duration(5.2), duration(75), duration(7320)
    ('5 s', '1 min 15 s', '2 h 2 min')
    """
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
