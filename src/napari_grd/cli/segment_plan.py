"""The plan of segment: the images, and the output file of each."""

import glob
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from napari_grd.cli.failures import Failures
from napari_grd.errors import DataError, GrdError, OutputError
from napari_grd.jobs import Job, Notice, Stopwatch

Format = Literal["tiff", "ome-zarr"]
SUFFIXES: dict[Format, str] = {"tiff": ".tif", "ome-zarr": ".ome.zarr"}


@dataclass(frozen=True)
class ImageFile:
    """A file to segment.

    Attributes
    ----------
    path : Path
        The file.
    below : Path
        Subfolder of the output folder for its labels.
    """

    path: Path
    below: Path = Path()


@dataclass(frozen=True)
class Work:
    """One image of a file.

    Attributes
    ----------
    path : Path
        The file.
    series : int
        Index of the image in the file.
    of_several : bool
        Whether the file has several images.
    name : str
        Name of the image.
    target : Path
        The file for its labels.
    """

    path: Path
    series: int
    of_several: bool
    name: str
    target: Path


def find_files(
    inputs: Sequence[Path], out: Path, *, recursive: bool, pattern: str | None, failures: Failures
) -> tuple[list[ImageFile], list[str]]:
    """Images among files and folders, and notes on skipped files.

    A named file that is not an image is a failure; results of segmentation programs that a shell's ``*`` matched are
    skipped, and so is everything in the output folder.

    Raises
    ------
    DataError
        If a folder contains no image, and nothing else was named.
    """
    from napari_grd.io.listing import LABEL_FOLDERS, is_leftover, list_images, without_doubles
    from napari_grd.io.names import named, suffix_of

    named_paths = _expanded(inputs)
    several = len(named_paths) > 1
    files: list[ImageFile] = []
    notes: list[str] = []
    alone: list[Path] = []
    leftovers: list[Path] = []
    results = out.resolve()
    for path in named_paths:
        if path.is_dir() and suffix_of(path) != ".zarr":
            if several and (path.name.lower() in LABEL_FOLDERS or path.resolve() == results):
                leftovers.append(path)
                continue
            try:
                listing = list_images(path, recursive=recursive, pattern=pattern)
            except DataError as error:
                if not several:
                    raise
                failures.add(path, error)
                continue
            root = path / "images" if (path / "images").is_dir() else path
            notes += listing.notes
            asked = results == root.resolve() or results in root.resolve().parents  # for files in --out itself
            for image in listing.images:
                if not asked and results in image.resolve().parents:
                    leftovers.append(image)
                else:
                    files.append(ImageFile(image, image.parent.relative_to(root)))
        elif not path.exists():
            failures.add(path, DataError(f"There is no image {str(path)!r}.", "Check the path."))
        elif several and is_leftover(path):
            leftovers.append(path)
        else:
            alone.append(path)
    kept, repeated = without_doubles([path for path in alone if _is_known(path)])
    notes += repeated
    files += [ImageFile(path) for path in [*kept, *(path for path in alone if not _is_known(path))]]
    if leftovers:
        notes.append(f"Segmentation results were skipped: {named(leftovers)}.")
    if not files and not failures.messages:
        raise DataError(
            f"There is no image to segment: {', '.join(notes) or 'nothing was named.'}",
            "Name images, or folders of them.",
        )
    unique = {file.path.absolute(): file for file in reversed(files)}
    return list(reversed(unique.values())), notes


