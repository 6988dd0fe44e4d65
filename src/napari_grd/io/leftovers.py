"""What killed writers left: commits are completed, everything else of theirs is removed.

Only names that :func:`~napari_grd.io.writer.own_name` made are looked at, and only
those of processes of this computer that have ended.
"""

import json
import os
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from napari_grd.io.writer import COMMIT, RETIRED, TEMPORARY, USE, own_name, writer_of

_AGAIN = 60.0  # seconds until a folder is looked through again
_LARGEST = 1 << 20  # bytes of a commit
_swept: dict[Path, float] = {}


@dataclass(frozen=True)
class Move:
    """One of several files (or folders) that take their names together; all names are of one folder.

    Attributes
    ----------
    new : str
        Temporary name of what is complete.
    target : str
        The name it shall have.
    was : tuple of int, or None
        What had that name, see :func:`identity`.
    old : str or None
        Where to put that first: a folder cannot be replaced in one step, and a file that tells of the others
        must not be found while these change.
    """

    new: str
    target: str
    was: tuple[int, ...] | None
    old: str | None = None


def commit(folder: Path, moves: list[Move]) -> None:
    """Give several files their names, so that a kill at any time leaves all of the old ones or, in the end, all new.

    Once the commit is on the disk it is carried out: by this process, or by the next that looks into the folder.
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
    """What tells a file or folder from one that takes its name later."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size)


def sweep(folder: Path) -> None:
    """Complete the commits and remove the leftovers of writers that have ended, at most once a minute a folder.

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
    """:func:`sweep`, whenever it was done last."""
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.name.startswith(".grd-")]
    except OSError:
        return
    found = [(name, made) for name in names if (made := writer_of(name)) is not None and made[1].gone]
    for name, (kind, _) in found:
        if kind == COMMIT:
            _complete(folder / name)
    for name, (kind, _) in found:
        if kind in (TEMPORARY, RETIRED, USE):
            discard(folder / name)


def discard(path: Path) -> None:
    """Remove a file or folder of ours, if there is one and it can be."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    except OSError:  # what went wrong before tells more
        return


def flush_folder(folder: Path) -> None:
    """Have the names of files in a folder on the disk, too."""
    if os.name != "posix":  # elsewhere a folder cannot be opened, and its entries are written through
        return
    try:
        file = os.open(folder, os.O_RDONLY)
    except OSError:  # one may be allowed to write into a folder and not to list it
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
    """Carry out a commit whose writer ended in the middle, unless somebody wrote the same files since."""
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
    """Whether it moves what we made, within the folder: a record may come from anybody."""
    names = [(move.new, TEMPORARY)] + ([] if move.old is None else [(move.old, RETIRED)])
    ours = all(isinstance(name, str) and (made := writer_of(name)) and made[0] == kind for name, kind in names)
    return ours and isinstance(move.target, str) and Path(move.target).name == move.target
