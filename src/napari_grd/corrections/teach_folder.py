"""The folder of a teacher that is taught, and of its student: an interrupted distillation goes on.

Until the student is written::

    teacher.grd.safetensors     the tuned teacher
    .grd-work/teacher.json      which job it is of: only the same goes on
    .grd-work/                  the distillation, with its checkpoint and the teacher's predictions
"""

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_grd.config import FineTuneConfig
from napari_grd.corrections.collection import Entry
from napari_grd.corrections.corrected_planes import CorrectedImage
from napari_grd.corrections.files import to_feature, to_json
from napari_grd.data.fingerprint import image_key, model_fingerprint, text_key
from napari_grd.distillation.finish import model_path
from napari_grd.errors import ConfigError
from napari_grd.hub import load_model
from napari_grd.io.atomic import atomic_path, make_folder
from napari_grd.io.model_file import save_model
from napari_grd.models.model import Model

_WORK, _TEACHER = ".grd-work", "teacher.json"


@dataclass(frozen=True)
class TeachFolder:
    """The folder of a job.

    Attributes
    ----------
    path : Path
        It exists.
    job : str
        Identity of the job, see :func:`teach_key`.
    """

    path: Path
    job: str

    @property
    def work(self) -> Path:
        """Folder of the distillation."""
        return self.path / _WORK

    def teacher(self) -> Model | None:
        """The tuned teacher, if the job was interrupted after that.

        Raises
        ------
        ConfigError
            If another job was interrupted in this folder.
        """
        try:
            begun = json.loads((self.work / _TEACHER).read_bytes())
        except (OSError, ValueError):
            return None
        if begun.get("job") != self.job:
            raise ConfigError(
                f"The job that was interrupted in {str(self.path)!r} has another teacher, or other corrections, images"
                " or settings.",
                f"Choose another folder, or delete {str(self.work)!r}.",
            )
        path = model_path(self.path, "teacher")
        teacher = load_model(path) if path.exists() else None
        return None if teacher is None or model_fingerprint(teacher) != begun.get("teacher") else teacher

    def keep(self, teacher: Model) -> Path:
        """Write the tuned teacher, so that the job can go on from here; return its file."""
        discard_begun(self.path)
        written = save_model(teacher, model_path(self.path, "teacher"))
        make_folder(self.work)
        with atomic_path(self.work / _TEACHER) as temporary:
            temporary.write_text(json.dumps({"job": self.job, "teacher": model_fingerprint(teacher)}), encoding="utf-8")
        return written


def is_begun(path: Path) -> bool:
    """Whether a job was interrupted in a folder after its teacher was tuned."""
    return (path / _WORK / _TEACHER).exists()


def discard_begun(path: Path) -> None:
    """Remove what is needed to go on with the job in a folder; teacher and student stay."""
    (path / _WORK / _TEACHER).unlink(missing_ok=True)  # first: half of the rest is of no use
    shutil.rmtree(path / _WORK, ignore_errors=True)


def teach_key(model: Model, corrected: Sequence[CorrectedImage], images: Iterable[Any], config: FineTuneConfig) -> str:
    """Identity of a job, as far as its tuned teacher depends on it; the distillation checks the rest.

    Parameters
    ----------
    model : Model
        The teacher before.
    corrected : sequence of CorrectedImage
    images : iterable of arrays
        All that are learned from.
    config : FineTuneConfig
    """
    made = [
        (
            feature["geometry"],
            {name: feature["properties"].get(name) for name in ("kind", "plane", "pixel", "growth", "other")},
        )
        for image in corrected
        for correction in image.corrections
        if correction.time is not None
        for feature in [to_feature(Entry(correction, True, correction.time), image.corrections.image)]
    ]
    labels = [image_key(np.asarray(image.labels)) for image in corrected if image.labels is not None]
    settings = config.model_dump_json(by_alias=True, exclude={"device", "threads"})
    return text_key(model_fingerprint(model), settings, to_json(made), *labels, *map(image_key, images))
