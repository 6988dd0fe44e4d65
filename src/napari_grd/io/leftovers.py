"""Leftovers of killed writers: commits are completed, everything else is removed.

Only names created by :func:`~napari_grd.io.writer.own_name` are considered, and only those of ended processes of this
computer.
"""

import json
import os
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from napari_grd.io.writer import COMMIT, RETIRED, TEMPORARY, USE, own_name, writer_of

_AGAIN = 60.0  # seconds until a folder is scanned again
_LARGEST = 1 << 20  # bytes of a commit
_swept: dict[Path, float] = {}


@dataclass(frozen=True)
class Move:
    """One of several files (or folders) that are renamed together in one folder.

    Attributes
    ----------
    new : str
        Temporary name of the complete file.
    target : str
        The final name.
    was : tuple of int, or None
        Identity of the file with that name before, see :func:`identity`.
    old : str or None
        Name for that file in between: a folder cannot be replaced in one step, and a file that refers to the others
        must not be visible while these change.
    """

    new: str
    target: str
    was: tuple[int, ...] | None
    old: str | None = None


def commit(folder: Path, moves: list[Move]) -> None:
    """Rename several files, so that after a kill at any time either all old or, finally, all new files exist.

    Once the commit is on disk, it is executed by this process, or by the next one that scans the folder.
    """
    draft, record = folder / own_name(TEMPORARY), folder / own_name(COMMIT, ".json")
    try:
        with draft.open("w", encoding="utf-8") as file:
            json.dump({"napari_grd_commit": 1, "moves": [asdict(move) for move in moves]}, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(record)
        flush_folder(folder)
        try:
            _carry_out(folder, moves)
        except KeyboardInterrupt:
            _carry_out(folder, moves)
            raise
        flush_folder(folder)
    finally:
        draft.unlink(missing_ok=True)
        record.unlink(missing_ok=True)


def identity(path: Path) -> tuple[int, ...] | None:
    """Identity of a file or folder, to detect a replacement."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def sweep(folder: Path) -> None:
    """Complete the commits and remove the leftovers of writers that have ended, at most once a minute per folder.

    Parameters
    ----------
    folder : Path
        It may be missing.
    """
    now = time.monotonic()
    if now - _swept.get(folder, -_AGAIN) < _AGAIN:
        return
    _swept[folder] = now
    sweep_now(folder)


def sweep_now(folder: Path) -> None:
    """:func:`sweep`, regardless of the last time."""
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.name.startswith(".grd-")]
    except OSError:
        return
    abandoned = [(name, made) for name in names if (made := writer_of(name)) is not None and made[1].gone]
    for name, (kind, _) in abandoned:
        if kind == COMMIT:
            _complete(folder / name)
    for name, (kind, _) in abandoned:
        if kind in (TEMPORARY, RETIRED, USE):
            discard(folder / name)


def discard(path: Path) -> None:
    """Remove a file or folder of ours, if it exists and can be removed."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    except OSError:  # the earlier error is more informative
        return


def flush_folder(folder: Path) -> None:
    """Flush a folder, so that the names of its files are on disk, too."""
    if os.name != "posix":  # elsewhere a folder cannot be opened, and its entries are written through
        return
    try:
        file = os.open(folder, os.O_RDONLY)
    except OSError:  # a folder may be writable, but not readable
        return
    try:
        os.fsync(file)
    except OSError:  # some network file systems cannot
        return
    finally:
        os.close(file)


def _carry_out(folder: Path, moves: list[Move]) -> None:
    left = [move for move in moves if os.path.lexists(folder / move.new)]
    for move in left:
        if move.old is not None and (folder / move.target).exists():
            (folder / move.target).rename(folder / move.old)
    for move in reversed(left):
        (folder / move.new).replace(folder / move.target)
    for move in moves:
        if move.old is not None:
            discard(folder / move.old)


def _complete(record: Path) -> None:
    """Complete a commit whose writer was killed, unless the same files were written since."""
    moves = _read(record)
    left = [move for move in moves if os.path.lexists(record.parent / move.new)]
    current = [identity(record.parent / move.target) for move in left]
    try:
        if all(now is None or now == move.was for move, now in zip(left, current, strict=True)):
            _carry_out(record.parent, left)
        record.unlink(missing_ok=True)
    except OSError:
        return


def _read(record: Path) -> list[Move]:
    try:
        if record.stat().st_size > _LARGEST:
            return []
        content = json.loads(record.read_bytes())
        moves = [
            Move(move["new"], move["target"], None if move["was"] is None else tuple(move["was"]), move["old"])
            for move in content["moves"]
        ]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return []
    return moves if all(_is_ours(move) for move in moves) else []


def _is_ours(move: Move) -> bool:
    """Whether it only moves files of ours within the folder: a record may be forged."""
    names = [(move.new, TEMPORARY)] + ([] if move.old is None else [(move.old, RETIRED)])
    ours = all(isinstance(name, str) and (made := writer_of(name)) and made[0] == kind for name, kind in names)
    return ours and isinstance(move.target, str) and Path(move.target).name == move.target
