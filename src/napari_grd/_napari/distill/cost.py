"""The dry-run line: the cost of the current settings, estimated in a worker."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer

from napari_grd._napari.distill.pieces import Piece
from napari_grd._napari.panel import Panel
from napari_grd._napari.threads import leaving_room
from napari_grd._napari.worker import run_job
from napari_grd.config import DistillConfig
from napari_grd.jobs import Job

if TYPE_CHECKING:
    from napari_grd.models.model import ModelConfig
    from napari_grd.planning.estimate import Estimate

_PAUSE = 500  # ms without a change before the estimate starts


@dataclass(frozen=True, eq=False)
class CostRequest:
    """Settings to estimate.

    Attributes
    ----------
    config : DistillConfig
        The recipe.
    train, held : sequence of Piece
        Regions of layers.
    folder : Path or None
        Images in files.
    channels : int
        Input channels.
    teacher : ModelConfig or None
        The teacher's model; None: labels only.
    """

    config: DistillConfig
    train: Sequence[Piece]
    held: Sequence[Piece]
    folder: Path | None
    channels: int
    teacher: "ModelConfig | None"


@dataclass(frozen=True)
class Answer:
    """The estimated cost."""

    parameters: int
    view_seconds: float
    estimate: "Estimate"
    text: str


class CostLine:
    """Estimates the latest request shortly after the last change; older estimates are dropped.

    Parameters
    ----------
    panel : Panel
        The panel whose worker is used.
    ask : callable
        Returns the current request, or None if there is nothing to estimate.
    show : callable
        Called with the estimate.
    fail : callable
        Called with the error if there is none.
    threads : callable
        How many threads a training would use now: it is estimated with as many.
    """

    def __init__(
        self,
        panel: Panel,
        ask: Callable[[], CostRequest | None],
        show: Callable[[Answer], None],
        fail: Callable[[BaseException], None],
        threads: Callable[[], int],
    ) -> None:
        self._panel = panel
        self._ask = ask
        self._show = show
        self._fail = fail
        self._threads = threads
        self._busy = False
        self._timer = QTimer(panel, singleShot=True, interval=_PAUSE)
        self._timer.timeout.connect(self._start)

    def changed(self) -> None:
        """Settings have changed."""
        self._timer.start()

    def _start(self) -> None:
        if self._busy:  # measuring takes up to seconds; the latest request follows
            self._timer.start()
            return
        request = self._ask()
        if request is None:
            return
        self._busy = True

        def job() -> Job[Answer]:
            yield from ()
            return answer(request)

        self._panel.track(
            run_job(lambda: leaving_room(job(), self._threads), on_done=self._finished, on_error=self._finished)
        )

    def _finished(self, result: Any) -> None:
        self._busy = False
        if isinstance(result, Answer):
            self._show(result)
        else:
            self._fail(result)


def answer(request: CostRequest) -> Answer:
    """Estimate; measures networks that were not measured yet, so call it in a worker."""
    from napari_grd.models.complexity import config_parameters
    from napari_grd.planning.estimate import DatasetSize, estimate, roughly
    from napari_grd.planning.throughput import view_seconds

    sizes = [piece.shape[0] * piece.shape[1] for piece in request.train]
    held = [piece.shape[0] * piece.shape[1] for piece in request.held]
    files = [] if request.folder is None else _file_sizes(request.folder)
    everything = [*sizes, *held, *files] or [1]
    size = DatasetSize(
        pixels=sum(everything),
        held=sum(held) + (sum(files) // 5 if len(files) > 1 else 0),
        largest=max(everything),
        channels=request.channels,
    )
    network = request.config.network
    estimated = estimate(request.config, size, request.teacher)
    text = f"{roughly(estimated.seconds)} on this {estimated.device}, {estimated.memory / 1e9:.1f} GB of memory"
    if estimated.disk > 1e8:
        text += f", {estimated.disk / 1e9:.1f} GB on disk during training"
    return Answer(
        config_parameters(network, request.channels),
        view_seconds(network, request.channels),
        estimated,
        text[0].upper() + text[1:],
    )


def _file_sizes(folder: Path) -> list[int]:
    """Pixels of each image of a folder, as if all were as large as the first."""
    from napari_grd.io.images import read_image
    from napari_grd.io.listing import find_images

    paths = find_images(folder)
    first = read_image(paths[0])
    # Each plane of a stack is a training image.
    planes = int(np.prod([size for size, axis in zip(first.shape, first.axes, strict=True) if axis in "tz"]))
    shape = [first.shape[first.axes.index(axis)] for axis in "yx"]
    return [int(np.prod(shape))] * (len(paths) * planes)
