"""Post-training quantization of an OpenVINO model to int8.

Only convolutions are quantized, except the first and the last. The ranges of their inputs are measured on the model's
calibration patches. That takes seconds, so the result is cached in the user's cache folder, under a name derived from
all inputs.
"""

import logging
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from napari_grd.data.fingerprint import image_key, model_fingerprint, text_key
from napari_grd.errors import OutputError
from napari_grd.inference.int8_calibration import calibration_images
from napari_grd.inference.openvino_graph import from_bytes, openvino, to_bytes
from napari_grd.io.atomic import atomic_path, make_folder
from napari_grd.io.optional import require
from napari_grd.models.model import Model

_CONVOLUTIONS = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData")
_FILES = ("model.xml", "model.bin")
_RECIPE = 6  # to be incremented when the result of quantize() changes


def quantize(graph: Any, model: Model) -> Any:
    """Quantize the network in an OpenVINO model; other operations are unchanged.

    Parameters
    ----------
    graph : openvino.Model
        From :func:`napari_grd.inference.openvino_graph.convert`; other operations may follow the network. It is
        modified.
    model : Model
        Model of the network; its calibration patches are used.

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
            # Both increased the difference to f32; the second protects a layer that is not quantized here.
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                disable_bias_correction=True, overflow_fix=nncf.OverflowFix.DISABLE
            ),
        )


def quantized(graph: Any, model: Model) -> Any:
    """:func:`quantize`, with the user's cache."""
    stored = user_cache_path("napari-grd") / "int8" / _key(graph, model)
    quantized_network = _read(stored.with_suffix(".zip"))
    if quantized_network is None:
        quantized_network = quantize(graph, model)
        _write(to_bytes(quantized_network), stored.with_suffix(".zip"))
    return quantized_network


def _left_alone(graph: Any) -> set[str]:
    """Names of the operations that are not quantized.

    The first convolutions, because all others inherit their rounding, which is half of the total error. The last one
    and all that follows, because its output is the embedding itself. And operations other than convolutions: a sum or
    an interpolation does not become faster.
    """
    names = {node.get_friendly_name() for node in graph.get_ops() if node.get_type_name() in ("Add", "Interpolate")}
    first = _up_to_convolutions(
        graph.get_parameters(),
        lambda node: [target.get_node() for output in node.outputs() for target in output.get_target_inputs()],
    )
    last = _up_to_convolutions(graph.get_results(), lambda node: [value.get_node() for value in node.input_values()])
    return names | first | last


def _up_to_convolutions(start: Iterable[Any], following: Callable[[Any], list[Any]]) -> set[str]:
    names: set[str] = set()
    queue = list(start)
    while queue:
        node = queue.pop()
        name, kind = node.get_friendly_name(), node.get_type_name()
        if name in names or kind == "ShapeOf":  # sizes are used after the network
            continue
        names.add(name)
        if kind not in _CONVOLUTIONS:
            queue += following(node)
    return names


def _key(graph: Any, model: Model) -> str:
    patches = image_key(calibration_images(model))
    parts = [model_fingerprint(model), patches, version("openvino"), str(_RECIPE)]
    parts += [output.get_any_name() for output in graph.outputs if output.get_names()]
    return text_key(*parts)


def _read(path: Path) -> Any | None:
    try:
        with zipfile.ZipFile(path) as packed:  # verifies checksums
            return from_bytes(*(packed.read(name) for name in _FILES))
    except FileNotFoundError:
        return None
    except Exception:  # damaged, or from another version: quantize again
        return None


def _write(content: tuple[bytes, bytes], path: Path) -> None:
    try:
        make_folder(path.parent)
        with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as packed:
            for name, data in zip(_FILES, content, strict=True):
                packed.writestr(name, data)
    except OutputError:  # a cache that cannot be written only costs time
        return


@cache
def _nncf() -> Any:
    openvino()  # first, so that nncf finds no telemetry either
    logger_class = logging.getLoggerClass()
    try:
        nncf = require("nncf", "Precision int8", "int8")
    finally:
        logging.setLoggerClass(logger_class)  # nncf replaces the logger class globally
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
