"""Completing a trained model: colors, card, file."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import torch
from torch import Tensor

import napari_grd
from napari_grd.config import TrainConfig
from napari_grd.data.dataset import PatchSampler
from napari_grd.graph.precision import unit_vectors
from napari_grd.models.model import Model

_PCA_BATCHES = 4


def finish(
    model: Model,
    sampler: PatchSampler,
    config: TrainConfig,
    scores: dict[str, float],
    *,
    kind: str,
    summary: str,
    teacher: str | None = None,
    restrictions: str = "",
) -> Model:
    """Add the PCA basis and the card.

    Parameters
    ----------
    model : Model
        Trained model, on the CPU, in eval mode.
    sampler : PatchSampler
        Its training data; a few more patches are drawn for the basis.
    config : TrainConfig
        The recipe.
    scores : dict
        Validation scores.
    kind, summary, teacher, restrictions : str
        Entries of the card.
    """
    card = model.card.replace(
        kind=kind,
        summary=summary,
        recipe=config.on_disk(),
        scores={name: round(value, 5) for name, value in scores.items()},
        teacher=teacher,
        restrictions=restrictions,
        version=napari_grd.__version__,
        created=date.today().isoformat(),
    )
    return replace(model, card=card, pca=_color_basis(model, sampler, config.steps))


def _color_basis(model: Model, sampler: PatchSampler, first: int) -> Tensor:
    """Mean and first three principal components of the unit embeddings of objects, ``(4, C)``.

    Of objects only: the many background pixels would dominate the first component.
    """
    embeddings = []
    first = 0 if sampler.computes else first  # what was drawn is computed already
    with torch.no_grad():
        for step in range(first, first + _PCA_BATCHES):
            batch = sampler.batch(step)
            embedding, _ = model.split(model.network(batch.image))
            unit = unit_vectors(embedding, dim=1).movedim(1, -1)
            embeddings.append(unit[batch.targets_within(embedding.shape[2:]).labels > 0])
    pixels = torch.cat(embeddings)
    if len(pixels) < model.embedding_channels:  # no objects were drawn: use any basis
        pixels = unit.flatten(0, -2)
    mean = pixels.mean(0)
    covariance = (pixels - mean).T @ (pixels - mean) / len(pixels)
    directions = torch.linalg.eigh(covariance).eigenvectors.flip(1)[:, :3].T
    # An eigenvector's sign is arbitrary; fixed, the same training gives the same colors.
    signs = directions.gather(1, directions.abs().argmax(1, keepdim=True)).sign()
    basis = torch.zeros(4, model.embedding_channels)
    basis[0] = mean
    basis[1 : 1 + len(directions)] = directions * signs
    return basis


def model_path(folder: Path, kind: str) -> Path:
    """Path of a job's result in its output folder."""
    return folder / f"{kind}.grd.safetensors"


def so_far_path(folder: Path, kind: str) -> Path:
    """Path of the best model so far of a stopped job; removed when the job is finished."""
    return folder / f"{kind}-so-far.grd.safetensors"
