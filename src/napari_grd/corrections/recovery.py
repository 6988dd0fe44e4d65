"""Reading what a journal of corrections holds, without opening it for more."""

from pathlib import Path
from typing import Any

from napari_grd.corrections.collection import Corrections, Entry
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
from napari_grd.corrections.kinds import Correction
from napari_grd.errors import CorrectionError


def load_journal(path: Path, image: ImageRef | None = None) -> Corrections:
    """The corrections of a journal, and of the GeoJSON file beside it, as after a crash; neither is changed.

    Raises
    ------
    CorrectionError
        If it cannot be read, is damaged before its last line, or is of another image.
    """
    beside = path.with_name(path.name.removesuffix(JOURNAL_SUFFIX) + SUFFIX)
    text = read_limited(path, JOURNAL_SUFFIX)
    lines = text.split(b"\n")[:-1]  # a line that was cut short had not been accepted
    if not lines:
        raise CorrectionError(f"{str(path)!r} has no corrections.", f"Pass {str(beside)!r}, if there is one.")
    try:
        own = read_header(as_object(lines[0]))
        found = Corrections(own if image is None else own.merged(image))
    except CorrectionError as error:
        raise CorrectionError(f"Line 1 of {str(path)!r}: {error.problem}", error.remedy) from None
    if beside.exists():
        for entry in read_geojson(beside, found.image).entries:
            found.put(entry)
    replay(found, lines[1:], path)
    return found


def replay(corrections: Corrections, lines: list[bytes], path: Path) -> None:
    """Put the lines of a journal after the first, which is its header, into corrections."""
    known = {entry.correction.id: entry.correction for entry in corrections.entries}
    for number, line in enumerate(lines, start=2):
        try:
            entry = _entry(known, corrections.image, as_object(line))
            corrections.put(entry)
            known[entry.correction.id] = entry.correction
        except CorrectionError as error:
            remedy = f"{error.remedy} The other lines can be read without it.".strip()
            raise CorrectionError(f"Line {number} of {str(path)!r}: {error.problem}", remedy) from None


def as_object(line: bytes) -> dict[str, Any]:
    """A line of a journal.

    Raises
    ------
    CorrectionError
        If it is no JSON object.
    """
    content = parse_json(line)
    if not isinstance(content, dict):
        raise CorrectionError(f"it is {content!r:.80}, not an object.", "")
    return content


def _entry(known: dict[str, Correction], image: ImageRef, content: dict[str, Any]) -> Entry:
    if "feature" in content:
        return from_feature(content["feature"], image)
    changed, counts = parse_time(content, "changed"), content.get("counts")
    about = known.get(str(content.get("id")))
    if about is None or not isinstance(counts, bool):
        raise CorrectionError(f"it is about no correction before it ({content!r:.80}).", "")
    return Entry(about, counts, changed)
