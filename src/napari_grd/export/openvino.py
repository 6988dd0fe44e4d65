"""Models as OpenVINO IR: two files, ``name.xml`` and ``name.bin``, that load without conversion."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_grd.export.network import INPUT, ExportNetwork, Run, check_agreement, output_names
from napari_grd.inference.openvino_graph import convert, core, from_bytes, to_bytes
from napari_grd.inference.quantize import quantize
from napari_grd.io.atomic import atomic_folder, atomic_path
from napari_grd.io.model_file import model_metadata
from napari_grd.models import Model

_KEY = "napari_grd"
_NAME = "model"


def write_openvino(model: Model, path: str | Path, *, int8: bool = False) -> Path:
    """Write a model as OpenVINO IR, whole or not at all.

    Parameters
    ----------
    model : Model
        Its network is left as it is.
    path : str or Path
        ``name.xml`` (``name.bin`` comes beside it), ``name.zip`` with both in
        it, or a name without suffix: a new folder of both.
    int8 : bool, default False
        Quantise the network with the model's calibration patches.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    GrdError
        If OpenVINO (or nncf, for int8) is missing, or the model has no calibration patches.
    OutputError
        If OpenVINO does not compute the same as torch (not asked of int8), or
        the files cannot be written.

    Notes
    -----
    Input and outputs are those of :func:`napari_grd.export.onnx.write_onnx`.
    The metadata of a model file are in the runtime information
    (``rt_info``) under ``napari_grd``.
    """
    path = Path(path)
    graph, weights = openvino_bytes(model, int8=int8)
    if path.suffix == ".zip":
        with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr(f"{_NAME}.xml", graph)
            packed.writestr(f"{_NAME}.bin", weights)
    elif path.suffix == ".xml":
        # The .xml is what is opened: it comes last, when its weights are there.
        with atomic_path(path) as first, atomic_path(path.with_suffix(".bin")) as second:
            first.write_bytes(graph)
            second.write_bytes(weights)
    else:
        with atomic_folder(path) as folder:
            (folder / f"{_NAME}.xml").write_bytes(graph)
            (folder / f"{_NAME}.bin").write_bytes(weights)
    return path


def openvino_bytes(model: Model, *, int8: bool = False) -> tuple[bytes, bytes]:
    """The contents of ``.xml`` and ``.bin``, checked; errors are those of :func:`write_openvino`."""
    graph = convert(ExportNetwork(model), model, any_batch=True)
    graph.inputs[0].get_tensor().set_names({INPUT})
    for output, name in zip(graph.outputs, output_names(model), strict=True):
        output.get_tensor().set_names({name})
    if int8:
        graph = quantize(graph, model)
    for key, value in (model_metadata(model) | {"precision": "int8" if int8 else "f32"}).items():
        graph.set_rt_info(value, [_KEY, key])
    content = to_bytes(graph)
    if not int8:
        check_agreement(model, _runner(content), "OpenVINO")
    return content


def _runner(content: tuple[bytes, bytes]) -> Run:
    # Read back from what will be written: a graph in memory may hold what a file cannot.
    compiled = core().compile_model(from_bytes(*content), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(image: NDArray[np.float32]) -> Sequence[NDArray[np.float32]]:
        return list(compiled([image]).values())

    return run
