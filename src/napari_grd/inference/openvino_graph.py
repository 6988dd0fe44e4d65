"""OpenVINO, and the conversion of networks to it."""

import importlib
import io
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
    config = model.config
    example = torch.zeros(1, config.in_channels, *[4 * model.stride] * config.ndim)
    shape = openvino().PartialShape([-1 if any_batch else 1, config.in_channels, *[-1] * config.ndim])
    with warnings.catch_warnings():
        # OpenVINO's converter uses tracing, the only way to support dynamic sizes.
        warnings.filterwarnings("ignore", r"`torch\.jit\.trace", DeprecationWarning)
        return openvino().convert_model(network, example_input=example, input=[shape])


def to_bytes(graph: Any) -> tuple[bytes, bytes]:
    """The contents of the two files of an OpenVINO model, ``.xml`` and ``.bin``."""
    with TemporaryDirectory() as folder:
        files = Path(folder, "model.xml"), Path(folder, "model.bin")
        openvino().serialize(graph, *map(str, files))
        return files[0].read_bytes(), files[1].read_bytes()


def from_bytes(graph: bytes, weights: bytes) -> Any:
    """The inverse of :func:`to_bytes`."""
    return core().read_model(io.BytesIO(graph), io.BytesIO(weights))
