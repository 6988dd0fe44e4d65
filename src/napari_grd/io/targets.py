"""Targets of results: an existing file, a new file, or a stream; and errors for everything else."""

import errno
import os
import re
import shutil
import stat
import time
from pathlib import Path

from napari_grd.errors import OutputError

_OPENED = re.compile(r"/dev/fd/(\d{1,6})|/proc/self/fd/(\d{1,6})", re.A)
_STANDARD = {"/dev/stdout": 1, "/dev/stderr": 2}
_MOST_LINKS = 40
_PATIENCE = 3.0  # seconds to wait for the reader of a pipe: the work is already done


class Target:
    """The target of a result.

    Parameters
    ----------
    path : str or Path
        As requested.

    Attributes
    ----------
    path : Path
        The same.
    final : Path
        The path with links resolved.
    found : os.stat_result or None
        Status of the existing file.
    is_stream : bool
        Whether it is written to directly (a pipe, a terminal, ``/dev/null``) and never replaced.

    Raises
    ------
    OutputError
        If it can be neither written nor replaced.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.found = _stat(self.path)
            self._number = _descriptor(self.path)
            self.is_stream = self._number is not None or _is_stream(self.found)
            self.final = self.path if self.is_stream else Path(os.path.realpath(self.path))
        except (OSError, ValueError) as error:
            raise output_error(self.path, error) from None
        if self.found is not None:
            self._check(self.found)

    @property
    def suffix(self) -> str:
        """The last two suffixes, as in ``.ome.tif``."""
        return "".join(self.final.suffixes[-2:])

    def keep_mode(self, temporary: Path) -> None:
        """Copy owner and permissions from the file that is replaced."""
        if self.found is None:
            return
        if hasattr(os, "chown") and os.geteuid() == 0:
            os.chown(temporary, self.found.st_uid, self.found.st_gid)
        temporary.chmod(stat.S_IMODE(self.found.st_mode))

    def stream(self, temporary: Path) -> None:
        """Write the content of a file to the stream."""
        number = self._opened() if self._number is None else os.dup(self._number)
        with os.fdopen(number, "wb") as sink, temporary.open("rb") as source:
            shutil.copyfileobj(source, sink)

    def _opened(self) -> int:
        """The stream's file descriptor. A pipe without a reader is an error, not an endless wait."""
        flags = os.O_WRONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                number = os.open(self.path, flags)
            except OSError as error:
                if error.errno != errno.ENXIO or not self.path.is_fifo() or time.monotonic() > end:
                    raise
                time.sleep(0.05)
                continue
            if hasattr(os, "set_blocking"):
                os.set_blocking(number, True)
            return number

    def _check(self, status: os.stat_result) -> None:
        name, mode = repr(str(self.path)), status.st_mode
        if self.is_stream:
            return
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            what = "a socket" if stat.S_ISSOCK(mode) else "a device"
            raise OutputError(f"{name} is {what}, not a file.", "Choose a file name.")
        # Write protection is respected for the superuser, too.
        if not mode & 0o222 or not os.access(self.final, os.W_OK):
            raise OutputError(f"{name} is write-protected.", "Choose another name, or allow writing to it.")


def output_error(path: Path, error: Exception) -> OutputError:
    """The error for a target that cannot be written."""
    name, folder = repr(str(path)), repr(str(path.parent))
    number = getattr(error, "errno", None)
    if isinstance(error, ValueError):
        return OutputError(f"{name} is not a valid file name ({error}).", "Choose another name.")
    if number == errno.ENAMETOOLONG:
        size = len(os.fsencode(path.name))
        return OutputError(
            f"{name[:80]}… is too long a name ({size} bytes).", "Choose a shorter one, at most 255 bytes."
        )
    if number == errno.ELOOP:
        return OutputError(f"{name} is a link that leads back to itself.", "Remove the link, or choose another name.")
    if number == errno.ENXIO:
        return OutputError(f"{name} cannot be written: it has no reader.", "Start the reader first.")
    if number == errno.EPIPE:
        return OutputError(f"{name} cannot be written: its reader has ended.", "Let the reader read to the end.")
    if number in (errno.ENOENT, errno.ENOTDIR) and not path.parent.is_dir():
        return OutputError(f"{name} cannot be written: there is no folder {folder}.", "Create it or choose another.")
    if number == errno.ENOENT and path.is_symlink():
        return OutputError(f"{name} is a link into a folder that does not exist.", "Correct or remove the link.")
    if number in (errno.EACCES, errno.EPERM):
        return OutputError(
            f"{name} cannot be written: no permission.",
            "Choose a folder of your own, or close the program that has the file open.",
        )
    if number == errno.EROFS:
        return OutputError(
            f"{name} cannot be written: {folder} is on a read-only file system.", "Choose another folder."
        )
    if number in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(
            f"{name} cannot be written: no space is left.", "Free some space, or choose a folder on another disk."
        )
    return OutputError(f"{name} cannot be written ({error}).", "Choose another folder or file name.")


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _is_stream(status: os.stat_result | None) -> bool:
    return status is not None and (stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode))


def _descriptor(path: Path) -> int | None:
    """The file descriptor that a shell opened for this program, if the name refers to one: it is never replaced."""
    address = str(path.absolute())
    for _ in range(_MOST_LINKS):
        if address in _STANDARD:
            return _STANDARD[address]
        if match := _OPENED.fullmatch(address):
            return int(match[1] or match[2])
        if not os.path.islink(address):  # noqa: PTH114 - joined below as the system does
            return None
        address = os.path.normpath(os.path.join(os.path.dirname(address), os.readlink(address)))  # noqa: PTH115, PTH118, PTH120
    return None
