"""The work behind correcting, imported in its thread: torch takes seconds."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_grd._napari.correct.doubting import Question
    from napari_grd._napari.correct.opening import Opened, Order
    from napari_grd._napari.correct.subject import Plane
    from napari_grd.corrections.doubt import Doubt
    from napari_grd.jobs import Job
    from napari_grd.models import Model

    GetModel = Callable[[str], Model]


def open_labels(order: "Order", get_model: "GetModel", added: Path | None) -> "Job[Opened]":
    """See :func:`napari_grd._napari.correct.opening.iter_open`."""
    from napari_grd._napari.correct.opening import iter_open

    return iter_open(order, get_model, added)


def keep(order: "Order", made_by: Mapping[str, Any], get_model: "GetModel") -> "Job[Labels]":
    """See :func:`napari_grd._napari.correct.opening.iter_permanent`."""
    from napari_grd._napari.correct.opening import iter_permanent

    return iter_permanent(order, made_by, get_model)


def ask(opened: "Opened", plane: "Plane", get_model: "GetModel") -> "Job[None]":
    """See :func:`napari_grd._napari.correct.opening.iter_evidence`."""
    from napari_grd._napari.correct.opening import iter_evidence

    return iter_evidence(opened.order, plane, opened.evidence, get_model)


def doubt(question: "Question", get_model: "GetModel") -> "Job[list[Doubt]]":
    """See :func:`napari_grd._napari.correct.doubting.iter_doubts`."""
    from napari_grd._napari.correct.doubting import iter_doubts

    return iter_doubts(question, get_model)
