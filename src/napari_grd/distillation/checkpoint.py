"""Training checkpoints: one safetensors file, written atomically, verified by reading it back, no pickle."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from napari_grd.errors import DataError, OutputError
from napari_grd.io.atomic import atomic_path
from napari_grd.io.leftovers import discard, identity
from napari_grd.io.writer import TEMPORARY, own_name

FORMAT = "1"
_TENSOR = "__tensor__"
_ITEMS = "__items__"
_DEEPEST = 100
_proven: dict[Path, tuple[int, ...] | None] = {}  # file status of checkpoints that this process has verified


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a nested state of dicts, lists, numbers, strings and tensors.

    The previous checkpoint is kept beside the new one, see :func:`previous_path`.

    Parameters
    ----------
    path : Path
        The file; replaced only after the new file was read back.
    state : dict
        What to save, e.g. ``{"step": 7, "optimizer": optimizer.state_dict()}``.

    Raises
    ------
    OutputError
        If the folder cannot be written or is full.
    """
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(_flatten(state, tensors))
    digest = _digest(tree, tensors)
    metadata = {"napari_grd_checkpoint": FORMAT, "tree": tree, "digest": digest}
    with atomic_path(path) as temporary:
        try:
            save_file(tensors, temporary, metadata=metadata)
        except SafetensorError as error:  # it contains the system's error as text
            number = re.search(r"os error (\d+)", str(error))
            code = int(number[1]) if number else errno.EIO
            raise OSError(code, os.strerror(code) if number else str(error)) from error
        try:
            load_checkpoint(temporary)
        except DataError as error:
            raise OutputError(
                f"The file {str(path)!r} was written, but cannot be read back ({error.problem}).",
                "Choose a folder on another disk.",
            ) from error
        _keep_previous(path)
        written = identity(temporary)
    _proven[path.absolute()] = written


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a file of :func:`save_checkpoint`.

    Raises
    ------
    DataError
        If the file is damaged or is not a checkpoint.
    """
    try:
        # In a single read: safetensors opens a file twice, and a training may replace it in between.
        data = path.read_bytes()
        tensors = load(data)
        metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]).get("__metadata__") or {}
        if metadata["napari_grd_checkpoint"] != FORMAT:
            raise ValueError(f"its format is {metadata['napari_grd_checkpoint']!r:.20}")
        # Those of older versions have no digest.
        if "digest" in metadata and metadata["digest"] != _digest(metadata["tree"], tensors):
            raise ValueError("its content has changed")
        state = _restore(json.loads(metadata["tree"]), tensors, _DEEPEST)
        if not isinstance(state, dict):
            raise ValueError("it contains no state")
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RecursionError, RuntimeError) as error:
        raise damaged(path, error) from error
    return state


def damaged(path: Path, error: Exception | str) -> DataError:
    """The error for a checkpoint that cannot be used."""
    what = " ".join((f"it has no {error}" if isinstance(error, KeyError) else str(error)).split())[:200]
    return DataError(f"The checkpoint {str(path)!r} cannot be read ({what}).", "Delete it to restart the training.")


def previous_path(path: Path) -> Path:
    """Path of a checkpoint's predecessor, the last good one in case the newest is damaged.

    Examples
    --------
    >>> previous_path(Path("checkpoint.safetensors")).name
    'checkpoint.previous.safetensors'
    """
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def tensors_of(node: Any) -> Iterator[Tensor]:
    """All tensors of a nested state."""
    if isinstance(node, Tensor):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from tensors_of(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from tensors_of(value)


def is_finite(state: Any) -> bool:
    """Whether all tensors of a nested state are finite.

    Examples
    --------
    >>> is_finite({"a": [torch.zeros(2)]}), is_finite({"a": [torch.tensor(float("nan"))]})
    (True, False)
    """
    return all(bool(torch.isfinite(each).all()) for each in tensors_of(state) if each.is_floating_point())


def _keep_previous(path: Path) -> None:
    """Link a good checkpoint to its predecessor's path. Its own path is valid until the next one replaces it."""
    now = identity(path)
    if now is None:
        return
    if now != _proven.get(path.absolute()):
        try:
            load_checkpoint(path)
        except DataError:  # a damaged one must not replace a good one
            return
    draft = path.with_name(own_name(TEMPORARY, path.suffix))
    try:
        try:
            os.link(path, draft)
        except OSError:  # a file system without links
            shutil.copyfile(path, draft)
        draft.replace(previous_path(path))
    finally:
        discard(draft)


def _digest(tree: str, tensors: dict[str, Tensor]) -> str:
    digest = hashlib.blake2b(tree.encode(), digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        if tensor.numel():
            digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _flatten(node: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, Tensor):
        key = str(len(tensors))
        # A copy: safetensors refuses views of one storage and channels-last tensors.
        tensors[key] = node.detach().to("cpu", copy=True).contiguous()
        return {_TENSOR: key}
    if isinstance(node, dict):
        # As pairs: JSON would turn the optimizer's integer keys into strings.
        return {_ITEMS: [[key, _flatten(value, tensors)] for key, value in node.items()]}
    if isinstance(node, list | tuple):
        return [_flatten(value, tensors) for value in node]
    return node


def _restore(node: Any, tensors: dict[str, Tensor], depth: int) -> Any:
    if depth == 0:
        raise ValueError("it is nested too deeply")
    if isinstance(node, dict):
        if _TENSOR in node:
            return tensors[node[_TENSOR]]
        return {key: _restore(value, tensors, depth - 1) for key, value in node[_ITEMS]}
    if isinstance(node, list):
        return [_restore(value, tensors, depth - 1) for value in node]
    return node
