"""Networks in whole numbers of 8 bits: post-training quantisation of an OpenVINO model.

Convolutions alone are quantised. What ranges their inputs have is measured on
the model's calibration patches. That takes seconds, so what came out of it is
kept in the user's cache, under a name that depends on all that decides it.
"""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from napari_grd.data.fingerprint import image_key, model_fingerprint
from napari_grd.errors import OutputError
from napari_grd.inference.calibrate import calibration_images
from napari_grd.inference.openvino_graph import from_bytes, openvino, to_bytes
from napari_grd.io.atomic import atomic_path, make_folder
from napari_grd.io.optional import require
from napari_grd.models import Model

_CONVOLUTIONS = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData")
_ROUNDED_IN_VAIN = ("Add", "Interpolate")
_RECIPE = 3  # to be counted up when quantize() changes what it makes


def quantize(graph: Any, model: Model) -> Any:
    """Quantise the network in an OpenVINO model; what surrounds the network stays as it is.

    Parameters
    ----------
    graph : openvino.Model
        From :func:`napari_grd.inference.openvino_graph.convert`; something may
        follow the network. It is changed.
    model : Model
        Whose network it is; its calibration patches are used.

    Returns
    -------
    openvino.Model

    Raises
    ------
    GrdError
        If the model has no calibration patches, or nncf is not installed.
    """
    patches = [patch[None] for patch in calibration_images(model)]
    nncf = _nncf()
    with _quiet():
        return nncf.quantize(
            graph,
            nncf.Dataset(patches),
            subset_size=len(patches),
            ignored_scope=nncf.IgnoredScope(names=sorted(_left_alone(graph)), validate=False),
        )


def quantized(graph: Any, model: Model) -> Any:
    """:func:`quantize`, from the user's cache if it was done before."""
    stored = user_cache_path("napari-grd") / "int8" / _key(graph, model)
    files = stored.with_suffix(".xml"), stored.with_suffix(".bin")
    found = _read(*files)
    if found is None:
        found = quantize(graph, model)
        _write(to_bytes(found), *files)
    return found


def _left_alone(graph: Any) -> set[str]:
    """Names of the operations that stay as they are.

    The last convolution and all that follows it, as its output is the embedding
    itself. And what is not a convolution but would be rounded for its own sake:
    a sum or an interpolation gets no faster by it, and its inputs less exact.
    """
    names = {node.get_friendly_name() for node in graph.get_ops() if node.get_type_name() in _ROUNDED_IN_VAIN}
    seen: set[str] = set()
    queue = list(graph.get_results())
    while queue:
        node = queue.pop()
        if node.get_friendly_name() in seen or node.get_type_name() == "ShapeOf":  # sizes lead back into the network
            continue
        seen.add(node.get_friendly_name())
        if node.get_type_name() not in _CONVOLUTIONS:
            queue += [value.get_node() for value in node.input_values()]
    return names | seen


def _key(graph: Any, model: Model) -> str:
    patches = image_key(calibration_images(model))
    parts = [model_fingerprint(model), patches, version("openvino"), str(_RECIPE)]
    parts += [output.get_any_name() for output in graph.outputs if output.get_names()]
    return hashlib.blake2b("|".join(parts).encode(), digest_size=16).hexdigest()


def _read(graph: Path, weights: Path) -> Any | None:
    if not (graph.is_file() and weights.is_file()):
        return None
    try:
        return from_bytes(graph.read_bytes(), weights.read_bytes())
    except Exception:  # damaged, or from another version: it is made again
        return None


def _write(content: tuple[bytes, bytes], graph: Path, weights: Path) -> None:
    try:
        make_folder(graph.parent)
        with atomic_path(graph) as first, atomic_path(weights) as second:
            first.write_bytes(content[0])
            second.write_bytes(content[1])
    except OutputError:  # a cache that cannot be written only costs time
        return


@cache
def _nncf() -> Any:
    openvino()  # first, so that nncf finds no telemetry either
    logger_class = logging.getLoggerClass()
    try:
        nncf = require("nncf", "Precision int8", "int8")
    finally:
        logging.setLoggerClass(logger_class)  # it takes over the loggers of everybody
    nncf.set_log_level(logging.ERROR)
    return nncf


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps nncf from drawing progress bars on the standard output."""
    from rich import get_console

    console = get_console()
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before
