"""Models from which learning from corrections can start."""

from collections.abc import Sequence
from typing import TypeAlias, cast

from napari_grd.corrections.corrected_planes import CorrectedImage
from napari_grd.errors import ConfigError
from napari_grd.finetuning.channels import widened
from napari_grd.hub import GENERALIST, ONE_OBJECT, ModelLike, as_model, builtin_paths, load_model
from napari_grd.models.model import Model

AUTO = "auto"
"""Instead of a model: :data:`~napari_grd.hub.GENERALIST`, or a built-in student that is clearly better here."""

StartLike: TypeAlias = ModelLike | Sequence[ModelLike]
"""A model to fine-tune, its name or file; several of them; or :data:`AUTO`."""


def starts_of(model: StartLike, images: Sequence[CorrectedImage]) -> list[Model]:
    """The models among which the start of the fine-tuning is chosen."""
    if isinstance(model, str) and model == AUTO:
        channels = sorted({image.channels for image in images}) or [1]
        if len(channels) > 1:
            raise ConfigError(
                f"The images have different numbers of channels: {channels}.",
                "Learn from images of one number of channels at a time.",
            )
        return fitting_starts([load_model(name) for name in builtin_paths() if name not in ONE_OBJECT], channels[0])
    several: list[ModelLike] = list(model) if isinstance(model, list | tuple) else [cast(ModelLike, model)]
    if not several:
        raise ConfigError("The list of models to start from is empty.", f"Give a model, or {AUTO!r}.")
    models = [as_model(each) for each in several]
    if len({each.config.in_channels for each in models}) > 1:
        counts = ", ".join(f"{each.card.name} {each.config.in_channels}" for each in models)
        raise ConfigError(f"The models take different numbers of channels: {counts}.", "Give models of one number.")
    return models


def fitting_starts(models: Sequence[Model], channels: int) -> list[Model]:
    """Those of several models that are students for planes of so many channels, those of one channel widened.

    The generalist comes first.
    """
    students = [each for each in models if each.card.kind != "teacher" and each.config.ndim == 2]
    fitting = [each for each in students if each.config.in_channels == channels]
    if channels > 1:
        fitting += [widened(each, channels) for each in students if each.config.in_channels == 1]
    return generalist_first(fitting)


def generalist_first(models: Sequence[Model]) -> list[Model]:
    """Models in their order, but :data:`~napari_grd.hub.GENERALIST` first."""
    return sorted(models, key=lambda model: model.card.name != GENERALIST)
