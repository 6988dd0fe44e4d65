"""Notes on many files, limited per kind."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from napari_grd.jobs import Notice

_MOST = 3  # maximum number of notes of one kind


class Notes:
    """Reports a few notes of each kind, and counts the rest.

    Two notes are of the same kind if they differ only in names and numbers.

    Examples
    --------
    >>> notes = Notes()
    >>> [n.message for file in "abcde" for n in notes.tell([f"{file}.tif is a mask."], Path(f"{file}.tif"))]
    ['a.tif is a mask.', 'b.tif is a mask.', 'c.tif is a mask.']
    >>> [n.message for n in notes.rest()]
    ['2 more files are like this: c.tif is a mask.']
    """

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()
        self._last: dict[str, str] = {}

    def tell(self, notes: Iterable[str], *files: Path | None) -> Iterator[Notice]:
        """Yield the notes on a file, or on several that belong together, that are to be reported now."""
        for note in notes:
            kind = note
            for file in files:
                kind = kind if file is None else kind.replace(str(file), "#").replace(file.name, "#")
            kind = re.sub(r"\d+|'[^']*'", "#", kind)
            self._seen[kind] += 1
            if self._seen[kind] <= _MOST:
                self._last[kind] = note
                yield Notice(note)

    def rest(self) -> Iterator[Notice]:
        """Yield the number of the remaining notes."""
        for kind, count in self._seen.items():
            if count > _MOST:
                more = count - _MOST
                what = "1 more file is" if more == 1 else f"{more} more files are"
                yield Notice(f"{what} like this: {self._last[kind]}")
