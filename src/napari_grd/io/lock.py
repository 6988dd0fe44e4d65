"""Locks that hold on every file system: a file that names who holds it, with a sign of life.

The system's own locks end with their process, but on network file systems they
may hold on one computer only, or not at all. Here a lock whose process has
ended is taken over on the same computer; of another computer that cannot be
known, so there the user is told who holds it, since when, and which file to delete.
"""

import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from napari_grd.errors import OutputError
from napari_grd.io.leftovers import discard, sweep
from napari_grd.io.targets import output_error
from napari_grd.io.writer import LONGEST_NAME, RETIRED, TEMPORARY, USE, Writer, own_name, this_process, writer_of

_BEAT = 15.0  # seconds between signs of life
_LARGEST = 4096  # bytes of a lock
_TRIES = 10


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, or uses a folder.

    Attributes
    ----------
    writer : Writer
        The process.
    host : str
        Name of its computer.
    silent : float
        Seconds since its last sign of life.
    """

    writer: Writer
    host: str
    silent: float

    def __str__(self) -> str:
        where = "this computer" if self.writer.is_here else f"the computer {self.host!r}"
        silence = f", silent for {_duration(self.silent)}" if self.silent > 4 * _BEAT else ""
        return f"process {self.writer.pid} on {where}{silence}"


class Lock:
    """Sole use of something, as a context manager.

    Parameters
    ----------
    path : Path
        The file of the lock. It is there as long as the lock is held.
    what : str
        What is locked, as the user knows it.
    remedy : str
        What to do if somebody else holds it.

    Raises
    ------
    OutputError
        From :meth:`acquire`, if somebody holds it, or it cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.lock"
    ...     with Lock(path, "'a'", "Wait."):
    ...         print(path.exists())
    ...     print(path.exists())
    True
    False
    """

    def __init__(self, path: Path, what: str, remedy: str) -> None:
        self.path = path
        self._what = what
        self._remedy = remedy
        self._token = uuid4().hex

    @classmethod
    def beside(cls, path: Path, what: str, remedy: str) -> Self:
        """The lock of a file, beside it; its name is that of the file and ``.lock`` as long as that is a valid one."""
        name = f"{path.name}.lock"
        if len(os.fsencode(name)) > LONGEST_NAME:
            name = f".grd-lock-{hashlib.blake2b(os.fsencode(path.name), digest_size=16).hexdigest()}"
        return cls(path.with_name(name), what, remedy)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock, from a process of this computer that has ended if need be."""
        sweep(self.path.parent)
        draft = self.path.with_name(own_name(TEMPORARY))
        try:
            draft.write_text(_content(self._token), encoding="utf-8")
            for _ in range(_TRIES):
                if _link(draft, self.path):
                    _heart.add(self.path)
                    return
                self._take_away()
        except (OSError, ValueError) as error:
            raise output_error(self.path, error) from error
        finally:
            discard(draft)
        raise OutputError(f"{self._what} is wanted by several programs at once.", self._remedy)

    def release(self) -> None:
        """Give it back; no harm if it is not held."""
        _heart.remove(self.path)
        if _read(self.path).get("token") == self._token:
            discard(self.path)

    def _take_away(self) -> None:
        """Put a lock aside whose process has ended, or say who holds it."""
        found = _read(self.path)
        if not found:
            if not self.path.exists():
                return
            raise OutputError(
                f"{self._what} is locked by {str(self.path)!r}, which does not tell by whom.",
                f"{self._remedy} If nothing uses it, delete that file.",
            )
        holder = _holder(found, self.path)
        if not holder.writer.gone:
            remedy = self._remedy
            if not holder.writer.is_here:
                remedy += f" If that computer no longer does, delete {str(self.path)!r}."
            raise OutputError(f"{self._what} is open in another window or program ({holder}).", remedy)
        aside = self.path.with_name(own_name(RETIRED))
        try:
            self.path.rename(aside)
        except FileNotFoundError:
            return
        if _read(aside).get("token") != found.get("token"):  # somebody took it over in the meantime
            _link(aside, self.path)
        discard(aside)


@contextmanager
def used(folder: Path) -> Iterator[None]:
    """Mark a folder as being in use, by this process among others; see :func:`users`.

    A folder that cannot be written to has no mark.

    Parameters
    ----------
    folder : Path
        It exists.
    """
    sweep(folder)  # whoever only reads there writes nothing else that would
    mark = folder / own_name(USE)
    try:
        mark.write_text(_content(uuid4().hex), encoding="utf-8")
    except OSError:
        yield
        return
    _heart.add(mark)
    try:
        yield
    finally:
        _heart.remove(mark)
        discard(mark)


def users(folder: Path) -> list[Holder]:
    """Who uses a folder, as far as they have said so; marks of processes that have ended are removed.

    Parameters
    ----------
    folder : Path
        It may be missing.
    """
    try:
        marks = [Path(entry.path) for entry in os.scandir(folder) if entry.name.startswith(f".grd-{USE}-")]
    except OSError:
        return []
    found = []
    for mark in marks:
        made = writer_of(mark.name)
        if made is None:
            continue
        if made[1].gone:
            discard(mark)
        else:
            found.append(Holder(made[1], str(_read(mark).get("name")), _silence(mark)))
    return found


class _Heart:
    """Gives signs of life of what this process holds, from one thread for all."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held: set[Path] = set()
        self._pid = 0

    def add(self, path: Path) -> None:
        with self._guard:
            self._held.add(path)
            if self._pid != os.getpid():  # a forked process has no threads
                self._pid = os.getpid()
                threading.Thread(target=self._beat, name="napari-grd locks", daemon=True).start()

    def remove(self, path: Path) -> None:
        with self._guard:
            self._held.discard(path)

    def _beat(self) -> None:
        while True:
            time.sleep(_BEAT)
            with self._guard:
                held = tuple(self._held)
            for path in held:
                try:
                    os.utime(path)
                except OSError:  # gone, or the network is: whoever holds it finds out by itself
                    continue


_heart = _Heart()


def _content(token: str) -> str:
    return json.dumps({"napari_grd_lock": 1, "name": socket.gethostname(), "token": token, **asdict(this_process())})


def _read(path: Path) -> dict[str, object]:
    """What a lock says; nothing if it is none, or there is none."""
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(_LARGEST))
        Writer(str(found["host"]), int(found["pid"]), int(found["started"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _holder(found: dict[str, object], path: Path) -> Holder:
    writer = Writer(str(found["host"]), int(str(found["pid"])), int(str(found["started"])))
    return Holder(writer, f"{found.get('name')!s:.80}", _silence(path))


def _silence(path: Path) -> float:
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except OSError:
        return 0.0


def _link(draft: Path, path: Path) -> bool:
    """Give a file a second name, unless that is taken; False if it is."""
    try:
        os.link(draft, path)
        return True
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        try:
            with path.open("xb") as file:
                file.write(draft.read_bytes())
            return True
        except FileExistsError:
            return False


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{round(minutes / 60)} hours"
