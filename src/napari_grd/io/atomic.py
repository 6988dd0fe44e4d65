"""Files and folders that are either whole or not there."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from napari_grd.errors import OutputError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Write a file under a temporary name and move it to its own when it is complete.

    The temporary file lies in the same folder and keeps the suffix. It is
    flushed to the disk before it takes the final name, so that neither a crash
    nor a kill leaves half a file there; a file of that name survives until then.

    Parameters
    ----------
    path : str or Path
        The final name. Its folder has to exist. A link is followed.

    Yields
    ------
    Path
        The temporary file, which exists and is empty. It is removed if the
        block raises.

    Raises
    ------
    OutputError
        If the folder is missing or cannot be written to, the disk is full, or
        any other operating system error occurs inside the block.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with atomic_path(Path(folder) / "note.txt") as temporary:
    ...         _ = temporary.write_text("whole")
    ...     (Path(folder) / "note.txt").read_text()
    'whole'
    """
    path = Path(path)
    target = path.resolve()  # replacing a link itself would cut it off from its file
    if target.is_dir():
        raise OutputError(f"{str(path)!r} is a folder.", "Choose a file name.")
    # Not from tempfile: its files are private to the user, and would stay so under the final name.
    temporary = target.with_name(f".{uuid4().hex[:8]}-{target.name}")
    try:
        temporary.touch(exist_ok=False)  # finds a folder that cannot be written to before the work is done
        yield temporary
        _flush(temporary)
        temporary.replace(target)
    except OSError as error:
        raise _output_error(path, error) from error
    finally:
        _discard(temporary)


@contextmanager
def atomic_folder(path: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """Fill a folder under a temporary name and move it to its own when it is complete.

    Parameters
    ----------
    path : str or Path
        The final name. The folder it lies in has to exist.
    replace : bool, default False
        Whether a folder of that name may be thrown away. It survives until the
        new one is complete.

    Yields
    ------
    Path
        The temporary folder, which exists and is empty. It is removed if the
        block raises.

    Raises
    ------
    OutputError
        If there is something of that name that may not be replaced, or any
        operating system error occurs inside the block.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with atomic_folder(Path(folder) / "notes") as temporary:
    ...         _ = (temporary / "a.txt").write_text("whole")
    ...     (Path(folder) / "notes" / "a.txt").read_text()
    'whole'
    """
    path = Path(path)
    target = path.resolve()
    if target.exists() and not (replace and target.is_dir()):
        raise OutputError(f"{str(path)!r} exists already.", "Choose another name, or remove it first.")
    temporary = target.with_name(f".{uuid4().hex[:8]}-{target.name}")
    retired = target.with_name(f".{uuid4().hex[:8]}-old-{target.name}")
    try:
        temporary.mkdir()
        yield temporary
        if target.exists():
            target.rename(retired)  # a folder that is not empty cannot be replaced in one step
        temporary.rename(target)
    except OSError as error:
        if retired.exists() and not target.exists():
            retired.rename(target)
        raise _output_error(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(retired, ignore_errors=True)


def make_folder(path: str | Path) -> Path:
    """Make a folder for results, with its parents; one that exists is fine.

    Parameters
    ----------
    path : str or Path
        The folder.

    Raises
    ------
    OutputError
        If it cannot be made, e.g. because a file of that name exists.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     make_folder(Path(folder) / "a" / "b").is_dir()
    True
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {str(path)!r} cannot be made ({error.strerror or error}).", "Choose another folder."
        ) from error
    return path


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _discard(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # the error that brought us here tells more
        return


def _output_error(path: Path, error: OSError) -> OutputError:
    name, folder = repr(str(path)), repr(str(path.parent))
    if error.errno in (errno.ENOENT, errno.ENOTDIR) and not path.parent.is_dir():
        return OutputError(f"{name} cannot be written: there is no folder {folder}.", "Create it or choose another.")
    if error.errno in (errno.EACCES, errno.EPERM):
        return OutputError(
            f"{name} cannot be written: no permission.",
            "Choose a folder of your own, or close the program that holds the file open.",
        )
    if error.errno == errno.EROFS:
        return OutputError(
            f"{name} cannot be written: {folder} is on a read-only file system.", "Choose another folder."
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(
            f"{name} cannot be written: no space is left.", "Free some space, or choose a folder on another disk."
        )
    return OutputError(f"{name} cannot be written ({error}).", "Choose another folder or file name.")
