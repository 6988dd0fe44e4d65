"""Validation of untrusted model files.

The header of a file declares its length, the network and the sizes of its tensors: all of that is checked against the
file itself and against limits before memory is allocated or a network is built.
"""

import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from napari_grd.errors import ConfigError, ModelFileError
from napari_grd.io.names import MODEL_SUFFIX
from napari_grd.models.model import Model, ModelConfig

MAX_HEADER = 4 << 20
"""Maximum size of a header in bytes; a network of 34 million weights needs 30 thousand."""
MAX_DEPTH = 32
"""Maximum nesting depth of the header."""
MAX_PATCHES, MAX_SIDE = 256, 1024
MAX_CHANNELS, MAX_OFFSETS, MAX_SHIFT, MAX_SIZE = 1 << 16, 256, 4096, 1e6

_FLOATS = ("F16", "BF16", "F32", "F64")
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")  # torch.save, new and old
_NAMED = 3  # maximum number of tensors named in a message

Declared = Mapping[str, tuple[str, tuple[int, ...]]]
"""Type (as safetensors names it) and shape of every tensor, by name."""


@dataclass(frozen=True)
class Header:
    """The header of a model file.

    Attributes
    ----------
    content : bytes
        The header as stored, including its length.
    metadata : dict of str to str
        Metadata beside tensors.
    declared : Declared
        The declared tensors.
    """

    content: bytes
    metadata: dict[str, str]
    declared: Declared


def read_header(file: BinaryIO, path: Path) -> Header:
    """Read the header of a model file, up to where its tensors begin.

    Parameters
    ----------
    file : binary file
        Opened, at its start; later reads use this handle, in case the path is replaced.
    path : Path
        The file, for messages.

    Raises
    ------
    ModelFileError
        If it is a pickle, its header is invalid, or longer than the file or than :data:`MAX_HEADER`, or the file has
        another length than declared.
    """
    start, size = file.read(8), os.fstat(file.fileno()).st_size
    if start.startswith(_PICKLES):
        raise ModelFileError(
            f"{str(path)!r} is a PyTorch file (a pickle), which can run code when it is opened; it was not opened.",
            f"Ask for the model as a file that napari-grd saved; it ends in {MODEL_SUFFIX} and contains numbers only.",
        )
    (length,) = struct.unpack("<Q", start) if len(start) == 8 else (0,)
    if length > size - 8 or length < 2:  # the shortest header is {}
        raise unreadable(path, f"its header would take {length} of {size} bytes")
    if length > MAX_HEADER:
        raise ModelFileError(
            f"The header of {str(path)!r} has {length} bytes; that of a model has at most {MAX_HEADER}.",
            "Do not use this file. Ask its author for the original.",
        )
    content = file.read(length)
    try:
        tensors = json.loads(content)
        metadata = tensors.pop("__metadata__", None) or {}
        declared = {name: (tensor["dtype"], tuple(tensor["shape"])) for name, tensor in tensors.items()}
        ends = [tensor["data_offsets"][1] for tensor in tensors.values()]
        texts = [*metadata.items(), *((name, kind) for name, (kind, _) in declared.items())]
        numbers = [*ends, *(number for _, shape in declared.values() for number in shape)]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise unreadable(path, f"its header is invalid: {error}") from error
    if not all(isinstance(text, str) for pair in texts for text in pair) or not all(type(n) is int for n in numbers):
        raise unreadable(path, "its header contains other values than names and numbers")
    if 8 + length + max(ends, default=0) != size:
        raise unreadable(path, f"its header declares {max(ends, default=0)} of {size - 8 - length} bytes")
    return Header(start + content, metadata, declared)


def parse_object(metadata: Mapping[str, str], key: str, path: Path) -> dict[str, Any]:
    """A JSON object from the header.

    Raises
    ------
    ModelFileError
        If it is missing, is not a JSON object, or is nested deeper than :data:`MAX_DEPTH`.
    """
    try:
        values = json.loads(metadata[key])
        if not isinstance(values, dict):
            reason = f"it is a {type(values).__name__}"
        elif _deeper_than(values, MAX_DEPTH):
            reason = f"it is nested deeper than {MAX_DEPTH} levels"
        else:
            return values
    except KeyError:
        reason = "it is missing"
    except RecursionError:
        reason = f"it is nested deeper than {MAX_DEPTH} levels"
    except ValueError as error:  # also for a number with thousands of digits
        reason = str(error)
    raise ModelFileError(f"The {key} in the model file {str(path)!r} cannot be read ({reason}).", "Save it again.")


