"""Models as bioimage.io packages: a zip that any tool of that community runs, and that comes back as it was."""

import hashlib
import io
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from napari_grd.data.intensity import percentile_range
from napari_grd.data.normalize import normalize
from napari_grd.errors import ConfigError, OutputError
from napari_grd.export.bioimageio.cover import cover, sample_image
from napari_grd.export.bioimageio.description import Author, describe
from napari_grd.export.bioimageio.documentation import documentation
from napari_grd.export.network import INPUT, ExportNetwork, check_agreement, example_image, output_names
from napari_grd.export.onnx import onnx_bytes
from napari_grd.io.atomic import atomic_path
from napari_grd.io.model_file import save_model
from napari_grd.io.names import MODEL_SUFFIX
from napari_grd.io.optional import require
from napari_grd.models.model import Model

DESCRIPTION = "bioimageio.yaml"
_MODEL = f"model{MODEL_SUFFIX}"


def write_package(
    model: Model,
    path: str | Path,
    *,
    image: Any = None,
    axes: str | None = None,
    authors: Sequence[Author] = (),
    cite: Sequence[Mapping[str, str]] = (),
    license: str | None = None,
) -> Path:
    """Write a model as a bioimage.io package, whole or not at all.

    Parameters
    ----------
    model : Model
        Its network is left as it is.
    path : str or Path
        The zip file.
    image : array, optional
        An image for test and cover, of which a middle part is put into the package: up to 512 pixels a side, of a
        volume about 50. Default: simulated nuclei.
    axes : str, optional
        Its axes, e.g. ``"yxc"``.
    authors : sequence of str or mapping
        Names, or bioimage.io authors (``name``, ``affiliation``, ``orcid``, ``github_user``).
    cite : sequence of mapping
        What to cite beside the method: ``text``, and ``doi`` or ``url``.
    license : str, optional
        SPDX identifier. Default: what the card says.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    GrdError
        If the packages bioimageio.core, onnx or onnxruntime are missing.
    ConfigError
        If the description is not valid, e.g. a license that has no SPDX identifier.
    OutputError
        If the network cannot be exported, the package fails the test of
        bioimageio.core, or it cannot be written.

    Notes
    -----
    Weights are TorchScript and ONNX, see :mod:`napari_grd.export.network` for
    their outputs. The model file itself is attached, so that
    :func:`napari_grd.io.bioimageio_package.read_package` gives the model back.
    """
    path, license = Path(path), license or model.card.license
    core = require("bioimageio.core", "Export to bioimage.io", "bioimageio")
    _check_license(license)
    with atomic_path(path) as temporary:
        files = _files(model, sample_image(model, image, axes))
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        described = describe(model, hashes, attachment=_MODEL, authors=authors, cite=cite, license=license)
        text = yaml.safe_dump(described, sort_keys=False, allow_unicode=True, width=100)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr(DESCRIPTION, text)
            for name, content in files.items():
                packed.writestr(name, content)
        _check(core, temporary)
    return path


def _check_license(license: str) -> None:
    license_id = require("bioimageio.spec.generic.v0_3", "Export to bioimage.io", "bioimageio").LicenseId
    try:
        license_id(license)
    except ValueError:  # a list of some hundred names is in its message
        raise ConfigError(
            f"The license {license!r} has no SPDX identifier, as packages need.",
            "Pass license= with one, e.g. 'MIT', 'CC-BY-4.0' or 'CC-BY-NC-4.0'.",
        ) from None


def _files(model: Model, image: NDArray[np.float32]) -> dict[str, bytes]:
    ready = normalize(image, percentile_range(image, model.config.normalization))
    with torch.no_grad():
        outputs = ExportNetwork(model)(torch.from_numpy(ready)[None])
    tensors = {INPUT: image[None]} | {
        name: output.numpy() for name, output in zip(output_names(model), outputs, strict=True)
    }
    with TemporaryDirectory() as folder:
        attached = save_model(model, Path(folder) / _MODEL).read_bytes()
    return {
        "documentation.md": documentation(model, _MODEL).encode(),
        "cover.png": cover(model, image),
        "weights.pt": _torchscript(model),
        "weights.onnx": onnx_bytes(model),
        _MODEL: attached,
        **{f"test_{name}.npy": _npy(tensor) for name, tensor in tensors.items()},
    }


def _torchscript(model: Model) -> bytes:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.", DeprecationWarning)
        trace: Any = torch.jit.trace
        traced = trace(ExportNetwork(model), example_image(model), check_trace=False)
        buffer = io.BytesIO()
        torch.jit.save(traced, buffer)

    def run(image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        with torch.no_grad():
            return [output.numpy() for output in traced(torch.from_numpy(image))]

    check_agreement(model, run, "TorchScript")
    return buffer.getvalue()


def _npy(tensor: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, tensor)
    return buffer.getvalue()


def _check(core: Any, package: Path) -> None:
    """What the tools of bioimage.io ask of a package, before it gets its name."""
    with warnings.catch_warnings():
        # It reads TorchScript by a deprecated function, and leaves files to the garbage collector.
        warnings.filterwarnings("ignore", r"`torch\.jit\.", DeprecationWarning)
        warnings.filterwarnings("ignore", "unclosed file", ResourceWarning)
        summary = core.test_description(package)
    if summary.status == "passed":
        return
    errors = [error for detail in summary.details for error in detail.errors]
    listed = "; ".join(f"{'.'.join(map(str, error.loc))}: {error.msg}" for error in errors)[:1000]
    if any("authors" in error.loc or "cite" in error.loc for error in errors):
        raise ConfigError(
            f"The package's description is not valid ({listed}).",
            "An author has a name without a slash, a citation a text and a doi or url.",
        )
    raise OutputError(f"The package fails the test of bioimageio.core ({listed}).", "Choose another format.")
