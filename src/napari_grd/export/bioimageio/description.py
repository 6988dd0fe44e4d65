"""The description of a model in a bioimage.io package, as values for ``bioimageio.yaml``."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import torch

import napari_grd
from napari_grd.config import SegmentConfig
from napari_grd.export.network import INPUT, output_names
from napari_grd.export.onnx import OPSET
from napari_grd.models.model import Model

FORMAT = "0.5.4"
"""Version of the bioimage.io model description: supported by programs of 2025, with all needed fields."""

METHOD = {
    "text": 'Liu et al. "Graph Relation Distillation for Efficient Biomedical Instance Segmentation". 2024.',
    "doi": "10.48550/arXiv.2401.06370",
}
_ANONYMOUS = "unknown"
_VOLUME_HALO = 16  # voxels
Author = str | Mapping[str, str]


def halo(model: Model) -> tuple[int, ...]:
    """Context in pixels around a tile along each axis, multiples of the network's strides.

    That of volumes is less than the receptive field: a package contains test tensors that are larger than two halos.
    """
    entry = model.entry
    context = SegmentConfig().halo if entry.ndim == 2 else _VOLUME_HALO
    reach = entry.halo or (context,) * entry.ndim
    return tuple(-(-min(most, context) // stride) * stride for most, stride in zip(reach, entry.strides, strict=True))


def smallest_sides(model: Model) -> tuple[int, ...]:
    """The smallest sides of an image in pixels: two halos and a core."""
    core = 4 if model.config.ndim == 2 else 2
    return tuple(2 * context + core * stride for context, stride in zip(halo(model), model.strides, strict=True))


def offset_names(model: Model) -> list[str]:
    """Names of the affinities' channels, e.g. ``"y_minus_27"`` for the offset ``(-27, 0)``."""
    axes = "zyx"[-model.config.ndim :]
    names = []
    for offset in model.config.offsets:
        parts = [
            f"{axis}_{'minus' if step < 0 else 'plus'}_{abs(step)}"
            for axis, step in zip(axes, offset, strict=True)
            if step
        ]
        names.append("_".join(parts) or "self")
    return names


def describe(
    model: Model,
    files: Mapping[str, str],
    *,
    attachment: str,
    authors: Sequence[Author],
    cite: Sequence[Mapping[str, str]],
    license: str,
) -> dict[str, Any]:
    """The description of a model.

    Parameters
    ----------
    model : Model
    files : mapping of str to str
        Name of each file of the package to its SHA-256: ``weights.onnx``,
        ``weights.pt``, ``documentation.md``, ``cover.png``, ``test_<tensor>.npy``
        of input and outputs, and the attachment.
    attachment : str
        Name of the model file.
    authors : sequence of str or mapping
        Names, or bioimage.io authors (``name``, ``affiliation``, ``orcid``, ``github_user``).
    cite : sequence of mapping
        Bioimage.io citations (``text``, and ``doi`` or ``url``).
    license : str
        SPDX identifier.

    Returns
    -------
    dict
    """

    def file(name: str) -> dict[str, Any]:
        return {"source": name, "sha256": files[name]}

    card = model.card
    return {
        "format_version": FORMAT,
        "type": "model",
        "name": _title(card.name),
        "description": card.summary[:512] or "An instance segmentation model made with napari-grd.",
        "authors": [{"name": each} if isinstance(each, str) else dict(each) for each in authors]
        or [{"name": _ANONYMOUS}],
        "cite": [METHOD, *map(dict, cite)],
        "license": license,
        "tags": ["instance-segmentation", f"{model.config.ndim}d", "pytorch", "napari-grd"],
        "documentation": "documentation.md",
        "covers": ["cover.png"],
        "attachments": [file(attachment)],
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": [_input(model, file(f"test_{INPUT}.npy"))],
        "outputs": [_output(model, name, file(f"test_{name}.npy")) for name in output_names(model)],
        "weights": {
            "torchscript": {**file("weights.pt"), "pytorch_version": torch.__version__.partition("+")[0]},
            "onnx": {**file("weights.onnx"), "opset_version": OPSET, "parent": "torchscript"},
        },
        "config": {"napari_grd": _own(model, attachment)},
    }


def _title(name: str) -> str:
    # The only characters that the format allows.
    return f"{re.sub(r'[^A-Za-z0-9_+() -]', '-', name)[:48]} (napari-grd)"


def _input(model: Model, test: dict[str, Any]) -> dict[str, Any]:
    config, axes = model.config, "zyx"[-model.config.ndim :]
    sizes = [{"min": least, "step": step} for least, step in zip(smallest_sides(model), model.strides, strict=True)]
    return {
        "id": INPUT,
        "description": "microscopy image, any intensities",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": [f"channel{number}" for number in range(config.in_channels)]},
            *({"type": "space", "id": axis, "size": size} for axis, size in zip(axes, sizes, strict=True)),
        ],
        "data": {"type": "float32"},
        "test_tensor": test,
        "preprocessing": [
            {
                "id": "scale_range",
                "kwargs": {
                    "axes": list(axes),
                    "min_percentile": config.normalization.low,
                    "max_percentile": config.normalization.high,
                },
            }
        ],
    }


def _output(model: Model, name: str, test: dict[str, Any]) -> dict[str, Any]:
    axes = "zyx"[-model.config.ndim :]
    channels = {
        "embedding": [f"embedding{number}" for number in range(model.embedding_channels)],
        "foreground": ["foreground"],
        "affinities": offset_names(model),
    }[name]
    text = {
        "embedding": "unit vector at each pixel; pixels of one object point the same way",
        "foreground": "probability that a pixel belongs to an object",
        "affinities": "cosine of the embeddings at both ends of each offset, 0 where one end is outside",
    }[name]
    reference = {
        axis: {"halo": context, "size": {"tensor_id": INPUT, "axis_id": axis}, "type": "space", "id": axis}
        for axis, context in zip(axes, halo(model), strict=True)
    }
    return {
        "id": name,
        "description": text,
        "axes": [{"type": "batch"}, {"type": "channel", "channel_names": channels}, *reference.values()],
        "data": {"type": "float32", "range": [0.0 if name == "foreground" else -1.0, 1.0]},
        "test_tensor": test,
    }


def _own(model: Model, attachment: str) -> dict[str, Any]:
    """Everything that a program needs to compute instances from the outputs."""
    config = model.config.on_disk()
    return {
        "version": napari_grd.__version__,
        "model": attachment,
        "offsets": config["offsets"],
        "postprocessing": {"method": "mutex watershed", "attractive_offsets": model.config.ndim, **config["partition"]},
        "object_diameter": model.config.grid_diameter,
        "pixel_size": config["pixel_size"],
        "restrictions": model.card.restrictions,
    }
