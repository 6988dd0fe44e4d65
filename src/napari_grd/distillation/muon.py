"""Muon: orthogonalized updates of weight matrices.

Adam scales each weight separately, and a few hundred steps mostly follow the dominant directions of the gradient. Muon
orthogonalizes the update of a matrix, so that weak directions move as far as strong ones, and the loss decreases in
fewer steps.
"""

import torch
from torch import Tensor, nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5
_RMS = 0.2  # RMS of an update at rate 1, about Adam's: one learning rate suits both


class Muon(torch.optim.Optimizer):
    """Muon for the kernels of a network, Adam for its biases, norms and last layer.

    Parameters
    ----------
    network : torch.nn.Module
        Its kernels are reshaped to matrices, output channels by all other axes. Frozen parameters stay as they are.
    lr : float
        Learning rate of both.
    momentum : float
        Nesterov momentum of the gradients.
    last : torch.nn.Module, optional
        A layer optimized by Adam: its outputs have individual meanings.

    References
    ----------
    Jordan et al., "Muon: An optimizer for hidden layers in neural networks",
    https://kellerjordan.github.io/posts/muon; length of a step: Liu et al.,
    "Muon is Scalable for LLM Training", arXiv 2502.16982.

    Examples
    --------
    >>> layer = nn.Conv2d(2, 3, 3)
    >>> layer(torch.ones(1, 2, 5, 5)).sum().backward()
    >>> Muon(layer, lr=0.01).step()
    """

    def __init__(self, network: nn.Module, lr: float, momentum: float = 0.9, last: nn.Module | None = None) -> None:
        of_last = {id(p) for p in last.parameters()} if last is not None else set()
        trained = [p for p in network.parameters() if p.requires_grad]
        kernels = [p for p in trained if p.ndim > 1 and id(p) not in of_last]
        others = [p for p in trained if p.ndim <= 1 or id(p) in of_last]
        super().__init__(
            [{"params": kernels, "adam": False}, {"params": others, "adam": True}], {"lr": lr, "momentum": momentum}
        )
        self._adam = torch.optim.Adam(others, lr=lr)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Make a step along the gradients."""
        for group in self.param_groups:
            if group["adam"]:
                self._adam.param_groups[0]["lr"] = group["lr"]
                self._adam.state = self.state  # one state, so that a checkpoint holds Adam's too
                self._adam.step()
                continue
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                velocity = state["momentum"].mul_(group["momentum"]).add_(weight.grad)
                ahead = (weight.grad + group["momentum"] * velocity).flatten(1)
                length = _RMS * max(ahead.shape) ** 0.5
                weight.add_(orthogonal(ahead).view_as(weight), alpha=-group["lr"] * length)


def orthogonal(matrix: Tensor) -> Tensor:
    """Approximate the nearest orthogonal matrix, by the Newton-Schulz iteration.

    The polynomial trades accuracy for speed: the resulting singular values are between 0.7 and 1.2, and zero stays
    zero.

    Parameters
    ----------
    matrix : Tensor
        ``(M, N)``.

    Returns
    -------
    Tensor
        ``(M, N)``.

    Examples
    --------
    >>> values = torch.linalg.svdvals(orthogonal(torch.diag(torch.tensor([5.0, 0.5]))))
    >>> bool(((values > 0.6) & (values < 1.3)).all())
    True
    """
    a, b, c = _COEFFICIENTS
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / wide.norm().clamp(min=1e-12)
    for _ in range(_ROUNDS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = x if matrix.shape[0] <= matrix.shape[1] else x.T
    return result
