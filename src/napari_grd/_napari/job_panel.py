"""A panel with one button that starts one job on some layers."""

from collections.abc import Callable, Sequence
from typing import Any

from napari.layers import Layer

from napari_grd._napari.job_bar import JobBar
from napari_grd._napari.panel import Panel, button
from napari_grd._napari.worker import Running
from napari_grd.jobs import Job, Result


class JobPanel(Panel):
    """Runs one job at a time, and stops it when one of its layers is removed.

    Subclasses override :meth:`begin`, and lay out ``go`` and ``bar``.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    text, tip : str
        Text and tooltip of the button that starts the job.
    stop_tip : str
        Tooltip of Stop: what is kept and what is lost.
    """

    def __init__(self, viewer: Any, text: str, tip: str, stop_tip: str) -> None:
        super().__init__(viewer)
        self.go = button(text, tip, self._start)
        self.bar = JobBar(stop_tip)
        self._running: Running[Any] | None = None
        self._about: dict[Layer, Any] = {}
        self.follow(self.viewer.layers.events.removed, self._on_removed)

    @property
    def busy(self) -> bool:
        """Whether a job is running."""
        return self._running is not None

    def begin(self) -> None:
        """Called by the button; calls :meth:`run`, or raises a GrdError, which is shown."""

    def run(self, make: Callable[[], Job[Result]], on_done: Callable[[Result], str], about: Sequence[Layer]) -> None:
        """Run a job in a worker.

        Parameters
        ----------
        make : callable
            Makes the job, in the worker's thread.
        on_done : callable
            Handles the result and returns a message for the user. Not called if a layer was removed or its data were
            replaced in the meantime.
        about : sequence of Layer
            Layers that the result belongs to.
        """
        data = {layer: layer.data for layer in about}

        def done(result: Result) -> None:
            changed = [
                layer.name for layer in about if layer not in self.viewer.layers or layer.data is not data[layer]
            ]
            text = f"{changed[0]!r} changed meanwhile. Start again." if changed else on_done(result)
            self.say(" ".join([text, *self.bar.notices]))

        self.say("")
        self.go.setEnabled(False)
        self._about = data
        self._running = self.bar.run(
            self, make, done, on_end=self._end, on_stopped=lambda: self.say("Stopped. Nothing was changed.")
        )

    def _start(self) -> None:
        if not self.busy:
            self.attempt(self.begin)

    def _end(self) -> None:
        self._running, self._about = None, {}
        self.go.setEnabled(True)

    def _on_removed(self, event: Any) -> None:
        if event.value in self._about and self._running is not None:
            self._running.stop()
