"""Opening a TIFF: the files of its data set, and its images without thumbnails."""

import logging
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import tifffile

from napari_grd.errors import DataError
from napari_grd.io.names import COMPANION, suffix_of
from napari_grd.io.tiff_metadata import ome_root

_SMALL = ("thumbnail", "label", "macro", "label image", "macro image", "overview")  # extra images of slides
_MOST_PAGES = 10_000_000


@dataclass(frozen=True)
class TiffImage:
    """One of the images in a TIFF.

    Attributes
    ----------
    series : tifffile.TiffPageSeries
        Its pages at full resolution.
    number : int
        Its index in the file, thumbnails included.
    name : str
        Its name in the file; may be empty.
    """

    series: Any
    number: int
    name: str


@dataclass(frozen=True)
class OpenTiff:
    """A TIFF and its images.

    Attributes
    ----------
    file : tifffile.TiffFile
        The file.
    images : tuple of TiffImage
        At least one, without thumbnails and smaller copies.
    notes : tuple of str
        Messages about skipped images.
    missing : tuple of str
        Missing files of the data set.
    log : list of str
        Problems so far; it grows while pixels are read.
    """

    file: Any
    images: tuple[TiffImage, ...]
    notes: tuple[str, ...]
    missing: tuple[str, ...]
    log: list[str]


