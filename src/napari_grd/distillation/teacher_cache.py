"""What the teacher says of every training image, computed once and kept on disk.

A teacher step costs about ten times a student step on a CPU. With its outputs
cached, distillation runs at the student's speed.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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
_NUMBERS = ("", "-2", "-3", "-4")  # of entries for one image, where something is in the way
_LONG = 3600.0  # seconds without a sign of life, after which somebody is told


@dataclass(frozen=True)
class CachedPrediction:
    """A teacher's word on one image.

    Attributes
    ----------
    labels : ndarray (*S) uint32
        The teacher's own instances.
    output : zarr.Array (E, *S) float16, or None
        See :class:`TeacherLayout`; None for labels alone.
    layout : TeacherLayout or None
        What the E channels are.
    confidence : ndarray (*S) float16, or None
        How sure it is of the instance at each pixel, if it was asked.

    Notes
    -----
    Reading from ``output`` raises `DataError` where something was lost on the disk since.
    """

    labels: NDArray[np.uint32]
    output: Any = None
    layout: TeacherLayout | None = None
    confidence: NDArray[np.float16] | None = None


class TeacherCache:
    """Predictions in zarr, keyed by the content of teacher and image.

    Layout: ``<folder>/<teacher fingerprint>/<image key>.kept/{labels, output, confidence}``.
    An entry is written under another name and renamed when complete, so that
    interrupted caching goes on where it stopped; what was damaged since is asked again.

    Parameters
    ----------
    folder : Path
        Made if missing. Several teachers may share it.
    teacher : Teacher
        Whose predictions to keep.
    """

    def __init__(self, folder: Path, teacher: Teacher) -> None:
        self._root = folder / teacher.fingerprint
        self._teacher = teacher

    def fill(self, images: Sequence[NDArray[Any]], stage: str = "Asking the teacher") -> Job[list[CachedPrediction]]:
        """Predict what is not cached yet.

        Parameters
        ----------
        images : sequence of ndarray (C, *S)
            Intensities as they were read, not normalized.
        stage : str
            Name of the stage in progress events.

        Yields
        ------
        Progress
            One an image.

        Returns
        -------
        list of CachedPrediction
            In the order of the images.

        Raises
        ------
        LabelError
            If the teacher's output does not belong to its image.
        OutputError
            If the folder cannot be written, or an entry's name is taken by something else.
        """
        keys = [image_key(image) for image in images]
        known = {key: self._read(key, image) for key, image in dict(zip(keys, images, strict=True)).items()}
        missing = {key: image for key, image in zip(keys, images, strict=True) if known[key] is None}
        watch = Stopwatch(stage, len(missing))
        for done, (key, image) in enumerate(missing.items()):
            yield watch.progress(done)
            known[key] = self._write(key, image)
            if done == 0:  # the first answer tells what the others take
                pixels = sum(each[0].size for each in missing.values()) - image[0].size
                taken = sum(map(size_on_disk, self._entries(key)))
                needed = taken * pixels // image[0].size
                yield from check_disk(self._root, needed, f"The teacher's answers to {len(missing) - 1} more images")
        yield watch.progress(len(missing))
        return [kept for key in keys if (kept := known[key]) is not None]

    def _write(self, key: str, image: NDArray[Any]) -> CachedPrediction:
        # What has no manifest is not ours to replace, even if it was before the manifest was damaged.
        free = [entry for entry in self._entries(key) if not entry.exists() or read_manifest(entry) is not None]
        if not free:
            raise OutputError(
                f"{str(self._entries(key)[0])!r} is in the way: it is not known to be of this program's making.",
                "Move it away, or choose another folder for the cache.",
            )
        prediction = self._teacher.predict(image)
        check_prediction(prediction, image.shape[1:])
        faster = self._read(key, image)
        if faster is not None:  # another process was, with the same content
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
        written = self._read(key, image)
        if written is None:
            raise OutputError(
                f"What was written to {str(free[0])!r} cannot be read again.", "Choose a folder on another disk."
            )
        return written

    def _read(self, key: str, image: NDArray[Any]) -> CachedPrediction | None:
        """What is kept of an image, checked; None if that is nothing, or not all."""
        older = self._root / key
        if _is_default(self._root.parent):
            adopt(older)
        for entry in (*self._entries(key), older):
            found = open_entry(entry, image.shape[1:])
            kept = None if found is None else _prediction(*found)
            if kept is not None:
                touch(entry)
                return kept
        return None

    def _entries(self, key: str) -> list[Path]:
        return [self._root / f"{key}{number}{SUFFIX}" for number in _NUMBERS]


def _prediction(arrays: dict[str, Any], attributes: dict[str, Any]) -> CachedPrediction | None:
    embedding, affinities = attributes.get(_EMBEDDING), attributes.get(_AFFINITIES)
    if not isinstance(embedding, int) or not isinstance(affinities, int | None):
        return None
    # Entries of an older make kept no soft outputs of a teacher without embeddings: it is asked again.
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
    try:
        labels = np.asarray(arrays["labels"][...])
        return CachedPrediction(
            labels, output, layout, None if confidence is None else np.asarray(confidence[...], np.float16)
        )
    except (DataError, OSError, ValueError):  # damaged: it is asked again
        return None


@contextmanager
def in_use(folder: Path, teacher: Teacher) -> Iterator[None]:
    """Keep a teacher's answers from being pruned, by whatever process.

    Parameters
    ----------
    folder : Path
        Of the :class:`TeacherCache`.
    teacher : Teacher
        Whose predictions are used.

    Raises
    ------
    OutputError
        If the folder cannot be made.
    """
    with used(make_folder(folder / teacher.fingerprint)):
        yield


def prune(folder: Path, limit: int) -> list[str]:
    """Delete the entries of a cache that were used longest ago, until the others fit a limit.

    Only entries with a manifest of ours are deleted, and of them only the files that it
    lists, whatever else the folder holds. Entries of teachers that are in use stay.
    Entries of older versions, which had no manifest, are recognized by their structure in
    the folder that is the default for the cache, and left alone in any other.

    Parameters
    ----------
    folder : Path
        Of a :class:`TeacherCache`; it may be missing.
    limit : int
        Bytes that may stay.

    Returns
    -------
    list of str
        A sentence for each teacher whose entries another computer has been said to use for long.
    """
    entries, kept_for, is_default = [], [], _is_default(folder)
    for root in _folders(folder):
        found = users(root)
        kept_for += [f"{str(root)!r} is not pruned: it is in use by {user}." for user in found if user.silent > _LONG]
        for entry in _folders(root):
            if is_default:
                adopt(entry)
            files = read_manifest(entry)
            if files is not None:
                size = sum(size for size, _ in files.values())
                entries.append((_last_use(entry), size, entry, bool(found)))
    total = 0
    for _, size, entry, is_used in sorted(entries, reverse=True, key=lambda each: each[0]):
        total += size
        if total > limit and not is_used and not users(entry.parent):
            delete(entry)
            with suppress(OSError):  # fails unless it was the last
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
    """What is kept: embeddings, or what else is soft.

    Affinities follow from embeddings. Of the rest all is kept or nothing, so
    that images of one teacher agree even if it does not always give both.
    """
    if prediction.embeddings is not None:
        return TeacherLayout(len(prediction.embeddings), foreground=prediction.foreground is not None)
    if prediction.affinities is None and prediction.foreground is None:
        return None
    return TeacherLayout(affinities=len(default_offsets(prediction.labels.ndim)), foreground=True)


def stacked(prediction: TeacherPrediction, layout: TeacherLayout) -> NDArray[np.float16]:
    """What a teacher says as one array ``(E, *S)``; NaN is what it does not say."""
    output = np.full((layout.channels, *prediction.labels.shape), np.nan, np.float16)
    embeddings = prediction.embeddings
    if embeddings is not None:
        if not np.abs(embeddings).max() < np.finfo(np.float16).max:
            raise ImageError(
                f"The teacher's embeddings reach {np.abs(embeddings).max():g}, beyond what float16 can hold.",
                "Use a teacher whose training converged.",
            )
        output[: layout.embedding] = embeddings
    if layout.pairs is not None and prediction.affinities is not None:
        output[layout.pairs] = prediction.affinities
    if layout.foreground and prediction.foreground is not None:
        output[-1] = prediction.foreground
    return output
