"""One answer of a teacher on the disk: zarr arrays with all their chunks, and a manifest of every file.

zarr leaves out chunks of zeros and reads absent ones as zeros, so that what was
lost looks like what was never there. Here every chunk is written, its size and
checksum stand in the manifest, and reading anything else is an error. The
manifest is also the marker by which an entry is known as ours: nothing
without one is ever deleted, and of one with it only the files that it lists.
"""

import json
import math
import os
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore

from napari_grd.errors import DataError
from napari_grd.io.atomic import atomic_folder, atomic_path

MANIFEST = "grd-cache-entry.json"
SUFFIX = ".kept"
CHUNK = 128  # a training patch touches at most four of these
ARRAYS = ("labels", "output", "confidence")

_FORMAT = 1
_LARGEST = 64 << 20  # bytes of a manifest
_MOST_CHUNKS = 1_000_000
Files = dict[str, tuple[int, int | None]]
"""Size and checksum of each file, by its path within the entry."""


class CheckedStore(LocalStore):
    """The files of an entry, of which none may be missing or changed.

    Parameters
    ----------
    root : Path
        The entry.
    files : dict
        What it consists of; without a checksum only the size is compared.
    """

    def __init__(self, root: Path | str, *, files: Files | None = None, read_only: bool = True) -> None:
        super().__init__(root, read_only=read_only)
        self.files = files or {}
        self.checked: set[str] = set()

    def __reduce__(self) -> tuple[Any, ...]:  # to processes that train along
        return _store, (Path(self.root), self.files)

    def with_read_only(self, read_only: bool = False) -> "CheckedStore":
        """The same; an entry is never changed."""
        return CheckedStore(self.root, files=self.files)

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """A file's content; None for metadata that are not listed: zarr looks for several kinds."""
        if key not in self.files:
            if "/c" not in key:
                return None
            raise self._damaged(f"{key} is not listed")
        try:
            found = await super().get(key, prototype, byte_range)
        except FileNotFoundError:  # the whole entry
            found = None
        if found is None:
            raise self._damaged(f"{key} is missing")
        size, checksum = self.files[key]
        if byte_range is None and key not in self.checked:
            content = found.to_bytes()
            if len(content) != size or (checksum is not None and zlib.crc32(content) != checksum):
                self._forget(key)
                raise self._damaged(f"{key} has changed")
            self.checked.add(key)
        return found

    def _forget(self, key: str) -> None:
        """Remove a damaged file, so that the entry is known to be incomplete from now on."""
        if read_manifest(self.root) == self.files:  # else somebody has just written the entry anew
            with suppress(OSError):
                (self.root / key).unlink()

    def _damaged(self, what: str) -> DataError:
        return DataError(
            f"The teacher's answer kept in {str(self.root)!r} is damaged: {what}.",
            "Run the same again: the teacher is asked anew about that image.",
        )


def _store(root: Path, files: Files) -> CheckedStore:
    return CheckedStore(root, files=files)


def write_entry(entry: Path, arrays: Mapping[str, NDArray[Any]], attributes: dict[str, Any]) -> None:
    """Write an answer, whole or not at all. One of ours that is there is replaced.

    Parameters
    ----------
    entry : Path
        A folder ``<teacher>/<image>.kept``.
    arrays : mapping
        By name, of :data:`ARRAYS`.
    attributes : dict
        Of the group.

    Raises
    ------
    OutputError
        If something else has that name, or the disk is full.
    """
    with atomic_folder(entry, replace=read_manifest(entry) is not None) as temporary:
        group = zarr.open_group(temporary, mode="w", zarr_format=3, attributes=attributes)
        for name, array in arrays.items():
            chunks = (*array.shape[:-2], *(min(CHUNK, side) for side in array.shape[-2:]))
            group.create_array(
                name,
                data=array,
                chunks=chunks,
                compressors=None,  # float16 embeddings barely shrink, and decoding would cost every step
                config={"write_empty_chunks": True},
            )
        _write_manifest(entry, temporary)


def _write_manifest(entry: Path, folder: Path) -> None:
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            data = path.read_bytes()
            files[path.relative_to(folder).as_posix()] = (len(data), zlib.crc32(data))
    teacher, image = entry.parent.name, entry.name.removesuffix(SUFFIX)
    content = {"napari_grd_cache": _FORMAT, "teacher": teacher, "image": image, "files": files}
    with atomic_path(folder / MANIFEST) as draft:
        draft.write_text(json.dumps(content), encoding="utf-8")


