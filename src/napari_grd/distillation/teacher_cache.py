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

from napari_grd.data.fingerprint import image_key
from napari_grd.errors import ImageError, OutputError
from napari_grd.jobs import Job, Stopwatch
from napari_grd.teachers.base import Teacher

CHUNK = 128  # a training patch touches at most four of these
_CHANNELS = "embedding_channels"


@dataclass(frozen=True)
class CachedPrediction:
    """A teacher's word on one image.

    Attributes
    ----------
    labels : ndarray (*S) uint32
        The teacher's own instances.
    output : zarr.Array (E, *S) float16, or None
        Embedding channels, then the foreground probability if it has one.
        None for a teacher that gives labels only.
    embedding_channels : int
        How many of the E are embedding; 0 without output.
    """

    labels: NDArray[np.uint32]
    output: Any
    embedding_channels: int


class TeacherCache:
    """Predictions in zarr, keyed by the content of teacher and image.

    Layout: ``<folder>/<teacher fingerprint>/<image key>/{labels, output}``. An
    entry is written under another name and renamed when complete, so what
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

    def fill(self, images: Sequence[NDArray[Any]]) -> Job[list[CachedPrediction]]:
        """Predict what is not cached yet.

        Parameters
        ----------
        images : sequence of ndarray (C, *S)
            Intensities as they were read, not normalised.

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
        OutputError
            If the folder cannot be written.
        """
        keys = [image_key(image) for image in images]
        missing = {key: image for key, image in zip(keys, images, strict=True) if not (self._root / key).exists()}
        watch = Stopwatch("Asking the teacher", len(missing))
        for done, (key, image) in enumerate(missing.items()):
            yield watch.progress(done)
            self._write(key, image)
        yield watch.progress(len(missing))
        return [self._read(key) for key in keys]

    def _write(self, key: str, image: NDArray[Any]) -> None:
        prediction = self._teacher.predict(image)
        arrays: dict[str, NDArray[Any]] = {"labels": np.asarray(prediction.labels, np.uint32)}
        if prediction.embeddings is not None:
            arrays["output"] = _stack(prediction.embeddings, prediction.foreground)
        temporary = self._root / f".{key}.{os.getpid()}"
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            embeddings = prediction.embeddings
            channels = 0 if embeddings is None else len(embeddings)
            group = zarr.open_group(temporary, mode="w", attributes={_CHANNELS: channels})
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
        return CachedPrediction(
            np.asarray(arrays["labels"][...]), arrays.get("output"), int(str(group.attrs[_CHANNELS]))
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


def _stack(embeddings: NDArray[np.float32], foreground: NDArray[np.float32] | None) -> NDArray[np.float16]:
    parts = [embeddings] if foreground is None else [embeddings, foreground[None]]
    stacked = np.concatenate(parts)
    if not np.abs(stacked).max() < np.finfo(np.float16).max:
        raise ImageError(
            f"The teacher's embeddings reach {np.abs(stacked).max():g}, beyond what float16 can hold.",
            "Use a teacher whose training converged.",
        )
    return stacked.astype(np.float16)
