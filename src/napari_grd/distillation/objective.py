"""The objective: the supervised terms and the six terms of the distillation.

The terms themselves are pure functions in :mod:`.losses`; here their inputs are computed, and they are weighted and
summed (method.md, section 11).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from napari_grd.config import DistillConfig, TrainConfig
from napari_grd.data.dataset import Batch, TeacherLayout
from napari_grd.distillation import losses
from napari_grd.distillation.memory_bank import BankEntry, MemoryBank, bank_entries, pool_embedding, pool_mask
from napari_grd.graph.affinities import (
    affinities_from_embedding,
    affinities_from_labels,
    class_weights,
)
from napari_grd.graph.instances import instance_nodes
from napari_grd.graph.offsets import Offset

Gather = Callable[[list[BankEntry]], list[BankEntry]]


@dataclass(frozen=True)
class _Step:
    """Inputs of the terms of one step."""

    number: int
    batch: Batch
    embedding: Tensor  # (B, C, *S) float32
    affinities: Tensor  # (B, K, *S) float32, of the embedding
    valid: Tensor  # (B, K, *S) bool, pairs within the patch of which no end is ignored
    logit: Tensor | None  # (B, *S)
    label_pairs: tuple[Tensor, Tensor, Tensor]  # of the labels: affinities, validity, and balancing weights


class Objective:
    """Supervised loss on affinities and foreground.

    Parameters
    ----------
    config : TrainConfig
        Weights, and the meaning of label 0.
    offsets : tuple of Offset
        The pairs of the affinity graph.
    normalize : {"pixels", "valid"}
        As for :func:`~napari_grd.distillation.losses.affinity_loss`, against
        labels. With "valid", a patch with few labeled pixels has the same weight as one with many.
    """

    def __init__(
        self,
        config: TrainConfig,
        offsets: tuple[Offset, ...],
        *,
        normalize: losses.Normalize = "pixels",
    ) -> None:
        self.config = config
        self.offsets = offsets
        # In volumes, as in the paper's code, each offset counts alike: the fraction of valid pairs differs much.
        self._is_volume = len(offsets[0]) == 3
        self._normalize: losses.Normalize = "valid" if self._is_volume else normalize
        self._weights = {"affinity": 1.0, "foreground": config.foreground_weight}

    def __call__(self, embedding: Tensor, logit: Tensor | None, batch: Batch, step: int) -> dict[str, Tensor]:
        """The terms of the loss, unweighted, and their weighted sum under ``"loss"``.

        Parameters
        ----------
        embedding : Tensor (B, C, *S)
            The network's embedding.
        logit : Tensor (B, *S) or None
            The network's foreground logit.
        batch : Batch
            The patches, with labels and the teacher's output.
        step : int
            Seeds random choices, so that a resumed run repeats them.
        """
        # Graph terms are float32 even under mixed precision: in bf16 the
        # inter-image terms are 35-70 % off once the student is close.
        embedding = embedding.float()
        affinities = affinities_from_embedding(embedding, self.offsets)
        valid = self._both(batch.labels >= 0)
        label_pairs = self._pairs(batch.labels, valid)
        terms = self._terms(_Step(step, batch, embedding, affinities, valid, logit, label_pairs))
        terms["loss"] = torch.stack([self._weights[name] * value for name, value in terms.items()]).sum()
        return terms

    def _terms(self, step: _Step) -> dict[str, Tensor]:
        """The unweighted terms by name."""
        wanted, valid, balance = step.label_pairs
        terms = {"affinity": losses.affinity_loss(step.affinities, wanted, balance, valid, self._normalize)}
        if step.logit is not None:
            labels = step.batch.labels
            terms["foreground"] = _cross_entropy(step.logit, (labels > 0).float(), labels >= 0)
        return terms

    def _pairs(self, labels: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Affinities of the labels, their validity, and weights that balance attractive and repulsive pairs."""
        # Boundary belongs to no object: its pairs are repulsive, also those within it.
        boundary = self.config.background == "boundary" or self.config.widen_borders
        wanted = affinities_from_labels(labels, self.offsets, background="different" if boundary else "equal")
        valid = valid & self._both(labels > 0) if self.config.background == "ignore" and not boundary else valid
        return wanted, valid, class_weights(wanted, valid, per_offset=self._is_volume)

    def _both(self, pixels: Tensor) -> Tensor:
        """Pairs (B, K, *S) with both ends in a mask (B, *S)."""
        return affinities_from_labels(pixels.long(), self.offsets, background="different") > 0

    def state_dict(self) -> dict[str, Tensor]:
        """The state to save for resuming: empty here."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Load a saved state."""


