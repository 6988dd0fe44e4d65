"""Training checkpoints: one safetensors file, written atomically, no pickle."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from napari_grd.errors import DataError
from napari_grd.io.atomic import atomic_path

FORMAT = "1"
_TENSOR = "__tensor__"
_ITEMS = "__items__"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a nested state of dicts, lists, numbers, strings and tensors.

    Parameters
    ----------
    path : Path
        Target; replaced only once the new file is complete.
    state : dict
        What to save, e.g. ``{"step": 7, "optimizer": optimizer.state_dict()}``.

    Raises
    ------
    OutputError
        If the folder cannot be written or is full.
    """
    tensors: dict[str, Tensor] = {}
    tree = _flatten(state, tensors)
    metadata = {"napari_grd_checkpoint": FORMAT, "tree": json.dumps(tree)}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what :func:`save_checkpoint` wrote.

    Raises
    ------
    DataError
        If the file is damaged or is no checkpoint.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tree = json.loads((file.metadata() or {})["tree"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise DataError(
            f"The checkpoint {str(path)!r} cannot be read ({error}).", "Delete it to start the training anew."
        ) from error
    state: dict[str, Any] = _restore(tree, tensors)
    return state


def _flatten(node: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, Tensor):
        key = str(len(tensors))
        # A copy: safetensors refuses views of one storage and channels-last tensors.
        tensors[key] = node.detach().to("cpu", copy=True).contiguous()
        return {_TENSOR: key}
    if isinstance(node, dict):
        # As pairs: JSON would turn the optimiser's integer keys into strings.
        return {_ITEMS: [[key, _flatten(value, tensors)] for key, value in node.items()]}
    if isinstance(node, list | tuple):
        return [_flatten(value, tensors) for value in node]
    return node


def _restore(node: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, dict):
        if _TENSOR in node:
            return tensors[node[_TENSOR]]
        return {key: _restore(value, tensors) for key, value in node[_ITEMS]}
    if isinstance(node, list):
        return [_restore(value, tensors) for value in node]
    return node
