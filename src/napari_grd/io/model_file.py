"""A model is one file: ``name.grd.safetensors``.

Layout
------
Tensors: ``network.<name>`` for each entry of the network's state dict, and
``pca`` and ``calibration`` if the model has them. Header metadata (all strings): ``napari_grd``, the
version of this layout; ``config`` and ``card``, the :class:`ModelConfig` and
:class:`ModelCard` as JSON. Nothing in the file can run code.

A file may come from a newer napari-grd of the same layout. Its config decides
results, so an unknown setting is an error; its card only informs, so an unknown field is ignored.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from napari_grd.errors import ConfigError, ModelFileError, OutputError
from napari_grd.io.atomic import atomic_path
from napari_grd.io.model_guard import (
    Header,
    check_finite,
    check_settings,
    check_tensors,
    parse_object,
    read_header,
    unreadable,
)
from napari_grd.io.names import MODEL_SUFFIX
from napari_grd.models.model import Model, ModelCard, ModelConfig

FORMAT_VERSION = 1

_VERSION_KEY = "napari_grd"
_NETWORK = "network."
_PCA = "pca"
_CALIBRATION = "calibration"


def save_model(model: Model, path: str | Path, *, half: bool = False) -> Path:
    """Write a model file, atomically.

    Parameters
    ----------
    model : Model
        The model, on any device. Its network is not changed.
    path : str or Path
        The file; ``.grd.safetensors`` is added unless the name ends in it. The folder must exist.
    half : bool, default False
        Store the weights of convolutions and matrices as float16: half the
        size, for a relative rounding error below 5e-4 of each weight. Biases
        and normalization statistics keep their precision.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputError
        If the file cannot be written, or weights are not finite.

    See Also
    --------
    load_model : Read the file.
    export_model : Write the model for other programs.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = save_model(Model.create(ModelConfig()), Path(folder) / "mine")
    ...     path.name, read_model(path).stride
    ('mine.grd.safetensors', 16)
    """
    path = Path(path)
    if not path.name.endswith(MODEL_SUFFIX):
        path = path.with_name(path.name.removesuffix(".safetensors") + MODEL_SUFFIX)
    tensors = {_NETWORK + name: _stored(value, half) for name, value in model.network.state_dict().items()}
    bad = [name for name, value in tensors.items() if not torch.isfinite(value).all()]
    if bad:
        raise OutputError(
            f"{str(path)!r} is not written: {len(bad)} weights of the model are not finite, e.g. {bad[0]}.",
            "Its training diverged: train again with a lower learning rate.",
        )
    if model.pca is not None:
        tensors[_PCA] = _stored(model.pca, half=False)
    if model.calibration is not None:
        tensors[_CALIBRATION] = _stored(model.calibration, half=False)
    content = save(tensors, model_metadata(model))
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return path


def model_metadata(model: Model) -> dict[str, str]:
    """Metadata of a model file: layout version, config and card, the latter two as JSON."""
    return {
        _VERSION_KEY: str(FORMAT_VERSION),
        "config": json.dumps(model.config.on_disk()),
        "card": json.dumps(model.card.on_disk()),
    }


def read_model(path: str | Path) -> Model:
    """Read a model file.

    Parameters
    ----------
    path : str or Path
        The file. For the name of a built-in model, see
        :func:`napari_grd.hub.load_model`.

    Returns
    -------
    Model
        On the CPU, in evaluation mode, weights in float32. The random state of torch is not changed.

    Raises
    ------
    ModelFileError
        If there is no such file, it is damaged or not a model file, needs a
        newer napari-grd or a network that is not installed, its tensors do not fit its network, or contain NaN. Nothing
        is built before all that is checked, see :mod:`napari_grd.io.model_guard`.
    """
    path = Path(path)
    try:
        with _opened(path) as file:
            header = read_header(file, path)
            config, card = _described(header, path)
            check_tensors(header.declared, config, path, network=_NETWORK, pca=_PCA, calibration=_CALIBRATION)
            # From the opened file: safetensors would open the path again, which may be another file by now.
            tensors: dict[str, Tensor] = load(header.content + file.read())
        if {name: tuple(tensor.shape) for name, tensor in tensors.items()} != {
            name: shape for name, (_, shape) in header.declared.items()
        }:
            raise unreadable(path, "its header names a tensor twice")
        check_finite(tensors, path)
        with torch.random.fork_rng(devices=[]):  # random initial weights are overwritten below
            model = Model.create(config, card)
    except (OSError, SafetensorError) as error:
        raise unreadable(path, error) from error
    except ConfigError as error:
        raise ModelFileError(
            f"The model file {str(path)!r} needs a network that cannot be built here: {error.problem}",
            "Install the plugin the network comes with, or update napari-grd.",
        ) from error
    # Cloned, because the original is a view of the whole file.
    pca, calibration = (tensors.pop(name).clone() if name in tensors else None for name in (_PCA, _CALIBRATION))
    # Copies into the network's own dtype, so float16 becomes float32.
    model.network.load_state_dict({name.removeprefix(_NETWORK): value for name, value in tensors.items()})
    model.network.eval()
    return replace(model, pca=pca, calibration=calibration)


def read_card(path: str | Path) -> tuple[ModelConfig, ModelCard]:
    """Read a model's config and card from the header of its file, without tensors.

    Parameters
    ----------
    path : str or Path
        A model file.

    Returns
    -------
    config : ModelConfig
        Settings to rebuild and run it.
    card : ModelCard
        Description and scores.

    Raises
    ------
    ModelFileError
        If there is no such file, it is damaged or not a model file, or needs a newer napari-grd.
    """
    path = Path(path)
    try:
        with _opened(path) as file:
            return _described(read_header(file, path), path)
    except OSError as error:
        raise unreadable(path, error) from error


def _opened(path: Path) -> BinaryIO:
    if not path.is_file():
        raise ModelFileError(f"There is no model file {str(path)!r}.", "Check the path.")
    return path.open("rb")


def _described(header: Header, path: Path) -> tuple[ModelConfig, ModelCard]:
    metadata = header.metadata
    _check_version(metadata, path)
    settings, facts = parse_object(metadata, "config", path), parse_object(metadata, "card", path)
    described = {name: value for name, value in facts.items() if name in _CARD}
    try:
        config, card = ModelConfig(**settings), ModelCard(**described)
    except ConfigError as error:
        raise ModelFileError(
            f"The model file {str(path)!r} contains settings that are not valid here: {error.problem[:1000]}",
            "Update napari-grd, or save the model again.",
        ) from error
    check_settings(config, path)
    return config, card


# Known names in a card; others are of a newer version, and are ignored.
_CARD = {*ModelCard.model_fields, *(field.serialization_alias for field in ModelCard.model_fields.values())}


def _stored(tensor: Tensor, half: bool) -> Tensor:
    if half and tensor.is_floating_point() and tensor.ndim > 1:
        tensor = tensor.half()
    # Cloned, as safetensors refuses tensors that share memory.
    return tensor.detach().cpu().contiguous().clone()


def _check_version(metadata: dict[str, str], path: Path) -> None:
    version = metadata.get(_VERSION_KEY)
    if version is None or not (version.isascii() and version.isdecimal()):
        raise ModelFileError(
            f"{str(path)!r} is a safetensors file, but not a model of napari-grd.",
            f"Choose a file that ends in {MODEL_SUFFIX}; other networks become teachers, see docs/teachers.md.",
        )
    if len(version) > 9 or int(version) > FORMAT_VERSION:  # int() refuses thousands of digits
        raise ModelFileError(
            f"The model file {str(path)!r} is of format {version[:20]}; this version reads up to {FORMAT_VERSION}.",
            "Update napari-grd.",
        )
