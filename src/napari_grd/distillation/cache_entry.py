"""A teacher's prediction on disk: zarr arrays with all their chunks, and a manifest of every file.

zarr omits chunks of zeros and reads missing ones as zeros, so lost chunks would be read as zeros. Here every chunk is
written, the manifest has its size and checksum, and a mismatch is an error. The manifest also marks an entry as ours:
only entries with a manifest are deleted, and of those only the listed files.
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
CHUNK_DEPTH = 16  # planes in a chunk of a volume
ARRAYS = ("labels", "output", "confidence")

_FORMAT = 1
_LARGEST = 64 << 20  # bytes of a manifest
_MOST_CHUNKS = 1_000_000
Files = dict[str, tuple[int, int | None]]
"""Size and checksum of each file, by its path within the entry."""


class CheckedStore(LocalStore):
    """A zarr store that raises an error if a file of the entry is missing or changed.

    Parameters
    ----------
    root : Path
        The entry.
    files : dict
        Its files; without a checksum only the size is compared.
    """

    def __init__(self, root: Path | str, *, files: Files | None = None, read_only: bool = True) -> None:
        super().__init__(root, read_only=read_only)
        self.files = files or {}
        self.checked: set[str] = set()

    def __reduce__(self) -> tuple[Any, ...]:  # for the processes of distributed training
        return _store, (Path(self.root), self.files)

    def with_read_only(self, read_only: bool = False) -> "CheckedStore":
        """Return itself; an entry is read-only."""
        return CheckedStore(self.root, files=self.files)

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """A file's content; None for metadata that are not listed: zarr tries several formats."""
        if key not in self.files:
            if "/c" not in key:
                return None
            raise self._damaged(f"{key} is not listed")
        try:
            chunk = await super().get(key, prototype, byte_range)
        except FileNotFoundError:  # the whole entry
            chunk = None
        if chunk is None:
            raise self._damaged(f"{key} is missing")
        size, checksum = self.files[key]
        if byte_range is None and key not in self.checked:
            content = chunk.to_bytes()
            if len(content) != size or (checksum is not None and zlib.crc32(content) != checksum):
                self._forget(key)
                raise self._damaged(f"{key} has changed")
            self.checked.add(key)
        return chunk

    def _forget(self, key: str) -> None:
        """Remove a damaged file, so that the entry is recognized as incomplete."""
        if read_manifest(self.root) == self.files:  # else another process has just replaced the entry
            with suppress(OSError):
                (self.root / key).unlink()

    def _damaged(self, what: str) -> DataError:
        return DataError(
            f"The cached teacher prediction {str(self.root)!r} is damaged: {what}.",
            "Run the same again: that image is predicted again.",
        )


def _store(root: Path, files: Files) -> CheckedStore:
    return CheckedStore(root, files=files)


def write_entry(entry: Path, arrays: Mapping[str, NDArray[Any]], attributes: dict[str, Any]) -> None:
    """Write a prediction atomically; an existing entry of ours is replaced.

    Parameters
    ----------
    entry : Path
        A folder ``<teacher>/<image>.kept``.
    arrays : mapping
        Arrays by name, see :data:`ARRAYS`.
    attributes : dict
        Attributes of the zarr group.

    Raises
    ------
    OutputError
        If something else has that name, or the disk is full.
    """
    spatial = arrays["labels"].ndim
    with atomic_folder(entry, replace=read_manifest(entry) is not None) as temporary:
        group = zarr.open_group(temporary, mode="w", zarr_format=3, attributes=attributes)
        for name, array in arrays.items():
            chunks = (*array.shape[: array.ndim - spatial], *_chunk(array.shape[array.ndim - spatial :]))
            group.create_array(
                name,
                data=array,
                chunks=chunks,
                compressors=None,  # float16 embeddings barely shrink, and decoding would cost every step
                config={"write_empty_chunks": True},
            )
        _write_manifest(entry, temporary)


