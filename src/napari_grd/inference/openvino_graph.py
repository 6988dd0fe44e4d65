"""OpenVINO itself, and networks in its form."""

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

from napari_grd.models import Model


@cache
def openvino() -> Any:
    """The package, imported so that it reports to nobody; ImportError if it is not installed."""
    # At import OpenVINO reports to its makers through this module (a process, a
    # look-up on the net, a file in the home folder), unless it cannot be imported.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return importlib.import_module("openvino")


@cache
def core() -> Any:
    """What compiles models, made once."""
    return openvino().Core()


def convert(network: nn.Module, model: Model, *, any_batch: bool = False) -> Any:
    """A network as an OpenVINO model for images of any size.

    Parameters
    ----------
    network : torch.nn.Module
        On the CPU, in evaluation mode. OpenVINO keeps pointers into its weights.
    model : Model
        What it is the network of: says how many channels and axes an image has.
    any_batch : bool, default False
        Whether it takes several images at once.

    Returns
    -------
    openvino.Model
    """
    config = model.config
    example = torch.zeros(1, config.in_channels, *[4 * model.stride] * config.ndim)
    shape = openvino().PartialShape([-1 if any_batch else 1, config.in_channels, *[-1] * config.ndim])
    with warnings.catch_warnings():
        # OpenVINO's converter still traces; there is no other way in for dynamic sizes.
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
