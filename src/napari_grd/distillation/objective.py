"""What a step minimises: the supervised terms and the six of the distillation.

The terms themselves are pure functions in :mod:`.losses`; here they are given
their inputs, weighted and added up (METHOD 11).
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from napari_grd.config import DistillConfig, TrainConfig
from napari_grd.data.dataset import Batch
from napari_grd.distillation import losses
from napari_grd.distillation.memory_bank import BankEntry, MemoryBank, bank_entries, pool_embedding
from napari_grd.graph.affinities import (
    affinities_from_embedding,
    affinities_from_labels,
    class_weights,
    valid_mask,
)
from napari_grd.graph.instances import instance_nodes
from napari_grd.graph.offsets import Offset

Gather = Callable[[list[BankEntry]], list[BankEntry]]


class Objective:
    """Supervised loss on affinities and foreground.

    Parameters
    ----------
    config : TrainConfig
        Weights, and what label 0 means.
    offsets : tuple of Offset
        The pairs of the affinity graph.
    """

    def __init__(self, config: TrainConfig, offsets: tuple[Offset, ...]) -> None:
        self.config = config
        self.offsets = offsets
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
            Seeds what is drawn at random, so that a resumed run draws the same.
        """
        terms: dict[str, Tensor] = {}
        # Graph terms are float32 even under mixed precision: in bf16 the
        # inter-image terms are 35-70 % off once the student is close.
        embedding = embedding.float()
        affinities = affinities_from_embedding(embedding, self.offsets)
        balance = self._supervised(terms, affinities, logit, batch)
        self._extra(terms, affinities, balance, embedding, logit, batch, step)
        terms["loss"] = torch.stack([self._weights[name] * value for name, value in terms.items()]).sum()
        return terms

    def _supervised(
        self,
        terms: dict[str, Tensor],
        affinities: Tensor,
        logit: Tensor | None,
        batch: Batch,
    ) -> Tensor:
        """Add the terms against labels; returns the weights that balance joined and separated pairs."""
        labels = batch.labels
        valid = valid_mask(tuple(labels.shape[1:]), self.offsets, labels.device)[None]
        wanted = affinities_from_labels(labels, self.offsets, background="equal")
        if self.config.background == "ignore":
            both_labelled = affinities_from_labels((labels > 0).long(), self.offsets, background="different")
            valid = valid & (both_labelled > 0)
        valid = valid.expand_as(wanted)
        balance = class_weights(wanted, valid)
        terms["affinity"] = losses.affinity_loss(affinities, wanted, balance, valid)
        if logit is not None:
            terms["foreground"] = binary_cross_entropy_with_logits(logit.float(), (labels > 0).float())
        return balance

    def _extra(
        self,
        terms: dict[str, Tensor],
        affinities: Tensor,
        balance: Tensor,
        embedding: Tensor,
        logit: Tensor | None,
        batch: Batch,
        step: int,
    ) -> None:
        """Room for the terms of a subclass."""

    def state_dict(self) -> dict[str, Tensor]:
        """What has to be saved to resume: nothing here."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up a saved state."""


class DistillationObjective(Objective):
    """The supervised loss and the relation terms against a teacher.

    Parameters
    ----------
    config : DistillConfig
        Weights and the size of the memory bank.
    offsets : tuple of Offset
        The pairs of the affinity graph.
    teacher_channels : int
        Embedding channels of the teacher; in a batch its foreground follows them.
    gather : callable, optional
        Collects the new bank entries of all ranks, in rank order.
    """

    def __init__(
        self,
        config: DistillConfig,
        offsets: tuple[Offset, ...],
        *,
        teacher_channels: int,
        gather: Gather | None = None,
    ) -> None:
        super().__init__(config, offsets)
        self._teacher_channels = teacher_channels
        self._terms = config.weights
        self._weights |= config.weights.model_dump()
        self._gather = gather or (lambda entries: entries)
        self._seed = config.seed
        self.bank = MemoryBank(config.bank.capacity, config.bank.sample)

    def _extra(
        self,
        terms: dict[str, Tensor],
        affinities: Tensor,
        balance: Tensor,
        embedding: Tensor,
        logit: Tensor | None,
        batch: Batch,
        step: int,
    ) -> None:
        w = self._terms
        if batch.teacher is None:
            raise ValueError("a distillation step needs the teacher's output")
        teacher = batch.teacher[:, : self._teacher_channels]
        with torch.no_grad():
            teacher_nodes = instance_nodes(teacher, batch.labels)
        nodes = instance_nodes(embedding, batch.labels) if w.node or w.edge or w.igd_inter else []
        if w.agd:
            with torch.no_grad():
                teacher_affinities = affinities_from_embedding(teacher, self.offsets)
            valid = valid_mask(tuple(batch.labels.shape[1:]), self.offsets, affinities.device)[None]
            # affinity_distillation is this with weight 1 everywhere.
            weight = balance if w.agd_balanced else torch.ones_like(balance)
            terms["agd"] = losses.affinity_loss(affinities, teacher_affinities, weight, valid.expand_as(affinities))
        if w.node:
            terms["node"] = losses.node_distillation(nodes, teacher_nodes)
        if w.edge:
            terms["edge"] = losses.edge_distillation(nodes, teacher_nodes)
        if w.agd_inter or w.igd_inter:
            self._across_images(terms, embedding, teacher, nodes, teacher_nodes, step)
        if w.teacher_foreground and logit is not None and batch.teacher.shape[1] > self._teacher_channels:
            probability = batch.teacher[:, self._teacher_channels]
            terms["teacher_foreground"] = binary_cross_entropy_with_logits(logit.float(), probability)

    def _across_images(
        self,
        terms: dict[str, Tensor],
        embedding: Tensor,
        teacher: Tensor,
        nodes: list[Tensor],
        teacher_nodes: list[Tensor],
        step: int,
    ) -> None:
        w = self._terms
        # Seeded by the step, not by a running generator: resuming draws the same entries.
        generator = torch.Generator().manual_seed((self._seed << 32) + step)
        # Drawn before the batch is pushed, so that an image never meets itself.
        drawn = self.bank.draw(generator)
        with torch.no_grad():
            teacher_pooled = pool_embedding(teacher)
        if w.agd_inter:
            terms["agd_inter"] = losses.inter_affinity_distillation(
                pool_embedding(embedding), teacher_pooled, [e.gram for e in drawn], [e.count for e in drawn]
            )
        if w.igd_inter:
            terms["igd_inter"] = losses.inter_edge_distillation(nodes, teacher_nodes, [e.nodes for e in drawn])
        self.bank.push(self._gather(bank_entries(teacher_pooled, teacher_nodes)))

    def state_dict(self) -> dict[str, Tensor]:
        """The memory bank."""
        return self.bank.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up a saved memory bank."""
        self.bank.load_state_dict(dict(state))
