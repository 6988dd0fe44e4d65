"""Models side by side on the same images: size, speed and scores."""

import csv
import io
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import napari_grd.api as grd
from napari_grd.config import SegmentConfig
from napari_grd.data.inputs import as_image
from napari_grd.jobs import Job, Result, Stopwatch, relay
from napari_grd.models import networks
from napari_grd.models.complexity import count_macs
from napari_grd.models.model import count_parameters

TEACHER, STUDENT, BASELINE = "teacher", "distilled", "undistilled"
"""Names of the rows."""


@dataclass(frozen=True)
class Row:
    """A model in the comparison.

    Attributes
    ----------
    name : str
        Its role: "teacher", "student", ...
    parameters : int
        Trainable parameters.
    macs : int
        Multiply-accumulates of one forward pass at ``size``.
    milliseconds : float
        Median time from an image to its labels.
    scores : Scores or None
        None without reference labels.
    in_empty : int or None
        Objects found in the empty images, where there is nothing to find; None without such images.
    """

    name: str
    parameters: int
    macs: int
    milliseconds: float
    scores: grd.Scores | None
    in_empty: int | None = None


@dataclass(frozen=True)
class Comparison:
    """Rows of the table, with the measurement conditions.

    Attributes
    ----------
    rows : tuple of Row
        One per model.
    labels : mapping of str to list of (*S) uint32
        Each model's segmentation of each image, those of the empty images last.
    size : tuple of int
        Image size in pixels for which multiply-accumulates are counted.
    images : int
        Number of images.
    empty : int
        Number of additional empty images.
    dense : bool
        Whether every voxel of volumes belongs to an object, as of neurites: scores of clusterings are shown then.
    """

    rows: tuple[Row, ...]
    labels: Mapping[str, list[NDArray[np.uint32]]]
    size: tuple[int, ...]
    images: int
    empty: int = 0
    dense: bool = False

    @property
    def score(self) -> str:
        """Name of the score that is quoted."""
        return "1 - ARAND" if self.dense else "AP50"

    def score_of(self, row: Row) -> float | None:
        """That score of a model, of 1 at best; None without references."""
        if row.scores is None:
            return None
        return 1 - row.scores.arand if self.dense else row.scores.ap50


def iter_compare(
    models: Mapping[str, grd.Model],
    images: Sequence[Any],
    references: Sequence[Any] | None = None,
    *,
    empty: Sequence[Any] = (),
    axes: str | None = None,
    min_size: int = 0,
    config: SegmentConfig | None = None,
) -> Job[Comparison]:
    """Segment images with every model and measure, as a job.

    Parameters
    ----------
    models : mapping of str to Model
        By role; at least one.
    images : sequence of arrays
        At least one.
    references : sequence of arrays, optional
        Their true instances; without them there are no scores.
    empty : sequence of arrays
        Images without any object. They are excluded from scores and times; the objects found in them are counted.
    axes : str, optional
        Axes of the images.
    min_size : int
        Objects with fewer pixels are ignored in the scores.
    config : SegmentConfig, optional
        Settings of the prediction; default: each model's fastest available runtime.

    Returns
    -------
    Comparison
    """
    every = [*images, *empty]
    watch = Stopwatch("Comparing", len(models) * (len(every) + 1))
    first = next(iter(models.values())).config
    size = as_image(images[0], axes, ndim=first.ndim, in_channels=first.in_channels).shape[1:]
    rows, labels_by_name = [], {}
    for number, (name, model) in enumerate(models.items()):
        done = number * (len(every) + 1)
        # The first run prepares the runtime and is not timed.
        yield from _silent(grd.iter_segment(model, images[0], config, axes=axes), watch, done)
        labels, times = [], []
        for i, image in enumerate(every):
            start = time.perf_counter()
            labels.append((yield from _silent(grd.iter_segment(model, image, config, axes=axes), watch, done + 1 + i)))
            times.append(1000 * (time.perf_counter() - start))
        labels_by_name[name] = labels
        rows.append(
            Row(
                name,
                count_parameters(model.network),
                count_macs(model.network, model.config.in_channels, _padded(size, model)),
                statistics.median(times[: len(images)]),
                None
                if references is None
                else grd.evaluate(reference=list(references), labels=labels[: len(images)], min_size=min_size),
                sum(_count(segmented) for segmented in labels[len(images) :]) if empty else None,
            )
        )
    yield watch.progress(watch.total)
    dense = first.ndim == 3 and not first.foreground
    return Comparison(tuple(rows), labels_by_name, size, len(images), len(empty), dense)


def table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the comparison, rounded for reading."""
    columns = _columns(comparison)
    return list(columns), [[show(row) for show in columns.values()] for row in comparison.rows]


def caption(comparison: Comparison) -> str:
    """Explanation of the table's numbers."""
    size = " × ".join(map(str, comparison.size))
    count = f"{comparison.images} image{'s' if comparison.images > 1 else ''}"
    empty = "" if not comparison.empty else " in empty: objects found where there is none."
    return (
        f"{count} that no model was trained on. "
        f"GMAC: 10⁹ multiply-accumulates at {size} pixels. ms: median from image to labels.{empty}"
    )


def to_markdown(comparison: Comparison, conclusion: str = "") -> str:
    """The table in markdown, with caption and conclusion."""
    heads, rows = table(comparison)
    rule = ["---"] + ["---:"] * (len(heads) - 1)
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows)]
    summary = ["", conclusion] if conclusion else []
    return "\n".join([*lines, "", caption(comparison), *summary, ""])


def to_csv(comparison: Comparison) -> str:
    """All numbers and all scores, not rounded."""
    records = [
        {
            "model": row.name,
            "parameters": row.parameters,
            "macs": row.macs,
            "ms_per_image": row.milliseconds,
            **({} if row.in_empty is None else {"objects_in_empty": row.in_empty}),
            **(row.scores.as_dict() if row.scores else {}),
        }
        for row in comparison.rows
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def _columns(comparison: Comparison) -> dict[str, Callable[[Row], str]]:
    columns: dict[str, Callable[[Row], str]] = {
        "model": lambda row: row.name,
        "parameters": lambda row: f"{row.parameters:,}",
        "GMAC": lambda row: f"{row.macs / 1e9:.2f}",
        "ms": lambda row: f"{row.milliseconds:.0f}",
    }
    if all(row.scores for row in comparison.rows):
        dense = {"VOI split": "voi_split", "VOI merge": "voi_merge", "ARAND": "arand"}
        sparse = {"SBD": "sbd", "AJI": "aji", "AP50": "ap50", "PQ": "pq"}
        columns |= {title: partial(_score, name) for title, name in (dense if comparison.dense else sparse).items()}
    if comparison.empty:
        columns["in empty"] = lambda row: str(row.in_empty)
    return columns


def _score(name: str, row: Row) -> str:
    return f"{getattr(row.scores, name):.3f}"


def _count(labels: NDArray[Any]) -> int:
    return len(np.unique(labels[labels > 0]))


def _padded(size: Sequence[int], model: grd.Model) -> tuple[int, ...]:
    return networks.entry(model.config.network.name).input_size(size)


def _silent(job: Job[Result], watch: Stopwatch, done: int) -> Job[Result]:
    """A job whose events all report the overall progress; it can be stopped at any yield."""
    return relay(job, lambda _event: watch.progress(done))
