"""A model as one graph of standard operations, common to all export formats.

::

    image (B, C_in, *S) ── pad ── network ── crop ──┬── unit length ── embedding (B, C, *S)
    normalized, any S                               │        └── cosine at each offset ── affinities (B, K, *S)
                                                    └── sigmoid ── foreground (B, 1, *S)
"""

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_grd.errors import OutputError
from napari_grd.graph.precision import unit_vectors
from napari_grd.models.model import Model

INPUT = "image"
TOLERANCE = 1e-4
"""Maximum difference of an exported model from torch; all outputs are in [-1, 1]."""

Run = Callable[[NDArray[np.float32]], Sequence[NDArray[np.float32]]]


class ExportNetwork(nn.Module):
    """The network of a model, with its pixel-wise postprocessing.

    Maps a normalized image ``(B, C_in, *S)`` of any size to the outputs that
    :func:`output_names` lists. Sides that are not multiples of the network's stride are padded by reflection at their
    end, and the margin of a network of valid convolutions by reflection at both ends.

    Parameters
    ----------
    model : Model
        Its network is copied.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.network = copy.deepcopy(model.network).cpu().eval().requires_grad_(False)
        self._channels = model.embedding_channels
        self._foreground = model.config.foreground
        self._entry = model.entry
        self._offsets = model.config.offsets

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        spatial = image.shape[2:]
        entry = self._entry
        legal = zip(entry.strides, entry.margin, entry.smallest, strict=True)
        for axis, (size, (stride, margin, smallest)) in enumerate(zip(spatial, legal, strict=True), start=2):
            image = image.index_select(axis, _reflected(size, stride, margin, smallest))
        output = _window(self.network(image), [0] * len(spatial), spatial)
        embedding = unit_vectors(output[:, : self._channels], dim=1)
        affinities = _cosines(embedding, self._offsets, spatial)
        if not self._foreground:
            return embedding, affinities
        return embedding, torch.sigmoid(output[:, self._channels :]), affinities


def output_names(model: Model) -> tuple[str, ...]:
    """Names of the outputs of an exported model, in order.

    ``embedding`` ``(B, C, *S)`` has unit length at each pixel; ``foreground``
    ``(B, 1, *S)`` is a probability, and absent if the model has none;
    ``affinities`` ``(B, K, *S)`` are cosines at the model's offsets, 0 where a
    pixel has no partner. All float32.
    """
    return ("embedding", "foreground", "affinities") if model.config.foreground else ("embedding", "affinities")


def example_image(model: Model, sides: Sequence[int] | None = None, *, batch: int = 1) -> Tensor:
    """A repeatable random image ``(B, C_in, *S)`` in [0, 1].

    Parameters
    ----------
    model : Model
    sides : sequence of int, optional
        ``S``. Default: four and five strides and a bit (in 3D two to four), which needs padding and exceeds every
        usual offset.
    batch : int, default 1
    """
    if sides is None:
        few = 4 if model.config.ndim == 2 else 2
        sides = [(few + axis) * stride + 1 for axis, stride in enumerate(model.strides)]
    generator = torch.Generator().manual_seed(0)
    return torch.rand(batch, model.config.in_channels, *sides, generator=generator)


def check_agreement(model: Model, run: Run, engine: str, *, batches: bool = True) -> None:
    """Compare an exported model with torch, at several sizes.

    Parameters
    ----------
    model : Model
    run : callable
        The exported model: an image to the list of its outputs.
    engine : str
        Name of the engine, for messages.
    batches : bool, default True
        Whether it supports batches.

    Raises
    ------
    OutputError
        If an output has another shape, or differs by more than :data:`TOLERANCE`.
    """
    network = ExportNetwork(model)
    first, *others = model.strides
    images = [
        example_image(model),
        example_image(model, [2 * first, *(2 * stride for stride in others)], batch=2 if batches else 1),
        example_image(model, [8 * first, *(stride + 3 for stride in others)]),
    ]
    for image in images:
        with torch.no_grad():
            expected = network(image)
        outputs = run(image.numpy())
        for name, right, value in zip(output_names(model), expected, outputs, strict=True):
            same_shape = tuple(right.shape) == value.shape
            difference = float(np.abs(right.numpy() - value).max()) if same_shape else np.inf
            if not difference <= TOLERANCE:  # NaN is not either
                raise OutputError(
                    f"In {engine} the model does not compute what it computes in torch: its {name} for an image of"
                    f" shape {tuple(image.shape)} differs by {difference:.1e}.",
                    f"Choose another format; the network {model.config.network.name!r} cannot be exported to this one.",
                )


def _reflected(size: int, stride: int, margin: int, smallest: int) -> Tensor:
    """Indices of an axis, reflected by the margin at its start and to a legal size at its end."""
    # Written for tracing, where sizes are tensors: no Python branch, and divisions that exporters round alike, of
    # numbers that are never negative. For what it computes see napari_grd.inference.padding.
    padded = (size + 2 * margin - smallest + stride - 1) // stride * stride + smallest
    last = size - 1
    steps = torch.arange(padded) - margin
    period = (steps * 0 + 2 * last).clamp(min=1)  # an image of one pixel has no other to go to
    return last - (last - torch.remainder(steps, period)).abs()


def _window(values: Tensor, start: Sequence[int], size: Sequence[int]) -> Tensor:
    window = [slice(first, first + length) for first, length in zip(start, size, strict=True)]
    return values[(slice(None), slice(None), *window)]


def _cosines(unit: Tensor, offsets: Sequence[Sequence[int]], spatial: Sequence[int]) -> Tensor:
    # The image is padded with zeros for partners outside, so that all offsets have the same shape.
    before = [max(0, *(-offset[axis] for offset in offsets)) for axis in range(len(spatial))]
    after = [max(0, *(offset[axis] for offset in offsets)) for axis in range(len(spatial))]
    widths = [width for pair in zip(reversed(before), reversed(after), strict=True) for width in pair]
    around = nn.functional.pad(unit, widths)
    partners = (
        _window(around, [start + step for start, step in zip(before, offset, strict=True)], spatial)
        for offset in offsets
    )
    return torch.stack([(unit * partner).sum(1) for partner in partners], dim=1)