def check_settings(config: ModelConfig, path: Path) -> None:
    """Reject settings that are valid individually, but would need excessive memory.

    Raises
    ------
    ModelFileError
        If there are too many channels or offsets, an offset is too long or does not fit the
        dimensions, or a size is excessive.
    """
    offsets = config.offsets
    unfit = [offset for offset in offsets if len(offset) != config.ndim or max(map(abs, offset)) > MAX_SHIFT]
    if unfit or not config.ndim <= len(offsets) <= MAX_OFFSETS:
        wrong = f"the offset {unfit[0][:4]}" if unfit else f"{len(offsets)} offsets"
        raise ModelFileError(
            f"The model file {str(path)!r} contains {wrong}; a {config.ndim}D model has {config.ndim} to {MAX_OFFSETS}"
            f" of {config.ndim} numbers up to {MAX_SHIFT}.",
            "Ask its author for the original.",
        )
    channels = max(config.in_channels, config.network.embedding, *(config.network.widths or ()))
    if channels > MAX_CHANNELS:
        raise ModelFileError(
            f"The model file {str(path)!r} declares a network of {channels} channels; the maximum is {MAX_CHANNELS}.",
            "Ask its author for the original.",
        )
    for name in ("object_diameter", "pixel_size", "scale"):
        value = getattr(config, name)
        if value is not None and not 1 / MAX_SIZE < value < MAX_SIZE:
            raise ModelFileError(
                f"The model file {str(path)!r} declares {name} {value}.", "Save it again with a valid one."
            )


def check_tensors(
    declared: Declared, config: ModelConfig, path: Path, *, network: str, pca: str, calibration: str
) -> None:
    """Compare the file's tensors with those of its network, before memory is allocated.

    The network is built on torch's meta device, without memory.

    Parameters
    ----------
    declared : Declared
        Types and shapes in the header.
    config : ModelConfig
        The settings in the header.
    path : Path
        The file, for messages.
    network, pca, calibration : str
        Prefix of the network's tensors, and names of the color basis and of the calibration patches, which may be
        missing.

    Raises
    ------
    ModelFileError
        If tensors are missing, unexpected, or of another shape or kind of number, or the
        sizes in the settings are excessive.
    ConfigError
        If there is no such network, or it cannot have such widths.
    """
    try:
        with torch.device("meta"):
            wanted = Model.create(config).network.state_dict()
    except ConfigError:
        raise
    except Exception as error:  # a plugin's network may raise any error
        raise ModelFileError(
            f"The network of {str(path)!r} cannot be laid out ({_short(error)}).",
            "Its settings are not those of a trained model; ask its author for the original.",
        ) from error
    _check_calibration(declared.get(calibration), config, path)
    declared = {name: tensor for name, tensor in declared.items() if name != calibration}
    expected = {network + name: value for name, value in wanted.items()}
    if pca in declared:
        expected[pca] = torch.empty(4, config.network.embedding, device="meta")
    problems = []
    for what, names in (
        ("missing", expected.keys() - declared.keys()),
        ("unexpected", declared.keys() - expected.keys()),
        ("of another shape", {n for n in expected.keys() & declared.keys() if declared[n][1] != expected[n].shape}),
        (
            "of another type",
            {n for n in expected.keys() & declared.keys() if _kind(declared[n][0]) != expected[n].is_floating_point()},
        ),
    ):
        if names:
            listed = ", ".join(name.removeprefix(network)[:80] for name in sorted(names)[:_NAMED])
            more = ", ..." if len(names) > _NAMED else ""
            problems.append(f"{len(names)} tensor(s) {what} ({listed}{more})")
    if problems:
        raise ModelFileError(
            f"The model file {str(path)!r} does not fit its network: {'; '.join(problems)}.",
            "Save the model again, with the version of napari-grd (or the plugin) that trained it.",
        )


def _check_calibration(calibration: tuple[str, tuple[int, ...]] | None, config: ModelConfig, path: Path) -> None:
    if calibration is None:
        return
    dtype, shape = calibration
    fits = len(shape) == 2 + config.ndim and 1 <= shape[0] <= MAX_PATCHES and shape[1] == config.in_channels
    if dtype != "U8" or not fits or not all(1 <= side <= MAX_SIDE for side in shape[2:]):
        raise ModelFileError(
            f"The calibration patches in the model file {str(path)!r} are {dtype} of shape {shape[:8]}; its network"
            f" takes U8 with {config.in_channels} channel(s) and {config.ndim} axes.",
            "Calibrate the model again and save it.",
        )


def check_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Reject weights that are NaN or infinite.

    Raises
    ------
    ModelFileError
        If there are any.
    """
    bad = sorted(name for name, value in tensors.items() if not torch.isfinite(value).all())
    if bad:
        raise ModelFileError(
            f"The model file {str(path)!r} contains NaN or infinite values in {len(bad)} tensor(s), e.g. {bad[0]}.",
            "Its training diverged: train again with a lower optim.lr, or use an earlier checkpoint.",
        )


def unreadable(path: Path, reason: object) -> ModelFileError:
    """The error for a file that is not a safetensors file, or is truncated."""
    return ModelFileError(
        f"The model file {str(path)!r} is cut off, or is not a safetensors file ({str(reason)[:300]}).",
        f"Copy or download it again; a model file ends in {MODEL_SUFFIX}.",
    )


def _kind(dtype: str) -> bool | None:
    """Whether a type is floating point; None for types not used for networks."""
    return True if dtype in _FLOATS else False if dtype == "I64" else None


def _deeper_than(values: Any, limit: int) -> bool:
    level = [values]
    for _ in range(limit):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return False
    return True


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
