"""Which process made a file, told by the file's name, and whether that process has ended."""

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
"""What a file of ours is: being written, replaced, a commit of several files, a sign that something is in use."""

_NAME = re.compile(
    r"\.grd-(tmp|old|commit|use)-([0-9a-f]{8})-([0-9]{1,10})-([0-9]{1,12})-[0-9a-f]{8}(\..*)?", re.DOTALL
)
LONGEST_NAME = 255  # bytes in a file's name, on every common file system
_CLOCKS_DIFFER = 2.0  # seconds between two readings of one process' start


@dataclass(frozen=True)
class Writer:
    """A process, told from all others.

    Attributes
    ----------
    host : str
        Computer (or container) in eight hexadecimal digits.
    pid : int
        Its number.
    started : int
        When it started, in seconds since 1970: numbers are used again.
    """

    host: str
    pid: int
    started: int

    @property
    def is_here(self) -> bool:
        """Whether it runs, or ran, on this computer."""
        return self.host == host_id()

    @property
    def gone(self) -> bool:
        """Whether it is known to have ended; of another computer that is never known.

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
            return bool(process.status() == psutil.STATUS_ZOMBIE)  # ended; its parent has not noticed
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:  # it is there, and somebody else's
            return False


def this_process() -> Writer:
    """The process this runs in."""
    return _process(os.getpid())


@cache
def _process(pid: int) -> Writer:  # by number, so that a forked process does not take itself for its parent
    return Writer(host_id(), pid, round(psutil.Process(pid).create_time()))


@cache
def host_id() -> str:
    """What tells this computer from others; containers with their own process numbers are computers of their own."""
    try:
        numbers = str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        numbers = ""
    return hashlib.blake2b(f"{socket.gethostname()}|{numbers}".encode(), digest_size=4).hexdigest()


def own_name(kind: str, suffix: str = "") -> str:
    """A new name for a file of this process, that no other file has.

    Parameters
    ----------
    kind : str
        One of the kinds above.
    suffix : str
        What the name ends in, where that leaves it valid.

    Examples
    --------
    >>> writer_of(own_name(TEMPORARY, ".tif")) == (TEMPORARY, this_process())
    True
    """
    writer = this_process()
    name = f".grd-{kind}-{writer.host}-{writer.pid}-{writer.started}-{uuid4().hex[:8]}"
    return name + suffix if len(os.fsencode(name + suffix)) <= LONGEST_NAME else name


def writer_of(name: str) -> tuple[str, Writer] | None:
    """Kind and process of a file made with :func:`own_name`; None if it is not one.

    Examples
    --------
    >>> writer_of(".grd-tmp-notes.txt") is None
    True
    """
    found = _NAME.fullmatch(name)
    return None if found is None else (found[1], Writer(found[2], int(found[3]), int(found[4])))
