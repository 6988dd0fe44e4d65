"""The OpenVINO runtime: two to three times faster than torch on a CPU."""

import contextlib
import copy
import math
import mmap
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.inference.openvino_graph import convert, core, openvino
from napari_grd.inference.openvino_layout import channels_last, transposed
from napari_grd.inference.padding import Context, pad_to_legal
from napari_grd.inference.quantize import quantized
from napari_grd.models.model import Model


def has_bf16() -> bool:
    """Whether this CPU multiplies bf16 in hardware. OpenVINO has to be installed."""
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVINORuntime:
    """A model's network, compiled for the CPU, for images of any size.

    Parameters
    ----------
    model : Model
    precision : {"f32", "bf16", "int8"}
        "bf16" only where :func:`has_bf16`, "int8" only for a calibrated model.
    threads : int
        CPU threads, 0 for all.
    one_size : bool, default False
        Compile for the size of the image, again for each other size. That takes about 0.1 s; each image then takes a
        fifth less time and a third less memory, and the output, a fifth of that, none after it was taken.
    """

    name = "openvino"

    def __init__(self, model: Model, precision: str, threads: int = 0, *, one_size: bool = False) -> None:
        self.precision = precision
        self._entry = model.entry
        self._lock = threading.Lock()
        # OpenVINO keeps pointers into the weights: a copy leaves the caller free to train on.
        graph = convert(copy.deepcopy(model.network).cpu().eval(), model)
        if precision == "int8":
            graph = quantized(graph, model)
        self._settings: dict[str, str | int] = {
            # Layers that are not quantized stay f32.
            "INFERENCE_PRECISION_HINT": "f32" if precision == "int8" else precision,
            "PERFORMANCE_HINT": "LATENCY",
            # Bound to processors, the threads of two processes share the first ones and leave the others idle.
            "ENABLE_CPU_PINNING": False,
            # OpenVINO caches up to 5,000 prepared layers for all sizes of images by default. In Live every step has a
            # new size, so memory would grow for hours.
            "CPU_RUNTIME_CACHE_CAPACITY": 64,
        }
        if threads:
            self._settings["INFERENCE_NUM_THREADS"] = threads
        self._graph = transposed(graph) if one_size else None
        self._size: tuple[int, ...] = ()
        self._room: mmap.mmap | None = None
        self._request: Any = None if one_size else self._compiled(channels_last(graph))

    def _compiled(self, graph: Any) -> Any:
        return core().compile_model(graph, "CPU", self._settings).create_infer_request()

    def _request_for(self, size: tuple[int, ...]) -> Any:
        if self._graph is not None and size != self._size:
            self._request, self._room, self._size = None, None, ()  # before the next one takes memory
            self._graph.reshape([1, *size])
            self._request, self._size = self._compiled(self._graph), size
            if sys.platform == "linux":
                self._room = _room_for(self._request)
        return self._request

    def __call__(
        self,
        image: NDArray[np.float32],
        take: Callable[[NDArray[np.float32]], Any] | None = None,
        *,
        context: Context | None = None,
    ) -> Any:
        padded, inside = pad_to_legal(image, self._entry, context)
        # A request owns its output, so it must be taken before the next call may begin.
        with self._lock:
            request = self._request_for(padded.shape)
            output = request.infer([padded[None]], share_inputs=True, share_outputs=True)[0]
            result: NDArray[np.float32] = output[0][inside]
            try:
                return result.copy() if take is None else take(result)
            finally:
                if self._room is not None:
                    self._room.madvise(mmap.MADV_DONTNEED)


def _room_for(request: Any) -> mmap.mmap:
    """Memory for the output of a request, which can be given back to the system until it is written to again."""
    shape = tuple(request.get_compiled_model().output(0).shape)
    room = mmap.mmap(-1, 4 * math.prod(shape), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a kernel without huge pages; with small ones, writing takes longer
        room.madvise(mmap.MADV_HUGEPAGE)
    request.set_output_tensor(openvino().Tensor(np.frombuffer(room, np.float32).reshape(shape), shared_memory=True))
    return room
