"""The live engine: one thread that segments the latest request.

The front end sets the view as often as it likes; nothing is queued. Between two network calls the engine checks for a
newer request and switches to it. When the view is complete, it waits a moment and then segments the rest of the plane.
"""

import atexit
import logging
import math
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import PartitionConfig, SegmentConfig
from napari_grd.graph.partition import warm_up
from napari_grd.inference.runtime import runtime_for
from napari_grd.inference.source import PlaneSource
from napari_grd.inference.view import ImageView
from napari_grd.live.cache import CellCache
from napari_grd.live.segmenter import LiveSegmenter, Painted
from napari_grd.live.slab import PLANES, SlabSegmenter
from napari_grd.live.viewport import View, Viewport
from napari_grd.models.compact import compact
from napari_grd.models.model import Model

PREPARING, SEGMENTING, FILLING = "Preparing", "Segmenting", "Filling in"
"""Activity that :class:`LiveSession` reports."""

_ENDING = 10.0  # seconds that the interpreter waits, when it ends, for the network call an engine is in
_SETTLE = 0.3  # seconds without a new request before idle work begins: panning comes in bursts
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LiveUpdate:
    """New labels of a part of an image.

    Attributes
    ----------
    generation : int
        The session's generation at the request; an update of an older generation belongs to a previous image or model.
    source : PlaneSource
        The segmented image.
    view : View
        The changed region, in pixels of the level.
    labels : (*planes, H, W) uint32
        Labels of the whole level of the image, the same array in every update; 0 where not segmented yet.
    count : int
        Number of objects in the changed region.
    seconds : float
        Time from the request to this update.
    idle : bool
        Whether this is outside the view, segmented in idle time.
    cut : bool
        Whether the view was too large, so that only its middle was segmented.
    image_view : ImageView
        Scale and inversion of the image for the model, with reasons.
    empty : bool
        Whether nothing exceeds the noise in any viewed plane, and nothing was found here.
    """

    generation: int
    source: PlaneSource
    view: View
    labels: NDArray[np.uint32]
    count: int
    seconds: float
    idle: bool
    cut: bool
    image_view: ImageView
    empty: bool


@dataclass(frozen=True, eq=False)
class _Request:
    """The complete request at one moment."""

    generation: int = 0
    source: PlaneSource | None = None
    model: Model | None = None
    config: SegmentConfig = field(default_factory=SegmentConfig)
    partition: PartitionConfig | None = None
    planes: int = PLANES
    look: Viewport | None = None
    ahead: Viewport | None = None
    since: float = 0.0


