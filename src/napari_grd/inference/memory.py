"""Estimates of the memory of jobs, reported in advance."""

import ctypes
import math
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from napari_grd.errors import OutOfMemory
from napari_grd.inference.blocks import Block
from napari_grd.inference.boxes import size_of
from napari_grd.io.disk import MUCH, gib
from napari_grd.jobs import Job, Notice
from napari_grd.models.model import Model

_PER_VALUE = 12  # bytes per value of a block's output: up to three float32 copies
_PER_TILE_PIXEL = 800  # bytes of a network per pixel of a tile
_RETURNED = 2**20  # bytes of an array that is returned to the system when it is freed, see `freed_memory_returned`
_KEPT = 32 * 2**20  # the same otherwise: where glibc gets by itself in a process with large arrays
_AT_ONCE, _PER_PIXEL_AT_ONCE = 200 * 10**6, 240  # bytes of the runtime, and per pixel of a block: 1824² took 1.0e9
_PER_VOLUME_VALUE = 10  # bytes per value of a volume's output, at the peak: 64 x 512 x 512 voxels took 8.7


def segment_bytes(
    model: Model, plane_shape: Sequence[int], shape: Sequence[int], blocks: Sequence[Block], tile: int
) -> tuple[int, int]:
    """Estimate the memory of a segmentation, as measured with the built-in students.

    Returns
    -------
    labels, work : int
        Bytes of the result, and of the temporary data of a block.
    """
    labels = 4 * math.prod((*plane_shape, *shape))
    values = model.embedding_channels + 2
    seen = max((math.prod(size_of(block.seen)) for block in blocks), default=0)
    read = max((math.prod(size_of(block.read)) for block in blocks), default=0)
    work = _PER_VALUE * values * seen + 12 * model.config.in_channels * read
    return labels, work + _PER_TILE_PIXEL * min(seen, (tile + 192) ** 2)


def at_once_bytes(seen: int) -> int:
    """The memory of segmenting blocks that the network sees as a whole, ``seen`` pixels, one after the other.

    As measured with the built-in students; of any number of blocks.
    """
    return _AT_ONCE + _PER_PIXEL_AT_ONCE * seen


def check_segment_memory(
    model: Model, plane_shape: Sequence[int], shape: Sequence[int], blocks: Sequence[Block], tile: int
) -> Job[None]:
    """Report if a segmentation needs much of the available memory.

    Yields
    ------
    Notice
        If it needs more than half of the available memory.

    Raises
    ------
    OutOfMemory
        If it needs more than the available memory.
    """
    labels, work = segment_bytes(model, plane_shape, shape, blocks, tile)
    planes = math.prod(plane_shape)
    what = f"{planes} planes" if planes > 1 else "a plane"
    return check_memory(
        labels + work,
        f"{what} of {' x '.join(map(str, shape))} pixels (labels {gib(labels)}, network and one block of {len(blocks)}"
        f" {gib(work)})",
        "Segment fewer planes at a time, crop the image, or close other programs.",
    )


def check_volume_memory(model: Model, count: int, shape: Sequence[int]) -> Job[None]:
    """Report if the segmentation of ``count`` volumes, each as a whole, needs much of the available memory.

    Yields
    ------
    Notice
        If it needs more than half of the available memory.

    Raises
    ------
    OutOfMemory
        If it needs more than the available memory.
    """
    voxels = math.prod(shape)
    labels, work = 4 * count * voxels, _PER_VOLUME_VALUE * (model.embedding_channels + 2) * voxels
    what = f"{count} volumes" if count > 1 else "a volume"
    return check_memory(
        labels + work,
        f"{what} of {' x '.join(map(str, shape))} voxels (labels {gib(labels)}, network and partition {gib(work)})",
        "Segment it block by block with segment_zarr ('napari-grd segment IMAGE LABELS.zarr'), crop it, or close other"
        " programs.",
    )


