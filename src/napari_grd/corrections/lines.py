"""A file of lines that only grows, and survives a kill at any time."""

import os
from pathlib import Path

from napari_grd.errors import OutputError
from napari_grd.io.leftovers import flush_folder
from napari_grd.io.lock import Lock


class LineFile:
    """Lines of bytes; each is on the disk, whole, before :meth:`append` returns. The file is made if there is none.

    It is locked for as long as it is open (:mod:`napari_grd.io.lock`), so that no other program appends what this one
    then empties. What cannot be read or written raises an `OutputError`. ``size`` counts the bytes of all whole lines.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = LineFile(Path(folder) / "lines")
    ...     file.append(b"one")
    ...     file.close()
    ...     _ = file.path.write_bytes(file.path.read_bytes() + b"tw")  # killed while it wrote "two"
    ...     file = LineFile(file.path)
    ...     print(file.read(100))
    ...     file.close()
    ([b'one'], True)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._file: int | None = None
        self._lock = Lock.beside(path, repr(str(path)), "Close the image there first.")
        self._lock.acquire()
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
            flush_folder(path.parent)
        except OSError as error:
            self.close()
            raise self._failed(error) from error

    def read(self, limit: int) -> tuple[list[bytes], bool]:
        """All whole lines, and whether a cut one followed, which is removed; an error beyond ``limit`` bytes."""
        size = os.fstat(self._opened()).st_size
        if size > limit:
            raise OutputError(f"{str(self.path)!r} has {size} bytes, more than {limit}.", "Move it away.")
        try:
            text = self.path.read_bytes()
        except OSError as error:
            raise self._failed(error) from error
        whole, newline, torn = text.rpartition(b"\n")
        self.size = len(whole) + len(newline)
        if torn:
            self._truncate(self.size)  # else the next line would be appended to it
        return whole.split(b"\n") if newline else [], bool(torn)

    def append(self, line: bytes) -> None:
        """Add a line. One that could not be written is not in the file; if even that is unsure, the file is closed."""
        file = self._opened()
        try:
            rest = memoryview(line + b"\n")
            while rest:
                rest = rest[os.write(file, rest) :]
            os.fsync(file)
        except OSError as error:
            self._truncate(self.size)
            raise self._failed(error) from error
        self.size += len(line) + 1

    def restart(self, line: bytes) -> None:
        """Empty the file and write its first line; if that fails the file is closed, as it may lack that line."""
        self._truncate(0)
        try:
            self.append(line)
        except OutputError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; nothing needs saving."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._lock.release()

    def _opened(self) -> int:
        if self._file is None:
            raise OutputError(f"{str(self.path)!r} is closed.", "Open it again.")
        return self._file

    def _truncate(self, size: int) -> None:
        file = self._opened()
        try:
            os.ftruncate(file, size)
            os.fsync(file)
        except OSError as error:
            self.close()
            raise self._failed(error) from error
        self.size = size

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(
            f"{str(self.path)!r} cannot be written ({error.strerror or error}).",
            "Free some space, or choose another folder.",
        )
