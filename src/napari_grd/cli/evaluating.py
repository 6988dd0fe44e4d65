"""The command evaluate."""

from pathlib import Path
from typing import Annotated

import typer

from napari_grd.cli.monitor import run
from napari_grd.cli.output import print_files, print_table
from napari_grd.errors import DataError, naming
from napari_grd.jobs import Job, Stopwatch

_ALL = "all"


def evaluate(
    reference: Annotated[Path, typer.Argument(help="The reference labels: a file, or a folder of label images.")],
    labels: Annotated[
        Path, typer.Argument(help="The labels to score: a file, or a folder of files with the same names.")
    ],
    min_size: Annotated[int, typer.Option(help="Ignore objects with fewer pixels.")] = 0,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write the scores of each image and of all images together.")
    ] = None,
) -> None:
    """Score label images against reference label images."""
    pairs = _pairs(labels, reference)
    scores = run(_iter_evaluate(pairs, min_size))
    rows = [[name, f"{value:.4f}"] for name, value in scores[_ALL].items()]
    print_table(f"{len(pairs)} image{'s' if len(pairs) > 1 else ''}", ["score", "value"], rows)
    if csv_file is not None:
        print_files([_write_csv(scores, csv_file)])


def _pairs(labels: Path, reference: Path) -> dict[str, tuple[Path, Path]]:
    """Pairs of files with the same name."""
    from napari_grd.io.listing import find_labels
    from napari_grd.io.names import image_stem

    folders = [path.is_dir() and path.suffix.lower() != ".zarr" for path in (labels, reference)]
    if folders[0] != folders[1]:
        raise DataError(
            f"Of {str(labels)!r} and {str(reference)!r} one is a folder.", "Give two files, or two folders."
        )
    if not folders[0]:
        return {image_stem(labels): (labels, reference)}
    segmented, true = find_labels(labels), find_labels(reference)
    if missing := sorted(true.keys() ^ segmented.keys()):
        raise DataError(
            f"{len(missing)} of the label images are in only one folder, the first: {missing[0]!r}.",
            "Remove them, or add the missing ones: an image without a counterpart has no score.",
        )
    return {name: (segmented[name], true[name]) for name in sorted(true)}


def _iter_evaluate(pairs: dict[str, tuple[Path, Path]], min_size: int) -> Job[dict[str, dict[str, float]]]:
    """Scores of each image by name, and of all images together."""
    from napari_grd.io.label_image import read_labels
    from napari_grd.io.notes import Notes
    from napari_grd.metrics.scores import evaluate as score

    watch = Stopwatch("Evaluating", len(pairs) + 1)
    scores, segmentations, references, notes = {}, [], [], Notes()
    for done, (name, files) in enumerate(pairs.items()):
        yield watch.progress(done)
        read = []
        for path in dict.fromkeys(files):
            read.append(read_labels(path))
            yield from notes.tell(read[-1].notes, path)
        segmented, true_labels = read[0].pixels, read[-1].pixels
        with naming(repr(str(files[0]))):
            scores[name] = score(reference=true_labels, labels=segmented, min_size=min_size).as_dict()
        segmentations.append(segmented)
        references.append(true_labels)
    yield watch.progress(len(pairs))
    yield from notes.rest()
    return scores | {_ALL: score(reference=references, labels=segmentations, min_size=min_size).as_dict()}


def _write_csv(scores: dict[str, dict[str, float]], path: Path) -> Path:
    from napari_grd.io.tables import write_csv

    columns = {name: [values[name] for values in scores.values()] for name in scores[_ALL]}
    return write_csv(path, {"image": list(scores), **columns})