def check_memory(needed: int, what: str, remedy: str) -> Job[None]:
    """Report in advance if a job needs much of the available memory.

    Parameters
    ----------
    needed : int
        Bytes that the job needs beyond those in use.
    what : str
        Subject of the message: "12 training images".
    remedy : str
        Remedy if there is too little.

    Yields
    ------
    Notice
        If it needs more than half of the available memory.

    Raises
    ------
    OutOfMemory
        If it needs more than the available memory.
    """
    available = available_memory()
    if available is None or needed <= MUCH * available:
        return
    if needed > available:
        raise OutOfMemory(
            f"There is too little memory for {what}: {gib(needed)} are needed, and {gib(available)} are available.",
            remedy,
        )
    begin = what[:1].upper() + what[1:]
    yield Notice(f"{begin} will take about {gib(needed)} of the {gib(available)} of memory that are available.")


class _Returning:
    """Counts who wants freed memory to be returned."""

    def __init__(self) -> None:
        self.count, self.lock = 0, threading.Lock()

    def add(self, change: int) -> None:
        with self.lock:
            self.count += change
            if (self.count, change) in ((1, 1), (0, -1)):
                _set_mmap_threshold(_RETURNED if self.count else _KEPT)


_returning = _Returning()


@contextmanager
def freed_memory_returned() -> Iterator[None]:
    """Let the C library return freed arrays of a megabyte and more to the system; some keep those of up to 32 MiB.

    For jobs in which many arrays of changing sizes follow each other. Without effect where it is not glibc. It affects
    all threads of the process, until the last one that wants it has left.
    """
    _returning.add(1)
    try:
        yield
    finally:
        _returning.add(-1)


def _set_mmap_threshold(size: int) -> None:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is not None and hasattr(library, "mallopt"):
        library.mallopt(-3, size)  # M_MMAP_THRESHOLD
        library.mallopt(-1, 2 * size)  # M_TRIM_THRESHOLD, twice as large as glibc has it
        library.malloc_trim(0)


def available_memory() -> int | None:
    """Bytes of memory available without swapping, None if unknown.

    The minimum of the memory available in the system, in the control groups of this process (of a container, or of a
    job on a cluster), and in its own limit of address space (``ulimit -v``).
    """
    limits = [value for value in (_of_system(), _of_groups(), _of_process()) if value is not None]
    return min(limits, default=None)


def _of_system() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    if sys.platform == "win32":
        return _of_windows()
    try:  # including caches, which the system releases on demand
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


def _of_windows() -> int | None:
    class Status(ctypes.Structure):
        _fields_ = [
            ("length", ctypes.c_uint32),
            ("load", ctypes.c_uint32),
            *((name, ctypes.c_uint64) for name in ("total", "free", "page", "page_free", "room", "room_free", "more")),
        ]

    status = Status(length=ctypes.sizeof(Status))
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):  # type: ignore[attr-defined]
        return None
    return int(status.free)


def _of_groups(root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> int | None:
    """Memory left in the control groups, from that of this process up to the outermost."""
    limits = []
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = []
    folders = {root, root / "memory"}  # in a container the groups of the host have other paths
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds in ("", "memory"):
            group = (root / "memory" if kinds else root) / path.lstrip("/")
            folders |= {group, *(folder for folder in group.parents if folder.is_relative_to(root))}
    for folder in folders:
        for limit, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            try:
                left = int((folder / limit).read_text()) - int((folder / used).read_text())
            except (OSError, ValueError):  # no such file; "max"
                continue
            limits.append(max(0, left + _reclaimable(folder)))
    return min(limits, default=None)


def _reclaimable(folder: Path) -> int:
    """File cache that a group counts as used, but releases on demand."""
    try:
        lines = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return int(lines.get("total_inactive_file", lines.get("inactive_file", 0)))
    except (OSError, ValueError):
        return 0


def _of_process() -> int | None:
    """Memory left in the limit of address space."""
    try:
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit == resource.RLIM_INFINITY:
            return None
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (ImportError, OSError, ValueError):  # Windows; no such file
        return None
    return max(0, limit - used)
