"""The figure: predictions of teacher and student on the same images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import napari_grd.api as grd
from napari_grd.config import SegmentConfig
from napari_grd.data.inputs import as_image
from napari_grd.graph.boundaries import weakest_affinity
from napari_grd.io.atomic import atomic_path
from napari_grd.visualization import embedding_colors, image_to_rgb, overlay, renumbered_to_match

_SIDE = 256  # pixels of an image that are shown
_PANEL = 1.7  # inches
_INK = "#1b1f24"
_QUIET = "#57606a"
_EDGE = "#c8ced5"


@dataclass(frozen=True)
class Panel:
    """An image with its caption."""

    picture: NDArray[Any]
    note: str = ""


Examples = list[dict[str, Panel]]
Crop = tuple[int | slice, ...]


def make_examples(
    models: Mapping[str, grd.Model],
    images: Sequence[Any],
    labels: Mapping[str, Sequence[NDArray[np.uint32]]],
    references: Sequence[Any] | None = None,
    *,
    inside: Sequence[str],
    axes: str | None = None,
    config: SegmentConfig | None = None,
) -> Examples:
    """Panels of the figure: a row per image, each a mapping of title to panel.

    Parameters
    ----------
    models : mapping of str to Model
        By role.
    images : sequence of arrays
        One per row. Of a large image the center is shown, of a volume its middle plane.
    labels : mapping of str to sequence of (*S) uint32
        Segmentations by role.
    references : sequence of (*S) int, optional
        True instances.
    inside : sequence of str
        Roles whose embeddings and affinities are shown.
    axes : str, optional
        Axes of the images.
    config : SegmentConfig, optional
        Settings of the prediction.
    """
    model_config = next(iter(models.values())).config
    rows: Examples = []
    for i, image in enumerate(images):
        array = as_image(image, axes, ndim=model_config.ndim, in_channels=model_config.in_channels)
        crop = _center(array.shape[1:])
        seen = array[:, *crop]
        reference = None if references is None else np.asarray(references[i])
        empty = reference is not None and not reference.any()
        row = {"image": Panel(image_to_rgb(seen), "empty field" if empty else "")}
        if reference is not None:
            row["reference"] = Panel(overlay(seen, reference[crop]), _count(reference[crop]))
        for role in models:
            instances = labels[role][i][crop]
            shown = instances if reference is None else renumbered_to_match(instances, reference[crop])
            row[role] = Panel(overlay(seen, shown), _count(instances))
        for role in inside:
            row |= _inside(role, models[role], image, axes, config, crop)
        rows.append(row)
    return rows


def draw(examples: Examples, path: str | Path) -> Path:
    """Draw examples as a PNG file, written atomically; no display is needed.

    Parameters
    ----------
    examples : list of mapping of str to Panel
        From :func:`make_examples`; all rows have the same titles.
    path : path
        The file; its folder has to exist.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    path = Path(path)
    titles = list(examples[0])
    height = max(panel.picture.shape[0] / panel.picture.shape[1] for row in examples for panel in row.values())
    figure = Figure(
        figsize=(_PANEL * len(titles), (_PANEL * height + 0.22) * len(examples) + 0.35),
        layout=ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0),
        facecolor="white",
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(examples), len(titles), squeeze=False)
    for number, row in enumerate(examples):
        for axis, title in zip(axes[number], titles, strict=True):
            panel = row[title]
            axis.imshow(panel.picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            for spine in axis.spines.values():  # white maps need an edge on a white page
                spine.set(color=_EDGE, linewidth=0.6)
            axis.set_xlabel(panel.note or " ", fontsize=8, color=_QUIET, labelpad=2)
            if number == 0:
                axis.set_title(title, fontsize=9, color=_INK, pad=4)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150)
    return path


def _inside(
    role: str,
    model: grd.Model,
    image: Any,
    axes: str | None,
    config: SegmentConfig | None,
    crop: Crop,
) -> dict[str, Panel]:
    prediction = grd.predict(model, image, config, axes=axes)
    shown = tuple(
        part * grid // size
        if isinstance(part, int)
        else slice(round(part.start * grid / size), round(min(part.stop, size) * grid / size))
        for part, grid, size in zip(crop, prediction.embedding.shape[1:], prediction.shape, strict=True)
    )
    # The second offsets along y and x: the first are so short that boundaries are one pixel wide.
    second = slice(2 * model.config.ndim - 2, 2 * model.config.ndim)
    offsets = model.config.offsets[second]
    weakest = weakest_affinity(prediction.affinities()[second], offsets)[shown]
    panels = {}
    if model.pca is not None:
        foreground = None if prediction.foreground is None else prediction.foreground[shown]
        colors = embedding_colors(prediction.embedding[:, *shown], model.pca.numpy(), foreground)
        panels[f"{role}\nembedding"] = Panel(colors)
    reach = max(abs(step) for offset in offsets for step in offset)
    panels[f"{role}\naffinity, {reach} px"] = Panel(np.clip(weakest, 0, 1))
    return panels


def _center(shape: tuple[int, ...]) -> Crop:
    """The center of a plane; of a volume, that of its middle plane."""
    middle = tuple(side // 2 for side in shape[:-2])
    starts = (max(0, (side - _SIDE) // 2) for side in shape[-2:])
    return (*middle, *(slice(start, start + _SIDE) for start in starts))


def _count(labels: NDArray[Any]) -> str:
    count = len(np.unique(labels[labels > 0]))
    return f"{count} object" if count == 1 else f"{count} objects"
