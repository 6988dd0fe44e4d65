"""What is known about a model, in a few words."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_grd.models.model import ModelCard

_SCORES = ("ap50", "aji", "arand")
_ROLES = (" of the teacher", " of the undistilled")


def describe(card: "ModelCard") -> str:
    """A model in one sentence, and its scores with what they were measured on."""
    lines = [f"{card.summary.rstrip('.')}."] if card.summary else []
    sets: dict[str, list[str]] = {}
    for key, value in card.scores.items():
        where, _, name = key.rpartition("/")
        name, _, detail = name.partition(", ")
        if name in _SCORES and not key.endswith(_ROLES):
            note = f" ({detail})" if detail else ""
            sets.setdefault(where, []).append(f"{name.upper()} {value:.2f}{note}")
    lines += [f"{where or 'validation images'}: {', '.join(values)}" for where, values in sets.items()]
    return "\n".join(lines or ["Nothing is known about this model."])


def describe_builtin() -> dict[str, str]:
    """What is known about the built-in models, by name; for a worker."""
    from napari_grd.hub import builtin_paths
    from napari_grd.io.model_file import read_card  # imports torch

    return {name: describe(read_card(path)[1]) for name, path in builtin_paths().items()}
