"""Corrections that survive a crash.

Every correction, undo and redo is a line that is on the disk before the
caller hears that it was accepted. The lines are words on corrections as in
:mod:`~napari_grd.corrections.collection`, so it does no harm if some are in
the GeoJSON file already: a kill between writing that and emptying the
journal costs nothing.
"""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from napari_grd.corrections.collection import Corrections, Entry
from napari_grd.corrections.files import (
    FORMAT,
    MAX_BYTES,
    SUFFIX,
    from_feature,
    image_from_json,
    image_to_json,
    load_corrections,
    parse_json,
    parse_time,
    save_corrections,
    to_feature,
    to_json,
)
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.kinds import Correction
from napari_grd.corrections.lines import LineFile
from napari_grd.errors import CorrectionError
from napari_grd.io.leftovers import flush_folder

JOURNAL_SUFFIX = ".grd-corrections.journal"

_LARGE = 16 << 20


class Journal:
    """Corrections of one image that are written down as they are made; see :func:`open_journal`.

    Attributes
    ----------
    corrections : Corrections
        What was accepted. Change it through the journal.
    path : Path
        The GeoJSON file.
    dropped : str or None
        A sentence for the user if the last line was cut short and left out.
    """

    def __init__(self, path: Path, corrections: Corrections, lines: LineFile, dropped: str | None = None) -> None:
        self.path = path
        self.corrections = corrections
        self.dropped = dropped
        self._lines = lines

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def journal_path(self) -> Path:
        """The journal, beside the GeoJSON file."""
        return self._lines.path

    def add(self, correction: Correction) -> Correction:
        """:meth:`Corrections.add`; when this returns, it is on the disk.

        Raises
        ------
        CorrectionError
            If it does not fit the image.
        OutputError
            If it cannot be written. It is then not accepted.
        """
        entry = self.corrections.to_add(correction)
        self._write({"changed": entry.changed.isoformat(), "feature": to_feature(entry, self.corrections.image)})
        return self.corrections.put(entry).correction

    def undo(self) -> Correction | None:
        """:meth:`Corrections.undo`, on the disk."""
        return self._decide(self.corrections.to_undo())

    def redo(self) -> Correction | None:
        """:meth:`Corrections.redo`, on the disk."""
        return self._decide(self.corrections.to_redo())

    def merge(self, other: Corrections) -> None:
        """Take in another's corrections, and fold everything into the GeoJSON file.

        Raises
        ------
        CorrectionError
            If they are of another image.
        OutputError
            If the file cannot be written.
        """
        merged = self.corrections.merge(other)
        self._fold(merged)
        self.corrections = merged

    def compact(self) -> Path:
        """Fold the journal into the GeoJSON file, and empty it.

        Returns
        -------
        Path
            The GeoJSON file.

        Raises
        ------
        OutputError
            If one of the two cannot be written. Nothing is lost then.
        """
        self._fold(self.corrections)
        return self.path

    def close(self) -> None:
        """Close the journal; nothing needs saving."""
        self._lines.close()

    def _decide(self, entry: Entry | None) -> Correction | None:
        if entry is None:
            return None
        self._write({"changed": entry.changed.isoformat(), "counts": entry.counts, "id": entry.correction.id})
        return self.corrections.put(entry).correction

    def _write(self, content: dict[str, Any]) -> None:
        if self._lines.size > _LARGE:
            self._fold(self.corrections)
        self._lines.append(to_json(content).encode("utf-8"))

    def _fold(self, corrections: Corrections) -> None:
        save_corrections(corrections, self.path)
        flush_folder(self.path.parent)  # the new name has to be on the disk before the lines are gone
        self._lines.restart(_header(corrections.image))


def open_journal(path: str | Path, image: ImageRef) -> Journal:
    """Open the corrections of an image, and recover what a crash left.

    Parameters
    ----------
    path : str or Path
        The GeoJSON file (:data:`~napari_grd.corrections.files.SUFFIX`), which
        need not exist. The journal lies beside it.
    image : ImageRef
        The image they are of.

    Returns
    -------
    Journal
        A context manager. Its ``corrections`` are those of the file and of the
        journal; ``dropped`` tells if the last line was cut short, which happens
        only to a correction that was never accepted.

    Raises
    ------
    CorrectionError
        If the file or the journal is damaged elsewhere, or of another image.
    OutputError
        If the journal cannot be written, or another program has it open.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from napari_grd.corrections import Merge
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / f"cells{SUFFIX}"
    ...     with open_journal(path, ImageRef((64, 64))) as journal:
    ...         _ = journal.add(Merge([(5, 5), (5, 20)]))
    ...     with open_journal(path, ImageRef((64, 64))) as journal:  # as after a crash
    ...         len(journal.corrections)
    1
    """
    path = Path(path)
    lines = LineFile(path.with_name(path.name.removesuffix(SUFFIX) + JOURNAL_SUFFIX))
    try:
        corrections = load_corrections(path, image) if path.exists() else Corrections(image)
        found, torn = lines.read(MAX_BYTES)
        _replay(found, corrections, lines.path)
        if not found:
            lines.restart(_header(corrections.image))
    except BaseException:
        lines.close()
        raise
    cut = f"The last line of {str(lines.path)!r} was cut short and left out; it had not been accepted."
    return Journal(path, corrections, lines, cut if torn else None)


def _header(image: ImageRef) -> bytes:
    return to_json({"format": FORMAT, "image": image_to_json(image)}).encode("utf-8")


def _replay(lines: list[bytes], corrections: Corrections, path: Path) -> None:
    """Put the lines of a journal into corrections."""
    known = {entry.correction.id: entry.correction for entry in corrections.entries}
    for number, line in enumerate(lines, start=1):
        try:
            content = parse_json(line)
            if not isinstance(content, dict):
                raise CorrectionError(f"it is {content!r:.80}, not an object.", "")
            if number == 1:
                _check_header(content, corrections)
            else:
                entry = _entry(content, corrections.image, known)
                known[entry.correction.id] = corrections.put(entry).correction
        except CorrectionError as error:
            raise CorrectionError(
                f"Line {number} of {str(path)!r}: {error.problem}",
                error.remedy if number == 1 else f"{error.remedy} The other lines can be read without it.".strip(),
            ) from None


def _check_header(content: dict[str, Any], corrections: Corrections) -> None:
    if content.get("format") != FORMAT:
        raise CorrectionError(f"the format is {content.get('format')!r:.80}, not {FORMAT}.", "Update napari-grd.")
    corrections.image = corrections.image.merged(image_from_json(content.get("image")))


def _entry(content: dict[str, Any], image: ImageRef, known: dict[str, Correction]) -> Entry:
    if "feature" in content:
        return from_feature(content["feature"], image)
    changed, counts = parse_time(content.get("changed"), "changed"), content.get("counts")
    about = known.get(str(content.get("id")))
    if about is None or not isinstance(counts, bool):
        raise CorrectionError(f"it is about no correction before it ({content!r:.80}).", "")
    return Entry(about, counts, changed)
