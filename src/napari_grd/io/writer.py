"""File names that identify the writing process, to detect whether it has ended."""

import hashlib
import os
import re
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4

import psutil

TEMPORARY, RETIRED, COMMIT, USE = "tmp", "old", "commit", "use"
"""Kind of a file of ours: being written, replaced, a commit of several files, a mark of use."""

_NAME = re.compile(
    r"\.grd-(tmp|old|commit|use)-([0-9a-f]{8})-([0-9]{1,10})-([0-9]{1,12})-[0-9a-f]{8}(\..*)?", re.DOTALL
)
LONGEST_NAME = 255  # bytes in a file's name, on every common file system
_CLOCKS_DIFFER = 2.0  # tolerance in seconds for a process' start time


@dataclass(frozen=True)
class Writer:
    """A unique identity of a process.

    Attributes
    ----------
    host : str
        Computer (or container) in eight hexadecimal digits.
    pid : int
        Its process id.
    started : int
        Start time in seconds since 1970, because process ids are reused.
    """

    host: str
    pid: int
    started: int

    @property
    def is_here(self) -> bool:
        """Whether it belongs to this computer."""
        return self.host == host_id()

    @property
    def gone(self) -> bool:
        """Whether it is known to have ended; never known for another computer.

        Examples
        --------
        >>> this_process().gone
        False
        """
        if not self.is_here:
            return False
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.started) > _CLOCKS_DIFFER:
                return True
            return bool(process.status() == psutil.STATUS_ZOMBIE)  # ended, but not reaped by its parent
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:  # it exists and belongs to another user
            return False


def this_process() -> Writer:
    """The current process."""
    return _process(os.getpid())


@cache
def _process(pid: int) -> Writer:  # cached by id, because a forked process is not its parent
    return Writer(host_id(), pid, round(psutil.Process(pid).create_time()))


@cache
def host_id() -> str:
    """Identity of this computer; containers with their own process ids count as computers."""
    try:
        numbers = str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        numbers = ""
    return hashlib.blake2b(f"{socket.gethostname()}|{numbers}".encode(), digest_size=4).hexdigest()


def own_name(kind: str, suffix: str = "") -> str:
    """A new unique name for a file of this process.

    Parameters
    ----------
    kind : str
        One of the kinds above.
    suffix : str
        Suffix of the name, if the name stays valid.

    Examples
    --------
    >>> writer_of(own_name(TEMPORARY, ".tif")) == (TEMPORARY, this_process())
    True
    """
    writer = this_process()
    name = f".grd-{kind}-{writer.host}-{writer.pid}-{writer.started}-{uuid4().hex[:8]}"
    return name + suffix if len(os.fsencode(name + suffix)) <= LONGEST_NAME else name


def writer_of(name: str) -> tuple[str, Writer] | None:
    """Kind and process of a name created by :func:`own_name`; None for other names.

    Examples
    --------
    >>> writer_of(".grd-tmp-notes.txt") is None
    True
    """
    match = _NAME.fullmatch(name)
    return None if match is None else (match[1], Writer(match[2], int(match[3]), int(match[4])))