class LiveSession:
    """Segments the visible region, in a thread of its own.

    Parameters
    ----------
    on_update : callable
        Called with every :class:`LiveUpdate`, in the engine's thread.
    on_error : callable
        Called with the error and the generation, in the engine's thread. The engine continues with the next request.
    on_busy : callable, optional
        Called with the engine's new activity, None when it is idle.
    cache_bytes : int
        Memory for network outputs.

    Notes
    -----
    All methods return immediately and may be called from any thread. The thread starts with the first request.
    """

    def __init__(
        self,
        *,
        on_update: Callable[[LiveUpdate], None],
        on_error: Callable[[Exception, int], None],
        on_busy: Callable[[str | None], None] | None = None,
        cache_bytes: int = 512 * 2**20,
    ) -> None:
        self._on_update = on_update
        self._on_error = on_error
        self._on_busy = on_busy or (lambda _what: None)
        self._cache = CellCache(cache_bytes)
        self._request = _Request()
        self._serial = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy: str | None = None
        self._segmenter: LiveSegmenter | None = None
        self._prepared_for = -1

    @property
    def generation(self) -> int:
        """Incremented for every new source or model; updates of an earlier one must not be shown."""
        return self._request.generation

    def set_source(self, source: PlaneSource | None) -> None:
        """Segment another image, or none."""
        self._ask(source=source, look=None, ahead=None, generation=self._request.generation + 1)

    def set_model(self, model: Model | None, config: SegmentConfig | None = None, *, planes: int = PLANES) -> None:
        """Segment with another model or other settings; ``config.partition`` applies until :meth:`set_partition`.

        A model for volumes segments a slab of ``planes``.
        """
        config = config or SegmentConfig()
        generation = self._request.generation + 1
        self._ask(model=model, config=config, partition=config.partition, planes=planes, generation=generation)

    def set_partition(self, partition: PartitionConfig | None) -> None:
        """Partition the view again; the network does not run. None: the model's own settings."""
        self._ask(partition=partition)

    def look_at(self, look: Viewport | None) -> None:
        """Set the visible region; None: nothing is visible."""
        before, planes = self._request.look, self._request.planes
        ahead = _ahead(before, look, planes) if before is not None and look is not None else None
        self._ask(look=look, ahead=ahead)

    def close(self) -> None:
        """Stop all work; the thread ends after the network call it is in."""
        with self._changed:
            self._closed = True
            self._serial += 1
            self._request = _Request(self._request.generation + 1)
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """After :meth:`close`, wait for the thread to end; False if it takes longer."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self._thread is None or not self._thread.is_alive()

    def _ask(self, **changes: object) -> None:
        with self._changed:
            if self._closed:
                return
            self._request = replace(self._request, since=time.monotonic(), **changes)  # type: ignore[arg-type]
            self._serial += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="grd-live", daemon=True)
                _open.add(self)
                self._thread.start()
            self._changed.notify_all()

    def _run(self) -> None:
        served = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda done=served: self._serial != done)  # type: ignore[misc]
                request, served = self._request, self._serial
                if self._closed:
                    break
            try:
                for painted in self._serve(request, served):
                    if painted is not None:
                        self._publish(request, painted)
                    if self._serial != served:
                        break
            except Exception as error:  # the engine must continue after any error
                _log.debug("live segmentation failed", exc_info=True)
                if request.generation == self._request.generation:
                    self._on_error(error, request.generation)
            self._say(None)
        self._segmenter = None
        self._cache.clear()

    def _serve(self, request: _Request, served: int) -> Iterator[Painted | None]:
        if request.source is None or request.model is None:
            self._segmenter, self._prepared_for = None, -1
            return
        segmenter = self._prepare(request.source, request.model, request)
        yield None
        if request.look is None or len(request.look.low) != len(segmenter.shape):  # of the model before
            return
        self._say(SEGMENTING)
        yield from segmenter.view(request.look, request.partition)
        self._say(None)
        with self._changed:
            if self._changed.wait_for(lambda: self._serial != served, _SETTLE):
                return
        self._say(FILLING)
        if request.ahead is not None:
            yield from segmenter.prepare(request.ahead)
        yield from segmenter.fill(request.look, request.partition)

    def _prepare(self, source: PlaneSource, model: Model, request: _Request) -> LiveSegmenter:
        if self._segmenter is None or self._prepared_for != request.generation:
            self._say(PREPARING)
            warm_up()
            before = self._segmenter
            canvas = before.canvas if before is not None and before.key == source.key else None
            model = compact(model)
            if model.config.ndim == 3:
                self._segmenter = SlabSegmenter(
                    source, model, request.config, self._cache, canvas, planes=request.planes
                )
            else:
                self._segmenter = LiveSegmenter(source, model, request.config, self._cache, canvas)
            self._prepared_for = request.generation
        return self._segmenter

    def _publish(self, request: _Request, painted: Painted) -> None:
        if request.generation != self._request.generation or self._segmenter is None or request.source is None:
            return
        self._on_update(
            LiveUpdate(
                request.generation,
                request.source,
                painted.view,
                self._segmenter.canvas.labels,
                painted.count,
                time.monotonic() - request.since,
                painted.idle,
                painted.cut,
                self._segmenter.image_view,
                self._segmenter.nothing_stands_out and not painted.count,
            )
        )

    def _say(self, what: str | None) -> None:
        if what != self._busy:
            self._busy = what
            self._on_busy(what)


def prepare(model: Model) -> None:
    """Do now what the first labels would otherwise wait for: load compiled code, compile the network."""
    warm_up()
    runtime_for(compact(model))


_open: "weakref.WeakSet[LiveSession]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    # A thread that is inside a network call when the interpreter exits would crash it.
    sessions = list(_open)
    for session in sessions:
        session.close()
    for session in sessions:
        session.wait(_ENDING)


def _ahead(before: Viewport, now: Viewport, planes: int) -> Viewport | None:
    """The same view of the next plane, if the user is scrolling through planes; of a volume, of the next slab."""
    if len(before.plane) != len(now.plane) or len(before.low) != len(now.low) or before.across != now.across:
        return None
    if len(now.low) == 3 and before.low[now.across] != now.low[now.across]:
        low, high = list(now.low), list(now.high)
        step = math.copysign(planes // 2, now.low[now.across] - before.low[now.across])
        low[now.across] = high[now.across] = now.low[now.across] + step
        return replace(now, low=tuple(low), high=tuple(high))
    steps = [int(np.sign(b - a)) for a, b in zip(before.plane, now.plane, strict=True)]
    if not any(steps):
        return None
    return replace(now, plane=tuple(coordinate + step for coordinate, step in zip(now.plane, steps, strict=True)))
