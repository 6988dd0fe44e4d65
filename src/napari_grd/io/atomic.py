"""Atomic writing of files and folders, single or several together."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from napari_grd.errors import OutputError
from napari_grd.io.leftovers import Move, commit, discard, flush_folder, identity, sweep
from napari_grd.io.targets import Target, output_error
from napari_grd.io.writer import RETIRED, TEMPORARY, own_name


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Write a file under a temporary name and move it to its own when it is complete.

    The temporary file is in the same folder and has the same suffix. It is flushed to disk before it is renamed, so
    that neither a crash nor a kill leaves an incomplete file; an existing file is kept until then. Leftovers of killed
    processes in the folder are removed.

    Parameters
    ----------
    path : str or Path
        The final name. Its folder must exist. A link is followed. An existing file is replaced and its permissions are
        kept. A pipe or a character device (``/dev/stdout``, ``/dev/null``) is written to at the end.

    Yields
    ------
    Path
        The temporary file, which exists and is empty. It is removed if the
        block raises.

    Raises
    ------
    OutputError
        If the folder is missing or cannot be written to, the disk is full, the
        file is write-protected, the name is that of a folder, a socket or a disk, or any other operating system error
        occurs inside the block.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with atomic_path(Path(folder) / "note.txt") as temporary:
    ...         _ = temporary.write_text("whole")
    ...     (Path(folder) / "note.txt").read_text()
    'whole'
    """
    with atomic_paths(path) as (temporary,):
        yield temporary


@contextmanager
def atomic_paths(*paths: str | Path, opened: bool = False) -> Iterator[tuple[Path, ...]]:
    """Write several files that belong together, all or none; see :func:`atomic_path`.

    If the process is killed while the files are renamed, the next process that writes into the folder completes it.

    Parameters
    ----------
    *paths : str or Path
        The final names, in one folder.
    opened : bool, default False
        Whether other programs open the first file, which refers to the others: it is then removed while they are
        replaced, so that an old one is never read with new others.

    Yields
    ------
    tuple of Path
        The temporary files.

    Raises
    ------
    OutputError
        As :func:`atomic_path`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with atomic_paths(Path(folder) / "a.txt", Path(folder) / "b.txt") as (first, second):
    ...         _ = first.write_text("one"), second.write_text("two")
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['a.txt', 'b.txt']
    """
    targets = [Target(path) for path in paths]
    for target in targets:
        if target.final.is_dir():
            raise OutputError(f"{str(target.path)!r} is a folder.", "Choose a file name.")
    files = [target for target in targets if not target.is_stream]
    temporaries: list[Path] = []
    current = targets[0].path
    with ExitStack() as stack:
        try:
            for target in targets:
                current = target.path
                temporaries.append(_temporary(target, stack))
            current = targets[0].path
            yield tuple(temporaries)
            for target, temporary in zip(targets, temporaries, strict=True):
                current = target.path
                if target.is_stream:
                    target.stream(temporary)
                else:
                    target.keep_mode(temporary)
                    _flush(temporary)
            made = [temporary for temporary, target in zip(temporaries, targets, strict=True) if not target.is_stream]
            _take_names(files, made, opened)
        except OSError as error:
            raise output_error(current, error) from error


@contextmanager
def atomic_folder(path: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """Fill a folder under a temporary name and move it to its own when it is complete.

    Parameters
    ----------
    path : str or Path
        The final name. Its parent folder must exist.
    replace : bool, default False
        Whether an existing folder may be replaced. It is kept until the new one is complete. The two are exchanged in
        one step if the system supports that; otherwise, after a kill between two steps, the next process that writes
        there completes it.

    Yields
    ------
    Path
        The temporary folder, which exists and is empty. It is removed if the
        block raises.

    Raises
    ------
    OutputError
        If the name exists and may not be replaced, or any operating system error occurs inside the block.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with atomic_folder(Path(folder) / "notes") as temporary:
    ...         _ = (temporary / "a.txt").write_text("whole")
    ...     (Path(folder) / "notes" / "a.txt").read_text()
    'whole'
    """
    asked = Target(path)
    target = asked.final
    sweep(target.parent)
    if asked.is_stream or (target.exists() and not (replace and target.is_dir())):
        raise OutputError(f"{str(path)!r} exists already.", "Choose another name, or remove it first.")
    temporary = target.with_name(own_name(TEMPORARY, asked.suffix))
    try:
        temporary.mkdir()
        yield temporary
        if not target.exists():
            temporary.rename(target)
        elif not _exchange(temporary, target):
            move = Move(temporary.name, target.name, identity(target), own_name(RETIRED))
            commit(target.parent, [move])
        flush_folder(target.parent)
    except OSError as error:
        raise output_error(asked.path, error) from error
    finally:
        discard(temporary)


def make_folder(path: str | Path) -> Path:
    """Create a folder for results, with its parents; it may exist.

    Parameters
    ----------
    path : str or Path
        The folder.

    Raises
    ------
    OutputError
        If it cannot be created, e.g. because a file of that name exists.

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
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(
            f"The folder {str(path)!r:.200} cannot be created ({reason}).", "Choose another folder."
        ) from error
    return path


def _temporary(target: Target, stack: ExitStack) -> Path:
    if target.is_stream:
        temporary = Path(stack.enter_context(TemporaryDirectory())) / f"stream{target.suffix}"
        temporary.touch()
        return temporary
    sweep(target.final.parent)
    temporary = target.final.with_name(own_name(TEMPORARY, target.suffix))
    stack.callback(discard, temporary)
    # Not from tempfile: its files are private to the user, and would stay so under the final name.
    # Detects a folder without write access before the work is done.
    temporary.touch(mode=0o666 if target.found is None else 0o600, exist_ok=False)
    return temporary


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _take_names(targets: list[Target], temporaries: list[Path], opened: bool) -> None:
    if not targets:
        return
    folder = targets[0].final.parent
    several_folders = any(target.final.parent != folder for target in targets)
    if len(targets) == 1 or several_folders:  # links may lead to several folders
        for target, temporary in zip(targets, temporaries, strict=True):
            temporary.replace(target.final)
    else:
        aside = [own_name(RETIRED) if opened and not number else None for number in range(len(targets))]
        moves = [
            Move(temporary.name, target.final.name, identity(target.final), old)
            for target, temporary, old in zip(targets, temporaries, aside, strict=True)
        ]
        commit(folder, moves)
    flush_folder(folder)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two paths in one step; False if the system does not support it."""
    if sys.platform == "linux":
        name, arguments = "renameat2", (-100, os.fsencode(first), -100, os.fsencode(second), 2)
    elif sys.platform == "darwin":
        name, arguments = "renamex_np", (os.fsencode(first), os.fsencode(second), 2)  # type: ignore[unreachable,unused-ignore]
    else:
        return False  # type: ignore[unreachable,unused-ignore]
    try:
        call = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (AttributeError, OSError):
        return False
    return bool(call(*arguments) == 0)
