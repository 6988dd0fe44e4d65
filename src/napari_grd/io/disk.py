"""Checks of the free disk space, in advance."""

import shutil
from pathlib import Path

from napari_grd.errors import OutputError
from napari_grd.jobs import Job, Notice

MUCH = 0.5
"""Share of the free space, or of the available memory, above which a job is reported in advance."""


def size_on_disk(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def check_disk(folder: Path, needed: int, what: str) -> Job[None]:
    """Report in advance if a job needs much of the free disk space.

    Parameters
    ----------
    folder : Path
        Folder it writes to.
    needed : int
        Bytes that it will write.
    what : str
        Subject of the message: "The teacher's predictions".

    Yields
    ------
    Notice
        If it needs more than half of the free space.

    Raises
    ------
    OutputError
        If it needs more than the free space.
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError:  # not every file system reports it
        return
    if needed > free:
        raise OutputError(
            f"{what} need about {gib(needed)}, but {gib(free)} are free on the disk of {str(folder)!r}.",
            "Free disk space, or choose a folder on another disk.",
        )
    if needed > MUCH * free:
        yield Notice(f"{what} will take about {gib(needed)} of the {gib(free)} free in {str(folder)!r}.")


def gib(count: int) -> str:
    """A number of bytes, for messages.

    Examples
    --------
    >>> gib(3 << 29)
    '1.5 GiB'
    """
    return f"{count / 2**30:.1f} GiB"
