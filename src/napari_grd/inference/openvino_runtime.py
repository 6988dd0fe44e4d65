"""Networks in OpenVINO: two to three times faster than torch on a CPU."""

import copy
import sys
import threading
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_grd.inference.padding import pad_to_stride
from napari_grd.models import Model


@cache
def _openvino() -> Any:
    # At import OpenVINO reports to its makers through this module (a process, a
    # look-up on the net, a file in the home folder), unless it cannot be imported.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


@cache
def _core() -> Any:
    return _openvino().Core()


def has_bf16() -> bool:
    """Whether this CPU multiplies bf16 in hardware. OpenVINO has to be installed."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class _ChannelsLast(nn.Module):
    # Inside the graph the permutation costs next to nothing; after it, a pass over the output.
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.network(x)
        return out.movedim(1, -1)


class OpenVINORuntime:
    """A model's network, compiled for the CPU, for images of any size.

    Parameters
    ----------
    model : Model
    precision : {"f32", "bf16"}
        "bf16" only where :func:`has_bf16`.
    threads : int
        CPU threads, 0 for all.
    """

    name = "openvino"

    def __init__(self, model: Model, precision: str, threads: int = 0) -> None:
        self.precision = precision
        self._stride = model.stride
        self._lock = threading.Lock()
        settings: dict[str, str | int] = {
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
            # Of every size of image it has seen, OpenVINO keeps what it prepared for its layers, 5,000 of these by
            # default. Who looks around live shows it a new size at each step: memory would grow for hours.
            "CPU_RUNTIME_CACHE_CAPACITY": 64,
        }
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        self._request = _core().compile_model(_convert(model), "CPU", settings).create_infer_request()

    def __call__(self, image: NDArray[np.float32], take: Callable[[NDArray[np.float32]], Any] | None = None) -> Any:
        padded, inside = pad_to_stride(image, self._stride)
        # A request owns its output, so it must be taken before the next call may begin.
        with self._lock:
            output = self._request.infer([padded[None]], share_inputs=True, share_outputs=True)[0]
            result: NDArray[np.float32] = output[0][inside]
            return result.copy() if take is None else take(result)


def _convert(model: Model) -> Any:
    openvino = _openvino()
    config = model.config
    # OpenVINO keeps pointers into the weights: a copy leaves the caller free to train on.
    network = _ChannelsLast(copy.deepcopy(model.network).cpu().eval())
    example = torch.zeros(1, config.in_channels, *[4 * model.stride] * config.ndim)
    shape = openvino.PartialShape([1, config.in_channels, *[-1] * config.ndim])
    with warnings.catch_warnings():
        # OpenVINO's converter still traces; there is no other way in for dynamic sizes.
        warnings.filterwarnings("ignore", r"`torch\.jit\.trace", DeprecationWarning)
        return openvino.convert_model(network, example_input=example, input=[shape])
