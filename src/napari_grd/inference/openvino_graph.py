"""OpenVINO, and the conversion of networks to it."""

import importlib
import sys
import warnings
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

from napari_grd.models.model import Model


@cache
def openvino() -> Any:
    """The package, imported without telemetry; ImportError if it is not installed."""
    # At import OpenVINO sends telemetry through this module (a process, a network access, a file in the home folder),
    # unless it cannot be imported.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return importlib.import_module("openvino")


@cache
def core() -> Any:
    """The OpenVINO core, created once."""
    return openvino().Core()


def convert(network: nn.Module, model: Model, *, any_batch: bool = False) -> Any:
    """Convert a network to an OpenVINO model for images of any size.

    Parameters
    ----------
    network : torch.nn.Module
        On the CPU, in evaluation mode. OpenVINO keeps pointers into its weights.
    model : Model
        Model of the network, which defines the channels and axes of an image.
    any_batch : bool, default False
        Whether the batch size is dynamic.

    Returns
    -------
    openvino.Model
    """
    config, entry = model.config, model.entry
    # Two strides, or the smallest input of valid convolutions.
    sizes = [2 * (stride - margin) for stride, margin in zip(entry.strides, entry.margin, strict=True)]
    example = torch.zeros(1, config.in_channels, *entry.input_size(sizes))
    shape = openvino().PartialShape([-1 if any_batch else 1, config.in_channels, *[-1] * config.ndim])
    with warnings.catch_warnings(), torch.no_grad():
        # OpenVINO's converter uses tracing, the only way to support dynamic sizes. Done by itself it would run the
        # network five times to check the trace, which takes a minute for some in 3D.
        warnings.filterwarnings("ignore", r"`torch\.jit\.trace", DeprecationWarning)
        traced = torch.jit.trace(network, example, strict=False, check_trace=False)  # type: ignore[no-untyped-call]
        return openvino().convert_model(traced, example_input=example, input=[shape])


def to_bytes(graph: Any) -> tuple[bytes, bytes]:
    """The contents of the two files of an OpenVINO model, ``.xml`` and ``.bin``."""
    with TemporaryDirectory() as folder:
        files = Path(folder, "model.xml"), Path(folder, "model.bin")
        openvino().serialize(graph, *map(str, files))
        return files[0].read_bytes(), files[1].read_bytes()


def from_bytes(graph: bytes, weights: bytes) -> Any:
    """The inverse of :func:`to_bytes`."""
    return core().read_model(graph, weights)