class DistillationObjective(Objective):
    """The supervised loss and the terms against a teacher.

    With a teacher's embeddings, all six terms are used. With soft affinities and foreground only, "agd" compares to
    these affinities, balanced as against labels, and there are no nodes to compare.

    Parameters
    ----------
    config : DistillConfig
        Weights and the size of the memory bank.
    offsets : tuple of Offset
        The pairs of the affinity graph.
    layout : TeacherLayout
        Layout of the teacher's output in a batch. NaN values are ignored.
    gather : callable, optional
        Collects the new bank entries of all ranks, in rank order.
    """

    def __init__(
        self,
        config: DistillConfig,
        offsets: tuple[Offset, ...],
        *,
        layout: TeacherLayout,
        gather: Gather | None = None,
    ) -> None:
        super().__init__(config, offsets)
        self._layout = layout
        self._use = config.weights
        self._weights |= config.weights.model_dump()
        self._gather = gather or (lambda entries: entries)
        self._seed = config.seed
        self.bank = MemoryBank(config.bank.capacity, config.bank.sample)

    def _terms(self, step: _Step) -> dict[str, Tensor]:
        terms = super()._terms(step)
        use, batch = self._use, step.batch
        if batch.teacher is None:
            raise ValueError("a distillation step needs the teacher's output")
        embedding, affinities, probability = self._layout.split(batch.teacher)
        if use.agd and (embedding is not None or affinities is not None):
            terms["agd"] = self._affinity_graph(step, embedding, affinities)
        if embedding is not None:
            terms |= self._relations(step, embedding)
        if use.teacher_foreground and step.logit is not None and probability is not None:
            valid = probability.isfinite() & (batch.labels >= 0)
            terms["teacher_foreground"] = _cross_entropy(step.logit, probability, valid)
        return terms

    def _affinity_graph(self, step: _Step, embedding: Tensor | None, affinities: Tensor | None) -> Tensor:
        valid = step.valid
        with torch.no_grad():
            if embedding is not None:
                wanted = affinities_from_embedding(embedding, self.offsets)
            else:
                assert affinities is not None
                valid = valid & affinities.isfinite()
                wanted = affinities.nan_to_num()  # masked NaN would still reach the gradient
        # The paper weights all pairs equally, but its teacher has embeddings. In soft affinities, as in labels,
        # repulsive pairs are rare: with equal weights they are learned last, and touching objects merge.
        if embedding is not None and not self._use.agd_balanced:
            return losses.affinity_distillation(
                step.affinities, wanted, valid, "valid" if self._is_volume else "pixels"
            )
        _, _, balance = step.label_pairs
        return losses.affinity_loss(step.affinities, wanted, balance, valid)

    def _relations(self, step: _Step, teacher: Tensor) -> dict[str, Tensor]:
        """The terms that compare instances, and those across images."""
        use, labels = self._use, step.batch.labels
        terms = {}
        with torch.no_grad():
            teacher_nodes = instance_nodes(teacher, labels)
        nodes = instance_nodes(step.embedding, labels) if use.node or use.edge or use.igd_inter else []
        if use.node:
            terms["node"] = losses.node_distillation(nodes, teacher_nodes)
        if use.edge:
            terms["edge"] = losses.edge_distillation(nodes, teacher_nodes)
        if use.agd_inter or use.igd_inter:
            terms |= self._across_images(step, teacher, nodes, teacher_nodes)
        return terms

    def _across_images(
        self, step: _Step, teacher: Tensor, nodes: list[Tensor], teacher_nodes: list[Tensor]
    ) -> dict[str, Tensor]:
        # Seeded by the step, not by a running generator: resuming draws the same entries.
        generator = torch.Generator().manual_seed((self._seed << 32) + step.number)
        # Drawn before the batch is pushed, so that no image is compared with itself.
        drawn = self.bank.draw(generator)
        with torch.no_grad():
            teacher_pooled = pool_embedding(teacher)
        terms = {}
        if self._use.agd_inter:
            # Ignored pixels are set to the target, so their difference is zero.
            ignored = pool_mask(step.batch.labels < 0)[:, None]
            pooled = torch.where(ignored, teacher_pooled, pool_embedding(step.embedding))
            terms["agd_inter"] = losses.inter_affinity_distillation(
                pooled, teacher_pooled, [e.gram for e in drawn], [e.count for e in drawn]
            )
        if self._use.igd_inter:
            terms["igd_inter"] = losses.inter_edge_distillation(nodes, teacher_nodes, [e.nodes for e in drawn])
        self.bank.push(self._gather(bank_entries(teacher_pooled, teacher_nodes)))
        return terms

    def state_dict(self) -> dict[str, Tensor]:
        """The memory bank."""
        return self.bank.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Load a saved memory bank."""
        self.bank.load_state_dict(dict(state))


def _cross_entropy(logit: Tensor, probability: Tensor, counted: Tensor) -> Tensor:
    """Mean over the valid pixels; all are (B, *S)."""
    loss = binary_cross_entropy_with_logits(logit.float(), torch.where(counted, probability, 0), reduction="none")
    return torch.where(counted, loss, 0).sum() / counted.sum().clamp(min=1)
