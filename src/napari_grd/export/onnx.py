"""Export to ONNX."""

import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_grd.errors import GrdError, OutputError
from napari_grd.export.network import INPUT, ExportNetwork, check_agreement, example_image, output_names
from napari_grd.io.atomic import atomic_path
from napari_grd.io.model_file import model_metadata
from napari_grd.io.optional import require
from napari_grd.models.model import Model

OPSET = 17
"""ONNX opset version: supported by programs since 2022."""

_PURPOSE = "Export to ONNX"
_EXTRA = "onnx"


def write_onnx(model: Model, path: str | Path) -> Path:
    """Write a model as an ONNX file, atomically.

    Parameters
    ----------
    model : Model
        Its network is not changed.
    path : str or Path
        The file.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    GrdError
        If the packages onnx or onnxruntime are missing.
    OutputError
        If the network cannot be exported, ONNX Runtime does not compute the
        same as torch, or the file cannot be written.

    Notes
    -----
    Input ``image`` ``(batch, C_in, *S)`` float32, normalized, of any size;
    outputs as in :func:`napari_grd.export.network.output_names`. The
    metadata of the file are those of a model file.
    """
    path = Path(path)
    with atomic_path(path) as temporary:
        temporary.write_bytes(onnx_bytes(model))
    return path


def onnx_bytes(model: Model) -> bytes:
    """The verified content of :func:`write_onnx`; errors are the same."""
    onnx = require("onnx", _PURPOSE, _EXTRA)
    graph = onnx.load_model_from_string(_traced(model))
    graph.producer_name = "napari-grd"
    onnx.helper.set_model_props(graph, model_metadata(model) | {"usage": json.dumps(_usage(model))})
    _check(onnx, graph)
    content: bytes = graph.SerializeToString()
    session = _session(content)

    def run(image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        outputs: list[NDArray[np.float32]] = session.run(list(output_names(model)), {INPUT: image})
        return outputs

    check_agreement(model, run, "ONNX Runtime")
    return content


def _traced(model: Model) -> bytes:
    names = output_names(model)
    axes = {0: "batch"} | {2 + axis: name for axis, name in enumerate("zyx"[-model.config.ndim :])}
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The newer exporter takes a minute where this one takes a second, and needs one more package.
        warnings.filterwarnings("ignore", "You are using the legacy TorchScript-based ONNX export", DeprecationWarning)
        warnings.filterwarnings("ignore", "The feature will be removed", DeprecationWarning)
        warnings.filterwarnings("ignore", "Constant folding - Only steps=1", UserWarning)
        warnings.filterwarnings("ignore", r"`torch\.jit\.trace", DeprecationWarning)
        try:
            torch.onnx.export(
                ExportNetwork(model),
                (example_image(model),),
                buffer,  # type: ignore[arg-type]  # only the other exporter needs a path
                dynamo=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=list(names),
                dynamic_axes=dict.fromkeys((INPUT, *names), axes),
            )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
            raise OutputError(
                f"The network {model.config.network.name!r} cannot be exported to ONNX ({error}).",
                "Choose another format.",
            ) from error
    return buffer.getvalue()


def _check(onnx: Any, graph: Any) -> None:
    """Check that the graph is valid: standard operations of one known version."""
    versions = {opset.domain: opset.version for opset in graph.opset_import}
    if versions != {"": OPSET}:
        raise OutputError(
            f"The exported graph needs the operation sets {versions}.", "Choose a network of plain operations."
        )
    try:
        onnx.checker.check_model(graph, full_check=True)
    except Exception as error:  # the checker and shape inference raise different, undocumented classes
        raise OutputError(f"The exported graph is not valid ONNX ({error}).", "Choose another format.") from error


def _session(content: bytes) -> Any:
    runtime = require("onnxruntime", _PURPOSE, _EXTRA)
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    try:
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its classes have no common base
        raise GrdError(
            f"The installed onnxruntime does not load the exported model ({error}).",
            "Update it: pip install --upgrade onnxruntime",
        ) from error


def _usage(model: Model) -> dict[str, Any]:
    """Metadata for programs other than napari-grd."""
    norm = model.config.normalization
    return {
        "input": f"{INPUT}: (batch, {model.config.in_channels}, *S) float32; of each channel of the whole image,"
        f" percentile {norm.low} is 0 and percentile {norm.high} is 1",
        "outputs": list(output_names(model)),
        "offsets": model.config.offsets,
    }