def read_manifest(entry: Path) -> Files | None:
    """The files of an entry of ours; None if it is not one, or carries another's name."""
    path = entry / MANIFEST
    try:
        if entry.is_symlink() or path.is_symlink() or path.stat().st_size > _LARGEST:
            return None
        content = json.loads(path.read_bytes())
        names = content["napari_grd_cache"], content["teacher"], content["image"]
        if names != (_FORMAT, entry.parent.name, entry.name.removesuffix(SUFFIX)):
            return None
        files: Files = {name: (int(size), int(checksum)) for name, (size, checksum) in content["files"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return files if all(_is_inside(name) for name in files) else None


def is_complete(entry: Path, files: Files) -> bool:
    """Whether all files are there, of the right size."""
    try:
        return all((entry / name).stat().st_size == size for name, (size, _) in files.items())
    except OSError:
        return False


def open_entry(entry: Path, shape: tuple[int, ...]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Arrays and attributes of an answer about an image; None if it has to be asked again.

    Parameters
    ----------
    entry : Path
        It may be missing. One of an older make, without a manifest, counts if no chunk is absent.
    shape : tuple of int
        Of the image, without channels.

    Returns
    -------
    (dict, dict) or None
        Of zarr arrays that raise `DataError` where they have lost something.
    """
    try:
        files = read_manifest(entry) or _files_of_older(entry)
        if not is_complete(entry, files):
            return None
        group = zarr.open_group(CheckedStore(entry, files=files), mode="r", zarr_format=3)
        arrays: dict[str, Any] = {name: group[name] for name in ARRAYS if name in group}
        if not all(isinstance(array, zarr.Array) for array in arrays.values()) or arrays["labels"].dtype != np.uint32:
            return None
        if any(array.shape[array.ndim - len(shape) :] != shape for array in arrays.values()):
            return None
        if not all(name in files for name in _chunks(arrays)):
            return None
        if any(array.dtype != np.float16 for name, array in arrays.items() if name != "labels"):
            return None
        return arrays, dict(group.attrs)
    except Exception:  # whatever zarr makes of it: what cannot be opened is asked again
        return None


def touch(entry: Path) -> None:
    """Note that an entry was used."""
    with suppress(OSError):
        os.utime(entry / MANIFEST)


def adopt(entry: Path) -> bool:
    """Mark an entry of an older make as ours, if it is one; for the default folder, that nobody else writes to."""
    if read_manifest(entry) is not None:
        return True
    if not _is_older(entry):
        return False
    with suppress(OSError):
        _write_manifest(entry, entry)
        return True
    return False


def delete(entry: Path) -> None:
    """Delete the files of an entry that its manifest lists, and folders that are empty then."""
    files = read_manifest(entry)
    if files is None:
        return
    folders = {entry}
    # The manifest goes last: what is left of a deletion that was stopped is still known as ours.
    for name in [*files, MANIFEST]:
        path = entry / name
        if any(folder.is_symlink() for folder in path.parents if entry in folder.parents):
            continue
        with suppress(OSError):
            path.unlink(missing_ok=True)
        folders.update(folder for folder in path.parents if entry in folder.parents)
    for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
        with suppress(OSError):
            folder.rmdir()


def _is_inside(name: str) -> bool:
    parts = name.split("/")
    return bool(parts) and not any(part in ("", ".", "..") or "\\" in part or ":" in part for part in parts)


def _is_older(entry: Path) -> bool:
    """Whether it has the structure of an entry of an older make, and nothing else in it."""
    try:
        names = {path.name for path in entry.iterdir()}
        known = json.loads((entry / "zarr.json").read_bytes())
        return (
            not entry.is_symlink()
            and _is_digest(entry.name)
            and {"zarr.json", "labels"} <= names <= {"zarr.json", *ARRAYS}
            and "embedding_channels" in known["attributes"]
            and not any(path.is_symlink() or _is_strange(path.relative_to(entry)) for path in entry.rglob("*"))
        )
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return False


def _is_strange(path: Path) -> bool:
    """Whether zarr would not have made it: ``labels/zarr.json`` and ``labels/c/0/1`` are fine."""
    first, *rest = path.parts
    if not rest:
        return first not in ("zarr.json", *ARRAYS)
    return not (rest == ["zarr.json"] or (rest[0] == "c" and all(part.isdecimal() for part in rest[1:])))


def _is_digest(name: str) -> bool:
    return len(name) >= 16 and all(letter in "0123456789abcdef" for letter in name)


def _files_of_older(entry: Path) -> Files:
    """What an entry without a manifest has to consist of, chunks of zeros too."""
    if entry.is_symlink() or entry.name.endswith(SUFFIX):
        return {"": (-1, None)}
    arrays = dict(zarr.open_group(entry, mode="r", zarr_format=3).arrays())
    described = ["zarr.json", *(f"{name}/zarr.json" for name in arrays)]
    files: Files = {name: ((entry / name).stat().st_size, None) for name in described}
    return files | {name: (size, None) for name, size in _chunks(arrays).items()}


def _chunks(arrays: Mapping[str, Any]) -> dict[str, int]:
    """The files of all chunks, and their sizes."""
    found = {}
    for name, array in arrays.items():
        size = math.prod(array.chunks) * array.dtype.itemsize
        grid = [math.ceil(side / step) for side, step in zip(array.shape, array.chunks, strict=True)]
        if math.prod(grid) > _MOST_CHUNKS:
            raise ValueError(f"{math.prod(grid)} chunks")
        for at in np.ndindex(*grid):
            found[f"{name}/{array.metadata.encode_chunk_key(at)}"] = size
    return found
