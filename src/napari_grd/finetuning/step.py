"""One step of fine-tuning: corrected and rehearsal patches in one batch."""

import math
from typing import cast

import torch
from torch import Tensor

from napari_grd.config import AugmentConfig, DistillConfig, FineTuneConfig, LossWeights, OptimConfig
from napari_grd.data.dataset import Batch, Example, PatchSampler
from napari_grd.distillation.muon import Muon
from napari_grd.distillation.objective import DistillationObjective, Objective
from napari_grd.distillation.optim import learning_rate
from napari_grd.errors import ConfigError
from napari_grd.finetuning.features import FeatureCache, views
from napari_grd.finetuning.rehearsal import Rehearsal
from napari_grd.finetuning.sparse_objective import SparseObjective
from napari_grd.inference.torch_runtime import cpu_threads, resolve_device
from napari_grd.models.model import Model
from napari_grd.models.split import SplitNetwork

# The teacher's soft outputs are rehearsed, not its instances, which would only sharpen them. The terms across images
# cost a third of the step.
GRAPHS = LossWeights(affinity=0, agd=8, agd_balanced=True, node=0.02, edge=0.1, agd_inter=0, igd_inter=0)
_TURNS = AugmentConfig(rotate=0, scale=0, elastic=0, intensity=0, noise=0, blur=0)  # the teacher's output stays valid
_PARTS = 1000  # units of the schedule


class FineTuningStep:
    """Steps of one fine-tuning: the network of the model is trained in place, in evaluation mode.

    With ``features``, which the frozen encoder of the network computes from patches, these are drawn from a fixed set.
    """

    def __init__(
        self,
        model: Model,
        windows: list[Example],
        rehearsal: Rehearsal | None,
        config: FineTuneConfig,
        features: FeatureCache | None = None,
    ) -> None:
        self._model, self._threads, self._features = model, config.threads, features
        self._device = resolve_device(config.device)
        model.network.to(self._device).eval()
        self._schedule = OptimConfig(lr=config.lr)
        self._optimizer = Muon(model.network, config.lr, last=getattr(model.network, "head", None))
        settings = DistillConfig(
            background="class" if model.config.foreground else "ignore", weights=GRAPHS, seed=config.seed
        )
        rehearsed = 0 if rehearsal is None else min(max(1, round(config.batch * config.rehearsal)), config.batch - 1)
        self._corrected = PatchSampler(
            windows,
            batch=config.batch - rehearsed,
            patch=config.patch,
            augment=AugmentConfig(),
            seed=config.seed,
            views=None if features is None else views(len(windows)),
        )
        self._learn = SparseObjective(settings, model.config.offsets)
        self._rehearsed = self._keep = None
        if rehearsal is not None:
            self._rehearsed = PatchSampler(
                rehearsal.examples,
                batch=rehearsed,
                patch=config.patch,
                augment=_TURNS,
                seed=config.seed,
                layout=rehearsal.layout,
                views=None if features is None else views(len(rehearsal.examples)),
            )
            self._keep = _objective(model, rehearsal, settings)

    def __call__(self, number: int, share: float) -> dict[str, float]:
        """Make a step, and return the terms of the loss; those of rehearsal patches begin with "rehearsal ".

        The number of the step, from 0, decides which patches are drawn, ``share``, the overall progress from 0 to 1,
        the learning rate. A loss that is no longer finite raises a `ConfigError`.
        """
        rate = learning_rate(round(share * _PARTS), _PARTS, self._schedule)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        batches = [sampler.batch(number).to(self._device) for sampler in (self._corrected, self._rehearsed) if sampler]
        with cpu_threads(self._threads):
            terms = self._backward(batches, number)
            torch.nn.utils.clip_grad_norm_(self._model.network.parameters(), self._schedule.clip)
            self._optimizer.step()
            self._optimizer.zero_grad()
        values = {name: float(value.detach()) for name, value in terms.items()}
        if not math.isfinite(values["loss"]):
            raise ConfigError(
                f"The loss became {values['loss']} at step {number}.", f"Lower the learning rate lr (now {rate:g})."
            )
        return values | {"lr": rate}

    def _backward(self, batches: list[Batch], number: int) -> dict[str, Tensor]:
        # In evaluation mode patches are independent, so both kinds can share a batch.
        images = torch.cat([batch.image for batch in batches])
        if self._features is None:
            output = self._model.network(images)
        else:
            network = cast(SplitNetwork, self._model.network)
            output = network.decode(self._features.of(network, images))
        parts = output.split([len(batch.image) for batch in batches])
        terms = self._learn(*self._model.split(parts[0]), batches[0], number)
        if self._keep is not None:
            kept = self._keep(*self._model.split(parts[1]), batches[1], number)
            terms["loss"] = terms["loss"] + kept["loss"]
            terms |= {f"rehearsal {name}": value for name, value in kept.items()}
        terms["loss"].backward()  # type: ignore[no-untyped-call]
        return terms


def _objective(model: Model, rehearsal: Rehearsal, settings: DistillConfig) -> Objective:
    """The objective of rehearsal patches."""
    if rehearsal.layout is None:
        return Objective(settings, model.config.offsets)
    weights = settings.weights
    if rehearsal.layout.embedding == 0 and not rehearsal.layout.affinities:
        weights = weights.replace(affinity=1.0)
    elif rehearsal.layout.embedding != model.embedding_channels:
        weights = weights.replace(node=0.0)  # nodes are compared channel by channel
    quiet = settings.replace(foreground_weight=0.0 if rehearsal.layout.foreground else 1.0)
    return DistillationObjective(
        quiet.replace(weights=weights.model_dump()), model.config.offsets, layout=rehearsal.layout
    )
