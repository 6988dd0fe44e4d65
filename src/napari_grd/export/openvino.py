"""Models as OpenVINO IR: two files, ``name.xml`` and ``name.bin``, that load without conversion."""

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import ModelFileError
from napari_grd.export.network import INPUT, ExportNetwork, Run, check_agreement, output_names
from napari_grd.inference.openvino_graph import convert, core, from_bytes, to_bytes
from napari_grd.inference.quantize import quantize
from napari_grd.io.atomic import atomic_folder, atomic_path, atomic_paths
from napari_grd.io.leftovers import sweep_now
from napari_grd.io.model_file import model_metadata
from napari_grd.models.model import Model

_KEY = "napari_grd"
_WEIGHTS = "weights_blake2b"
_NAME = "model"


def write_openvino(model: Model, path: str | Path, *, int8: bool = False) -> Path:
    """Write a model as OpenVINO IR, atomically.

    Parameters
    ----------
    model : Model
        Its network is not changed.
    path : str or Path
        ``name.xml`` (with ``name.bin`` beside it), ``name.zip`` with both in
        it, or a name without suffix: a new folder of both.
    int8 : bool, default False
        Quantize the network with the model's calibration patches.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    GrdError
        If OpenVINO (or nncf, for int8) is missing, or the model has no calibration patches.
    OutputError
        If OpenVINO does not compute the same as torch (not checked for int8), or the files cannot be written.

    Notes
    -----
    Input and outputs are those of :func:`napari_grd.export.onnx.write_onnx`.
    The metadata of a model file are in the runtime information
    (``rt_info``) under ``napari_grd``, and with them the digest of the weights
    that belong to the graph, which :func:`read_openvino` compares. After a kill there is the old pair, the new one, or
    an ``.xml`` that the next process that writes into the folder renames.
    """
    path = Path(path)
    graph, weights = openvino_bytes(model, int8=int8)
    if path.suffix == ".zip":
        with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr(f"{_NAME}.xml", graph)
            packed.writestr(f"{_NAME}.bin", weights)
    elif path.suffix == ".xml":
        with atomic_paths(path, path.with_suffix(".bin"), opened=True) as (first, second):
            first.write_bytes(graph)
            second.write_bytes(weights)
    else:
        with atomic_folder(path) as folder:
            (folder / f"{_NAME}.xml").write_bytes(graph)
            (folder / f"{_NAME}.bin").write_bytes(weights)
    return path


def read_openvino(path: str | Path) -> Any:
    """Open ``name.xml`` with ``name.bin``, if they were written together.

    Parameters
    ----------
    path : str or Path
        The ``.xml`` of :func:`write_openvino`. If its writer was killed while renaming, that is completed.

    Returns
    -------
    openvino.Model

    Raises
    ------
    ModelFileError
        If one of them is missing, they are of two models, or not of this package.
    """
    path = Path(path)
    sweep_now(path.parent)
    try:
        graph, weights = path.read_bytes(), path.with_suffix(".bin").read_bytes()
    except OSError as error:
        raise ModelFileError(f"The model {str(path)!r} cannot be read ({error}).", "Export it again.") from error
    try:
        opened = from_bytes(graph, weights)
        expected = opened.get_rt_info([_KEY, _WEIGHTS]).astype(str)
    except Exception as error:  # OpenVINO's own are RuntimeErrors of many lines
        raise ModelFileError(
            f"{str(path)!r} is no model of this package, or it is damaged ({str(error).splitlines()[0]:.100}).",
            "Export it again.",
        ) from error
    if expected != _digest(weights):
        raise ModelFileError(
            f"{str(path)!r} and {path.with_suffix('.bin').name!r} are of two models.", "Export the model again."
        )
    return opened


def openvino_bytes(model: Model, *, int8: bool = False) -> tuple[bytes, bytes]:
    """The verified contents of ``.xml`` and ``.bin``; errors are those of :func:`write_openvino`."""
    graph = convert(ExportNetwork(model), model, any_batch=True)
    graph.inputs[0].get_tensor().set_names({INPUT})
    for output, name in zip(graph.outputs, output_names(model), strict=True):
        output.get_tensor().set_names({name})
    if int8:
        graph = quantize(graph, model)
    for key, value in (model_metadata(model) | {"precision": "int8" if int8 else "f32"}).items():
        graph.set_rt_info(value, [_KEY, key])
    graph.set_rt_info(_digest(to_bytes(graph)[1]), [_KEY, _WEIGHTS])
    content = to_bytes(graph)
    if not int8:
        check_agreement(model, _runner(content), "OpenVINO")
    return content


def _digest(weights: bytes) -> str:
    return hashlib.blake2b(weights, digest_size=16).hexdigest()


def _runner(content: tuple[bytes, bytes]) -> Run:
    # Read back from the bytes to write: a graph in memory may contain what a file cannot.
    compiled = core().compile_model(from_bytes(*content), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(image: NDArray[np.float32]) -> Sequence[NDArray[np.float32]]:
        return list(compiled([image]).values())

    return run
