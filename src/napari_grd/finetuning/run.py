"""One training: a copy of a network, its optimizer and its averaged weights."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from napari_grd.config import FineTuneConfig
from napari_grd.data.dataset import Example
from napari_grd.distillation.optim import averaged
from napari_grd.finetuning.features import FeatureCache
from napari_grd.finetuning.rehearsal import Rehearsal
from napari_grd.finetuning.step import FineTuningStep
from napari_grd.models.model import Model
from napari_grd.models.split import SplitNetwork

Weights = Mapping[str, Tensor]
_EMA = 0.98  # averages over the last 50 steps; there are a few hundred


class FineTuningRun:
    """Train a copy of a network, from the model's weights or those of ``start``.

    With ``features``, only what follows the encoder is trained, from these.
    """

    def __init__(
        self,
        model: Model,
        windows: Sequence[Example],
        rehearsal: Rehearsal | None,
        config: FineTuneConfig,
        start: Weights | None = None,
        features: FeatureCache | None = None,
    ) -> None:
        self.model = model
        network = copy.deepcopy(model.network).requires_grad_(True)
        if start is not None:
            network.load_state_dict(start)
        if features is not None:
            for module in cast(SplitNetwork, network).encoder:
                module.requires_grad_(False)
        self._step = FineTuningStep(replace(model, network=network), list(windows), rehearsal, config, features)
        self._network = network
        self._average = averaged(network, _EMA)
        self.steps = 0

    def advance(self, share: float) -> dict[str, float]:
        """Make a step; ``share`` is the overall progress of the schedule, 0 to 1."""
        terms = self._step(self.steps, share)
        self._average.update_parameters(self._network)
        self.steps += 1
        return terms

    def averaged_weights(self) -> dict[str, Tensor]:
        """A copy of the averaged weights, on the CPU."""
        return {name: value.detach().cpu().clone() for name, value in self._average.module.state_dict().items()}


@torch.no_grad()
def blended(before: nn.Module, after: Weights, share: float) -> nn.Module:
    """A network whose weights are interpolated, in evaluation mode on the CPU.

    Most of the gain comes with the first half of the way, most forgetting with the second: Wortsman et al., "Robust
    fine-tuning of zero-shot models", CVPR 2022. A share of 0 is the network before, 1 are the weights after.
    """
    network = copy.deepcopy(before).to("cpu").eval()
    old = {name: value.clone() for name, value in network.named_parameters()}
    network.load_state_dict(after)
    for name, value in network.named_parameters():
        value.lerp_(old[name], 1 - share)
    return network


def mean_weights(several: Sequence[Weights]) -> dict[str, Tensor]:
    """The mean of several weights of one network; what counts batches is taken from the first."""
    first = several[0]
    return {
        name: torch.stack([weights[name] for weights in several]).mean(0) if value.is_floating_point() else value
        for name, value in first.items()
    }
