"""The OpenVINO runtime: two to three times faster than torch on a CPU."""

import copy
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.inference.openvino_graph import convert, core
from napari_grd.inference.openvino_layout import channels_last
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
    """

    name = "openvino"

    def __init__(self, model: Model, precision: str, threads: int = 0) -> None:
        self.precision = precision
        self._entry = model.entry
        self._lock = threading.Lock()
        # OpenVINO keeps pointers into the weights: a copy leaves the caller free to train on.
        graph = convert(copy.deepcopy(model.network).cpu().eval(), model)
        if precision == "int8":
            graph = quantized(graph, model)
        settings: dict[str, str | int] = {
            # Layers that are not quantized stay f32.
            "INFERENCE_PRECISION_HINT": "f32" if precision == "int8" else precision,
            "PERFORMANCE_HINT": "LATENCY",
            # OpenVINO caches up to 5,000 prepared layers for all sizes of images by default. In Live every step has a
            # new size, so memory would grow for hours.
            "CPU_RUNTIME_CACHE_CAPACITY": 64,
        }
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        self._request = core().compile_model(channels_last(graph), "CPU", settings).create_infer_request()

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
            output = self._request.infer([padded[None]], share_inputs=True, share_outputs=True)[0]
            result: NDArray[np.float32] = output[0][inside]
            return result.copy() if take is None else take(result)
