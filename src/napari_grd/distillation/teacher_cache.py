"""The teacher's predictions of all training images, computed once and cached on disk.

A teacher step costs about ten times a student step on a CPU. With its outputs
cached, distillation runs at the student's speed.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.data.dataset import TeacherLayout
from napari_grd.data.fingerprint import image_key
from napari_grd.distillation.cache_entry import (
    MANIFEST,
    SUFFIX,
    adopt,
    delete,
    open_entry,
    read_manifest,
    touch,
    write_entry,
)
from napari_grd.errors import DataError, ImageError, OutputError
from napari_grd.graph.offsets import default_offsets
from napari_grd.io.atomic import make_folder
from napari_grd.io.disk import check_disk, size_on_disk
from napari_grd.io.lock import used, users
from napari_grd.io.places import default_cache_folder
from napari_grd.jobs import Job, Stopwatch
from napari_grd.teaching.base import Teacher, TeacherPrediction
from napari_grd.teaching.prediction_check import check_prediction

_EMBEDDING, _AFFINITIES = "embedding_channels", "affinity_channels"
_NUMBERS = ("", "-2", "-3", "-4")  # name suffixes of an image's entry, if a name is taken
_LONG = 3600.0  # seconds without activity of a user, after which it is reported


@dataclass(frozen=True)
class CachedPrediction:
    """A teacher's cached prediction of one image.

    Attributes
    ----------
    labels : ndarray (*S) uint32
        The teacher's own instances; of a block, a zarr array.
    output : zarr.Array (E, *S) float16, or None
        See :class:`TeacherLayout`; None for labels alone.
    layout : TeacherLayout or None
        Layout of the E channels.
    confidence : ndarray (*S) float16, or None
        Confidence in the instance at each pixel, if it was computed; of a block, a zarr array.

    Notes
    -----
    Reading from ``output`` raises `DataError` if data on disk were lost.
    """

    labels: Any
    output: Any = None
    layout: TeacherLayout | None = None
    confidence: Any = None


class TeacherCache:
    """Predictions in zarr, keyed by the content of teacher and image.

    Layout: ``<folder>/<teacher fingerprint>/<image key>.kept/{labels, output, confidence}``.
    An entry is written under another name and renamed when complete, so that interrupted caching is resumed; damaged
    entries are predicted again.

    Parameters
    ----------
    folder : Path
        Created if missing. Several teachers may share it.
    teacher : Teacher
        The teacher whose predictions are cached.

    Attributes
    ----------
    folder : Path
        As given.
    """

    def __init__(self, folder: Path, teacher: Teacher) -> None:
        self.folder = folder
        self._root = folder / teacher.fingerprint
        self._teacher = teacher

    def fill(self, images: Sequence[NDArray[Any]], stage: str = "Asking the teacher") -> Job[list[CachedPrediction]]:
        """Predict the images that are not cached yet.

        Parameters
        ----------
        images : sequence of ndarray (C, *S)
            Raw intensities, not normalized.
        stage : str
            Name of the stage in progress events.

        Yields
        ------
        Progress
            One per image.

        Returns
        -------
        list of CachedPrediction
            In the order of the images.

        Raises
        ------
        LabelError
            If the teacher's output does not fit its image.
        OutputError
            If the folder cannot be written, or another file has an entry's name.
        """
        keys = [image_key(image) for image in images]
        predictions = {
            key: self._read(key, image.shape[1:]) for key, image in dict(zip(keys, images, strict=True)).items()
        }
        missing = {key: image for key, image in zip(keys, images, strict=True) if predictions[key] is None}
        watch = Stopwatch(stage, len(missing))
        for done, (key, image) in enumerate(missing.items()):
            yield watch.progress(done)
            predictions[key] = self._write(key, image.shape[1:], partial(self._teacher.predict, image))
            if done == 0:  # the first prediction gives the size of the others
                pixels = sum(each[0].size for each in missing.values()) - image[0].size
                taken = sum(map(size_on_disk, self._entries(key)))
                needed = taken * pixels // image[0].size
                yield from check_disk(
                    self._root, needed, f"The teacher's predictions of {len(missing) - 1} more images"
                )
        yield watch.progress(len(missing))
        return [kept for key in keys if (kept := predictions[key]) is not None]

    def ask(
        self, key: str, shape: tuple[int, ...], predict: Callable[[], TeacherPrediction], *, is_whole: bool = True
    ) -> CachedPrediction:
        """The prediction with a key, predicted unless it is cached.

        Parameters
        ----------
        key : str
            Identifies, together with the teacher, everything that the prediction depends on.
        shape : tuple of int
            Its spatial shape.
        predict : callable
            Predicts it.
        is_whole : bool
            Whether labels and confidence are read into memory.

        Raises
        ------
        LabelError, OutputError
            As :meth:`fill`.
        """
        return self._read(key, shape, is_whole=is_whole) or self._write(key, shape, predict, is_whole=is_whole)

    def _write(
        self, key: str, shape: tuple[int, ...], predict: Callable[[], TeacherPrediction], *, is_whole: bool = True
    ) -> CachedPrediction:
        # An entry without a manifest is never replaced, even if its manifest was damaged.
        free = [entry for entry in self._entries(key) if not entry.exists() or read_manifest(entry) is not None]
        if not free:
            raise OutputError(
                f"{str(self._entries(key)[0])!r} blocks a cache entry, and was not written by this program.",
                "Move it away, or choose another folder for the cache.",
            )
        prediction = predict()
        check_prediction(prediction, shape)
        faster = self._read(key, shape, is_whole=is_whole)
        if faster is not None:  # another process has written the same content
            return faster
        arrays: dict[str, NDArray[Any]] = {"labels": prediction.labels}
        if prediction.confidence is not None:
            arrays["confidence"] = prediction.confidence.astype(np.float16)
        layout = layout_of(prediction)
        if layout is not None:
            arrays["output"] = stacked(prediction, layout)
        attributes: dict[str, Any] = {
            _EMBEDDING: 0 if layout is None else layout.embedding,
            _AFFINITIES: 0 if layout is None else layout.affinities,
        }
        make_folder(self._root)
        write_entry(free[0], arrays, attributes)
        written = self._read(key, shape, is_whole=is_whole)
        if written is None:
            raise OutputError(
                f"The file {str(free[0])!r} was written, but cannot be read back.", "Choose a folder on another disk."
            )
        return written

    def _read(self, key: str, shape: tuple[int, ...], *, is_whole: bool = True) -> CachedPrediction | None:
        """The verified entry of an image; None if it is missing or incomplete."""
        older = self._root / key
        if _is_default(self._root.parent):
            adopt(older)
        for entry in (*self._entries(key), older):
            opened = open_entry(entry, shape)
            kept = None if opened is None else _prediction(*opened, is_whole=is_whole)
            if kept is not None:
                touch(entry)
                return kept
        return None

    def _entries(self, key: str) -> list[Path]:
        return [self._root / f"{key}{number}{SUFFIX}" for number in _NUMBERS]


def _prediction(arrays: dict[str, Any], attributes: dict[str, Any], *, is_whole: bool) -> CachedPrediction | None:
    embedding, affinities = attributes.get(_EMBEDDING), attributes.get(_AFFINITIES)
    if not isinstance(embedding, int) or not isinstance(affinities, int | None):
        return None
    # Entries of older versions have no soft outputs of a teacher without embeddings: predict again.
    if not embedding and affinities is None:
        return None
    output, layout = arrays.get("output"), None
    if output is not None:
        affinities = affinities or 0
        foreground = output.shape[0] - embedding - affinities
        pairs = len(default_offsets(output.ndim - 1))
        if min(embedding, affinities) < 0 or foreground not in (0, 1) or affinities not in (0, pairs):
            return None
        layout = TeacherLayout(embedding, affinities, foreground=bool(foreground))
    confidence = arrays.get("confidence")
    if not is_whole:
        return CachedPrediction(arrays["labels"], output, layout, confidence)
    try:
        labels = np.asarray(arrays["labels"][...])
        return CachedPrediction(
            labels, output, layout, None if confidence is None else np.asarray(confidence[...], np.float16)
        )
    except (DataError, OSError, ValueError):  # damaged: predict again
        return None


@contextmanager
def in_use(folder: Path, teacher: Teacher) -> Iterator[None]:
    """Protect a teacher's predictions from pruning by any process.

    Parameters
    ----------
    folder : Path
        Folder of the :class:`TeacherCache`.
    teacher : Teacher
        The teacher whose predictions are used.

    Raises
    ------
    OutputError
        If the folder cannot be created.
    """
    with used(make_folder(folder / teacher.fingerprint)):
        yield


def prune(folder: Path, limit: int) -> list[str]:
    """Delete the least recently used entries of a cache, until the others fit a limit.

    Only entries with a manifest are deleted, and of those only the listed files. Entries of teachers in use are kept.
    Entries of older versions, without a manifest, are recognized by their structure in the default cache folder, and
    kept in any other.

    Parameters
    ----------
    folder : Path
        Folder of a :class:`TeacherCache`; it may be missing.
    limit : int
        Maximum size in bytes.

    Returns
    -------
    list of str
        A message for each teacher whose entries have been marked as used by another computer for long.
    """
    entries, kept_for, is_default = [], [], _is_default(folder)
    for root in _folders(folder):
        active = users(root)
        kept_for += [f"{str(root)!r} is not pruned: it is in use by {user}." for user in active if user.silent > _LONG]
        for entry in _folders(root):
            if is_default:
                adopt(entry)
            files = read_manifest(entry)
            if files is not None:
                size = sum(size for size, _ in files.values())
                entries.append((_last_use(entry), size, entry, bool(active)))
    total = 0
    for _, size, entry, is_used in sorted(entries, reverse=True, key=lambda each: each[0]):
        total += size
        if total > limit and not is_used and not users(entry.parent):
            delete(entry)
            with suppress(OSError):  # fails unless it is empty
                entry.parent.rmdir()
    return kept_for


def _is_default(folder: Path) -> bool:
    return folder.absolute() == default_cache_folder().absolute()


def _folders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError:
        return []


def _last_use(entry: Path) -> float:
    try:
        return (entry / MANIFEST).stat().st_mtime
    except OSError:
        return 0.0


def layout_of(prediction: TeacherPrediction) -> TeacherLayout | None:
    """Layout of the cached output: embeddings, or soft affinities and foreground.

    Affinities follow from embeddings. Missing outputs are stored as NaN, so that all images of a teacher have the same
    layout.
    """
    if prediction.embeddings is not None:
        return TeacherLayout(len(prediction.embeddings), foreground=prediction.foreground is not None)
    if prediction.affinities is None and prediction.foreground is None:
        return None
    return TeacherLayout(affinities=len(default_offsets(prediction.labels.ndim)), foreground=True)


def stacked(prediction: TeacherPrediction, layout: TeacherLayout) -> NDArray[np.float16]:
    """A teacher's outputs as one array ``(E, *S)``; missing ones are NaN."""
    output = np.full((layout.channels, *prediction.labels.shape), np.nan, np.float16)
    embeddings = prediction.embeddings
    if embeddings is not None:
        if not np.abs(embeddings).max() < np.finfo(np.float16).max:
            raise ImageError(
                f"The teacher's embeddings reach {np.abs(embeddings).max():g}, beyond the range of float16.",
                "Use a teacher whose training converged.",
            )
        output[: layout.embedding] = embeddings
    if layout.pairs is not None and prediction.affinities is not None:
        output[layout.pairs] = prediction.affinities
    if layout.foreground and prediction.foreground is not None:
        output[-1] = prediction.foreground
    return output
