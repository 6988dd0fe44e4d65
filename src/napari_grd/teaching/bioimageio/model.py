"""Opening a model of the bioimage.io zoo from an untrusted package.

Threats of an untrusted package, and the countermeasures:

* its zip and its YAML may be hostile: :mod:`napari_grd.io.archive`, :mod:`napari_grd.io.bioimageio_package`;
* its description may refer to files elsewhere, or other models to fetch: only files in the package are used, nothing is
  fetched without ``download=True``;
* weights as a state_dict come with Python that builds the network, Keras and TensorFlow weights can contain code,
  processing steps can be Python files: none is loaded without ``trust_code=True``;
* ONNX cannot run code. TorchScript can run its own: :mod:`napari_grd.io.torchscript`.
"""

import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_grd.errors import GrdError, ModelFileError
from napari_grd.io.archive import Archive, open_archive
from napari_grd.io.bioimageio_package import find_description, local_name, read_description
from napari_grd.io.torchscript import secure_torchscript
from napari_grd.teaching.bioimageio.weights import choose_weights, devices_for, weight_files

INSTALL = "pip install 'napari-grd[bioimageio]'"

# Entries that are not needed to run it, but may refer to files and pages elsewhere.
_PASSED_OVER = ("attachments", "covers", "documentation", "git_repo", "icon", "links", "parent", "training_data")


@dataclass(frozen=True)
class ZooModel:
    """A model that is ready to run.

    Attributes
    ----------
    name : str
        The authors' name of the model.
    license : str
        SPDX identifier; empty if there is none.
    description : bioimageio.spec.model.v0_5.ModelDescr
        The parsed description.
    adapter : bioimageio.core.backends.ModelAdapter
        Runs its network.
    pipeline : bioimageio.core.PredictionPipeline
        Pre- and postprocessing.
    digest : str
        Digest of description and weights: equal digests imply equal outputs.
    """

    name: str
    license: str
    description: Any
    adapter: Any
    pipeline: Any
    digest: str


def open_zoo_model(
    source: str | Path,
    *,
    weights: str | None = None,
    download: bool = False,
    trust_code: bool = False,
    device: str = "auto",
) -> ZooModel:
    """Open a package of the zoo and load its weights.

    Parameters
    ----------
    source : str or Path
        A zip, a folder or a ``bioimageio.yaml``; with ``download`` also an id of the zoo or an address.
    weights : str, optional
        Format of the weights, if there are several: "onnx", "torchscript", ... Default: the first of these two
        that can run here (TorchScript on a GPU); then, with ``trust_code``, the others.
    download : bool, default False
        Whether files may be downloaded.
    trust_code : bool, default False
        Whether Python code in the package may run.
    device : str, default "auto"
        "cpu", "cuda" or "auto".

    Returns
    -------
    ZooModel

    Raises
    ------
    ModelFileError
        If there is no such package, or it is damaged, hostile, or without usable weights.
    GrdError
        If it needs a download, or trust.
    """
    with (
        _package(source, download) as path,
        open_archive(path) as archive,
        # The library leaves files open until garbage collection; torch deprecates TorchScript.
        warnings.catch_warnings(action="ignore", category=ResourceWarning),
        warnings.catch_warnings(action="ignore", category=DeprecationWarning),
    ):
        name = find_description(archive)
        if name is None:
            raise ModelFileError(
                f"{str(source)!r} contains no bioimageio.yaml.",
                "Pass a package of the bioimage.io zoo, as a zip or folder.",
            )
        content = read_description(archive, name)
        _check_content(content, archive, trust_code)
        kind, entry = choose_weights(content, str(archive.path), weights, trust_code, device)
        root = name.removesuffix(name.split("/")[-1])
        needed = [root + local_name(file) for file in weight_files(entry)]
        if missing := [file for file in needed if file not in archive.hashes]:
            raise ModelFileError(
                f"The {kind} weights of {str(source)!r} refer to {missing[0]!r}, which is not in the package.",
                "Download the whole package as a zip from bioimage.io, or pass download=True to fetch it from there.",
            )
        content = {key: value for key, value in content.items() if key not in _PASSED_OVER} | {"weights": {kind: entry}}
        with archive.unpacked(None if trust_code else needed) as folder:
            if kind == "torchscript" and not trust_code:
                secure_torchscript(folder / needed[0])
                entry.pop("sha256", None)  # checked above; repacking has changed it
            description = _describe(content, folder / root, archive)
            adapter, pipeline = _load(description, kind, device, archive)
    digest = "|".join([kind, *(archive.hashes[file] for file in (name, *needed))])
    license = content.get("license") or ""
    if isinstance(license, dict):
        license = f"its own, see {license.get('source')}"
    return ZooModel(str(description.name), str(license), description, adapter, pipeline, digest)