class _Log(logging.Handler):
    """Collects problems that tifffile logs in this thread, which would otherwise be unnoticed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.messages.append(record.getMessage().partition("> ")[2] or record.getMessage())


@contextmanager
def open_tiff(path: Path) -> Iterator[OpenTiff]:
    """Open a TIFF, or the data set of several files that it belongs to.

    Parameters
    ----------
    path : Path
        The file, or the ``.companion.ome`` of several.

    Raises
    ------
    DataError
        If it contains no image, is cut off, or its pages form a cycle.
    """
    logger = logging.getLogger("tifffile")
    log = _Log()
    logger.addHandler(log)
    try:
        path, file = _whole(path)
        try:
            missing, expected = _missing(file.ome_metadata, path) if file.is_ome else ((), 0)
            yield _opened(file, path, missing, expected, log.messages)
        finally:
            file.close()
    finally:
        logger.removeHandler(log)


def files_of(path: Path) -> tuple[str, ...]:
    """Names of the files in a TIFF's data set; empty for a single file.

    Only the head of the file and its description are read.
    """
    try:
        _, file = _whole(path)
        with file:
            names = _file_names(file.ome_metadata or "") if file.is_ome else ()
    except Exception:  # errors are reported when it is read
        return ()
    return names if len(names) > 1 else ()


def check_pages(path: Path) -> None:
    """Reject a file whose pages form a cycle, or lead out of the file: readers would loop, or stop early.

    Raises
    ------
    DataError
        If they do.
    """
    cut = DataError(f"{str(path)!r} is cut off: pages are missing.", "Copy it again, or exclude it.")
    with path.open("rb") as file:
        head = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        if order is None or len(head) < 16 or suffix_of(path) == ".ndpi":  # which has non-standard offsets
            return
        big = struct.unpack(f"{order}H", head[2:4])[0] == 43
        count, entry, link = ("Q", 20, "Q") if big else ("H", 12, "I")
        (offset,) = struct.unpack(order + link, head[8:16] if big else head[4:8])
        seen: set[int] = set()
        while offset and len(seen) < _MOST_PAGES:
            if offset in seen:
                raise DataError(
                    f"The pages of {str(path)!r} form a cycle.",
                    "The file is damaged: copy it again, or exclude it.",
                )
            seen.add(offset)
            file.seek(offset)
            tags = file.read(struct.calcsize(order + count))
            if len(tags) < struct.calcsize(order + count):
                raise cut
            file.seek(struct.unpack(order + count, tags)[0] * entry, 1)
            following = file.read(struct.calcsize(order + link))
            if len(following) < struct.calcsize(order + link):
                raise cut
            (offset,) = struct.unpack(order + link, following)


def _opened(file: Any, path: Path, missing: tuple[str, ...], expected: int, log: list[str]) -> OpenTiff:
    series = list(file.series)
    if not series:
        raise DataError(f"There is no image in {str(path)!r}.", "The file may be cut off or damaged: copy it again.")
    kept = _without_copies(series, is_ome=series[0].kind == "ome")
    images = tuple(TiffImage(series[number], number, str(series[number].name or "")) for number in kept)
    notes = []
    if left := len(series) - len(kept):
        notes.append(f"{left} smaller image(s) in {path.name} are thumbnails or copies and were skipped.")
    if series[0].kind == "ome" and len(series) < expected:
        notes.append(f"{path.name} declares {expected} images, but {expected - len(series)} are missing.")
    return OpenTiff(file, images, tuple(notes), missing, log)


def _without_copies(series: list[Any], *, is_ome: bool) -> list[int]:
    """The series that are images, not thumbnails or levels of a pyramid."""
    areas = [entry.keyframe.imagelength * entry.keyframe.imagewidth for entry in series]
    largest = series[areas.index(max(areas))].keyframe
    kept = []
    for number, entry in enumerate(series):
        page = entry.keyframe
        small = 2 * page.imagelength <= largest.imagelength + 1 and 2 * page.imagewidth <= largest.imagewidth + 1
        named = str(entry.name or "").strip().lower() in _SMALL
        # In OME-TIFF every series is an image; otherwise a smaller one of the same shape is a copy, and a tiny one a
        # thumbnail.
        height = page.imagewidth * largest.imagelength / largest.imagewidth
        same = abs(page.imagelength - height) <= max(1, 0.05 * height)
        tiny = 16 * page.imagelength * page.imagewidth <= largest.imagelength * largest.imagewidth
        copy = page.is_reduced or named or (not is_ome and (same or tiny))
        if page is largest or not (small and copy):  # with a single pixel, the largest would count as small
            kept.append(number)
    return kept


def _whole(path: Path) -> tuple[Path, Any]:
    """The main file of a data set, opened with the OME-XML that describes all of it."""
    if path.name.lower().endswith(COMPANION):
        shared = path.read_text("utf-8")
        first = _first_file(path, shared)
        check_pages(first)
        return first, tifffile.TiffFile(first, omexml=shared)
    check_pages(path)
    file = tifffile.TiffFile(path)
    try:
        described_at, described = _described(path, file.ome_metadata if file.is_ome else None)
    except BaseException:
        file.close()
        raise
    if described_at == path and described is None:
        return path, file
    file.close()
    return described_at, tifffile.TiffFile(described_at, omexml=described)


def _described(path: Path, text: str | None) -> tuple[Path, str | None]:
    """The file to open and the OME-XML to open it with, if that is not the file's own."""
    if not text:
        return path, None
    root = ome_root(text)
    if (pointer := root.find("BinaryOnly")) is not None:
        master = path.parent / Path(pointer.get("MetadataFile", "")).name
        if not master.is_file():
            raise DataError(
                f"{str(path)!r} is one of several files, described in {master.name!r}, which is missing.",
                "Put that file beside it.",
            )
        if master.name.lower().endswith(COMPANION):
            return path, master.read_text("utf-8")
        check_pages(master)
        return master, None
    names = _file_names(text)
    if len(names) == 1 and names[0] != path.name and not (path.parent / names[0]).is_file():
        # A renamed single file: its metadata have the original name.
        for element in root.iter("TiffData"):
            for uuid in element.findall("UUID"):
                element.remove(uuid)
        return path, ElementTree.tostring(root, encoding="unicode")
    return path, None


def _first_file(companion: Path, described: str) -> Path:
    names = _file_names(described)
    for name in names:
        if (companion.parent / name).is_file():
            return companion.parent / name
    raise DataError(f"None of the {len(names)} files that {str(companion)!r} describes exists.", "Put them beside it.")


def _file_names(described: str) -> tuple[str, ...]:
    """Files of planes in an OME-XML, in its order."""
    elements = ome_root(described).iter("UUID")
    return tuple(dict.fromkeys(Path(name).name for element in elements if (name := element.get("FileName"))))


def _missing(described: str | None, path: Path) -> tuple[tuple[str, ...], int]:
    """Missing files of the data set, and its number of images."""
    if not described:
        return (), 0
    names = _file_names(described)
    absent = tuple(name for name in names if not (path.parent / name).is_file()) if len(names) > 1 else ()
    return absent, len(ome_root(described).findall("Image"))
