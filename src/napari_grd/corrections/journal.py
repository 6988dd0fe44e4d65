"""Corrections that survive a crash.

Every correction, undo and redo is a line that is on the disk before the
caller hears that it was accepted. The lines are words on corrections as in
:mod:`~napari_grd.corrections.collection`, so it does no harm if some are in
the GeoJSON file already: a kill between writing that and emptying the
journal costs nothing.
"""

import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from napari_grd.corrections.collection import Corrections, Entry
from napari_grd.corrections.features import from_feature, parse_time, to_feature
from napari_grd.corrections.files import (
    FORMAT,
    MAX_BYTES,
    SUFFIX,
    image_from_json,
    image_to_json,
    load_corrections,
    parse_json,
    save_corrections,
    to_json,
)
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.kinds import Correction
from napari_grd.errors import CorrectionError, OutputError

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
    journal_path : Path
        The journal, beside it.
    dropped : str or None
        A sentence for the user if the last line was cut short and left out.
    """

    def __init__(
        self, path: Path, journal_path: Path, corrections: Corrections, file: int, size: int, dropped: str | None
    ) -> None:
        self.path = path
        self.journal_path = journal_path
        self.corrections = corrections
        self.dropped = dropped
        self._file: int | None = file
        self._size = size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

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
            If it cannot be written. The journal is then as it was.
        """
        self._fold(self.corrections)
        return self.path

    def close(self) -> None:
        """Close the file; nothing needs saving."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _decide(self, entry: Entry | None) -> Correction | None:
        if entry is None:
            return None
        self._write({"changed": entry.changed.isoformat(), "counts": entry.counts, "id": entry.correction.id})
        return self.corrections.put(entry).correction

    def _fold(self, corrections: Corrections) -> None:
        self._open()
        save_corrections(corrections, self.path)
        _flush_folder(self.path.parent)  # the new name has to be on the disk before the lines are gone
        self._restart(corrections.image)

    def _restart(self, image: ImageRef) -> None:
        self._truncate(0)
        self._write({"format": FORMAT, "image": image_to_json(image)})

    def _open(self) -> int:
        if self._file is None:
            raise OutputError(f"{str(self.journal_path)!r} is closed.", "Open it again.")
        return self._file

    def _write(self, content: dict[str, Any]) -> None:
        if self._size > _LARGE:
            self._fold(self.corrections)
        file = self._open()
        line = to_json(content).encode("utf-8") + b"\n"
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(file, rest) :]
            os.fsync(file)
        except OSError as error:
            self._truncate(self._size)
            raise _failed(self.journal_path, error) from error
        self._size += len(line)

    def _truncate(self, size: int) -> None:
        file = self._open()
        try:
            os.ftruncate(file, size)
            os.fsync(file)
        except OSError as error:
            # Where the file now ends is unknown: what was appended could be read as part of a broken line.
            self.close()
            raise _failed(self.journal_path, error) from error
        self._size = size


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
        journal; ``dropped`` says if a last line was cut short, which happens
        only to a correction that was never accepted.

    Raises
    ------
    CorrectionError
        If the file or the journal is damaged elsewhere, or of another image.
    OutputError
        If the journal cannot be written.

    Notes
    -----
    One program at a time may have it open.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from napari_grd.corrections import Join
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / f"cells{SUFFIX}"
    ...     with open_journal(path, ImageRef((64, 64))) as journal:
    ...         _ = journal.add(Join([(5, 5), (5, 20)]))
    ...     with open_journal(path, ImageRef((64, 64))) as journal:  # as after a crash
    ...         len(journal.corrections)
    1
    """
    path = Path(path)
    corrections = load_corrections(path, image) if path.exists() else Corrections(image)
    stem = path.name.removesuffix(SUFFIX) if path.name.endswith(SUFFIX) else path.name
    journal_path = path.with_name(stem + JOURNAL_SUFFIX)
    kept, dropped = _recover(journal_path, corrections)
    try:
        file = os.open(journal_path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        _flush_folder(journal_path.parent)
    except OSError as error:
        raise _failed(journal_path, error) from error
    journal = Journal(path, journal_path, corrections, file, kept, dropped)
    try:
        if kept:
            journal._truncate(kept)  # a line is never appended to a torn one
        else:
            journal._restart(corrections.image)
    except BaseException:
        journal.close()
        raise
    return journal


def _recover(path: Path, corrections: Corrections) -> tuple[int, str | None]:
    """Put the lines of a journal into corrections: bytes of whole lines, and what to say if more followed."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return 0, None
    except OSError as error:
        raise CorrectionError(
            f"{str(path)!r} cannot be read ({error.strerror or error}).", "Close it elsewhere."
        ) from None
    if len(text) > MAX_BYTES:
        raise CorrectionError(f"{str(path)!r} has more than {MAX_BYTES} bytes.", "Move it away, and ask us for help.")
    whole = text.rfind(b"\n") + 1
    lines = text[:whole].splitlines()
    known = {entry.correction.id: entry.correction for entry in corrections.entries}
    for number, line in enumerate(lines, start=1):
        try:
            _replay(parse_json(line), number, corrections, known)
        except CorrectionError as error:
            raise CorrectionError(
                f"Line {number} of {str(path)!r}: {error.problem}",
                f"{error.remedy} Without that line, the others can be read.",
            ) from None
    if whole == len(text):
        return whole, None
    return whole, f"The last line of {str(path)!r} was cut short and left out; it had not been accepted."


def _replay(content: Any, number: int, corrections: Corrections, known: dict[str, Correction]) -> None:
    if not isinstance(content, dict):
        raise CorrectionError("it is not an object.", "")
    if number == 1:
        if content.get("format") != FORMAT:
            raise CorrectionError(f"the format is {content.get('format')!r:.80}, not {FORMAT}.", "Update napari-grd.")
        corrections.image = corrections.image.merged(image_from_json(content.get("image")))
    elif "feature" in content:
        correction = corrections.put(from_feature(content["feature"], corrections.image)).correction
        known[correction.id] = correction
    else:
        changed, counts = parse_time(content.get("changed"), "changed"), content.get("counts")
        about = known.get(str(content.get("id")))
        if about is None or not isinstance(counts, bool):
            raise CorrectionError(f"it is about no correction before it ({content!r:.80}).", "")
        corrections.put(Entry(about, counts, changed))


def _flush_folder(folder: Path) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be opened, and its entries are written through
        return
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _failed(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{str(path)!r} cannot be written ({error.strerror or error}), so the correction was not accepted.",
        "Free some space, or save the corrections elsewhere.",
    )
