"""Checks of an archive's list of contents.

Names that lead elsewhere, links, entries that hide each other on some system, disproportionate sizes: all are visible
in the list of contents, and rejected before any entry is read.
"""

import os
import stat
import struct
import unicodedata
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from napari_grd.errors import ModelFileError

_TAIL = 22 + 0xFFFF  # the end of a zip: its last record and the longest comment
_LARGE = 56 + 20  # the records before it in a large one
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_FORBIDDEN = set('<>:"|?*\\')
_DEVICES = {"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(10))}
ANOTHER = "Ask for another copy, from a source you trust."


@dataclass(frozen=True)
class Limits:
    """Limits of an archive; the largest models of the zoo are well below.

    Attributes
    ----------
    entries : int
        Files and folders.
    total : int
        Bytes of all files, unpacked.
    ratio : int
        Maximum ratio of unpacked to packed size, applied above 64 MiB: a small file of zeros is harmless.
    directory : int
        Bytes of the archive's own list of contents.
    """

    entries: int = 10_000
    total: int = 8 << 30
    ratio: int = 100
    directory: int = 4 << 20


def check_directory(file: IO[bytes], path: Path, limits: Limits) -> None:
    """Reject a list of contents that is too long, before zipfile reads it.

    Raises
    ------
    ModelFileError
        If the last record of the zip announces too many entries or bytes.
    zipfile.BadZipFile
        If there is none.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL - _LARGE))
    tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 22:
        raise zipfile.BadZipFile("it has no list of contents")
    count, length = struct.unpack("<HI", tail[end + 10 : end + 16])
    if end >= _LARGE and tail[end - 20 : end - 16] == b"PK\x06\x07":
        count, length = struct.unpack("<QQ", tail[end - _LARGE + 32 : end - _LARGE + 48])
    if count > limits.entries or length > limits.directory:
        raise ModelFileError(
            f"{str(path)!r} lists {count} entries in {length} bytes; at most {limits.entries} in"
            f" {limits.directory} are opened.",
            "Unpack it with a program you trust, and pass the folder with the model alone.",
        )


def check_entry(info: zipfile.ZipInfo, path: Path) -> None:
    """Reject entries that are not plain files or folders, are encrypted, or use an unusual compression.

    Raises
    ------
    ModelFileError
        Names the entry.
    """
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise refusal(path, info.filename, "is a link", "Pack the file itself.")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise refusal(path, info.filename, "is not a plain file", ANOTHER)
    if info.flag_bits & 0x41:
        raise refusal(path, info.filename, "is encrypted", "Decrypt it first, and pass the folder.")
    if info.compress_type not in _METHODS:
        raise refusal(
            path, info.filename, f"is packed by method {info.compress_type}", "Pack it as an ordinary zip (deflate)."
        )


def check_total(total: int, packed: int, path: Path, limits: Limits) -> None:
    """Reject contents that are too large, absolutely or relative to the packed size.

    Raises
    ------
    ModelFileError
        If it does.
    """
    if total > limits.total or (total > 64 << 20 and total > limits.ratio * packed):
        raise ModelFileError(
            f"{str(path)!r} would unpack from {packed} to {total} bytes, as a zip bomb does"
            f" (at most {limits.total}, and {limits.ratio} times its size).",
            ANOTHER,
        )


def check_names(names: list[tuple[str, bool]], path: Path, limits: Limits) -> None:
    """Reject names that lead elsewhere, or that two entries share on some system.

    Parameters
    ----------
    names : list of (str, bool)
        Each name as it is stored, and whether it is a folder's.
    path : Path
        The archive, for messages.
    limits : Limits
        Limits, including the number of entries.

    Raises
    ------
    ModelFileError
        Names the entry.
    """
    if len(names) > limits.entries:
        raise ModelFileError(
            f"{str(path)!r} has more than {limits.entries} entries.", "Pass a folder with the model alone."
        )
    files: set[str] = set()
    folders: set[str] = set()
    for name, is_folder in names:
        parts = name.removesuffix("/").split("/") if is_folder else name.split("/")
        if problem := _problem(parts):
            raise refusal(path, name, problem, ANOTHER)
        # Names that are equal on Windows and macOS.
        key = [unicodedata.normalize("NFC", part).casefold() for part in parts]
        whole, parents = "/".join(key), {"/".join(key[:depth]) for depth in range(1, len(key))}
        seen = folders if is_folder else files
        if whole in files or (whole in folders and not is_folder) or parents & files:
            raise refusal(path, name, "has the name of another entry, upper and lower case aside", ANOTHER)
        seen.add(whole)
        folders |= parents


def _problem(parts: list[str]) -> str | None:
    """The problem of a name, split at its slashes; empty if it is valid."""
    for part in parts:
        if part in ("", ".", ".."):
            return "leads out of the archive"
        if not part.isprintable() or _FORBIDDEN & set(part) or part[-1] in " ." or len(part.encode()) > 255:
            return "has a name that is not valid on every system"
        if part.split(".")[0].casefold() in _DEVICES:
            return "has the name of a device"
    return "lies too deep" if len(parts) > 32 else None


def refusal(path: Path, name: str, what: str, remedy: str) -> ModelFileError:
    """The error about one entry of an archive."""
    shown = name if len(name) <= 80 else f"{name[:77]}..."
    return ModelFileError(f"The entry {shown!r} of {str(path)!r} {what}.", remedy)
