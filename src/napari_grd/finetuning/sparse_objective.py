"""The supervised loss on sparsely labeled patches."""

import torch
from torch import Tensor

from napari_grd.config import TrainConfig
from napari_grd.distillation.objective import Objective
from napari_grd.graph.offsets import Offset

# Around single objects all repulsive pairs are at the rim. Balanced weights would split objects that are not learned
# yet.
_AT_RIM = 1.5


class SparseObjective(Objective):
    """The supervised loss, with pairs weighted by what is labeled.

    Pairs of two objects have the weight of ordinary training, which balances attractive and repulsive pairs: without
    it touching objects merge. All other pairs have at most 1.5 in a patch with few labeled pixels, where the rim of
    objects is the only background, and approach the weight of ordinary training as more of the patch is labeled. In a
    patch that is labeled as a whole all weights are those of ordinary training.
    """

    def __init__(self, config: TrainConfig, offsets: tuple[Offset, ...]) -> None:
        # With "valid", a patch with few labeled pixels has the same weight as one with many.
        super().__init__(config, offsets, normalize="valid")

    def _pairs(self, labels: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        wanted, valid, balance = super()._pairs(labels, valid)
        spatial = (1,) * (labels.ndim - 1)
        share = (labels >= 0).flatten(1).float().mean(1).view(-1, 1, *spatial)
        limited = torch.where(balance > _AT_RIM, _AT_RIM + (balance - _AT_RIM) * share, balance)
        between = valid & (wanted < 0.5) & self._both(labels > 0)
        return wanted, valid, torch.where(between, balance, limited)
