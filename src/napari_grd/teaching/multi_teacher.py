"""Several teachers, one for each image: say, one for nuclei and one for dense cells.

Embeddings of two teachers are in different spaces, so neither the student nor the memory bank may compare them. Only
comparable outputs are passed on: instances, foreground and affinities. An assistant trained on these provides a common
embedding space for the full method; or the student is distilled from them directly.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_grd.data.fingerprint import image_key, text_key
from napari_grd.errors import ConfigError, DataError
from napari_grd.graph.affinities import affinities_from_embedding
from napari_grd.graph.offsets import default_offsets
from napari_grd.teaching.base import Teacher, TeacherInfo, TeacherPrediction
from napari_grd.teaching.confidence import ConfidentTeacher
from napari_grd.teaching.prediction_check import GIANT, largest_share
from napari_grd.teaching.registry import TeacherLike, as_teacher


class MultiTeacher:
    """A teacher for each image.

    For an image without a chosen teacher, the teacher with the highest mean confidence over instances is used, computed
    by test-time augmentation (:class:`ConfidentTeacher`). A prediction without instances, or with a single one
    everywhere, has confidence 0. A teacher with given labels of an image takes precedence.

    Parameters
    ----------
    teachers : mapping of str to Teacher
        At least one.
    choice : mapping of str to str, optional
        Name of the teacher by :func:`~napari_grd.data.fingerprint.image_key` of an image.

    Raises
    ------
    ConfigError
        If there is no teacher, or an unknown one is chosen.
    """

    gives_embeddings = False

    def __init__(self, teachers: Mapping[str, Teacher], choice: Mapping[str, str] | None = None) -> None:
        if not teachers:
            raise ConfigError("There are no teachers to choose from.", "Name at least one.")
        self.teachers = dict(teachers)
        self._choice = dict(choice or {})
        for name in self._choice.values():
            if name not in self.teachers:
                raise ConfigError(f"There is no teacher named {name!r}.", f"Choose among {', '.join(self.teachers)}.")

    @property
    def name(self) -> str:
        """Names of all."""
        return " + ".join(self.teachers)

    @property
    def restrictions(self) -> str:
        """Restrictions of all their licenses."""
        texts = (str(getattr(teacher, "restrictions", "")) for teacher in self.teachers.values())
        return " ".join(dict.fromkeys(filter(None, texts)))

    @property
    def fingerprint(self) -> str:
        """A hash of all teachers and of the choice."""
        parts = [f"{name}={teacher.fingerprint}" for name, teacher in self.teachers.items()]
        parts += [f"{key}:{name}" for key, name in sorted(self._choice.items())]
        return text_key("several", *parts)

    def assigned(self, images: Sequence[NDArray[Any]], names: Sequence[str | None]) -> "MultiTeacher":
        """Return the same teachers, with one chosen for each image.

        Parameters
        ----------
        images : sequence of (C, *S) array
            The images to predict.
        names : sequence of (str or None)
            One per image; None: the most confident teacher.

        Raises
        ------
        ConfigError
            If there are more or fewer names than images, or one is unknown.
        """
        if len(names) != len(images):
            raise ConfigError(
                f"There are {len(images)} images, but teachers for {len(names)}.", "Name one, or None, for each image."
            )
        chosen = {image_key(image): name for image, name in zip(images, names, strict=True) if name is not None}
        return MultiTeacher(self.teachers, self._choice | chosen)

    def confident(self) -> "MultiTeacher":
        """The same teachers with a confidence, except those with given labels."""
        sure = {
            name: teacher if hasattr(teacher, "knows") else ConfidentTeacher(teacher)
            for name, teacher in self.teachers.items()
        }
        return MultiTeacher(sure, self._choice)

    def choose(self, image: NDArray[Any]) -> str:
        """Name of the teacher of an image.

        Parameters
        ----------
        image : (C, *S) array
            Raw intensities.
        """
        return self._ask(image)[0]

    def predict(self, image: NDArray[Any]) -> TeacherPrediction:
        """Return the prediction of the image's teacher: instances, foreground and affinities, without embeddings.

        Parameters
        ----------
        image : (C, *S) array
            Raw intensities.

        Raises
        ------
        DataError
            If no teacher can predict the image.
        """
        return _comparable(self._ask(image)[1])

    def _ask(self, image: NDArray[Any]) -> tuple[str, TeacherPrediction]:
        name = self._choice.get(image_key(image))
        if name is not None:
            return name, self.teachers[name].predict(image)
        looking: list[tuple[str, TeacherPrediction]] = []
        for name, teacher in self.teachers.items():
            knows = getattr(teacher, "knows", None)
            if knows is None:
                looking.append((name, ConfidentTeacher(teacher).predict(image)))
            elif knows(image):
                return name, teacher.predict(image)
        if not looking:
            raise DataError(
                f"None of the teachers {', '.join(self.teachers)} has labels for this image of shape {image.shape}.",
                "Give its labels to one of them, or add a teacher that can predict new images.",
            )
        return max(looking, key=lambda answer: _certainty(answer[1]))


def _certainty(prediction: TeacherPrediction) -> float:
    """Mean confidence over instances; 0 if they are implausible."""
    ids, first = np.unique(prediction.labels, return_index=True)
    if not ids.any() or largest_share(prediction.labels) > GIANT:
        return 0.0
    assert prediction.confidence is not None
    return float(prediction.confidence.ravel()[first[ids > 0]].mean())


def _comparable(prediction: TeacherPrediction) -> TeacherPrediction:
    """Affinities in place of embeddings."""
    if prediction.embeddings is None:
        return prediction
    offsets = default_offsets(prediction.labels.ndim)
    with torch.no_grad():
        cosines = affinities_from_embedding(torch.from_numpy(prediction.embeddings)[None], offsets)[0]
    # A cosine below 0 means the same as 0: different instances.
    affinities = cosines.clamp(0, 1).numpy()
    return TeacherPrediction(
        prediction.labels, prediction.foreground, affinities=affinities, confidence=prediction.confidence
    )


def info() -> TeacherInfo:
    """Return the registry's information about this teacher."""
    return TeacherInfo(
        name="several",
        summary="Several teachers: each image is predicted by the one chosen for it, or the most confident one.",
        license="those of the teachers",
        options={"teachers": "mapping of names to teachers, models, names of built-in ones, or paths"},
    )


def load(teachers: Mapping[str, TeacherLike]) -> Teacher:
    """Combine several teachers into one; a single one is returned as it is, with its embeddings.

    Raises
    ------
    GrdError
        If there is none, or one of them cannot be loaded.
    """
    loaded = {name: as_teacher(source) for name, source in teachers.items()}
    return MultiTeacher(loaded) if len(loaded) != 1 else loaded.popitem()[1]
