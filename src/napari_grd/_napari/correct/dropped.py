"""A file of corrections that was dropped on napari, and the layers it belongs to."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels
from napari.utils.notifications import show_warning

from napari_grd._napari.correct.storage import reference
from napari_grd._napari.correct.target import CorrectionTarget
from napari_grd._napari.correct.widget import CorrectWidget
from napari_grd._napari.docks import show_panel
from napari_grd._napari.outputs import made_by
from napari_grd._napari.worker import notify_error, run_call
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.loading import load_corrections
from napari_grd.errors import CorrectionError


def correct_with(viewer: Any, path: Path) -> None:
    """Open the Correct widget on the labels that a file is about, with its corrections added.

    Says what to do where no labels of the viewer belong to it.
    """
    targets = _targets(viewer)
    run_call(partial(_belonging, path, targets), on_done=partial(_open, viewer, path), on_error=notify_error)


def _targets(viewer: Any) -> list[CorrectionTarget]:
    """All labels with all images that fit them; the selected layer and what lies on top come first."""
    active = viewer.layers.selection.active
    topmost = list(reversed(viewer.layers))
    # What was made permanent is preferred to what Live shows.
    layers = sorted(topmost, key=lambda layer: (layer is not active, bool(made_by(layer).get("live"))))
    labels = (layer for layer in layers if isinstance(layer, Labels))
    return [target for layer in labels for target in CorrectionTarget.all_of(layer, layers)]


def _belonging(path: Path, targets: Iterable[CorrectionTarget]) -> CorrectionTarget:
    """The labels that the corrections of a file are of."""
    corrections = load_corrections(path)
    references: dict[Image, ImageRef] = {}
    for target in targets:
        image = target.source.layer
        if (target.shape, target.axes) != (corrections.image.shape, corrections.image.axes):
            continue
        if image not in references:  # it is read to the end for that
            references[image] = reference(image, target.shape, target.axes)
        try:
            corrections.image.merged(references[image])
        except CorrectionError:
            continue
        return target
    raise CorrectionError(
        f"{path.name!r} has corrections of {corrections.image}; no open Labels layer matches.",
        "Open that image and its labels, or segment it with Live, and drop the file again.",
    )


def _open(viewer: Any, path: Path, target: CorrectionTarget) -> None:
    if target.layer not in viewer.layers or target.source.layer not in viewer.layers:
        show_warning(f"The layers that {path.name!r} belongs to were removed. Open them, and drop the file again.")
        return
    show_panel(viewer, CorrectWidget, "Correct").add_file(path, target)