def iter_plan(
    files: Sequence[ImageFile], out: Path, form: Format, wanted: Sequence[str], failures: Failures
) -> Job[list[Work]]:
    """List the images of each file, and assign an output file to each image.

    Parameters
    ----------
    files : sequence of ImageFile
    out : Path
        The output folder.
    form : {"tiff", "ome-zarr"}
    wanted : sequence of str
        Series by name or number; empty for all.
    failures : Failures
        Collects files that cannot be read.
    """
    from napari_grd.io.images import list_series
    from napari_grd.io.names import image_name, image_stem, suffix_of

    watch = Stopwatch("Looking into files", len(files))
    images: list[tuple[ImageFile, int, tuple[str, ...]]] = []
    for done, file in enumerate(files):
        yield watch.progress(done)
        try:
            names = list_series(file.path)
            images += [(file, number, names) for number in _chosen(file.path, names, wanted)]
        except GrdError as error:
            failures.add(file.path, error)
    yield watch.progress(len(files))
    suffix = SUFFIXES[form]

    def works(places: Sequence[ImageFile]) -> list[Work]:
        plan = []
        for place, (file, number, names) in zip(places, images, strict=True):
            name = image_name(file.path, number, names)
            plan.append(Work(file.path, number, len(names) > 1, name, out / place.below / f"{name}{suffix}"))
        return plan

    plan = works([file for file, _, _ in images])
    if len(_twice(plan)) and len({file.path.parent for file, _, _ in images}) > 1:
        # Folders with files of the same names: each keeps its path relative to their common parent.
        common = Path(os.path.commonpath([file.path.resolve().parent for file, _, _ in images]))
        places = [replace(file, below=file.path.resolve().parent.relative_to(common)) for file, _, _ in images]
        plan = works(places)
        yield Notice(f"Images of different folders have the same names: their labels go into subfolders of {out}.")
    twice = _twice(plan)
    if twice:  # one folder, one stem, other formats
        plan = [
            replace(work, target=work.target.with_name(f"{work.name}_{suffix_of(work.path)[1:]}{suffix}"))
            if work.target in twice and image_stem(work.path) != work.path.name
            else work
            for work in plan
        ]
    if left := _twice(plan):
        raise OutputError(
            f"Several images would be written to {str(next(iter(left)))!r}.", "Segment them into different folders."
        )
    return plan


def check_targets(
    plan: Sequence[Work],
    out: Path,
    *,
    force: bool,
    skip_existing: bool,
    others: Callable[[Path], Sequence[Path]],
) -> tuple[list[Work], int]:
    """Images to segment, and the number of those with labels; ``others`` are written beside a label image.

    Raises
    ------
    OutputError
        If labels would overwrite images, or anything at all without ``force``.
    """
    images = {work.path.resolve() for work in plan}
    if any(work.target.resolve() in images for work in plan):
        raise OutputError(f"The labels would overwrite the images in {str(out)!r}.", "Choose another --out folder.")
    if skip_existing:
        left = [work for work in plan if not work.target.exists()]
        return left, len(plan) - len(left)
    there = [path for work in plan for path in (work.target, *others(work.target)) if path.exists()]
    if there and not force:
        raise OutputError(
            f"{len(there)} of the output files exist already, the first: {str(there[0])!r}.",
            "Use --force to overwrite, --skip-existing to continue, or another --out folder.",
        )
    return list(plan), 0


def outline_paths(target: Path) -> tuple[Path, Path]:
    """Suffixes of outline images beside a label image: of a plane, and of a stack."""
    from napari_grd.io.names import image_stem

    stem = image_stem(target)
    return target.with_name(f"{stem}-outlines.png"), target.with_name(f"{stem}-outlines.tif")


def _expanded(inputs: Sequence[Path]) -> list[Path]:
    """Inputs with patterns that the shell has not expanded (on Windows, or quoted)."""
    expanded: list[Path] = []
    for path in inputs:
        magic = not path.exists() and glob.has_magic(str(path))
        matches = sorted(glob.glob(str(path))) if magic else []  # noqa: PTH207  # from anywhere, not below one folder
        expanded += [Path(match) for match in matches] or [path]
    return expanded


def _is_known(path: Path) -> bool:
    from napari_grd.io.names import COMPANION, SUFFIXES, suffix_of

    return suffix_of(path) in SUFFIXES or path.name.lower().endswith(COMPANION)


def _chosen(path: Path, names: tuple[str, ...], wanted: Sequence[str]) -> list[int]:
    if not wanted:
        return list(range(len(names)))
    numbers = []
    for text in wanted:
        if text in names:
            numbers.append(names.index(text))
        elif text.isdecimal() and len(text) < 10 and int(text) < len(names):
            numbers.append(int(text))
        else:
            raise DataError(
                f"{str(path)!r} has no series {text!r}.",
                f"It has {len(names)}: {', '.join(f'{number} ({name})' for number, name in enumerate(names[:8]))}.",
            )
    return list(dict.fromkeys(numbers))


def _twice(plan: Sequence[Work]) -> set[Path]:
    # File systems of Windows and macOS are case-insensitive.
    counts = Counter(str(work.target).casefold() for work in plan)
    return {work.target for work in plan if counts[str(work.target).casefold()] > 1}
