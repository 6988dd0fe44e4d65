"""Config and card of a fine-tuned model."""

from datetime import date
from typing import Any

import napari_grd
from napari_grd.finetuning.candidate import Candidate
from napari_grd.finetuning.held_out import HeldOut
from napari_grd.models.model import ModelConfig
from napari_grd.teaching.base import Teacher

KIND = "tuned"
"""Name of the result's file, and the end of its model's name."""


def tuned_config(candidate: Candidate) -> ModelConfig:
    """The model's config; for these images it carries their size, and segments them at that size by default."""
    config = candidate.model.config
    if candidate.config.mode == "keep" or candidate.diameter is None:
        return config
    inverted = any(image.inverted for image in candidate.images)
    return candidate.sized.replace(contrast=config.contrast if inverted else None)


def card_changes(
    candidate: Candidate, teacher: Teacher | None, steps: int, blend: float, held_out: HeldOut | None
) -> dict[str, Any]:
    """Changes of the card; earlier scores are cleared because the weights changed."""
    card = candidate.model.card
    restrictions = (card.restrictions, getattr(teacher, "restrictions", ""))
    recipe = {**candidate.config.on_disk(), "steps_taken": steps, "blend_taken": blend, "started_from": card.name}
    return {
        "name": card.name if card.name.endswith(f"-{KIND}") else f"{card.name}-{KIND}",
        "summary": f"{card.summary.rstrip('.')}; fine-tuned on {candidate.objects} corrected objects of"
        f" {len(candidate.images)} images",
        "recipe": {**card.recipe, "fine_tune": recipe},
        "scores": {} if held_out is None else held_out.on_card(),
        "restrictions": " ".join(dict.fromkeys(filter(None, restrictions))),
        "version": napari_grd.__version__,
        "created": date.today().isoformat(),
    }
