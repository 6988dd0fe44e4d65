"""Affinities of the two ends of each offset, from labels and from embeddings (method.md, sections 3 and 4).

Shapes: B images, C embedding channels, K offsets, S the spatial axes ``y, x`` or
``z, y, x``. Channel ``k`` at pixel ``p`` is that of the pair ``(p, p + offsets[k])``; the pair is valid if the partner
is inside the image.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from napari_grd.graph.offsets import Offset, pair_ends
from napari_grd.graph.precision import full_precision, unit_vectors

_RARE, _COMMON = 0.05, 0.99  # the share of positive pairs is clipped to this range


def valid_mask(shape: tuple[int, ...], offsets: Sequence[Offset], device: torch.device | str | None = None) -> Tensor:
    """Which pairs have both ends inside the image.

    Parameters
    ----------
    shape : tuple of int
        Spatial shape, in pixels.
    offsets : sequence of Offset
        K offsets with one component per axis.
    device : torch.device or str, optional
        Device of the mask.

    Returns
    -------
    Tensor
        bool, ``(K, *S)``.

    Raises
    ------
    ConfigError
        If an offset has another number of axes than the image.

    Examples
    --------
    >>> valid_mask((2, 2), [(-1, 0)]).tolist()
    [[[False, False], [True, True]]]
    """
    mask = torch.zeros(len(offsets), *shape, dtype=torch.bool, device=device)
    for k, offset in enumerate(offsets):
        here, _ = pair_ends(offset, shape)
        mask[k][here] = True
    return mask


def affinities_from_embedding(embedding: Tensor, offsets: Sequence[Offset], *, wrap: bool = False) -> Tensor:
    """Cosine of the embeddings at both ends of each pair (method.md, section 3).

    ``A_k(p) = <e(p), e(p + o_k)> / (|e(p)| |e(p + o_k)|)``, differentiable through
    the norms, and computed in float32 whatever the surrounding autocast.

    Parameters
    ----------
    embedding : Tensor
        ``(B, C, *S)``.
    offsets : sequence of Offset
        K offsets with one component per spatial axis.
    wrap : bool
        Take the partner modulo the image size instead of leaving invalid pairs 0.

    Returns
    -------
    Tensor
        float32 ``(B, K, *S)`` in [-1, 1]; 0 where the partner is outside.

    Raises
    ------
    ConfigError
        If an offset has another number of axes than the image.

    Examples
    --------
    >>> embedding = torch.tensor([[[[1.0, 2.0, 0.0]], [[0.0, 0.0, 1.0]]]])
    >>> affinities_from_embedding(embedding, [(0, -1)])
    tensor([[[[0., 1., 0.]]]])
    """
    with full_precision(embedding):
        unit = unit_vectors(embedding, dim=1)
        if wrap:
            axes = tuple(range(2, unit.ndim))
            partners = (unit.roll([-step for step in offset], axes) for offset in offsets)
            return torch.stack([(unit * partner).sum(1) for partner in partners], dim=1)
        result: Tensor = _PairProducts.apply(unit, offsets)  # type: ignore[no-untyped-call]
        return result


def affinities_from_labels(
    labels: Tensor, offsets: Sequence[Offset], *, background: Literal["equal", "different"] = "equal"
) -> Tensor:
    """Whether both ends of each pair are in the same instance (method.md, section 4).

    Parameters
    ----------
    labels : Tensor
        Integers ``(B, *S)``, 0 is background.
    offsets : sequence of Offset
        K offsets with one component per spatial axis.
    background : {"equal", "different"}
        Whether two background pixels belong together.

    Returns
    -------
    Tensor
        float32 ``(B, K, *S)``: 1 for pairs that belong together, else 0; 0 where the partner is outside.

    Raises
    ------
    ConfigError
        If an offset has another number of axes than the image.

    Examples
    --------
    >>> labels = torch.tensor([[[0, 0, 1, 1]]])
    >>> affinities_from_labels(labels, [(0, -1)]).tolist()
    [[[[0.0, 1.0, 0.0, 1.0]]]]
    >>> affinities_from_labels(labels, [(0, -1)], background="different").tolist()
    [[[[0.0, 0.0, 0.0, 1.0]]]]
    """
    batch, *spatial = labels.shape
    result = torch.zeros(batch, len(offsets), *spatial, device=labels.device)
    for k, offset in enumerate(offsets):
        here, partner = pair_ends(offset, tuple(spatial))
        same = labels[here] == labels[partner]
        if background == "different":
            same = same & (labels[here] != 0)
        result[:, k][here] = same.to(result.dtype)
    return result


def class_weights(target: Tensor, valid: Tensor, *, per_offset: bool = False) -> Tensor:
    """Weights that balance attractive and repulsive pairs (method.md, section 4).

    With ``r`` the share of attractive pairs among the valid ones, clipped to [0.05, 0.99], the rarer kind has the
    weight ``r / (1 - r)`` or its inverse and the other kind 1. All pairs have weight 1 if only one kind occurs.

    Parameters
    ----------
    target : Tensor
        ``(B, K, *S)``, 1 for attractive pairs and 0 for repulsive ones.
    valid : Tensor
        bool, ``(K, *S)`` or ``(B, K, *S)``: the valid pairs.
    per_offset : bool
        One share for each offset of an image, instead of one for each image.

    Returns
    -------
    Tensor
        float32 ``(B, K, *S)``, between 1 and 99.

    Examples
    --------
    >>> target = torch.tensor([[[1.0, 1.0, 1.0, 0.0]]])
    >>> class_weights(target, torch.ones(1, 4, dtype=torch.bool))
    tensor([[[1., 1., 1., 3.]]])
    """
    axes = tuple(range(2 if per_offset else 1, target.ndim))
    joined = target > 0.5
    valid = valid.expand_as(joined)
    n_joined = (joined & valid).sum(axes, keepdim=True)
    n_valid = valid.sum(axes, keepdim=True)
    ratio = (n_joined / n_valid.clamp(min=1)).clamp(_RARE, _COMMON)
    mixed = (n_joined > 0) & (n_joined < n_valid)
    weight_joined = torch.where(mixed, (1 - ratio) / ratio, 1).clamp(min=1)
    weight_separated = torch.where(mixed, ratio / (1 - ratio), 1).clamp(min=1)
    return torch.where(joined, weight_joined, weight_separated)


class _PairProducts(torch.autograd.Function):
    """Inner products of the two ends of each pair, as one tensor.

    An implementation with differentiable slices stores a padded copy of the embedding's gradient for every offset; here
    all offsets accumulate into one.
    """

    @staticmethod
    def forward(ctx: Any, unit: Tensor, offsets: Sequence[Offset]) -> Tensor:
        ctx.save_for_backward(unit)
        ctx.offsets = offsets
        batch, _, *spatial = unit.shape
        result = unit.new_zeros(batch, len(offsets), *spatial)
        for k, offset in enumerate(offsets):
            here, partner = pair_ends(offset, tuple(spatial))
            result[:, k][here] = (unit[here] * unit[partner]).sum(1)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (unit,) = ctx.saved_tensors
        result = torch.zeros_like(unit)
        for k, offset in enumerate(ctx.offsets):
            here, partner = pair_ends(offset, tuple(unit.shape[2:]))
            outer = gradient[:, k : k + 1][here]
            result[here].addcmul_(outer, unit[partner])
            result[partner].addcmul_(outer, unit[here])
        return result, None
