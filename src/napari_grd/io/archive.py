"""Opening an untrusted zip or folder.

The archive is checked before anything is written: names that lead elsewhere, links, entries that hide each other,
disproportionate sizes, and sizes other than declared. It is then unpacked into a private temporary folder. An archive
inside the archive is an ordinary file and is not opened.
"""

import hashlib
import os
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from napari_grd.errors import ModelFileError
from napari_grd.io.archive_guard import (
    ANOTHER,
    Limits,
    check_directory,
    check_entry,
    check_names,
    check_total,
    refusal,
)

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Archive:
    """An archive that passed all checks.

    Attributes
    ----------
    path : Path
        The zip or folder, for messages.
    hashes : mapping of str to str
        Name of each file, with ``/``, to the SHA-256 of its content in hexadecimal digits.
    """

    path: Path
    hashes: Mapping[str, str]
    _zip: zipfile.ZipFile | None = None

    def read(self, name: str, *, limit: int = 1 << 20) -> bytes:
        """The content of a small file.

        Raises
        ------
        ModelFileError
            If there is none of that name, or it is larger than ``limit`` bytes.
        """
        if name not in self.hashes:
            raise ModelFileError(f"{str(self.path)!r} contains no file {name!r}.", "Pack the model again.")
        with self._open(name) as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise refusal(self.path, name, f"is larger than {limit} bytes", ANOTHER)
        return content

    def check_hashes(self, expected: Mapping[str, str]) -> None:
        """Compare files with their declared digests.

        Parameters
        ----------
        expected : mapping of str to str
            Name to SHA-256. Names that are not in the archive are ignored.

        Raises
        ------
        ModelFileError
            If a file is not the declared one.
        """
        for name, declared in expected.items():
            actual = self.hashes.get(name)
            if actual is not None and actual != declared.lower():
                raise refusal(
                    self.path,
                    name,
                    f"is not the file that is described: its sha256 begins with {actual[:12]}, declared is"
                    f" {declared[:12]!r}",
                    "It was changed or damaged: download the model again.",
                )

    @contextmanager
    def unpacked(self, names: Iterable[str] | None = None) -> Iterator[Path]:
        """Files in a private temporary folder.

        A folder is copied like a zip, so that files cannot be exchanged after they were checked.

        Parameters
        ----------
        names : iterable of str, optional
            Names of the files; default: all.

        Yields
        ------
        Path
            The folder.

        Raises
        ------
        ModelFileError
            If a file was changed after it was checked.
        """
        with tempfile.TemporaryDirectory(prefix="napari-grd-") as folder:
            for name in self.hashes if names is None else names:
                expected = self.hashes[name]
                target = Path(folder, *PurePosixPath(name).parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                digest = hashlib.sha256()
                with self._open(name) as source, target.open("xb") as file:
                    while block := source.read(_BLOCK):
                        digest.update(block)
                        file.write(block)
                if digest.hexdigest() != expected:
                    raise refusal(self.path, name, "changed while it was read", "Try again.")
            yield Path(folder)

    def _open(self, name: str) -> IO[bytes]:
        return (self.path / name).open("rb") if self._zip is None else self._zip.open(name)


@contextmanager
def open_archive(path: str | Path, limits: Limits | None = None) -> Iterator[Archive]:
    """Check an untrusted zip or folder; nothing is written.

    Parameters
    ----------
    path : str or Path
        A zip file or a folder.
    limits : Limits, optional
        Limits of its size.

    Yields
    ------
    Archive

    Raises
    ------
    ModelFileError
        If there is no such file, it is not a zip, it is encrypted or damaged, or an
        entry leads out of the archive, is a link or device, shares its name with
        another (also on systems that ignore case), or unpacks to more than the limits
        or than it declares. The message names the entry.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with zipfile.ZipFile(Path(folder) / "a.zip", "w") as packed:
    ...         packed.writestr("../evil.txt", "")
    ...     with open_archive(Path(folder) / "a.zip"):
    ...         pass
    Traceback (most recent call last):
    napari_grd.errors.ModelFileError: ...
    """
    path, limits = Path(path), limits or Limits()
    if path.is_dir():
        yield Archive(path, _hash_folder(path, limits))
        return
    if not path.is_file():
        raise ModelFileError(f"There is no file or folder {str(path)!r}.", "Check the path.")
    with path.open("rb") as file:
        try:
            check_directory(file, path, limits)
            packed = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError) as error:
            raise ModelFileError(
                f"{str(path)!r} is cut off, or is not a zip file ({error}).", "Download or copy it again."
            ) from error
        with packed:
            yield Archive(path, _hash_zip(packed, path, limits), packed)


def _hash_zip(packed: zipfile.ZipFile, path: Path, limits: Limits) -> dict[str, str]:
    infos = packed.infolist()
    # Not is_dir(), which fails for empty names.
    check_names([(info.orig_filename, info.filename.endswith("/")) for info in infos], path, limits)
    for info in infos:
        check_entry(info, path)
    files = [info for info in infos if not info.filename.endswith("/")]
    total, size = sum(info.file_size for info in files), path.stat().st_size
    check_total(total, size, path, limits)
    if sum(info.compress_size for info in files) > size:
        raise ModelFileError(f"The entries of {str(path)!r} overlap, as those of a zip bomb do.", ANOTHER)
    hashes = {}
    for info in files:
        try:
            hashes[info.filename] = _hash_entry(packed, info, path)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            raise refusal(path, info.filename, f"is damaged ({error})", "Download it again.") from error
    return hashes


def _hash_entry(packed: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> str:
    digest, size = hashlib.sha256(), 0
    with packed.open(info) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    if size != info.file_size:
        raise refusal(path, info.filename, f"unpacks to {size} bytes, declared are {info.file_size}", ANOTHER)
    return digest.hexdigest()


def _hash_folder(folder: Path, limits: Limits) -> dict[str, str]:
    names: list[tuple[str, bool]] = []
    total = 0
    for parent, folders, files in os.walk(folder):
        if len(names) > limits.entries:  # the rest may be endless
            break
        for leaf in (*folders, *files):
            entry = Path(parent, leaf)
            name, mode = entry.relative_to(folder).as_posix(), entry.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                what = "is a link" if stat.S_ISLNK(mode) else "is not a plain file"
                raise refusal(folder, name, what, "Put the file itself there.")
            names.append((name, stat.S_ISDIR(mode)))
            total += entry.lstat().st_size if stat.S_ISREG(mode) else 0
    check_names(names, folder, limits)
    check_total(total, total, folder, limits)
    hashes = {}
    for name in sorted(name for name, is_folder in names if not is_folder):
        with (folder / name).open("rb") as file:
            hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes
