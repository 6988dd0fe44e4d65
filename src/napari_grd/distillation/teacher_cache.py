"""What the teacher says of every training image, computed once and kept on disk.

A teacher step costs about ten times a student step on a CPU. With its outputs
cached, distillation runs at the student's speed.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_grd.data.dataset import TeacherLayout
from napari_grd.data.fingerprint import image_key
from napari_grd.errors import ImageError, OutputError
from napari_grd.graph.offsets import default_offsets
from napari_grd.jobs import Job, Stopwatch
from napari_grd.teachers.base import Teacher, TeacherPrediction
from napari_grd.teachers.check import check_prediction

CHUNK = 128  # a training patch touches at most four of these
_EMBEDDING, _AFFINITIES = "embedding_channels", "affinity_channels"


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
    """

    labels: NDArray[np.uint32]
    output: Any = None
    layout: TeacherLayout | None = None
    confidence: NDArray[np.float16] | None = None


class TeacherCache:
    """Predictions in zarr, keyed by the content of teacher and image.

    Layout: ``<folder>/<teacher fingerprint>/<image key>/{labels, output, confidence}``.
    An entry is written under another name and renamed when complete, so what
    exists can be trusted and interrupted caching goes on where it stopped.

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
            Intensities as they were read, not normalised.
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
            If the folder cannot be written.
        """
        keys = [image_key(image) for image in images]
        missing = {key: image for key, image in zip(keys, images, strict=True) if not self._has(key)}
        watch = Stopwatch(stage, len(missing))
        for done, (key, image) in enumerate(missing.items()):
            yield watch.progress(done)
            self._write(key, image)
        yield watch.progress(len(missing))
        return [self._read(key) for key in keys]

    def _has(self, key: str) -> bool:
        entry = self._root / key
        if not entry.exists():
            return False
        attributes = zarr.open_group(entry, mode="r").attrs
        if attributes[_EMBEDDING] or _AFFINITIES in attributes:
            return True
        # Entries of an older make kept no soft outputs of a teacher without embeddings: it is asked again.
        shutil.rmtree(entry, ignore_errors=True)
        return False

    def _write(self, key: str, image: NDArray[Any]) -> None:
        prediction = self._teacher.predict(image)
        check_prediction(prediction, image.shape[1:])
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
        temporary = self._root / f".{key}.{os.getpid()}"
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            group = zarr.open_group(temporary, mode="w", attributes=attributes)
            for name, array in arrays.items():
                chunks = (*array.shape[:-2], *(min(CHUNK, side) for side in array.shape[-2:]))
                # Uncompressed: float16 embeddings barely shrink, and decoding would cost every step.
                group.create_array(name, data=array, chunks=chunks, compressors=None)
            temporary.rename(self._root / key)
        except OSError as error:
            if (self._root / key).exists():  # another process was faster, with the same content
                return
            raise OutputError(
                f"The teacher's output cannot be cached in {str(self._root)!r} ({error}).",
                "Choose a folder that can be written and has space left.",
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _read(self, key: str) -> CachedPrediction:
        group = zarr.open_group(self._root / key, mode="r")
        arrays = dict(group.arrays())
        output, layout = arrays.get("output"), None
        if output is not None:
            embedding, affinities = (int(str(group.attrs.get(name, 0))) for name in (_EMBEDDING, _AFFINITIES))
            layout = TeacherLayout(embedding, affinities, foreground=output.shape[0] > embedding + affinities)
        confidence = arrays.get("confidence")
        return CachedPrediction(
            np.asarray(arrays["labels"][...]),
            output,
            layout,
            None if confidence is None else np.asarray(confidence[...], np.float16),
        )


def prune(folder: Path, limit: int) -> None:
    """Delete the entries of a cache that were made first, until the others fit a limit.

    Parameters
    ----------
    folder : Path
        Of a :class:`TeacherCache`; it may be missing.
    limit : int
        Bytes that may stay.
    """
    entries = []
    for entry in folder.glob("*/*"):
        size = sum(path.stat().st_size for path in entry.rglob("*") if path.is_file())
        entries.append((entry.stat().st_mtime, size, entry))
    total = 0
    for _, size, entry in sorted(entries, reverse=True):
        total += size
        if total > limit:
            shutil.rmtree(entry, ignore_errors=True)


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
