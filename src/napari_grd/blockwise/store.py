"""The label image while it is written: labels of the blocks, a record of those that are finished, and the result.

While the job runs, or after it was interrupted, the group has no OME metadata, so that no program takes it for a
complete image. A process can be killed between any two writes: ``plan.json`` is written last and removed last::

    labels.ome.zarr/
      .grd-work/plan.json       settings, image and model: only the same job goes on
      .grd-work/lock            one program at a time
      .grd-work/raw             labels of each block, numbered from 1 in each
      .grd-work/blocks/17.npz   block 17 is finished: sizes of its objects, labels on its borders
      0, 1, ...                 the pyramid, written at the end
"""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_grd.errors import DataError, OutputError
from napari_grd.inference.boxes import Box
from napari_grd.io.atomic import atomic_path, make_folder
from napari_grd.io.ome_zarr import PROVENANCE
from napari_grd.io.ome_zarr_metadata import attributes_of

Faces = dict[str, NDArray[np.uint32]]
"""Labels of the bands that a block shares with its neighbors, by the names of its faces (:data:`~.grid.FACES`)."""

WORK = ".grd-work"
_PLAN = "plan.json"
_INCOMPLETE = {"incomplete": True}
_UNFINISHED = "*.partial"  # files of zarr until they are complete


JOB = "job"
"""Entry of the provenance of a finished label image: :func:`job_key` of the job that wrote it."""