@contextmanager
def _package(source: str | Path, download: bool) -> Iterator[Path]:
    path = Path(source)
    if path.exists():
        yield path.parent if path.suffix in (".yaml", ".yml") else path
    elif not download:
        raise GrdError(
            f"There is no file or folder {str(source)!r}.",
            "If it is the id of a model of the zoo, pass download=True to fetch it from bioimage.io.",
        )
    else:
        from bioimageio.core import save_bioimageio_package

        with tempfile.TemporaryDirectory(prefix="napari-grd-") as folder:
            target = Path(folder, "model.zip")
            try:
                save_bioimageio_package(str(source), output_path=target, allow_invalid=True)
            except Exception as error:  # any error of network and library
                raise GrdError(
                    f"The model {str(source)!r} cannot be fetched ({_first_line(error)}).",
                    "Check its id and your connection, or download its zip from bioimage.io with a browser.",
                ) from error
            yield target


def _check_content(content: Mapping[str, Any], archive: Archive, trust_code: bool) -> None:
    """Reject descriptions whose validation would download or run something."""
    what = f"The description in {str(archive.path)!r}"
    if content.get("type") != "model" or not isinstance(content.get("weights"), dict):
        raise ModelFileError(f"{what} is not that of a model.", "Choose a model of the bioimage.io zoo.")
    for side, steps in (("inputs", "preprocessing"), ("outputs", "postprocessing")):
        for tensor in _dicts(content.get(side)):
            if tensor.get("output_of") is not None:
                raise ModelFileError(
                    f"{what} uses the output of another model as input, {str(tensor['output_of'])!r:.80}.",
                    "Choose a model that works on images.",
                )
            for step in _dicts(tensor.get(steps)):
                if "source" in step and not trust_code:
                    raise GrdError(
                        f"{what} needs Python code in its {steps} ({str(step['source'])!r:.80}); it was not run.",
                        "If you trust its authors, pass trust_code=True.",
                    )


def _dicts(items: Any) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _describe(content: dict[str, Any], folder: Path, archive: Archive) -> Any:
    from bioimageio.spec import InvalidDescr, ValidationContext, build_description

    context = ValidationContext(root=folder, file_name="bioimageio.yaml", perform_io_checks=False, log_warnings=False)
    if str(content.get("format_version")).startswith("0.4"):  # which requires one
        content = content | {"documentation": "README.md"}
    try:
        with warnings.catch_warnings(action="ignore"):  # of format 0.4, which leaves some sizes open
            description = build_description(content, context=context, format_version="latest")
    except Exception as error:  # unexpected contents of a description
        reason = _first_line(error)
    else:
        if not isinstance(description, InvalidDescr):
            return description
        errors = [error for detail in description.validation_summary.details for error in detail.errors]
        reason = f"{'.'.join(map(str, errors[0].loc))}: {errors[0].msg}" if errors else "it is not valid"
    raise ModelFileError(
        f"The description in {str(archive.path)!r} is not one of a model of format 0.4 or 0.5 ({reason[:300]}).",
        "Update bioimageio.core, or ask the model's authors.",
    )


def _load(description: Any, kind: str, device: str, archive: Archive) -> tuple[Any, Any]:
    from bioimageio.core import create_model_adapter, create_prediction_pipeline

    try:
        adapter = create_model_adapter(
            description, devices=devices_for(kind, device), weight_format_priority_order=[kind]
        )
        return adapter, create_prediction_pipeline(description, model_adapter=adapter)
    except Exception as error:  # damaged weights, missing operators, steps that need a whole data set
        raise ModelFileError(
            f"The {kind} weights of {str(archive.path)!r} cannot be loaded ({_first_line(error)}).",
            "Try other weights of the model with weights=..., or ask its authors.",
        ) from error


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__
