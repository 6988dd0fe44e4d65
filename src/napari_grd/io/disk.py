"""Whether there is room on a disk, told before it is full."""

import shutil
from pathlib import Path

from napari_grd.errors import OutputError
from napari_grd.jobs import Job, Notice

_MUCH = 0.5  # share of what is free above which it is told


def size_on_disk(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def check_disk(folder: Path, needed: int, what: str) -> Job[None]:
    """Tell beforehand if a job takes much of the free disk.

    Parameters
    ----------
    folder : Path
        Where it writes to.
    needed : int
        Bytes that it will write.
    what : str
        Begins the message: "The answers of the teacher".

    Yields
    ------
    Notice
        If it takes more than half of what is free.

    Raises
    ------
    OutputError
        If it takes more than that.
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError:  # not every file system tells
        return
    if needed > free:
        raise OutputError(
            f"{what} take about {_gib(needed)}, and {_gib(free)} are free on the disk of {str(folder)!r}.",
            "Make room, or choose a folder on another disk.",
        )
    if needed > _MUCH * free:
        yield Notice(f"{what} will take about {_gib(needed)} of the {_gib(free)} that are free in {str(folder)!r}.")


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