def job_key(plan: Mapping[str, Any]) -> str:
    """Digest of a job's identity."""
    return hashlib.blake2b(json.dumps(plan, sort_keys=True).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class LabelStore:
    """The folder of a label image that is being written.

    Attributes
    ----------
    path : Path
        The group.
    shape : tuple of int
        Shape of the labels, the plane's height and width last.
    sides : tuple of int
        Sides of a block, of the last axes.
    """

    path: Path
    shape: tuple[int, ...]
    sides: tuple[int, ...]

    @property
    def work(self) -> Path:
        """Folder of what is needed only until the end."""
        return self.path / WORK

    def open(self, plan: Mapping[str, Any], *, overwrite: bool = False) -> None:
        """Begin, or go on with the same job.

        Parameters
        ----------
        plan : mapping
            Identity of the job, JSON-compatible.
        overwrite : bool
            Replace a label image, or another job, in the folder.

        Raises
        ------
        OutputError
            If the folder holds anything else, and may not be replaced.
        """
        begun, names = self._plan(), self._names()
        if begun == plan:
            return
        if begun is None and not names <= {WORK} and self._mark is None:
            raise OutputError(
                f"{str(self.path)!r} exists already and was not written by napari-grd.", "Choose another name."
            )
        if begun is None and self.is_written:
            self._remove_work()  # a process was killed while it did
        # A job that was killed before it had a plan has computed nothing.
        if not overwrite and (begun is not None or self.is_written):
            what = (
                "holds a finished label image of another image, model or settings"
                if begun is None
                else "belongs to a job with other settings or another image"
            )
            raise OutputError(f"{str(self.path)!r} {what}.", "Choose another name, or allow to overwrite it.")
        self._clear()
        make_folder(self.work / "blocks")
        zarr.create_group(self.path, zarr_format=3, attributes={PROVENANCE: _INCOMPLETE})
        planes = len(self.shape) - len(self.sides)
        sides = zip(self.sides, self.shape[planes:], strict=True)
        chunks = (*(1,) * planes, *(min(side, size) for side, size in sides))
        zarr.create_array(
            self.work / "raw", shape=self.shape, chunks=chunks, dtype=np.uint32, zarr_format=3, overwrite=True
        )
        with atomic_path(self.work / _PLAN) as temporary:  # last: from now on the job can be resumed
            temporary.write_text(json.dumps(plan), encoding="utf-8")

    def finished(self) -> set[int]:
        """Numbers of the finished blocks."""
        return {int(path.stem) for path in (self.work / "blocks").glob("*.npz") if path.stem.isdecimal()}

    def write_block(
        self, number: int, plane: tuple[int, ...], core: Box, labels: NDArray[np.uint32], faces: Faces
    ) -> None:
        """Store the labels of a block, then record that it is finished."""
        self.raw[(*plane, *core)] = labels
        count = max((int(part.max(initial=0)) for part in (labels, *faces.values())), default=0)
        sizes = np.bincount(labels.ravel(), minlength=count + 1)
        kind = np.uint16 if count < 2**16 else np.uint32
        with atomic_path(self.work / "blocks" / f"{number}.npz") as temporary, temporary.open("wb") as file:
            arrays: dict[str, Any] = {"sizes": sizes} | {name: part.astype(kind) for name, part in faces.items()}
            np.savez_compressed(file, **arrays)

    def sizes(self, number: int) -> NDArray[np.int64]:
        """Pixels of each object within a finished block, ``(N + 1,)``, the background first.

        Raises
        ------
        DataError
            If its record is damaged.
        """
        return self._recorded(number, "sizes").astype(np.int64)

    def face(self, number: int, face: str) -> NDArray[np.integer[Any]]:
        """Labels of the band that a finished block shares with a neighbor, see :data:`Faces`."""
        return self._recorded(number, face)

    def _recorded(self, number: int, name: str) -> NDArray[Any]:
        path = self.work / "blocks" / f"{number}.npz"
        try:
            with np.load(path) as arrays:
                return np.asarray(arrays[name])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(
                f"The record {str(path)!r} of a finished block is damaged ({error}).",
                "Delete it and run the same command again.",
            ) from error

    @cached_property
    def raw(self) -> Any:
        """Labels of the blocks, each numbered from 1."""
        return zarr.open_array(self.work / "raw", mode="r+")

    def relabeled(
        self, table: NDArray[np.uint32], offset: int, plane: tuple[int, ...], core: Box
    ) -> NDArray[np.uint32]:
        """Labels of a block with their final numbers."""
        labels = np.asarray(self.raw[(*plane, *core)])
        numbers = np.zeros(int(labels.max(initial=0)) + 1, np.uint32)
        numbers[1:] = table[offset : offset + len(numbers) - 1]
        result: NDArray[np.uint32] = numbers[labels]
        return result

    @property
    def is_written(self) -> bool:
        """Whether the label image is complete."""
        return self._mark is not None and self._mark != _INCOMPLETE

    def is_result_of(self, plan: Mapping[str, Any]) -> bool:
        """Whether the label image is complete, was made by a job of this identity, and only has to be opened."""
        return self._plan() is None and self.is_written and self._mark.get(JOB) == job_key(plan)

    def close(self) -> None:
        """Remove what was needed only until the end."""
        self._remove_work()

    @property
    def _mark(self) -> Any:
        return attributes_of(self.path).get(PROVENANCE)

    def _names(self) -> set[str]:
        """Of what is in the folder, except files that zarr did not complete."""
        children = self.path.iterdir() if self.path.exists() else ()
        return {child.name for child in children if not child.match(_UNFINISHED)}

    def _remove_work(self) -> None:
        for child in [*self.work.glob("*"), *self.path.glob(_UNFINISHED)]:
            if child.is_dir():
                shutil.rmtree(child)
            elif child.name != _PLAN:
                child.unlink(missing_ok=True)
        (self.work / _PLAN).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            self.work.rmdir()

    def _plan(self) -> Any:
        try:
            return json.loads((self.work / _PLAN).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _clear(self) -> None:
        """Remove our arrays and metadata; anything else in the folder stays."""
        (self.path / "zarr.json").unlink(missing_ok=True)  # first: half of it is no image
        if self.path.exists():
            for child in self.path.iterdir():
                if child.name.isdecimal() and (child / "zarr.json").exists():
                    shutil.rmtree(child)
        self._remove_work()
