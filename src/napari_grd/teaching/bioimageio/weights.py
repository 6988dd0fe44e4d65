"""Which of a zoo model's weights to use: what can run here, and what needs no trust."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import torch

from napari_grd.errors import ConfigError, GrdError, ModelFileError

_NEEDS = {
    "onnx": "onnxruntime",
    "torchscript": "torch",
    "pytorch_state_dict": "torch",
    "keras_v3": "keras",
    "keras_hdf5": "keras",
    "tensorflow_saved_model_bundle": "tensorflow",
}
"""The package that runs each kind of weights, the best first."""
_SAFE = ("onnx", "torchscript")


def choose_weights(
    content: Mapping[str, Any], name: str, wanted: str | None, trust_code: bool, device: str
) -> tuple[str, dict[str, Any]]:
    """The kind of weights to use, and their description, without references to the others.

    Parameters
    ----------
    content : mapping
        The description.
    name : str
        Of the package, for messages.
    wanted : str or None
        The requested kind.
    trust_code : bool
        Whether kinds that can hold code may be chosen.
    device : str
        "auto", "cpu" or "cuda".

    Raises
    ------
    ConfigError
        If there are none of the wanted kind.
    GrdError
        If all that there are can hold code.
    ModelFileError
        If no installed package runs them.
    """
    there = [kind for kind in _NEEDS if isinstance(content["weights"].get(kind), dict)]
    what = f"{name!r} has weights as {', '.join(there) or 'none that are known'}"
    if wanted is not None and wanted not in there:
        raise ConfigError(f"{what}, not {wanted!r}.", "Choose one of these, or none for the best.")
    order = there if wanted is None else [wanted]
    if device == "cuda" or (device == "auto" and torch.cuda.is_available()):
        order.sort(key=lambda kind: kind == "onnx")  # torch's are on the GPU for certain
    allowed = [kind for kind in order if kind in _SAFE or trust_code]
    if order and not allowed:
        raise GrdError(
            f"{what}; {order[0]} can run Python code that comes with the model, and was not opened.",
            "If you trust its authors, pass trust_code=True; or choose a model with onnx or torchscript weights.",
        )
    for kind in allowed:
        if find_spec(_NEEDS[kind]) is not None:
            entry = content["weights"][kind]
            return kind, {key: value for key, value in entry.items() if key not in ("parent", "authors")}
    raise ModelFileError(
        f"{what}; nothing here can run that.",
        f"Install {' or '.join(sorted({_NEEDS[kind] for kind in allowed}))}." if allowed else "Choose another model.",
    )


def weight_files(entry: Mapping[str, Any]) -> list[str]:
    """The weights' file, and what lies beside it. An absolute path or an address is in no archive."""
    names = [entry.get("source")]
    names += [part.get("source") for part in (entry.get("external_data"),) if isinstance(part, dict)]
    return [str(name) for name in names]


def devices_for(kind: str, device: str) -> list[str] | None:
    """The device as the library that runs these weights calls it; None for its own choice."""
    if kind == "onnx":
        import onnxruntime

        cuda = "CUDAExecutionProvider"
        use_cuda = device in ("auto", "cuda") and cuda in onnxruntime.get_available_providers()
        return [cuda] if use_cuda else ["CPUExecutionProvider"]
    if kind in ("torchscript", "pytorch_state_dict"):
        return [("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device]
    return None
