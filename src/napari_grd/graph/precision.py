"""Full precision for graph terms: bf16 is insufficient once two graphs nearly agree (method.md, section 9)."""

from contextlib import AbstractContextManager

import torch
from torch import Tensor

SMALLEST_NORM = 1e-8


def full_precision(like: Tensor) -> AbstractContextManager[None]:
    """A context without autocast on the device of ``like``."""
    return torch.autocast(like.device.type, enabled=False)


def promote(values: Tensor) -> Tensor:
    """The values in float32, or unchanged if float64."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def unit_vectors(vectors: Tensor, dim: int) -> Tensor:
    """Vectors divided by their length, which is differentiated too; at least float32.

    Parameters
    ----------
    vectors : Tensor
        Any shape.
    dim : int
        The axis of the components of a vector.

    Returns
    -------
    Tensor
        Same shape; a vector shorter than 1e-8 stays shorter than 1.

    Examples
    --------
    >>> unit_vectors(torch.tensor([[3.0, 4.0]]), dim=1)
    tensor([[0.6000, 0.8000]])
    """
    with full_precision(vectors):
        vectors = promote(vectors)
        # Not `normalize`: torch's norm along an axis that is not the last takes a tenth of a training step on a CPU.
        # The clamp keeps the gradient of a zero vector finite.
        squares = vectors.square().sum(dim, keepdim=True)
        return vectors * squares.clamp_min(SMALLEST_NORM**2).rsqrt()
