"""Corrections that survive a crash.

Every correction, undo and redo is a line that is on the disk before the
caller hears that it was accepted. The lines are words on corrections as in
:mod:`~napari_grd.corrections.collection`, so it does no harm if some are in
the GeoJSON file already: a kill between writing that and emptying the
journal costs nothing.
"""

from pathlib import Path
from typing import Any, Self

from napari_grd.corrections.collection import Corrections, Entry
from napari_grd.corrections.correction import Correction
from napari_grd.corrections.files import (
    JOURNAL_SUFFIX,
    MAX_BYTES,
    SUFFIX,
    header,
    save_corrections,
    to_feature,
    to_json,
)
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.lines import LineFile
from napari_grd.corrections.loading import recovered
from napari_grd.io.leftovers import flush_folder

_LARGE = 16 << 20


class Journal(Corrections):
    """Corrections of one image that are written down as they are made; see :func:`open_journal`.

    When :meth:`add`, :meth:`undo` or :meth:`redo` returns, it is on the disk. What cannot be written raises an
    :class:`~napari_grd.errors.OutputError`, and is not accepted.

    Attributes
    ----------
    path : Path
        The GeoJSON file.
    journal_path : Path
        The journal, beside it.
    dropped : str or None
        A sentence for the user if the last line was cut short and left out.
    """

    def __init__(self, path: Path, image: ImageRef) -> None:
        super().__init__(image)
        self.path = path
        self.journal_path = path.with_name(path.name.removesuffix(SUFFIX) + JOURNAL_SUFFIX)
        self.dropped: str | None = None
        self._lines = LineFile(self.journal_path)
        try:
            lines, torn = self._lines.read(MAX_BYTES)
            self._take_over(recovered(self.journal_path, lines, path, image))
            if torn:
                where = repr(str(self.journal_path))
                self.dropped = f"The last line of {where} was cut short and left out; it had not been accepted."
            if not lines:
                self._lines.restart(to_json(header(self.image)))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def merge(self, other: Corrections) -> Corrections:
        """Take in another's corrections, and fold everything into the GeoJSON file.

        Raises
        ------
        CorrectionError
            If they are of another image.
        OutputError
            If the file cannot be written.
        """
        merged = super().merge(other)
        self._fold(merged)
        self._take_over(merged)
        return self

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
        self._fold(self)
        return self.path

    def close(self) -> None:
        """Close the journal; nothing needs saving."""
        self._lines.close()

    def _accept(self, entry: Entry) -> Correction:
        word: dict[str, Any] = {"changed": entry.changed.isoformat()}
        if entry.correction.id in self._entries:
            word |= {"counts": entry.counts, "id": entry.correction.id}
        else:
            word["feature"] = to_feature(entry, self.image)
        if self._lines.size > _LARGE:
            self._fold(self)
        self._lines.append(to_json(word))
        return super()._accept(entry)

    def _fold(self, corrections: Corrections) -> None:
        save_corrections(corrections, self.path)
        flush_folder(self.path.parent)  # the new name has to be on the disk before the lines are gone
        self._lines.restart(to_json(header(corrections.image)))

    def _take_over(self, corrections: Corrections) -> None:
        self.image = corrections.image
        for entry in corrections.entries:
            self.put(entry)


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
        A context manager. It has the corrections of the file and of the
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
    >>> from napari_grd.corrections.kinds import Merge
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / f"cells{SUFFIX}"
    ...     with open_journal(path, ImageRef((64, 64))) as journal:
    ...         _ = journal.add(Merge([(5, 5), (5, 20)]))
    ...     with open_journal(path, ImageRef((64, 64))) as journal:  # as after a crash
    ...         len(journal)
    1
    """
    return Journal(Path(path), image)
