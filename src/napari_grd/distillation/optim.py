"""The optimizer, its schedule, and the averaged weights."""

import math

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from napari_grd.config import OptimConfig
from napari_grd.distillation.muon import Muon

Tensors = tuple[Tensor, ...] | list[Tensor]


def make_optimizer(network: nn.Module, config: OptimConfig, *, fused: bool = False) -> torch.optim.Optimizer:
    """AdamW, Muon, or Adam as the paper's code sets it (method.md, section 11: amsgrad, eps 0.01).

    With ``fused`` a step of AdamW is one kernel, for a GPU.
    """
    if config.name == "muon":
        return Muon(network, config.lr, last=getattr(network, "head", None))
    if config.name == "adam_paper":
        return torch.optim.Adam(
            network.parameters(), lr=config.lr, eps=1e-2, weight_decay=config.weight_decay, amsgrad=True
        )
    # Biases and norms are not decayed: pulling a BatchNorm scale to zero costs accuracy in tiny networks.
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}],
        lr=config.lr,
        fused=fused or None,
    )


def learning_rate(step: float, steps: int, config: OptimConfig) -> float:
    """Learning rate of a step (from 0): linear warm-up, then half a cosine down to 1 % of the peak.

    With a limit of time the step is the elapsed fraction of ``steps``. The paper's Adam has a fixed rate.
    """
    if config.name == "adam_paper":
        return config.lr
    warmup = max(1, round(config.warmup * steps))
    if step < warmup:
        return config.lr * (step + 1) / warmup
    share = (step - warmup) / max(1, steps - warmup)
    return config.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """Exponential moving average of weights and buffers, with a short memory at first."""

    def average(old: Tensors, new: Tensors, count: Tensor | int) -> None:
        if not new[0].is_floating_point():  # BatchNorm's batch counters
            torch._foreach_copy_(old, new)
            return
        # A fixed decay would keep the random start alive for 1 / (1 - decay) steps.
        n = int(count)
        torch._foreach_lerp_(old, new, 1 - min(decay, (1 + n) / (10 + n)))

    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)
