"""Locks for every file system: a file that names its holder, with a heartbeat.

The system's own locks end with their process, but on network file systems they may be local to one computer, or not
work at all. Here a lock whose process has ended is taken over on the same computer; for another computer this cannot be
determined, so an error names the holder, the time, and the file to delete.
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

_BEAT = 15.0  # seconds between heartbeats
_LARGEST = 4096  # bytes of a lock
_TRIES = 10


@dataclass(frozen=True)
class Holder:
    """The holder of a lock, or the user of a folder.

    Attributes
    ----------
    writer : Writer
        The process.
    host : str
        Name of its computer.
    silent : float
        Seconds since its last heartbeat.
    """

    writer: Writer
    host: str
    silent: float

    def __str__(self) -> str:
        where = "this computer" if self.writer.is_here else f"the computer {self.host!r}"
        silence = f", silent for {_duration(self.silent)}" if self.silent > 4 * _BEAT else ""
        return f"process {self.writer.pid} on {where}{silence}"


class Lock:
    """An exclusive lock, as a context manager.

    Parameters
    ----------
    path : Path
        The lock file. It exists while the lock is held.
    what : str
        What is locked, for messages.
    remedy : str
        Remedy if another process holds it.

    Raises
    ------
    OutputError
        From :meth:`acquire`, if another process holds it, or it cannot be written.

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
        """The lock of a file, beside it; named ``<file>.lock`` if that is a valid name."""
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
        """Acquire the lock, if necessary from an ended process of this computer."""
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
        raise OutputError(f"{self._what} is requested by several programs at once.", self._remedy)

    def release(self) -> None:
        """Release it; no effect if it is not held."""
        _heart.remove(self.path)
        if _read(self.path).get("token") == self._token:
            discard(self.path)

    def _take_away(self) -> None:
        """Remove a lock whose process has ended, or raise an error that names the holder."""
        content = _read(self.path)
        if not content:
            if not self.path.exists():
                return
            raise OutputError(
                f"{self._what} is locked by {str(self.path)!r}, which does not name its holder.",
                f"{self._remedy} If nothing uses it, delete that file.",
            )
        holder = _holder(content, self.path)
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
        if _read(aside).get("token") != content.get("token"):  # another process took it over in the meantime
            _link(aside, self.path)
        discard(aside)


@contextmanager
def used(folder: Path) -> Iterator[None]:
    """Mark a folder as being in use, by this process among others; see :func:`users`.

    A folder that cannot be written to has no mark.

    Parameters
    ----------
    folder : Path
        An existing folder.
    """
    sweep(folder)  # a process that only reads there would not do so otherwise
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
    """The known users of a folder; marks of ended processes are removed.

    Parameters
    ----------
    folder : Path
        It may be missing.
    """
    try:
        marks = [Path(entry.path) for entry in os.scandir(folder) if entry.name.startswith(f".grd-{USE}-")]
    except OSError:
        return []
    holders = []
    for mark in marks:
        made = writer_of(mark.name)
        if made is None:
            continue
        if made[1].gone:
            discard(mark)
        else:
            holders.append(Holder(made[1], str(_read(mark).get("name")), _silence(mark)))
    return holders


class _Heart:
    """Sends the heartbeats of all locks of this process, from one thread."""

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
                except OSError:  # the file or the network is gone: the holder will notice
                    continue


_heart = _Heart()


def _content(token: str) -> str:
    return json.dumps({"napari_grd_lock": 1, "name": socket.gethostname(), "token": token, **asdict(this_process())})


def _read(path: Path) -> dict[str, object]:
    """The content of a lock; empty if it is missing or not a lock."""
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_LARGEST))
        Writer(str(content["host"]), int(content["pid"]), int(content["started"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _holder(content: dict[str, object], path: Path) -> Holder:
    writer = Writer(str(content["host"]), int(str(content["pid"])), int(str(content["started"])))
    return Holder(writer, f"{content.get('name')!s:.80}", _silence(path))


def _silence(path: Path) -> float:
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except OSError:
        return 0.0


def _link(draft: Path, path: Path) -> bool:
    """Create a second name of a file; False if that exists."""
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
