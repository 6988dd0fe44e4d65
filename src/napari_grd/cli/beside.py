"""Files beside a label image: its table, and its objects in other formats."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_grd.cli.measuring import measure_pixels, table_provenance
from napari_grd.errors import ConfigError
from napari_grd.jobs import Job

if TYPE_CHECKING:
    from napari_grd.io.label_pixels import LabelPixels
    from napari_grd.measurements.filtering import ObjectFilter

_TABLES = {"csv": ".csv", "parquet": ".parquet"}


def parse_kinds(texts: Sequence[str] | None) -> tuple[str, ...]:
    """The kinds of files to write beside each label image; one text may list several, separated by commas.

    Raises
    ------
    ConfigError
        If a kind is unknown.

    Examples
    --------
    >>> parse_kinds(["imagej,csv", "coco"])
    ('imagej', 'csv', 'coco')
    """
    suffixes = _suffixes()
    kinds = tuple(dict.fromkeys(kind.strip() for text in texts or () for kind in text.split(",")))
    for kind in kinds:
        if kind not in suffixes:
            raise ConfigError(f"--also {kind!r} is not a kind of file.", f"Choose of: {', '.join(suffixes)}.")
    return kinds


def paths_beside(target: Path, kinds: Sequence[str]) -> list[Path]:
    """Paths of the files beside the labels in ``target``, in the order of the kinds."""
    from napari_grd.io.names import image_stem

    suffixes = _suffixes()
    return [target.with_name(image_stem(target) + suffixes[kind]) for kind in kinds]


def iter_write_beside(
    target: Path, kinds: Sequence[str], pixels: "LabelPixels", image: str, objects: "ObjectFilter"
) -> Job[list[Path]]:
    """Write the files.

    Parameters
    ----------
    target : Path
        The file of the labels.
    kinds : sequence of str
        From :func:`parse_kinds`.
    pixels : LabelPixels
        The labels as in that file, and the channels to measure.
    image : str
        File name of the image.
    objects : ObjectFilter
        The filter that was applied, for the provenance.

    Raises
    ------
    GrdError
        If a file cannot be written.
    """
    from napari_grd.io.names import image_stem
    from napari_grd.io.objects.formats import iter_write_objects, object_format
    from napari_grd.io.objects.source import label_source

    paths = paths_beside(target, kinds)
    for kind, path in zip(kinds, paths, strict=True):
        if kind in _TABLES:
            measured = yield from measure_pixels(image_stem(target), pixels)
            measured.table.save(path, made_by=table_provenance(target.name, image, objects, [measured]))
        else:
            source = label_source(pixels.labels, image=image, calibration=pixels.calibration)
            yield from iter_write_objects(path, source, object_format("", kind), "object")
    return paths


def _suffixes() -> dict[str, str]:
    from napari_grd.io.objects.formats import SUFFIXES

    return {str(form): suffix for form, suffix in SUFFIXES.items()} | _TABLES