def _chunk(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Spatial shape of the chunks of a prediction."""
    return tuple(map(min, shape, (CHUNK_DEPTH, CHUNK // 2, CHUNK // 2) if len(shape) == 3 else (CHUNK, CHUNK)))


def sides_on_disk(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Sides that a prediction of a spatial shape has on disk, where all its chunks are whole.

    Examples
    --------
    >>> sides_on_disk((100, 300))
    (100, 384)
    """
    return tuple(-(-side // step) * step for side, step in zip(shape, _chunk(shape), strict=True))


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
    """The files of an entry of ours; None if it is not one, or has another entry's name."""
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
    """Whether all files exist with the right size."""
    try:
        return all((entry / name).stat().st_size == size for name, (size, _) in files.items())
    except OSError:
        return False


def open_entry(entry: Path, shape: tuple[int, ...]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Arrays and attributes of the prediction of an image; None if it must be predicted again.

    Parameters
    ----------
    entry : Path
        It may be missing. An entry of an older version, without a manifest, is accepted if no chunk is missing.
    shape : tuple of int
        Spatial shape of the image.

    Returns
    -------
    (dict, dict) or None
        The zarr arrays raise `DataError` if a chunk is lost.
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
    except Exception:  # any error of zarr: the image is predicted again
        return None


def touch(entry: Path) -> None:
    """Record that an entry was used."""
    with suppress(OSError):
        os.utime(entry / MANIFEST)


def adopt(entry: Path) -> bool:
    """Add a manifest to an entry of an older version; for the default folder only, which has no other files."""
    if read_manifest(entry) is not None:
        return True
    if not _is_older(entry):
        return False
    with suppress(OSError):
        _write_manifest(entry, entry)
        return True
    return False


def delete(entry: Path) -> None:
    """Delete the files that an entry's manifest lists, and the emptied folders."""
    files = read_manifest(entry)
    if files is None:
        return
    folders = {entry}
    # The manifest is deleted last: after an interrupted deletion the rest is still recognized as ours.
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
    """Whether it has the structure of an entry of an older version, without other files."""
    try:
        names = {path.name for path in entry.iterdir()}
        metadata = json.loads((entry / "zarr.json").read_bytes())
        return (
            not entry.is_symlink()
            and _is_digest(entry.name)
            and {"zarr.json", "labels"} <= names <= {"zarr.json", *ARRAYS}
            and "embedding_channels" in metadata["attributes"]
            and not any(path.is_symlink() or _is_strange(path.relative_to(entry)) for path in entry.rglob("*"))
        )
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return False


def _is_strange(path: Path) -> bool:
    """Whether it is not a path that zarr writes: ``labels/zarr.json`` and ``labels/c/0/1`` are fine."""
    first, *rest = path.parts
    if not rest:
        return first not in ("zarr.json", *ARRAYS)
    return not (rest == ["zarr.json"] or (rest[0] == "c" and all(part.isdecimal() for part in rest[1:])))


def _is_digest(name: str) -> bool:
    return len(name) >= 16 and all(letter in "0123456789abcdef" for letter in name)


def _files_of_older(entry: Path) -> Files:
    """The files that an entry without a manifest must have, including chunks of zeros."""
    if entry.is_symlink() or entry.name.endswith(SUFFIX):
        return {"": (-1, None)}
    arrays = dict(zarr.open_group(entry, mode="r", zarr_format=3).arrays())
    described = ["zarr.json", *(f"{name}/zarr.json" for name in arrays)]
    files: Files = {name: ((entry / name).stat().st_size, None) for name in described}
    return files | {name: (size, None) for name, size in _chunks(arrays).items()}


def _chunks(arrays: Mapping[str, Any]) -> dict[str, int]:
    """The files of all chunks, and their sizes."""
    sizes = {}
    for name, array in arrays.items():
        size = math.prod(array.chunks) * array.dtype.itemsize
        grid = [math.ceil(side / step) for side, step in zip(array.shape, array.chunks, strict=True)]
        if math.prod(grid) > _MOST_CHUNKS:
            raise ValueError(f"{math.prod(grid)} chunks")
        for index in np.ndindex(*grid):
            sizes[f"{name}/{array.metadata.encode_chunk_key(index)}"] = size
    return sizes
