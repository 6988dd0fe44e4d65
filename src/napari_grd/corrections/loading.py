"""Reading corrections from a file, or from the journal that a crash left beside it."""

from pathlib import Path
from typing import Any

from napari_grd.corrections.collection import Corrections, Entry
from napari_grd.corrections.correction import Correction
from napari_grd.corrections.files import (
    JOURNAL_SUFFIX,
    SUFFIX,
    from_feature,
    parse_json,
    parse_time,
    read_geojson,
    read_header,
    read_limited,
)
from napari_grd.corrections.image import ImageRef
from napari_grd.errors import CorrectionError, naming


def load_corrections(path: str | Path, image: ImageRef | None = None) -> Corrections:
    """Read a corrections file.

    Parameters
    ----------
    path : str or Path
        The file, or the journal that a crash left, which is read together with the file beside it.
    image : ImageRef, optional
        The image that the corrections are meant for.

    Returns
    -------
    Corrections
        In the order in which they were made, with those that were undone.

    Raises
    ------
    CorrectionError
        If the file cannot be read, is damaged or too large, is not a corrections file, or is of another image.
        The message names the file and what is wrong.

    See Also
    --------
    save_corrections : Write the file.
    segment : Segment an image and apply corrections.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from napari_grd.corrections.files import SUFFIX, save_corrections
    >>> with TemporaryDirectory() as folder:
    ...     path = save_corrections(Corrections(ImageRef((64, 64))), Path(folder) / f"cells{SUFFIX}")
    ...     len(load_corrections(path, ImageRef((64, 64))))
    0
    """
    path = Path(path)
    if not path.name.lower().endswith(JOURNAL_SUFFIX):
        return read_geojson(path, image)
    beside = path.with_name(path.name.removesuffix(JOURNAL_SUFFIX) + SUFFIX)
    lines = read_limited(path, JOURNAL_SUFFIX).split(b"\n")[:-1]  # a line that was cut short had not been accepted
    if not lines:
        raise CorrectionError(f"{str(path)!r} has no corrections.", f"Pass {str(beside)!r}, if there is one.")
    return recovered(path, lines, beside, image)


def recovered(journal: Path, lines: list[bytes], path: Path, image: ImageRef | None) -> Corrections:
    """The corrections of a GeoJSON file, if it exists, and of the lines of its journal."""
    if lines:
        with naming(f"Line 1 of {str(journal)!r}"):
            own = read_header(_as_object(lines[0]))
            image = own if image is None else own.merged(image)
    assert image is not None
    corrections = read_geojson(path, image) if path.exists() else Corrections(image)
    by_id = {entry.correction.id: entry.correction for entry in corrections.entries}
    for number, line in enumerate(lines[1:], start=2):
        with naming(f"Line {number} of {str(journal)!r}", "The other lines can be read without it."):
            entry = _entry(by_id, corrections.image, _as_object(line))
            corrections.put(entry)
            by_id[entry.correction.id] = entry.correction
    return corrections


def _as_object(line: bytes) -> dict[str, Any]:
    content = parse_json(line)
    if not isinstance(content, dict):
        raise CorrectionError(f"it is {content!r:.80}, not an object.", "")
    return content


def _entry(by_id: dict[str, Correction], image: ImageRef, content: dict[str, Any]) -> Entry:
    if "feature" in content:
        return from_feature(content["feature"], image)
    changed, counts = parse_time(content, "changed"), content.get("counts")
    correction = by_id.get(str(content.get("id")))
    if correction is None or not isinstance(counts, bool):
        raise CorrectionError(f"it is about no correction before it ({content!r:.80}).", "")
    return Entry(correction, counts, changed)
